#include "service/config.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "service/internal/setting_value.h"
#include "service/internal/toml.h"

namespace adyton::service {

std::string_view to_string(Origin origin) {
    switch (origin) {
        case Origin::Default:
            return "default";
        case Origin::File:
            return "file";
        case Origin::Environment:
            return "environment";
        case Origin::Flag:
            break;
    }
    return "flag";
}

const Config::Entry& Config::entry(std::string_view key) const {
    const auto found = entries_.find(key);
    CHECK(found != entries_.end());
    return found->second;
}

template <typename T>
const T& Config::value_of(std::string_view key) const {
    const T* value = std::get_if<T>(&entry(key).value);
    CHECK(value != nullptr);
    return *value;
}

const std::string& Config::get(Key<std::string> key) const {
    return value_of<std::string>(key.name);
}
std::int64_t Config::get(Key<std::int64_t> key) const {
    return value_of<std::int64_t>(key.name);
}
double Config::get(Key<double> key) const {
    return value_of<double>(key.name);
}
bool Config::get(Key<bool> key) const {
    return value_of<bool>(key.name);
}
base::Duration Config::get(Key<base::Duration> key) const {
    return value_of<base::Duration>(key.name);
}
const TextList& Config::get(Key<TextList> key) const {
    return value_of<TextList>(key.name);
}
const Reference& Config::get(Key<Reference> key) const {
    return value_of<Reference>(key.name);
}
const base::Json& Config::get(Key<base::Json> key) const {
    return value_of<base::Json>(key.name);
}

Origin Config::origin(std::string_view key) const {
    return entry(key).origin;
}

const std::string& Config::where(std::string_view key) const {
    return entry(key).where;
}

base::Json Config::display(const Entry& entry) {
    using base::Json;
    struct Show {
        const Setting& setting;
        Json operator()(const std::string& text) const {
            // POOL_MASTER_KEY_HASH may hold raw bytes
            if (!base::is_valid_utf8(text)) {
                return Json::string("hex:" + base::hex_encode(base::as_bytes(text)));
            }
            return Json::string(setting.redact_password ? internal::without_password(text) : text);
        }
        Json operator()(std::int64_t number) const { return Json::integer(number); }
        Json operator()(double number) const { return Json::real(number); }
        Json operator()(bool flag) const { return Json::boolean(flag); }
        Json operator()(base::Duration span) const {
            return Json::string(base::to_go_duration(span));
        }
        Json operator()(const TextList& list) const {
            Json out = Json::array();
            for (const std::string& item : list) out.push_back(Json::string(item));
            return out;
        }
        Json operator()(const Reference& reference) const {
            return reference ? Json::string(reference->to_string()) : Json();
        }
        Json operator()(const Json& section) const { return section; }
    };
    return std::visit(Show{*entry.setting}, entry.value);
}

std::string Config::to_text() const {
    std::size_t key_width = 0;
    std::size_t value_width = 0;
    constexpr std::size_t kValueWidthMax = 48;
    std::vector<std::pair<const Entry*, std::string>> lines;
    for (const Setting& setting : schema_) {
        const Entry& shown = entry(setting.key);
        const base::Json value = display(shown);
        std::string text = value.is_null() ? "(unset)" : value.dump_pretty();
        std::replace(text.begin(), text.end(), '\n', ' ');
        key_width = std::max(key_width, setting.key.size());
        value_width = std::max(value_width, std::min(text.size(), kValueWidthMax));
        lines.emplace_back(&shown, std::move(text));
    }
    std::string out;
    for (const auto& [shown, text] : lines) {
        std::string line(shown->setting->key);
        line.append(key_width - line.size(), ' ').append(" = ").append(text);
        const std::size_t column = key_width + 3 + value_width;
        if (line.size() < column) line.append(column - line.size(), ' ');
        out.append(line).append("  # ").append(shown->where).push_back('\n');
    }
    return out;
}

base::Json Config::to_json() const {
    base::Json out = base::Json::object();
    for (const Setting& setting : schema_) {
        const Entry& shown = entry(setting.key);
        base::Json item = base::Json::object();
        item.set("value", display(shown));
        item.set("origin", base::Json::string(std::string(to_string(shown.origin))));
        item.set("where", base::Json::string(shown.where));
        out.set(std::string(setting.key), std::move(item));
    }
    return out;
}

Result<base::Json> parse_toml(std::string_view text, std::string_view name) {
    TRY(const auto document, internal::read_toml(text, name));
    return internal::to_json(document, name);
}

}  // namespace adyton::service
