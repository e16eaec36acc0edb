#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "storage/database.h"
#include "storage/migration.h"

namespace adyton::workflow {

// Migrations 1 to 9: idempotency_keys, leases, periodic_jobs.
std::span<const storage::Migration> migrations();

// The key text of an Idempotency-Key header: 1 to 255 visible ASCII characters, nothing else.
// InvalidArgument, reason "idempotency_key_invalid".
Result<std::string> parse_idempotency_key(std::string_view text);
// The same for the two names of the header (decisions.md 3); null when neither was sent.
// InvalidArgument: malformed, or both sent and different.
Result<std::optional<std::string>> choose_idempotency_key(
    std::optional<std::string_view> idempotency_key,
    std::optional<std::string_view> x_idempotency_key);

// Whose key, for what. The same text used by another caller or on another route is another key.
struct IdempotencyKey {
    std::string scope;   // the product: "pool"
    std::string caller;  // verified service id
    std::string route;   // "POST /request"
    std::string text;    // from parse_idempotency_key
};

struct StoredAnswer {
    int status = 0;    // HTTP status
    std::string body;  // as it was sent
};

struct IdempotencyOptions {
    std::chrono::hours keep = std::chrono::hours(24 * 7);
};

// Remembers answers so that a repeated request has one effect. Both calls belong in the unit of
// work that has the effect: the answer is stored exactly if the effect is, and a concurrent
// repetition waits for the first. Store successes and refusals that a repetition must see again;
// return an error from the unit for what may be tried again (it stores nothing). Thread safe.
class IdempotencyStore {
public:
    explicit IdempotencyStore(IdempotencyOptions options = {}) : options_(options) {}

    // The stored answer of the first request, or null: this is the first, go on and call finish().
    // Conflict: reason "idempotency_key_reused" (another request digest), or
    // "idempotency_key_unfinished" (a unit committed without finish(), a bug of its author).
    Result<std::optional<StoredAnswer>> begin(
        storage::Transaction& tx, const IdempotencyKey& key,
        const crypto::Sha256Digest& request_digest) const;
    // The stored answer, or null, changing nothing: spares the work of a repetition before the unit
    // that decides. Also in a read unit. Conflict: reason "idempotency_key_reused".
    Result<std::optional<StoredAnswer>> peek(
        storage::Transaction& tx, const IdempotencyKey& key,
        const crypto::Sha256Digest& request_digest) const;
    // TooLarge: body over 4 MiB. Internal: begin() was not called in this unit.
    Result<void> finish(
        storage::Transaction& tx, const IdempotencyKey& key, const StoredAnswer& answer) const;

    // Forgets up to `limit` answers older than options.keep; how many went.
    Result<std::int64_t> remove_expired(storage::Transaction& tx, std::int64_t limit) const;

private:
    IdempotencyOptions options_;
};

}  // namespace adyton::workflow
