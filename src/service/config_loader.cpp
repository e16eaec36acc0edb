#include <algorithm>

#include "base/check.h"
#include "service/config.h"
#include "service/internal/near_match.h"
#include "service/internal/setting_value.h"
#include "service/internal/toml.h"

namespace adyton::service {

namespace {

constexpr std::string_view kAutomaticPrefix = "ADYTON_";
constexpr std::string_view kFileSuffix = "_FILE";

bool is_reference(const Setting& setting) {
    return setting.kind == SettingKind::Secret || setting.kind == SettingKind::Source;
}

}  // namespace

// The variables of a setting, the contract's first.
std::vector<std::string> variables_of(const Setting& setting) {
    std::vector<std::string> names;
    std::string_view rest = setting.environment;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        if (end > 0) names.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (setting.kind != SettingKind::Section) names.push_back(automatic_variable(setting.key));
    return names;
}

std::string automatic_variable(std::string_view key) {
    std::string name(kAutomaticPrefix);
    for (const char c : key) {
        if (c == '.') {
            name.push_back('_');
        } else {
            name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c);
        }
    }
    return name;
}

// Builds a Config from defaults, file, environment and flags, and gathers every problem on the way.
class ConfigLoader {
public:
    ConfigLoader(Schema schema, const ConfigInputs& inputs) : inputs_(inputs) {
        config_.schema_ = schema;
        for (const Setting& setting : schema) keys_.emplace_back(setting.key);
    }

    Result<Config> load() {
        apply_defaults();
        apply_file();
        for (const Setting& setting : config_.schema_) {
            apply_environment(setting);
            apply_port(setting);
        }
        apply_flags();
        check_variables();
        if (problems_.empty()) return std::move(config_);
        std::string all;
        for (const std::string& problem : problems_) {
            if (!all.empty()) all.push_back('\n');
            all += problem;
        }
        return Error::invalid_argument(std::move(all), "configuration");
    }

private:
    void problem(std::string_view where, std::string_view key, std::string_view message) {
        problems_.push_back(
            std::string(where) + ": " + std::string(key) + ": " + std::string(message));
    }

    const Setting* find(std::string_view key) const {
        for (const Setting& setting : config_.schema_) {
            if (setting.key == key) return &setting;
        }
        return nullptr;
    }

    void put(
        const Setting& setting, Result<internal::SettingValue> value, Origin origin,
        std::string where) {
        if (!value) {
            problem(where, setting.key, value.error().message());
            return;
        }
        Config::Entry& entry = config_.entries_.at(std::string(setting.key));
        entry.value = std::move(value).value();
        entry.origin = origin;
        entry.where = std::move(where);
    }

    void apply_defaults() {
        for (const Setting& setting : config_.schema_) {
            auto value = internal::parse_setting(setting, setting.default_text);
            CHECK(value);  // the table is ours; a test loads it
            Config::Entry entry;
            entry.setting = &setting;
            entry.value = std::move(value).value();
            CHECK(config_.entries_.emplace(std::string(setting.key), std::move(entry)).second);
        }
    }

    void apply_file() {
        if (!inputs_.file_text) return;
        const auto document = internal::read_toml(*inputs_.file_text, inputs_.file_name);
        if (!document) {
            problems_.push_back(document.error().message());
            return;
        }
        apply_table(*document, "");
    }

    bool is_group(const std::string& path) const {
        const std::string prefix = path + ".";
        return std::any_of(keys_.begin(), keys_.end(), [&](const std::string& key) {
            return key.starts_with(prefix);
        });
    }

    void apply_table(const internal::TomlNode& table, const std::string& path) {
        for (const auto& [name, node] : table.members) {
            const std::string key = path.empty() ? name : path + "." + name;
            const std::string where = inputs_.file_name + ":" + std::to_string(node.line);
            if (const Setting* setting = find(key)) {
                apply_node(*setting, node, where);
            } else if (!is_group(key)) {
                unknown(where, key);
            } else if (node.type != internal::TomlNode::Type::Table) {
                problem(where, key, "is a group of settings, [" + key + "]");
            } else {
                apply_table(node, key);
            }
        }
    }

    void apply_node(
        const Setting& setting, const internal::TomlNode& node, const std::string& where) {
        if (setting.redact_password && internal::has_password(node.text)) {
            problem(
                where, setting.key,
                "holds a password; files hold references only: put it into a secret setting or "
                "the environment");
            return;
        }
        put(setting, internal::read_setting(setting, node, inputs_.file_name), Origin::File, where);
    }

