#include "workflow/idempotency.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace adyton::workflow {
namespace {

constexpr std::size_t kKeyBytesMax = 255;
constexpr std::size_t kBodyBytesMax = 4 * 1024 * 1024;

base::Bytes to_bytes(base::ByteView view) {
    return base::Bytes(view.begin(), view.end());
}

// Takes the key for this unit. False: it is taken (in PostgreSQL, once the one who takes it at the
// same time has committed).
Result<bool> claim(
    storage::Transaction& tx, const IdempotencyKey& key, const crypto::Sha256Digest& digest,
    base::Timestamp expires_at) {
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO idempotency_keys (scope, caller, route, key, request_digest, expires_at) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            {key.scope, key.caller, key.route, key.text, to_bytes(digest.view()), expires_at}));
    return inserted == 1;
}

Result<void> forget_expired(
    storage::Transaction& tx, const IdempotencyKey& key, base::Timestamp now) {
    TRY_VOID(tx.execute(
        "DELETE FROM idempotency_keys WHERE scope = $1 AND caller = $2 AND route = $3 "
        "AND key = $4 AND expires_at <= $5",
        {key.scope, key.caller, key.route, key.text, now}));
    return {};
}

struct Stored {
    base::Bytes request_digest;
    std::optional<StoredAnswer> answer;
    base::Timestamp expires_at;
};

Result<std::optional<Stored>> find(storage::Transaction& tx, const IdempotencyKey& key) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT request_digest, status, body, expires_at FROM idempotency_keys "
            "WHERE scope = $1 AND caller = $2 AND route = $3 AND key = $4",
            {key.scope, key.caller, key.route, key.text}));
    if (rows.empty()) return std::optional<Stored>();
    Stored stored;
    TRY(stored.request_digest, rows.bytes(0, 0));
    TRY(stored.expires_at, rows.timestamp(0, 3));
    if (!rows.is_null(0, 1)) {
        TRY(const std::int64_t status, rows.integer(0, 1));
        TRY(const base::Bytes body, rows.bytes(0, 2));
        stored.answer = StoredAnswer{static_cast<int>(status), std::string(base::as_text(body))};
    }
    return std::optional<Stored>(std::move(stored));
}

}  // namespace

Result<std::string> parse_idempotency_key(std::string_view text) {
    const bool visible =
        std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (text.empty() || text.size() > kKeyBytesMax || !visible) {
        return Error::invalid_argument(
            "Idempotency-Key must be 1 to 255 visible ASCII characters", "idempotency_key_invalid");
    }
    return std::string(text);
}

Result<std::optional<std::string>> choose_idempotency_key(
    std::optional<std::string_view> idempotency_key,
    std::optional<std::string_view> x_idempotency_key) {
    if (idempotency_key && x_idempotency_key && *idempotency_key != *x_idempotency_key) {
        return Error::invalid_argument(
            "Idempotency-Key and X-Idempotency-Key differ", "idempotency_key_invalid");
    }
    const auto& sent = idempotency_key ? idempotency_key : x_idempotency_key;
    if (!sent) return std::optional<std::string>();
    TRY(std::string key, parse_idempotency_key(*sent));
    return std::optional<std::string>(std::move(key));
}

Result<std::optional<StoredAnswer>> IdempotencyStore::begin(
    storage::Transaction& tx, const IdempotencyKey& key,
    const crypto::Sha256Digest& request_digest) const {
    TRY(const base::Timestamp now, tx.now());
    const base::Timestamp expires_at = now + options_.keep;
    TRY(bool fresh, claim(tx, key, request_digest, expires_at));
    if (fresh) return std::optional<StoredAnswer>();

    TRY(std::optional<Stored> stored, find(tx, key));
    if (!stored || stored->expires_at <= now) {
        // Too old to count (or cleaned up just now): the key is free again.
        TRY_VOID(forget_expired(tx, key, now));
        TRY(fresh, claim(tx, key, request_digest, expires_at));
        if (fresh) return std::optional<StoredAnswer>();
        return Error::unavailable("the same request is running; try again");
    }
    if (stored->request_digest != to_bytes(request_digest.view())) {
        return Error::conflict(
            "Idempotency-Key was used with another request", "idempotency_key_reused");
    }
    if (!stored->answer) {
        return Error::conflict(
            "the first request with this Idempotency-Key has no answer",
            "idempotency_key_unfinished");
    }
    return std::move(stored->answer);
}

Result<std::optional<StoredAnswer>> IdempotencyStore::peek(
    storage::Transaction& tx, const IdempotencyKey& key,
    const crypto::Sha256Digest& request_digest) const {
    TRY(const base::Timestamp now, tx.now());
    TRY(std::optional<Stored> stored, find(tx, key));
    if (!stored || stored->expires_at <= now) return std::optional<StoredAnswer>();
    if (stored->request_digest != to_bytes(request_digest.view())) {
        return Error::conflict(
            "Idempotency-Key was used with another request", "idempotency_key_reused");
    }
    return std::move(stored->answer);
}

Result<void> IdempotencyStore::finish(
    storage::Transaction& tx, const IdempotencyKey& key, const StoredAnswer& answer) const {
    if (answer.body.size() > kBodyBytesMax) {
        return Error::too_large("the answer is too large to be remembered");
    }
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE idempotency_keys SET status = $5, body = $6 WHERE scope = $1 AND caller = $2 "
            "AND route = $3 AND key = $4 AND status IS NULL",
            {key.scope, key.caller, key.route, key.text, static_cast<std::int64_t>(answer.status),
             to_bytes(base::as_bytes(answer.body))}));
    if (updated != 1) return Error::internal("no Idempotency-Key was begun in this unit");
    return {};
}

Result<std::int64_t> IdempotencyStore::remove_expired(
    storage::Transaction& tx, std::int64_t limit) const {
    TRY(const base::Timestamp now, tx.now());
    return tx.execute(
        "DELETE FROM idempotency_keys WHERE (scope, caller, route, key) IN ("
        "SELECT scope, caller, route, key FROM idempotency_keys WHERE expires_at <= $1 "
        "ORDER BY expires_at LIMIT $2)",
        {now, limit});
}

}  // namespace adyton::workflow
