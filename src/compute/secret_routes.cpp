#include <utility>

#include "api/compute_types.h"
#include "compute/internal/service_parts.h"
#include "compute/secret_repository.h"
#include "compute/users.h"
#include "crypto/secret.h"
#include "crypto/uuid.h"

// Secrets of users and the keys by which users call (docs/compute.md).
namespace adyton::compute {
namespace {

using http::Response;
using service::Call;
using Parts = ComputeService::Parts;

void write_list(
    base::JsonWriter& out, std::string_view name, const std::vector<std::string>& list) {
    out.key(name).begin_array();
    for (const std::string& item : list) out.value(std::string_view(item));
    out.end_array();
}

void write_info(base::JsonWriter& out, const SecretInfo& info) {
    out.begin_object().member("name", std::string_view(info.name));
    out.member("version", info.version).member("exportable", info.exportable);
    out.member("on_leak", std::string_view(info.policy.redact ? "redact" : "refuse"));
    out.member("any_code", info.policy.any_code);
    write_list(out, "apps", info.policy.apps);
    write_list(out, "code_hashes", info.policy.code_hashes);
    write_list(out, "users", info.policy.users);
    write_list(out, "destinations", info.policy.destinations);
    out.member("created_at", std::string_view(base::to_rfc3339(info.created_at)));
    out.member("updated_at", std::string_view(base::to_rfc3339(info.updated_at)));
    out.end_object();
}

std::string name_of(const Call& call) {
    return std::string(call.request.path_params.find("name").value_or(""));
}

// The value leaves the request's memory for memory that is wiped.
script::SensitiveBytes take_value(Call& call, std::string& value) {
    script::SensitiveBytes out{std::string_view(value)};
    const auto wipe = [](std::string& text) {
        crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
        text.clear();
    };
    wipe(value);
    wipe(call.request.body);
    return out;
}

struct PutInput {
    secrets::NewSecret secret;
    base::Bytes in_transit;
};

Result<PutInput> put_input(const ComputeContext& compute, Call& call, const User& user) {
    PutInput out;
    out.secret.owner = user.id;
    out.secret.name = name_of(call);
    TRY_VOID(check_secret_name(out.secret.name));
    TRY(auto request, api::parse_put_secret_request(call.request.body));
    const script::SensitiveBytes value = take_value(call, request.value);
    if (value.size() > script::kSecretBytesMax) {
        call.hints.details = base::Json::object();
        call.hints.details.set(
            "limit_bytes", base::Json::unsigned_integer(script::kSecretBytesMax));
        return Error::too_large("a secret has at most 65536 bytes");
    }
    out.in_transit = secrets::seal_in_transit(compute.keys, compute.random, value);
    out.secret.exportable = request.exportable;
    out.secret.policy.redact = request.redact;
    out.secret.policy.any_code = request.any_code;
    out.secret.policy.apps = std::move(request.apps);
    out.secret.policy.code_hashes = std::move(request.code_hashes);
    out.secret.policy.users = std::move(request.users);
    out.secret.policy.destinations = std::move(request.destinations);
    for (const std::string& other : out.secret.policy.users) {
        TRY_VOID(check_user_id(other));
    }
    return out;
}

// One unit of work for the caller (Transaction&, const User&) -> Result<void>, audit record
// included; then 204.
template <typename Unit>
Answer remove_of_user(ComputeContext& compute, Call call, Unit remove) {
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    auto unit = [&](storage::Transaction& tx) -> Result<void> { return remove(tx, user); };
    auto write = compute.database.write(std::move(unit));
    CO_TRY_VOID(co_await std::move(write));
    co_return Response::empty(http::Status::NoContent);
}

Answer put_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    CO_TRY(const PutInput input, put_input(compute, call, user));
    auto unit = [&](storage::Transaction& tx) -> Result<SecretInfo> {
        TRY_VOID(jobs::hold_master_key(tx, compute.claim));
        TRY(auto info, secrets::put(
                           tx, compute.keys, compute.random, input.secret, input.in_transit,
                           compute.options.secrets_per_user_max));
        TRY_VOID(record(tx, compute, "compute.secret_put", user.actor, [&](base::JsonWriter& out) {
            out.member("owner", std::string_view(info.owner));
            out.member("name", std::string_view(info.name));
            out.member("version", info.version);
        }));
        return info;
    };
    auto write = compute.database.write(std::move(unit));
    CO_TRY(const auto info, co_await std::move(write));
    std::string text;
    base::JsonWriter out(text);
    write_info(out, info);
    co_return service::json_answer(
        std::move(text), info.version == 1 ? http::Status::Created : http::Status::Ok);
}

Answer list_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    auto unit = [&](storage::Transaction& tx) { return secrets::list(tx, user.id); };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto list, co_await std::move(read));
    std::string text;
    base::JsonWriter out(text);
    out.begin_array();
    for (const SecretInfo& info : list) write_info(out, info);
    out.end_array();
    co_return service::json_answer(std::move(text));
}

