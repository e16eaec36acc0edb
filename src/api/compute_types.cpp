#include "api/compute_types.h"

#include <algorithm>
#include <utility>

#include "api/internal/members.h"
#include "http/url.h"

namespace adyton::api {
namespace {

using base::Json;
using internal::Members;

constexpr std::size_t kScriptBytesMax = 8 * 1024 * 1024;  // the job says what is too large
constexpr std::size_t kLabelBytesMax = 256;
constexpr std::size_t kSecretRefsMax = 1000;
constexpr std::size_t kSecretBytesMax = 8 * 1024 * 1024;  // likewise

Result<std::optional<base::Bytes>> fixed_bytes(
    const Members& members, std::string_view name, std::size_t size) {
    TRY(auto bytes, members.base64(name));
    if (bytes && bytes->size() != size) {
        return members.wrong(name, std::to_string(size) + " bytes in base64");
    }
    return bytes;
}

Result<std::vector<std::string>> texts(
    const Members& members, std::string_view name, std::size_t count_max) {
    std::vector<std::string> out;
    TRY(const Json* const list, members.array(name));
    if (list == nullptr) return out;
    if (list->size() > count_max) {
        return members.wrong(name, "a list of at most " + std::to_string(count_max));
    }
    for (const Json& item : list->items()) {
        if (!item.is_string() || item.string_value().size() > kLabelBytesMax) {
            return members.wrong(name, "a list of texts of at most 256 bytes");
        }
        out.push_back(item.string_value());
    }
    return out;
}

Result<std::string> label(const Members& members, std::string_view name) {
    TRY(auto text, members.text(name, kLabelBytesMax));
    return text ? *std::move(text) : std::string();
}

Result<bool> flag(const Members& members, std::string_view name, bool otherwise) {
    TRY(const auto value, members.boolean(name));
    return value.value_or(otherwise);
}

Result<std::optional<base::Bytes>> hash_member(const Members& members, std::string_view name) {
    TRY(const auto text, members.text(name, 64));
    if (!text) return std::optional<base::Bytes>();
    auto bytes = base::hex_decode(*text);
    if (!bytes || bytes->size() != 32) return members.wrong(name, "SHA-256 in 64 hex digits");
    return std::optional<base::Bytes>(*std::move(bytes));
}

Result<void> parse_inputs(const Members& members, ExecuteRequest& out) {
    TRY(const Json* const input, members.object("input"));
    TRY(out.encrypted_input, members.base64("encrypted_input"));
    if (input != nullptr && out.encrypted_input) {
        return members.wrong("encrypted_input", "absent when there is an input");
    }
    if (input != nullptr) out.input = *input;
    TRY(out.output_public_key, fixed_bytes(members, "output_public_key", 32));
    TRY(out.sealed_only, flag(members, "sealed_only", false));
    if (out.sealed_only && !out.output_public_key) {
        return members.wrong("sealed_only", "sent together with output_public_key");
    }
    return {};
}

Result<void> parse_wishes(const Members& members, ExecuteRequest& out) {
    TRY(const auto language, members.text("language", 16));
    if (language && *language != "javascript" && *language != "typescript") {
        return members.wrong("language", "\"javascript\" or \"typescript\"");
    }
    out.language = language && *language == "typescript" ? ScriptLanguage::TypeScript
                                                         : ScriptLanguage::JavaScript;
    TRY(const auto restart, members.text("on_restart", 16));
    if (restart && *restart != "fail" && *restart != "rerun") {
        return members.wrong("on_restart", "\"fail\" or \"rerun\"");
    }
    out.on_restart = restart && *restart == "rerun" ? OnRestart::Rerun : OnRestart::Fail;
    TRY(out.record, flag(members, "record", false));
    if (out.record && out.sealed_only) {
        return members.wrong("record", "absent with sealed_only: a recording is not sealed to you");
    }
    TRY(out.strict, flag(members, "strict", false));
    TRY(out.metered_gas_max, members.integer("metered_gas_max"));
    if (out.metered_gas_max && *out.metered_gas_max <= 0) {
        return members.wrong("metered_gas_max", "above zero");
    }
    TRY(out.script_hash, hash_member(members, "script_hash"));
    return {};
}

Result<Json> parse_object(std::string_view body) {
    auto json = Json::parse(body);
    if (!json || !json->is_object()) {
        return Error::invalid_argument(std::string(internal::kBadRequest));
    }
    return json;
}

// A host as the URL of a request names it; any other text would never match one.
bool is_host(const std::string& text) {
    const bool ipv6 = text.find(':') != std::string::npos;
    const auto url = http::Url::parse(ipv6 ? "https://[" + text + "]" : "https://" + text);
    return url && url->host == text;
}

bool is_code_hash(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

Result<ExecuteRequest> parse_execute_request(std::string_view body) {
    TRY(const Json json, parse_object(body));
    TRY(const auto members, Members::of(json, ErrorCode::InvalidArgument, internal::kBadRequest));
    ExecuteRequest out;
    TRY(auto script, members.text("script", kScriptBytesMax));
    if (!script || script->empty()) return Error::invalid_argument("script required");
    out.script = *std::move(script);
    TRY(auto entry_point, members.text("entry_point", kLabelBytesMax));
    if (entry_point && !entry_point->empty()) out.entry_point = *std::move(entry_point);
    TRY(out.secret_refs, texts(members, "secret_refs", kSecretRefsMax));
    TRY(const auto timeout, members.integer("timeout"));
    out.timeout_s = timeout.value_or(0);
    TRY(out.app_id, label(members, "app_id"));
    TRY(out.script_name, label(members, "script_name"));
    TRY_VOID(parse_inputs(members, out));
    TRY_VOID(parse_wishes(members, out));
    return out;
}

Result<PutSecretRequest> parse_put_secret_request(std::string_view body) {
    TRY(const Json json, parse_object(body));
    TRY(const auto members, Members::of(json, ErrorCode::InvalidArgument, internal::kBadRequest));
    PutSecretRequest out;
    TRY(auto value, members.text("value", kSecretBytesMax));
    if (!value || value->empty()) return members.wrong("value", "a text that is not empty");
    out.value = *std::move(value);
    TRY(out.exportable, flag(members, "exportable", true));
    TRY(const auto on_leak, members.text("on_leak", 16));
    if (on_leak && *on_leak != "refuse" && *on_leak != "redact") {
        return members.wrong("on_leak", "\"refuse\" or \"redact\"");
    }
    out.redact = on_leak && *on_leak == "redact";
    TRY(out.any_code, flag(members, "any_code", false));
    TRY(out.apps, texts(members, "apps", kSecretListMax));
    TRY(out.code_hashes, texts(members, "code_hashes", kSecretListMax));
    TRY(out.users, texts(members, "users", kSecretListMax));
    TRY(out.destinations, texts(members, "destinations", kSecretListMax));
    if (!std::all_of(out.code_hashes.begin(), out.code_hashes.end(), is_code_hash)) {
        return members.wrong("code_hashes", "a list of SHA-256 in lower-case hex");
    }
    if (!std::all_of(out.destinations.begin(), out.destinations.end(), is_host)) {
        return members.wrong(
            "destinations",
            "a list of host names or addresses in lower case, without scheme, port, path or '*'");
    }
    return out;
}

Result<CreateUserKeyRequest> parse_create_user_key_request(std::string_view body) {
    CreateUserKeyRequest out;
    if (body.empty()) return out;
    TRY(const Json json, parse_object(body));
    TRY(const auto members, Members::of(json, ErrorCode::InvalidArgument, internal::kBadRequest));
    TRY(out.label, label(members, "label"));
    return out;
}

}  // namespace adyton::api
