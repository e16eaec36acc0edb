#include "service/internal/setting_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace adyton::service::internal {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t end = std::min(text.find(separator, start), text.size());
        std::string_view part = text.substr(start, end - start);
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
        if (!part.empty()) parts.push_back(part);
        start = end + 1;
    }
    return parts;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return out;
}

Error wants(std::string_view what) {
    return Error::invalid_argument("wants " + std::string(what));
}

Result<SettingValue> check_integer(const Setting& setting, std::int64_t value) {
    if (value < setting.min || value > setting.max) {
        const bool open = setting.max == std::numeric_limits<std::int64_t>::max();
        return wants(
            "an integer of " + std::to_string(setting.min) +
            (open ? " or more" : " to " + std::to_string(setting.max)));
    }
    return SettingValue(value);
}

Result<SettingValue> parse_integer(const Setting& setting, std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return wants("an integer");
    return check_integer(setting, value);
}

Result<SettingValue> check_real(const Setting& setting, double value) {
    const auto low = static_cast<double>(setting.min);
    const auto high = static_cast<double>(setting.max);
    if (!std::isfinite(value) || value < low || value > high) {
        return wants(
            "a number of " + std::to_string(setting.min) + " to " + std::to_string(setting.max));
    }
    return SettingValue(value);
}

Result<SettingValue> parse_real(const Setting& setting, std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return wants("a number");
    return check_real(setting, value);
}

Result<SettingValue> parse_boolean(std::string_view text) {
    const std::string word = lower(text);
    if (word == "true" || word == "1" || word == "yes" || word == "on") return SettingValue(true);
    if (word == "false" || word == "0" || word == "no" || word == "off") {
        return SettingValue(false);
    }
    return wants("true or false");
}

Result<SettingValue> parse_duration(const Setting& setting, std::string_view text) {
    const auto value = base::parse_go_duration(text);
    if (!value || *value < base::Duration::zero()) {
        return wants("a duration such as 90s, 15m or 24h");
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*value).count();
    if (ms < setting.min || ms > setting.max) {
        const auto text_of = [](std::int64_t limit_ms) {
            return base::to_go_duration(std::chrono::milliseconds(limit_ms));
        };
        const bool open = setting.max == std::numeric_limits<std::int64_t>::max();
        return wants(
            "a duration of " + text_of(setting.min) +
            (open ? " or more" : " to " + text_of(setting.max)));
    }
    return SettingValue(*value);
}

Result<SettingValue> parse_choice(const Setting& setting, std::string_view text) {
    const std::string word = lower(text);
    const auto choices = split(setting.choices, ' ');
    if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
        std::string all;
        for (const auto choice : choices) all += (all.empty() ? "" : ", ") + std::string(choice);
        return wants("one of " + all);
    }
    return SettingValue(word);
}

Result<SettingValue> parse_address(std::string_view text) {
    TRY(const auto address, parse_host_port(text));
    return SettingValue(address.to_string());
}

Result<SettingValue> parse_reference(std::string_view text) {
    TRY(auto reference, attest::SecretReference::parse(text));
    return SettingValue(Reference(std::move(reference)));
}

SettingValue unset(SettingKind kind) {
    switch (kind) {
        case SettingKind::Integer:
            return std::int64_t{0};
        case SettingKind::Real:
            return 0.0;
        case SettingKind::Boolean:
            return false;
        case SettingKind::Duration:
            return base::Duration::zero();
        case SettingKind::List:
            return TextList{};
        case SettingKind::Secret:
        case SettingKind::Source:
            return Reference{};
        case SettingKind::Section:
            return base::Json::object();
        case SettingKind::Text:
        case SettingKind::Choice:
        case SettingKind::Address:
            break;
    }
    return std::string();
}

// {file = "PATH"}, {credential = "NAME"}, {env = "NAME"}.
Result<SettingValue> read_reference(const TomlNode& node) {
    if (node.type == TomlNode::Type::Text) return parse_reference(node.text);
    constexpr std::string_view kWanted =
        "one of {file = \"PATH\"}, {credential = \"NAME\"}, {env = \"VARIABLE\"}; the value itself "
        "does not belong into the configuration";
    if (node.type != TomlNode::Type::Table || node.members.size() != 1) return wants(kWanted);
    const auto& [kind, name] = node.members.front();
    if (name.type != TomlNode::Type::Text) return wants(kWanted);
    if (kind != "file" && kind != "credential" && kind != "env") return wants(kWanted);
    return parse_reference(kind + ":" + name.text);
}

