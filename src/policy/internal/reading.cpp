#include "policy/internal/reading.h"

#include <algorithm>

namespace adyton::policy::internal {
namespace {

constexpr std::size_t kNameBytesMax = 64;

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string hint(std::string_view text, const std::vector<std::string_view>& known) {
    constexpr std::size_t kTextBytesMax = 64;
    constexpr std::size_t kDistanceMax = 3;
    if (text.size() > kTextBytesMax) return "";
    std::string_view best;
    std::size_t best_distance = kDistanceMax + 1;
    for (const std::string_view name : known) {
        const std::size_t distance = edit_distance(text, name);
        if (distance < best_distance && distance < name.size()) {
            best = name;
            best_distance = distance;
        }
    }
    if (best.empty()) return "";
    return ", did you mean \"" + std::string(best) + "\"?";
}

std::string shown(std::string_view text) {
    constexpr std::size_t kShownMax = 64;
    std::string out = "\"";
    for (const char c : text.substr(0, kShownMax)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return out + "\"";
}

Error wrong(const std::string& path, std::string_view what) {
    return Error::invalid_argument(path + ": " + std::string(what), "policy_invalid");
}

Result<void> check_members(
    const base::Json& object, const std::string& path, const std::vector<std::string_view>& known) {
    if (!object.is_object()) return wrong(path, "must be a table");
    for (const auto& [name, value] : object.members()) {
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        return wrong(path, "unknown key " + shown(name) + hint(name, known));
    }
    return {};
}

Result<std::string> parse_name(const base::Json* json, const std::string& path) {
    const bool good = json != nullptr && json->is_string() && !json->string_value().empty() &&
                      json->string_value().size() <= kNameBytesMax &&
                      std::all_of(
                          json->string_value().begin(), json->string_value().end(),
                          [](char c) { return c >= 0x20 && c < 0x7f && c != '"'; });
    if (!good) return wrong(path, "must be 1 to 64 printable ASCII characters");
    return json->string_value();
}

Result<base::Amount> parse_amount(const base::Json& json, const std::string& path) {
    const bool good = json.is_string() || json.is_number();
    const auto amount =
        good ? base::Amount::parse(json.is_string() ? json.string_value() : json.number_text())
             : Result<base::Amount>(Error::invalid_argument(""));
    if (!amount) return wrong(path, "must be an amount: decimal digits, 0 to 2^128 - 1");
    return *amount;
}

Result<bool> parse_flag(const base::Json& json, const std::string& path) {
    if (!json.is_boolean()) return wrong(path, "must be true or false");
    return json.boolean_value();
}

Result<std::int64_t> parse_integer(
    const base::Json& json, const std::string& path, std::int64_t low, std::int64_t high) {
    const auto number = json.as_int64();
    if (!number || *number < low || *number > high) {
        return wrong(
            path, "must be an integer, " + std::to_string(low) + " to " + std::to_string(high));
    }
    return *number;
}

base::Json text_list(const std::vector<std::string>& items) {
    base::Json out = base::Json::array();
    for (const std::string& item : items) out.push_back(base::Json::string(item));
    return out;
}

}  // namespace adyton::policy::internal
