#include "compute/users.h"

#include <algorithm>
#include <array>
#include <utility>

#include "attest/peer_identity.h"
#include "crypto/uuid.h"

namespace adyton::compute {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kUserKeyBytesMax = 128;

Error unauthorized() {
    return Error::unauthenticated("unauthorized");
}

// The one value of a header; nothing when it is absent. InvalidArgument: it stands twice.
Result<std::optional<std::string>> single(const http::Headers& headers, std::string_view name) {
    if (headers.count(name) > 1) {
        return Error::invalid_argument(std::string(name) + " stands twice", "duplicate_header");
    }
    const auto value = headers.find(name);
    if (!value || value->empty()) return std::optional<std::string>();
    return std::optional<std::string>(std::string(*value));
}

// The key of a user that the request carries. Other bearer tokens are no key of ours.
Result<std::optional<std::string>> presented_key(const http::Headers& headers) {
    TRY(auto key, single(headers, "X-API-Key"));
    TRY(const auto authorization, single(headers, "Authorization"));
    if (!authorization) return key;
    if (!http::equal_ignoring_case(authorization->substr(0, kBearer.size()), kBearer)) {
        return unauthorized();
    }
    std::string token = authorization->substr(std::min(kBearer.size(), authorization->size()));
    if (key && *key != token) return unauthorized();
    return std::optional<std::string>(std::move(token));
}

Result<User> asserted_user(
    const ComputeOptions& options, const attest::Caller* caller, const std::string& id) {
    TRY_VOID(check_user_id(id));
    if (caller == nullptr) {
        if (!options.user_header_from_anybody) return unauthorized();
        return User{id, "user:" + id};
    }
    const std::string& service = caller->service_id.text();
    if (!options.user_header_from_anybody && !options.user_asserting_services.contains(service)) {
        return Error::permission_denied(
            "this service may not say who its user is", "user_not_assertable");
    }
    return User{id, service + " for " + id};
}

Task<Result<User>> key_owner(
    const ComputeContext& compute, std::string key, std::optional<std::string> header) {
    if (!key.starts_with(kUserKeyPrefix) || key.size() > kUserKeyBytesMax) co_return unauthorized();
    const crypto::Sha256Digest hash = user_keys::hash_of(key);
    auto unit = [&hash](storage::Transaction& tx) { return user_keys::find_owner(tx, hash); };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto owner, co_await std::move(read));
    if (!owner) co_return unauthorized();
    if (header && *header != owner->user) {
        co_return Error::permission_denied("X-User-ID is not the key's owner", "user_mismatch");
    }
    co_return User{owner->user, "key:" + owner->key_id.substr(0, 8) + " for " + owner->user};
}

}  // namespace

Result<void> check_user_id(std::string_view id) {
    const bool visible =
        std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~' && c != '/'; });
    if (id.empty() || id.size() > kUserIdBytesMax || !visible) {
        return Error::invalid_argument(
            "a user id is 1 to 128 visible ASCII characters without '/'", "user_id");
    }
    return {};
}

Task<Result<User>> resolve_user(const ComputeContext& compute, service::Call call) {
    const http::Headers& headers = call.request.headers;
    CO_TRY(auto header, single(headers, "X-User-ID"));
    CO_TRY(auto key, presented_key(headers));
    if (key) {
        auto asking = key_owner(compute, *std::move(key), std::move(header));
        co_return co_await std::move(asking);
    }
    if (!header) co_return unauthorized();
    co_return asserted_user(compute.options, call.caller_or_null, *header);
}

namespace user_keys {

std::string generate(base::RandomSource& random) {
    std::array<std::uint8_t, kKeyBytes> bytes{};
    random.fill(bytes);
    std::string text = base::base64_encode(bytes);
    while (!text.empty() && text.back() == '=') text.pop_back();
    for (char& c : text) {
        if (c == '+') c = '-';
        if (c == '/') c = '_';
    }
    return std::string(kUserKeyPrefix) + text;
}

crypto::Sha256Digest hash_of(std::string_view key) {
    return crypto::sha256(base::as_bytes(key));
}

Result<UserKeyInfo> insert(
    storage::Transaction& tx, const std::string& user, const std::string& key_id,
    const crypto::Sha256Digest& hash, const std::string& label, std::int64_t count_max) {
    TRY(const auto counted,
        tx.query("SELECT COUNT(*) FROM compute_user_keys WHERE user_id = $1", {user}));
    TRY(const auto count, counted.integer(0, 0));
    if (count >= count_max) return Error::resource_exhausted("too many keys", "keys_max");
    UserKeyInfo info{key_id, label, {}};
    TRY(info.created_at, tx.now());
    TRY_VOID(tx.execute(
        "INSERT INTO compute_user_keys (key_id, key_hash, user_id, label, created_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        {key_id, hash.bytes, user, label, info.created_at}));
    return info;
}

Result<std::vector<UserKeyInfo>> list(storage::Transaction& tx, const std::string& user) {
    TRY(const auto rows,
        tx.query(
            "SELECT key_id, label, created_at FROM compute_user_keys WHERE user_id = $1 "
            "ORDER BY created_at, key_id",
            {user}));
    std::vector<UserKeyInfo> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        UserKeyInfo info;
        TRY(info.key_id, rows.text(i, 0));
        TRY(info.label, rows.text(i, 1));
        TRY(info.created_at, rows.timestamp(i, 2));
        out.push_back(std::move(info));
    }
    return out;
}

Result<void> remove(storage::Transaction& tx, const std::string& user, const std::string& key_id) {
    TRY(const auto removed,
        tx.execute(
            "DELETE FROM compute_user_keys WHERE user_id = $1 AND key_id = $2", {user, key_id}));
    if (removed == 0) return Error::not_found("key not found");
    return {};
}

Result<std::optional<Owner>> find_owner(
    storage::Transaction& tx, const crypto::Sha256Digest& hash) {
    TRY(const auto rows,
        tx.query(
            "SELECT user_id, key_id FROM compute_user_keys WHERE key_hash = $1", {hash.bytes}));
    if (rows.empty()) return std::optional<Owner>();
    Owner owner;
    TRY(owner.user, rows.text(0, 0));
    TRY(owner.key_id, rows.text(0, 1));
    return std::optional<Owner>(std::move(owner));
}

}  // namespace user_keys
}  // namespace adyton::compute
