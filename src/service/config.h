#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "attest/secret_source.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

// Configuration: a TOML file, the environment and flags, in rising order, checked against one typed
// table (settings.h). Unknown keys are errors, with the likely spelling. Secrets appear only as
// references, so the effective configuration can be printed.

namespace adyton::service {

// A secret or source setting comes from the variable itself or, with _FILE behind the name, from
// the file that the variable names: POOL_MASTER_KEY, POOL_MASTER_KEY_FILE.
//
// What a setting's text means. In TOML the matching type is demanded: integers unquoted, durations
// as text ("90s"), lists as arrays of strings, references as {file = "PATH"}, {credential =
// "NAME"}, {env = "NAME"} or the same in one text ("file:PATH"). In the environment and in flags
// everything is text and lists are separated by commas.
enum class SettingKind {
    Text,
    Integer,
    Real,
    Boolean,   // true, false; in the environment also 1, 0, yes, no, on, off
    Duration,  // Go's form, "24h", "1m30s"; not negative
    Choice,    // one of `choices`
    Address,   // "127.0.0.1:8085", "[::1]:8085", "localhost:8085"; empty: none
    List,
    Secret,   // a reference; the variable, if it is one, is read once and wiped
    Source,   // a reference to text that is no secret: certificates
    Section,  // any TOML below it, checked by the module that owns it
};

// The name of a setting and the C++ type of its value.
template <typename T>
struct Key {
    std::string_view name;
};
// For Secret and for Source; nothing when unset.
using Reference = std::optional<attest::SecretReference>;
using TextList = std::vector<std::string>;

// One row of the table. All texts are literals.
struct Setting {
    std::string_view key;  // dotted: "pool.min_accounts"
    SettingKind kind = SettingKind::Text;
    std::string_view default_text;  // as in the environment; empty: unset
    std::string_view help;          // one or two sentences
    // The contract's variables, separated by spaces; the first that is set and not empty wins, over
    // the automatic ADYTON_POOL_MIN_ACCOUNTS too.
    std::string_view environment = {};
    std::string_view flag = {};  // "--listen"; others are set with --set KEY=VALUE
    std::int64_t min = std::numeric_limits<std::int64_t>::min();  // Integer; Duration in ms
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string_view choices = {};  // separated by spaces
    // A variable that replaces the port of an Address alone ("PORT").
    std::string_view port_variable = {};
    bool redact_password = false;  // a URL: its password is never printed, nor taken from a file
};

using Schema = std::span<const Setting>;

enum class Origin { Default, File, Environment, Flag };
std::string_view to_string(Origin origin);

// What the process was given. Taken apart from the process so that tests need none.
struct ConfigInputs {
    std::string file_name;  // for messages
    std::optional<std::string> file_text;
    std::map<std::string, std::string> environment;  // without the values of secrets
    std::set<std::string> secret_variables;          // the secrets that are set and not empty
    std::vector<std::pair<std::string, std::string>> flags;  // key ("listen") and text
};

// The variables of the process that this schema knows, those that begin with ADYTON_, and `others`.
// Values of secret settings are not copied. Values of redacted settings are copied, then wiped in
// place. Call in `main` before threads start, and before SecretSource::take_environment.
void read_environment(
    Schema schema, std::span<const std::string_view> others, ConfigInputs& inputs);
// The names of all variables of Secret settings: for SecretSource::take_environment.
std::vector<std::string> secret_variable_names(Schema schema);
// NotFound, PermissionDenied, TooLarge (over 1 MiB), InvalidArgument (no regular file).
Result<void> read_config_file(const std::string& path, ConfigInputs& inputs);

// The effective configuration. Immutable after start-up, so thread safe then. `schema` must outlive
// it.
class Config {
public:
    // InvalidArgument: one line for each problem found, each naming the key, where it was set and
    // what to do. Secrets and URLs with passwords are never repeated.
    static Result<Config> load(Schema schema, const ConfigInputs& inputs);

    // CHECK that the schema has the key with that type.
    const std::string& get(Key<std::string> key) const;
    std::int64_t get(Key<std::int64_t> key) const;
    double get(Key<double> key) const;
    bool get(Key<bool> key) const;
    base::Duration get(Key<base::Duration> key) const;
    const TextList& get(Key<TextList> key) const;
    const Reference& get(Key<Reference> key) const;
    const base::Json& get(Key<base::Json> key) const;  // an object, empty when unset

    Origin origin(std::string_view key) const;
    // "adyton.toml:12", "DATABASE_URL", "--listen", or "default".
    const std::string& where(std::string_view key) const;
    // Things worth telling at start-up: obsolete or ignored variables.
    const std::vector<std::string>& warnings() const { return warnings_; }
    void add_warning(std::string text) { warnings_.push_back(std::move(text)); }

    // For people and programs: what is in force and why. Secrets as references, passwords as ***.
    std::string to_text() const;
    base::Json to_json() const;

private:
    friend class ConfigLoader;
    using Value = std::variant<
        std::string, std::int64_t, double, bool, base::Duration, TextList, Reference, base::Json>;
    struct Entry {
        const Setting* setting = nullptr;
        Value value;
        Origin origin = Origin::Default;
        std::string where = "default";
    };

    const Entry& entry(std::string_view key) const;
    template <typename T>
    const T& value_of(std::string_view key) const;
    static base::Json display(const Entry& entry);

    std::map<std::string, Entry, std::less<>> entries_;  // by key; in the schema's order: schema_
    Schema schema_;
    std::vector<std::string> warnings_;
};

// The automatic variable of a key: "ADYTON_POOL_MIN_ACCOUNTS".
std::string automatic_variable(std::string_view key);
// All variables of a setting, the contract's first, without the _FILE forms.
std::vector<std::string> variables_of(const Setting& setting);

// A commented sample file with every setting at its default.
std::string sample_config(Schema schema);
// docs/configuration.md: every setting with type, default, variables and flag.
std::string config_reference(Schema schema);

// TOML text as JSON, for files that are not the configuration (policy rules): dates are refused,
// infinities and NaN too. InvalidArgument with line and column.
Result<base::Json> parse_toml(std::string_view text, std::string_view name);

// A listening address. `host` is a literal or a name, without brackets.
struct HostPort {
    std::string host;
    std::uint16_t port = 0;
    std::string to_string() const;
    bool operator==(const HostPort&) const = default;
};
// "HOST:PORT", "[V6]:PORT". InvalidArgument otherwise.
Result<HostPort> parse_host_port(std::string_view text);
// 127.0.0.0/8, ::1 and the name localhost.
bool is_loopback(const HostPort& address);

}  // namespace adyton::service