Answer remove_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    const std::string name = name_of(call);
    auto remove = [&compute, name](storage::Transaction& tx, const User& user) -> Result<void> {
        TRY_VOID(secrets::remove(tx, user.id, name));
        return record(
            tx, compute, "compute.secret_removed", user.actor, [&](base::JsonWriter& out) {
                out.member("owner", std::string_view(user.id));
                out.member("name", std::string_view(name));
            });
    };
    return remove_of_user(compute, std::move(call), std::move(remove));
}

// ----- keys of users ----------------------------------------------------------------------------

void write_key(base::JsonWriter& out, const UserKeyInfo& info) {
    out.member("key_id", std::string_view(info.key_id));
    out.member("label", std::string_view(info.label));
    out.member("created_at", std::string_view(base::to_rfc3339(info.created_at)));
}

Answer create_key_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    CO_TRY(const auto request, api::parse_create_user_key_request(call.request.body));
    const std::string key = user_keys::generate(compute.random);
    const crypto::Sha256Digest hash = user_keys::hash_of(key);
    const std::string key_id = crypto::uuid_v4(compute.random);
    auto unit = [&](storage::Transaction& tx) -> Result<UserKeyInfo> {
        TRY(auto info,
            user_keys::insert(
                tx, user.id, key_id, hash, request.label, compute.options.keys_per_user_max));
        TRY_VOID(
            record(tx, compute, "compute.user_key_created", user.actor, [&](base::JsonWriter& out) {
                out.member("user", std::string_view(user.id));
                out.member("key_id", std::string_view(key_id));
            }));
        return info;
    };
    auto write = compute.database.write(std::move(unit));
    CO_TRY(const auto info, co_await std::move(write));
    std::string text;
    base::JsonWriter out(text);
    out.begin_object();
    write_key(out, info);
    out.member("key", std::string_view(key)).end_object();
    Response response = service::json_answer(std::move(text), http::Status::Created);
    response.headers.set("Cache-Control", "no-store");
    co_return response;
}

Answer list_keys_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    auto unit = [&](storage::Transaction& tx) { return user_keys::list(tx, user.id); };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto list, co_await std::move(read));
    std::string text;
    base::JsonWriter out(text);
    out.begin_array();
    for (const UserKeyInfo& info : list) {
        out.begin_object();
        write_key(out, info);
        out.end_object();
    }
    out.end_array();
    co_return service::json_answer(std::move(text));
}

Answer remove_key_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    const std::string key_id(call.request.path_params.find("id").value_or(""));
    auto remove = [&compute, key_id](storage::Transaction& tx, const User& user) -> Result<void> {
        TRY_VOID(user_keys::remove(tx, user.id, key_id));
        return record(
            tx, compute, "compute.user_key_removed", user.actor, [&](base::JsonWriter& out) {
                out.member("user", std::string_view(user.id));
                out.member("key_id", std::string_view(key_id));
            });
    };
    return remove_of_user(compute, std::move(call), std::move(remove));
}

}  // namespace

void register_secret_routes(Parts& parts, service::ServiceFrame& frame) {
    const auto add = [&](std::string_view method, std::string_view path,
                         Answer (*handler)(Parts&, Call)) {
        frame.add(method, path, service::Access::Public, [&parts, handler](Call call) {
            return handler(parts, call);
        });
    };
    add("GET", "/secrets", &list_route);
    add("PUT", "/secrets/{name}", &put_route);
    add("DELETE", "/secrets/{name}", &remove_route);
    add("POST", "/user-keys", &create_key_route);
    add("GET", "/user-keys", &list_keys_route);
    add("DELETE", "/user-keys/{id}", &remove_key_route);
}

}  // namespace adyton::compute