Result<SettingValue> read_list(const TomlNode& node) {
    TextList list;
    for (const TomlNode& item : node.items) {
        if (item.type != TomlNode::Type::Text) return wants("an array of texts");
        list.push_back(item.text);
    }
    return SettingValue(std::move(list));
}

struct Range {
    std::size_t begin = 0;
    std::size_t size = 0;
};

// USER:PASSWORD@ before the host.
std::optional<Range> password_of_user(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    const std::size_t start = scheme + 3;
    const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
    const std::string_view authority = url.substr(start, end - start);
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    const std::size_t colon = authority.substr(0, at).find(':');
    if (colon == std::string_view::npos || colon + 1 == at) return std::nullopt;
    return Range{start + colon + 1, at - colon - 1};
}

// password=PASSWORD among the parameters.
std::optional<Range> password_parameter(std::string_view url) {
    constexpr std::string_view kName = "password=";
    for (std::size_t at = url.find('?'); at != std::string_view::npos; at = url.find('&', at + 1)) {
        if (!url.substr(at + 1).starts_with(kName)) continue;
        const std::size_t begin = at + 1 + kName.size();
        const std::size_t end = std::min(url.find('&', begin), url.size());
        if (begin < end) return Range{begin, end - begin};
    }
    return std::nullopt;
}

}  // namespace

Result<SettingValue> parse_setting(const Setting& setting, std::string_view text) {
    if (text.empty()) return unset(setting.kind);
    switch (setting.kind) {
        case SettingKind::Text:
            return SettingValue(std::string(text));
        case SettingKind::Integer:
            return parse_integer(setting, text);
        case SettingKind::Real:
            return parse_real(setting, text);
        case SettingKind::Boolean:
            return parse_boolean(text);
        case SettingKind::Duration:
            return parse_duration(setting, text);
        case SettingKind::Choice:
            return parse_choice(setting, text);
        case SettingKind::Address:
            return parse_address(text);
        case SettingKind::List: {
            TextList list;
            for (const auto part : split(text, ',')) list.emplace_back(part);
            return SettingValue(std::move(list));
        }
        case SettingKind::Secret:
        case SettingKind::Source:
            return parse_reference(text);
        case SettingKind::Section:
            break;
    }
    return Error::invalid_argument("can be set in the configuration file only");
}

Result<SettingValue> read_setting(
    const Setting& setting, const TomlNode& node, std::string_view name) {
    using Type = TomlNode::Type;
    switch (setting.kind) {
        case SettingKind::Section: {
            if (node.type != Type::Table) return wants("a table");
            TRY(auto json, to_json(node, name));
            return SettingValue(std::move(json));
        }
        case SettingKind::Secret:
        case SettingKind::Source:
            return read_reference(node);
        case SettingKind::List:
            if (node.type != Type::Array) return wants("an array of texts");
            return read_list(node);
        case SettingKind::Integer:
            if (node.type != Type::Integer) return wants("an integer without quotes");
            return check_integer(setting, node.integer);
        case SettingKind::Real:
            if (node.type == Type::Integer) {
                return check_real(setting, static_cast<double>(node.integer));
            }
            if (node.type != Type::Real) return wants("a number without quotes");
            return check_real(setting, node.real);
        case SettingKind::Boolean:
            if (node.type != Type::Boolean) return wants("true or false without quotes");
            return SettingValue(node.boolean);
        case SettingKind::Text:
        case SettingKind::Duration:
        case SettingKind::Choice:
        case SettingKind::Address:
            break;
    }
    if (node.type != Type::Text) return wants("text in quotes");
    return parse_setting(setting, node.text);
}

bool has_password(std::string_view url) {
    return password_of_user(url).has_value() || password_parameter(url).has_value();
}

std::string without_password(std::string_view url) {
    std::string out(url);
    // from the end, so that the places stay right
    if (const auto range = password_parameter(out)) out.replace(range->begin, range->size, "***");
    if (const auto range = password_of_user(out)) out.replace(range->begin, range->size, "***");
    return out;
}

}  // namespace adyton::service::internal
