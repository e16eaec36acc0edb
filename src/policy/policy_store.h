#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit_log.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/aes_gcm.h"
#include "crypto/secret.h"
#include "policy/value_policy.h"
#include "storage/database.h"

namespace adyton::policy {

// The keys that policies are sealed with: one from each secret of the service, the current one
// first. HKDF-SHA256(secret, salt "adyton", info "adyton/policy-store/v1"); a key is named by the
// first 8 bytes of the HKDF output for "adyton/policy-store/v1/id", in hex.
class PolicyKeys {
public:
    explicit PolicyKeys(base::ByteView current_secret);
    // Opens what was sealed under a secret that was used before; nothing new is sealed with it.
    void add_former(base::ByteView secret);

    struct Key {
        std::string id;
        crypto::AesKey key;
    };
    const Key& current() const { return keys_.front(); }
    const Key* find(std::string_view id) const;

private:
    std::vector<Key> keys_;
};

struct PolicyVersion {
    std::string subject;
    std::int64_t version = 0;     // 1, 2, 3 ... without gaps
    bool removed = false;         // this version says: no policy
    crypto::Sha256Digest digest;  // of the policy, see value_policy.h; zero when removed
    std::string actor;
    std::string note;  // up to 256 bytes, for people
    base::Timestamp created_at;
};

// What holds for a subject now.
struct StoredPolicy {
    std::int64_t version = 0;                   // 0: never one
    std::shared_ptr<const ValuePolicy> policy;  // shared with the cache; null: none
    bool frozen = false;                        // by freeze(), or by the policy itself
    std::string freeze_reason;
};

// Policies by subject ("wallet:<id>", "service:<id>": 1 to 256 bytes of UTF-8), every version kept,
// sealed with AES-256-GCM; the transcript "policy-record" of name, subject and version is the
// associated data, so no row opens in another's place. Thread safe; all calls run in the caller's
// unit of work. Changes append their audit record ("policy.put", "policy.remove",
// "policy.freeze_subject", "policy.unfreeze_subject"; no policy text in it, only digests).
class PolicyStore {
public:
    struct Options {
        std::string name = "policy";      // part of the associated data: one per service
        std::size_t cached_max = 10'000;  // policies held decrypted
    };
    PolicyStore(PolicyKeys keys, base::RandomSource& random, Options options);
    ~PolicyStore();
    PolicyStore(const PolicyStore&) = delete;

    // Always reads the version and the freeze from the database; the policy itself comes from the
    // cache if that holds this version. CorruptData: a row that does not open or parse.
    Result<StoredPolicy> load(storage::Transaction& tx, const std::string& subject);
    // The same in a unit that signs: no change and no freeze of it commits before this unit has
    // ended, so nothing is signed after a freeze. Not in read units.
    Result<StoredPolicy> load_to_sign(storage::Transaction& tx, const std::string& subject);

    struct Change {
        std::string subject;
        std::optional<std::int64_t> expected_version;  // the version it replaces; null: whichever
        std::string actor;
        std::string note;
    };
    // The new version. Conflict, reason "policy_version": another version stands.
    Result<std::int64_t> put(
        storage::Transaction& tx, audit::AuditLog& audit, const Change& change,
        const ValuePolicy& policy);
    // NotFound: there is none.
    Result<std::int64_t> remove(
        storage::Transaction& tx, audit::AuditLog& audit, const Change& change);

    // Holds from the commit on, whatever the policy says, also where there is none. False: nothing
    // changed.
    Result<bool> freeze(
        storage::Transaction& tx, audit::AuditLog& audit, const std::string& subject,
        const std::string& reason, const std::string& actor);
    Result<bool> unfreeze(
        storage::Transaction& tx, audit::AuditLog& audit, const std::string& subject,
        const std::string& actor);

    // Newest first.
    Result<std::vector<PolicyVersion>> history(
        storage::Transaction& tx, const std::string& subject, std::int64_t count);
    // NotFound.
    Result<ValuePolicy> find_version(
        storage::Transaction& tx, const std::string& subject, std::int64_t version);
    // By subject, those after `after`, at most `count`.
    struct Subject {
        std::string subject;
        std::int64_t version = 0;
        bool has_policy = false;
        bool frozen = false;
    };
    Result<std::vector<Subject>> list(
        storage::Transaction& tx, const std::string& after, std::int64_t count);

    // Seals up to `count` rows anew that are not under the current key; how many it did. Repeat
    // until 0.
    Result<std::int64_t> rotate(storage::Transaction& tx, std::int64_t count);

    // {"subject","version","digest","policy"}; NotFound. What import takes back (the version is the
    // next free one; a digest that does not fit is InvalidArgument).
    Result<base::Json> export_policy(storage::Transaction& tx, const std::string& subject);
    Result<std::int64_t> import_policy(
        storage::Transaction& tx, audit::AuditLog& audit, const base::Json& exported,
        const std::string& actor);

private:
    struct Cached;
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace adyton::policy
