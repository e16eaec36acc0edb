#include <algorithm>

#include "service/config.h"

namespace adyton::service {
namespace {

std::string_view kind_name(SettingKind kind) {
    switch (kind) {
        case SettingKind::Text:
            return "text";
        case SettingKind::Integer:
            return "integer";
        case SettingKind::Real:
            return "number";
        case SettingKind::Boolean:
            return "boolean";
        case SettingKind::Duration:
            return "duration";
        case SettingKind::Choice:
            return "choice";
        case SettingKind::Address:
            return "HOST:PORT";
        case SettingKind::List:
            return "list";
        case SettingKind::Secret:
            return "secret (reference)";
        case SettingKind::Source:
            return "text (reference)";
        case SettingKind::Section:
            break;
    }
    return "table";
}

// ["a", "b"] of "a,b".
std::string toml_list(std::string_view text) {
    std::string out = "[";
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        out += (out.size() > 1 ? ", \"" : "\"") + std::string(text.substr(0, comma)) + "\"";
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return out + "]";
}

std::pair<std::string_view, std::string_view> split_key(std::string_view key) {
    const std::size_t dot = key.rfind('.');
    if (dot == std::string_view::npos) return {"", key};
    return {key.substr(0, dot), key.substr(dot + 1)};
}

// The default as TOML, or an example when there is none.
std::string toml_value(const Setting& setting) {
    std::string text(setting.default_text);
    switch (setting.kind) {
        case SettingKind::Integer:
        case SettingKind::Real:
        case SettingKind::Boolean:
            return text;
        case SettingKind::List:
            return toml_list(text);
        case SettingKind::Section:
            return "{}";
        case SettingKind::Secret:
        case SettingKind::Source:
            return "{file = \"/run/secrets/" + std::string(split_key(setting.key).second) + "\"}";
        case SettingKind::Text:
        case SettingKind::Duration:
        case SettingKind::Choice:
        case SettingKind::Address:
            break;
    }
    return "\"" + text + "\"";
}

void append_wrapped(std::string& out, std::string_view text) {
    constexpr std::size_t kWidth = 96;
    while (!text.empty()) {
        std::size_t end = text.size();
        if (end > kWidth) {
            end = text.rfind(' ', kWidth);
            if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
        }
        out.append("# ").append(text.substr(0, end)).push_back('\n');
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

// Tables in the order in which they first appear; the settings without one come first.
std::vector<std::string_view> tables_of(Schema schema) {
    std::vector<std::string_view> tables{""};
    for (const Setting& setting : schema) {
        const std::string_view table = split_key(setting.key).first;
        if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
    }
    return tables;
}

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "`" : ", `") + name + "`";
    return out;
}

std::string limits_of(const Setting& setting) {
    using Limits = std::numeric_limits<std::int64_t>;
    const bool duration = setting.kind == SettingKind::Duration;
    const auto text_of = [&](std::int64_t limit) {
        return duration ? base::to_go_duration(std::chrono::milliseconds(limit))
                        : std::to_string(limit);
    };
    if (setting.kind == SettingKind::Choice) {
        std::string out(setting.choices);
        std::replace(out.begin(), out.end(), ' ', '\n');
        std::string list;
        for (const char c : out) list += c == '\n' ? std::string(", ") : std::string(1, c);
        return list;
    }
    if (setting.min == Limits::min() && setting.max == Limits::max()) return {};
    if (setting.max == Limits::max()) return text_of(setting.min) + " or more";
    return text_of(setting.min) + " to " + text_of(setting.max);
}

void append_entry(std::string& out, const Setting& setting) {
    out.append("### `").append(setting.key).append("`\n\n").append(setting.help).append("\n\n");
    out.append("- type: ").append(kind_name(setting.kind));
    const std::string limits = limits_of(setting);
    if (!limits.empty()) out.append(" (").append(limits).append(")");
    out.append("\n- default: ");
    if (setting.default_text.empty()) {
        out.append("unset\n");
    } else {
        out.append("`").append(setting.default_text).append("`\n");
    }
    const auto names = variables_of(setting);
    if (!names.empty()) out.append("- environment: ").append(joined(names)).append("\n");
    if (!setting.port_variable.empty()) {
        out.append("- port by environment: `").append(setting.port_variable).append("`\n");
    }
    if (!setting.flag.empty()) out.append("- flag: `").append(setting.flag).append("`\n");
    out.push_back('\n');
}

}  // namespace

std::string sample_config(Schema schema) {
    std::string out =
        "# Adyton configuration. Every setting stands here with its default; lines that begin "
        "with\n"
        "# '#' and a key are unset. Environment variables and flags win over this file.\n";
    for (const std::string_view table : tables_of(schema)) {
        if (!table.empty()) out.append("\n[").append(table).append("]\n");
        for (const Setting& setting : schema) {
            const auto [of, name] = split_key(setting.key);
            if (of != table) continue;
            out.push_back('\n');
            append_wrapped(out, setting.help);
            if (setting.default_text.empty()) out.append("# ");
            out.append(name).append(" = ").append(toml_value(setting)).push_back('\n');
        }
    }
    return out;
}

std::string config_reference(Schema schema) {
    std::string out =
        "# Configuration\n\n"
        "Made by `adyton config reference`; do not edit.\n\n"
        "Values come from the defaults, the configuration file (TOML), the environment and flags, "
        "in rising order. An empty variable counts as one that is not set; an empty flag is given, "
        "like any other. Unknown keys are errors. `adyton config check` prints what is in force "
        "and where each value came from.\n\n"
        "Secrets are never written into the configuration, only named: `{file = \"PATH\"}`, "
        "`{credential = \"NAME\"}` (a systemd credential) or `{env = \"VARIABLE\"}`, or the same "
        "in "
        "one text, `\"file:PATH\"`. A secret's variables hold the secret itself and are read once "
        "and wiped; with `_FILE` behind the name (`POOL_MASTER_KEY_FILE`) they hold a path. Any "
        "setting can be given as `--set KEY=VALUE`.\n";
    for (const std::string_view table : tables_of(schema)) {
        out.append("\n## ").append(table.empty() ? "Process" : table).append("\n\n");
        for (const Setting& setting : schema) {
            if (split_key(setting.key).first == table) append_entry(out, setting);
        }
        out.pop_back();
    }
    return out;
}

}  // namespace adyton::service
