#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "compute/keys.h"
#include "crypto/digest.h"
#include "script/sensitive_bytes.h"
#include "storage/database.h"

// Secrets of users: sealed with AES-256-GCM under a key of the compute master key, with owner, name
// and version as associated data, so that a database cannot hand one out as another or an old one
// as new under its new version.
namespace adyton::compute {

inline constexpr std::size_t kSecretNameBytesMax = 128;

// Letters, digits, '_', '-' and '.'; 1 to 128 of them, so that "OWNER/NAME" can be told apart.
// InvalidArgument.
Result<void> check_secret_name(std::string_view name);

// Who may read a secret.
struct SecretPolicy {
    bool any_code = false;
    std::vector<std::string> apps;
    std::vector<std::string> code_hashes;   // lower-case hex
    std::vector<std::string> users;         // besides the owner
    std::vector<std::string> destinations;  // hosts; bound: scripts never see the value
    bool redact = false;                    // what the leak guard does when it is not exportable

    std::string to_json_text() const;
    // CorruptData.
    static Result<SecretPolicy> parse(std::string_view text);
    bool bound() const { return !destinations.empty(); }
};

struct SecretInfo {
    std::string owner;
    std::string name;
    std::int64_t version = 0;
    bool exportable = true;
    SecretPolicy policy;
    base::Timestamp created_at;
    base::Timestamp updated_at;
};

// As it lies in the store. Holds no key and no value in the clear.
struct SealedSecret {
    SecretInfo info;
    std::string master_key_id;
    base::Bytes sealed;
};

// Which reference of a job means which secret (services.md 4.7): "NAME", "secrets:NAME" or, for
// another user's, "OWNER/NAME".
struct SecretReference {
    std::string owner;
    std::string name;
    std::string key;  // the name in the script's `secrets`
};
// Nothing for an empty reference.
std::optional<SecretReference> parse_secret_reference(
    std::string_view reference, std::string_view user);

// Who reads.
struct SecretReader {
    std::string user;
    std::string app_id;
    std::string code_hash;  // lower-case hex
    bool empty_policy_allows = false;
};
bool may_read(const SecretInfo& secret, const SecretReader& reader);

// The value. CorruptData: another master key, or the row was changed or moved.
Result<script::SensitiveBytes> open_secret(const ComputeKeys& keys, const SealedSecret& secret);

// Units of work. Errors of storage::Transaction are not repeated.
namespace secrets {

struct NewSecret {
    std::string owner;
    std::string name;
    bool exportable = true;
    SecretPolicy policy;
};
// A value on its way to put(), sealed, so that nothing in the clear waits for the database.
base::Bytes seal_in_transit(
    const ComputeKeys& keys, base::RandomSource& random, const script::SensitiveBytes& value);
// A new secret or the next version of an old one. ResourceExhausted: the owner has `count_max`, or
// ten times as many names, deleted ones included.
Result<SecretInfo> put(
    storage::Transaction& tx, const ComputeKeys& keys, base::RandomSource& random,
    const NewSecret& secret, base::ByteView in_transit, std::int64_t count_max);
Result<std::optional<SealedSecret>> find(
    storage::Transaction& tx, const std::string& owner, const std::string& name);
// By name.
Result<std::vector<SecretInfo>> list(storage::Transaction& tx, const std::string& owner);
// NotFound.
Result<void> remove(storage::Transaction& tx, const std::string& owner, const std::string& name);

// Seals up to `limit` secrets that lie under `from` again under `to`; how many. The version stays.
Result<std::int64_t> rotate(
    storage::Transaction& tx, const ComputeKeys& from, const ComputeKeys& to,
    base::RandomSource& random, std::int64_t limit);
// How many lie under another master key than this one.
Result<std::int64_t> count_foreign(storage::Transaction& tx, const std::string& master_key_id);

}  // namespace secrets
}  // namespace adyton::compute
