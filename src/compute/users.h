#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "compute/context.h"
#include "crypto/digest.h"
#include "service/frame.h"
#include "storage/database.h"

// Who the user of a request is (decisions.md 12): the one that a service asserts which may do so,
// the owner of a key, or, in development, the one that the header names.
namespace adyton::compute {

// "adyk_" and 43 characters of base64url: 32 random bytes. Only its SHA-256 is kept.
inline constexpr std::string_view kUserKeyPrefix = "adyk_";

struct User {
    std::string id;
    std::string actor;  // for the audit log: "gateway for ALICE", "key:1a2b for ALICE"
};

// InvalidArgument: not 1 to 128 visible ASCII characters without '/'.
Result<void> check_user_id(std::string_view id);

// Unauthenticated "unauthorized": nobody says who it is, or a key is not known.
// PermissionDenied, reason "user_not_assertable": the calling service may not say who its user is;
// "user_mismatch": a key's owner and the header differ. InvalidArgument: a malformed user id.
Task<Result<User>> resolve_user(const ComputeContext& compute, service::Call call);

struct UserKeyInfo {
    std::string key_id;
    std::string label;
    base::Timestamp created_at;
};
struct NewUserKey {
    UserKeyInfo info;
    std::string key;  // shown once
};

namespace user_keys {

std::string generate(base::RandomSource& random);
crypto::Sha256Digest hash_of(std::string_view key);
// ResourceExhausted: the user has `count_max`.
Result<UserKeyInfo> insert(
    storage::Transaction& tx, const std::string& user, const std::string& key_id,
    const crypto::Sha256Digest& hash, const std::string& label, std::int64_t count_max);
Result<std::vector<UserKeyInfo>> list(storage::Transaction& tx, const std::string& user);
// NotFound.
Result<void> remove(storage::Transaction& tx, const std::string& user, const std::string& key_id);
struct Owner {
    std::string user;
    std::string key_id;
};
Result<std::optional<Owner>> find_owner(storage::Transaction& tx, const crypto::Sha256Digest& hash);

}  // namespace user_keys
}  // namespace adyton::compute