    void unknown(std::string_view where, const std::string& key) {
        const std::string near = internal::near_match(key, keys_);
        problem(
            where, key,
            near.empty() ? "no such setting (adyton config reference lists all)"
                         : "no such setting; did you mean " + near + "?");
    }

    const std::string* variable(const std::string& name) const {
        const auto found = inputs_.environment.find(name);
        return found == inputs_.environment.end() || found->second.empty() ? nullptr
                                                                           : &found->second;
    }

    void apply_environment(const Setting& setting) {
        for (const std::string& name : variables_of(setting)) {
            known_variables_.push_back(name);
            if (is_reference(setting)) known_variables_.push_back(name + std::string(kFileSuffix));
        }
        for (const std::string& name : variables_of(setting)) {
            if (is_reference(setting) ? apply_reference_variable(setting, name)
                                      : apply_text_variable(setting, name)) {
                return;
            }
        }
    }

    bool apply_reference_variable(const Setting& setting, const std::string& name) {
        using attest::SecretReference;
        const bool value = setting.kind == SettingKind::Secret
                               ? inputs_.secret_variables.contains(name)
                               : variable(name) != nullptr;
        const std::string file_name = name + std::string(kFileSuffix);
        const std::string* file = variable(file_name);
        if (value && file != nullptr) {
            problem(name, setting.key, "is set and " + file_name + " too; one of them is enough");
            return true;
        }
        if (value) {
            put(setting,
                internal::SettingValue(
                    Reference(SecretReference{SecretReference::Kind::Environment, name})),
                Origin::Environment, name);
        } else if (file != nullptr) {
            put(setting,
                internal::SettingValue(
                    Reference(SecretReference{SecretReference::Kind::File, *file})),
                Origin::Environment, file_name);
        }
        return value || file != nullptr;
    }

    bool apply_text_variable(const Setting& setting, const std::string& name) {
        const std::string* text = variable(name);
        if (text == nullptr) return false;
        auto value = internal::parse_setting(setting, *text);
        if (!value && setting.kind == SettingKind::Address) {
            // a host alone keeps the port
            const auto port = parse_host_port(config_.get(Key<std::string>{setting.key}));
            if (port) {
                value = internal::parse_setting(setting, *text + ":" + std::to_string(port->port));
            }
        }
        put(setting, std::move(value), Origin::Environment, name);
        return true;
    }

    void apply_port(const Setting& setting) {
        if (setting.port_variable.empty()) return;
        const std::string name(setting.port_variable);
        known_variables_.push_back(name);
        const std::string* text = variable(name);
        if (text == nullptr) return;
        const auto address = parse_host_port(config_.get(Key<std::string>{setting.key}));
        if (!address) return;  // told already
        const std::string host = HostPort{address->host, 0}.to_string();
        auto value = internal::parse_setting(setting, host.substr(0, host.size() - 1) + *text);
        if (!value) value = Error::invalid_argument("wants a port of 0 to 65535");
        put(setting, std::move(value), Origin::Environment, name);
    }

    void apply_flags() {
        for (const auto& [key, text] : inputs_.flags) {
            const Setting* setting = find(key);
            if (setting == nullptr) {
                unknown("--set", key);
                continue;
            }
            const std::string where =
                setting->flag.empty() ? "--set " + key : std::string(setting->flag);
            if (setting->redact_password && internal::has_password(text)) {
                problem(where, key, "holds a password, and flags are visible to every process");
                continue;
            }
            put(*setting, internal::parse_setting(*setting, text), Origin::Flag, where);
        }
    }

    // A mistyped variable of ours must not be passed over in silence.
    void check_variables() {
        std::vector<std::string> present;
        for (const auto& [name, value] : inputs_.environment) present.push_back(name);
        for (const std::string& name : present) {
            if (!name.starts_with(kAutomaticPrefix)) continue;
            if (std::find(known_variables_.begin(), known_variables_.end(), name) !=
                known_variables_.end()) {
                continue;
            }
            const std::string near = internal::near_match(name, known_variables_);
            if (near.empty()) {
                config_.warnings_.push_back("variable " + name + " is no setting; ignored");
            } else {
                problem("environment", name, "no such variable; did you mean " + near + "?");
            }
        }
    }

    const ConfigInputs& inputs_;
    Config config_;
    std::vector<std::string> keys_;
    std::vector<std::string> known_variables_;
    std::vector<std::string> problems_;
};

Result<Config> Config::load(Schema schema, const ConfigInputs& inputs) {
    return ConfigLoader(schema, inputs).load();
}

}  // namespace adyton::service
