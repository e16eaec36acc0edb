#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"

// Requests of the compute service (services.md 4; docs/compute.md). Unknown members are ignored on
// these routes; wrong types, duplicate keys and bytes after the value are InvalidArgument.
namespace adyton::api {

// What becomes of a job that a restart cut off.
enum class OnRestart { Fail, Rerun };
enum class ScriptLanguage { JavaScript, TypeScript };

struct ExecuteRequest {
    std::string script;
    ScriptLanguage language = ScriptLanguage::JavaScript;
    std::string entry_point = "main";
    base::Json input = base::Json::object();
    std::vector<std::string> secret_refs;  // as sent
    std::int64_t timeout_s = 0;            // as sent; 0 or less: the default
    std::string app_id;                    // a label; policies of secrets may name it
    std::string script_name;               // a label

    // Ours. A libsodium sealed box of the input's JSON; then `input` must be absent.
    std::optional<base::Bytes> encrypted_input;
    // X25519, 32 bytes: the output is sealed to it as well.
    std::optional<base::Bytes> output_public_key;
    // Leave the readable output out of the answer and of the store; needs output_public_key.
    bool sealed_only = false;
    // SHA-256 of the script in hex; a job whose script is another fails.
    std::optional<base::Bytes> script_hash;
    OnRestart on_restart = OnRestart::Fail;
    bool record = false;  // keep what a replay needs
    bool strict = false;  // a process of its own
    std::optional<std::int64_t> metered_gas_max;
};

// InvalidArgument: "invalid request body: ...", or "script required".
Result<ExecuteRequest> parse_execute_request(std::string_view body);

// PUT /secrets/{name}.
struct PutSecretRequest {
    std::string value;  // wiped by who takes it
    bool exportable = true;
    bool redact = false;  // on_leak: "redact" instead of "refuse"
    bool any_code = false;
    std::vector<std::string> apps;          // app ids
    std::vector<std::string> code_hashes;   // SHA-256, lower-case hex
    std::vector<std::string> users;         // who else may use it
    std::vector<std::string> destinations;  // hosts; then scripts never see the value
};

inline constexpr std::size_t kSecretListMax = 16;

// InvalidArgument: no value, a list too long, a code hash that is none.
Result<PutSecretRequest> parse_put_secret_request(std::string_view body);

// POST /user-keys.
struct CreateUserKeyRequest {
    std::string label;
};
Result<CreateUserKeyRequest> parse_create_user_key_request(std::string_view body);

}  // namespace adyton::api
