#include "policy/policy_store.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "crypto/hkdf.h"
#include "crypto/transcript.h"
#include "policy/internal/locked_query.h"

namespace adyton::policy {
namespace {

constexpr std::string_view kKeyInfo = "adyton/policy-store/v1";
constexpr std::string_view kKeyIdInfo = "adyton/policy-store/v1/id";
constexpr std::string_view kRemoved = "removed";  // what is sealed where a version says: none
constexpr std::size_t kSubjectBytesMax = 256;
constexpr std::size_t kNoteBytesMax = 256;
constexpr std::size_t kTextsMax = 1024;  // policies that subjects can share

bool is_text(std::string_view text, std::size_t bytes_max) {
    return text.size() <= bytes_max && base::is_valid_utf8(text) &&
           std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

Result<void> check_subject(const std::string& subject) {
    if (!subject.empty() && is_text(subject, kSubjectBytesMax)) return {};
    return Error::invalid_argument("the subject of the policy is malformed");
}

PolicyKeys::Key derive(base::ByteView secret) {
    PolicyKeys::Key out;
    const base::ByteView salt = base::as_bytes("adyton");
    crypto::hkdf_sha256(secret, salt, base::as_bytes(kKeyInfo), out.key.expose_mutable());
    std::array<std::uint8_t, 8> id{};
    crypto::hkdf_sha256(secret, salt, base::as_bytes(kKeyIdInfo), id);
    out.id = base::hex_encode(id);
    return out;
}

Result<ValuePolicy> parse_stored(const std::string& text) {
    const auto json = base::Json::parse(text);
    auto policy = json ? ValuePolicy::parse(*json) : Result<ValuePolicy>(json.error());
    if (!policy) return Error::corrupt_data("a stored policy is malformed");
    return policy;
}

}  // namespace

PolicyKeys::PolicyKeys(base::ByteView current_secret) {
    keys_.push_back(derive(current_secret));
}

void PolicyKeys::add_former(base::ByteView secret) {
    Key key = derive(secret);
    if (find(key.id) == nullptr) keys_.push_back(std::move(key));
}

const PolicyKeys::Key* PolicyKeys::find(std::string_view id) const {
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [id](const Key& key) { return key.id == id; });
    return found == keys_.end() ? nullptr : &*found;
}

// One row of policy_heads.
struct Head {
    std::int64_t version = 0;
    // Of the version's text. What is cached goes by it: a version number that was rolled back may
    // come again with another policy.
    base::Bytes digest;
    bool present = false;
    bool frozen = false;
    std::string freeze_reason;
};

class PolicyStore::Impl {
public:
    Impl(PolicyKeys keys, base::RandomSource& random, Options options)
        : keys_(std::move(keys)), random_(random), options_(std::move(options)) {}

    base::Bytes associated(const std::string& subject, std::int64_t version) const {
        crypto::Transcript transcript("policy-record");
        transcript.add(1, options_.name).add(2, subject);
        transcript.add_u64(3, static_cast<std::uint64_t>(version));
        return {transcript.bytes().begin(), transcript.bytes().end()};
    }

    base::Bytes seal(const std::string& subject, std::int64_t version, std::string_view text) {
        return crypto::aes_gcm_seal(
            keys_.current().key, crypto::AesGcmNonce::random(random_), base::as_bytes(text),
            associated(subject, version));
    }

    Result<std::string> open(
        const std::string& subject, std::int64_t version, const std::string& key_id,
        const base::Bytes& sealed) const {
        const PolicyKeys::Key* const key = keys_.find(key_id);
        if (key == nullptr) {
            return Error::corrupt_data("a policy is sealed under a secret that is not configured");
        }
        TRY(const base::Bytes text,
            crypto::aes_gcm_open(key->key, sealed, associated(subject, version)));
        return std::string(base::as_text(text));
    }

    // Version 0 where there is no row.
    Result<Head> read_head(
        storage::Transaction& tx, const std::string& subject, std::string_view lock) const {
        TRY(const storage::Rows rows,
            internal::query_locked(
                tx,
                "SELECT version, digest, present, frozen, freeze_reason FROM policy_heads "
                "WHERE store = $1 AND subject = $2",
                lock, {options_.name, subject}));
        Head head;
        if (rows.empty()) return head;
        TRY(head.version, rows.integer(0, 0));
        TRY(head.digest, rows.bytes(0, 1));
        TRY(head.present, rows.boolean(0, 2));
        TRY(head.frozen, rows.boolean(0, 3));
        TRY(head.freeze_reason, rows.text(0, 4));
        return head;
    }

    Result<void> ensure_head(storage::Transaction& tx, const std::string& subject) const {
        TRY_VOID(tx.execute(
            "INSERT INTO policy_heads "
            "(store, subject, version, digest, present, frozen, freeze_reason) "
            "VALUES ($1, $2, 0, $3, $4, $4, '') ON CONFLICT DO NOTHING",
            {options_.name, subject, base::Bytes(), false}));
        return {};
    }

    Result<Head> lock_head(storage::Transaction& tx, const std::string& subject) const {
        TRY_VOID(ensure_head(tx, subject));
        return read_head(tx, subject, tx.fragment(storage::Fragment::ForUpdate));
    }

    Result<void> write_head(
        storage::Transaction& tx, const std::string& subject, const Head& head) const {
        TRY_VOID(tx.execute(
            "UPDATE policy_heads SET version = $3, digest = $4, present = $5, frozen = $6, "
            "freeze_reason = $7 WHERE store = $1 AND subject = $2",
            {options_.name, subject, head.version, head.digest, head.present, head.frozen,
             head.freeze_reason}));
        return {};
    }

    // The text of a version; empty where it says that there is none.
    Result<std::string> read_text(
        storage::Transaction& tx, const std::string& subject, std::int64_t version) const {
        TRY(const storage::Rows rows,
            tx.query(
                "SELECT key_id, sealed FROM policy_versions WHERE store = $1 AND subject = $2 "
                "AND version = $3",
                {options_.name, subject, version}));
        if (rows.empty()) return Error::not_found("no such version of the policy");
        TRY(const std::string key_id, rows.text(0, 0));
        TRY(const base::Bytes sealed, rows.bytes(0, 1));
        TRY(std::string text, open(subject, version, key_id, sealed));
        return text == kRemoved ? std::string() : std::move(text);
    }

    Result<ValuePolicy> read_policy(
        storage::Transaction& tx, const std::string& subject, std::int64_t version) const {
        TRY(const std::string text, read_text(tx, subject, version));
        if (text.empty()) return Error::not_found("that version says that there is no policy");
        return parse_stored(text);
    }

    Result<StoredPolicy> load(
        storage::Transaction& tx, const std::string& subject, const Head& head);

    struct Entry {
        base::Bytes digest;
        std::shared_ptr<const ValuePolicy> policy;
        std::list<std::string>::iterator place;
    };

    std::shared_ptr<const ValuePolicy> cached(
        const std::string& subject, const base::Bytes& digest) {
        const std::lock_guard guard(mutex_);
        const auto found = cache_.find(subject);
        if (found == cache_.end() || found->second.digest != digest) return nullptr;
        recent_.splice(recent_.begin(), recent_, found->second.place);
        return found->second.policy;
    }

    // The policy that an opened row says; the same object for the same text.
    Result<std::shared_ptr<const ValuePolicy>> parse_shared(const std::string& text) {
        {
            const std::lock_guard guard(mutex_);
            const auto found = by_text_.find(text);
            if (found != by_text_.end()) {
                if (auto shared = found->second.lock()) return shared;
            }
        }
        TRY(ValuePolicy policy, parse_stored(text));
        auto made = std::make_shared<const ValuePolicy>(std::move(policy));
        const std::lock_guard guard(mutex_);
        if (by_text_.size() >= kTextsMax) {
            std::erase_if(by_text_, [](const auto& known) { return known.second.expired(); });
        }
        if (by_text_.size() < kTextsMax) by_text_.insert_or_assign(text, made);
        return made;
    }

    void remember(
        const std::string& subject, const base::Bytes& digest,
        std::shared_ptr<const ValuePolicy> policy) {
        const std::lock_guard guard(mutex_);
        if (options_.cached_max == 0) return;
        const auto found = cache_.find(subject);
        if (found != cache_.end()) {
            recent_.erase(found->second.place);
            cache_.erase(found);
        }
        if (cache_.size() >= options_.cached_max) {
            cache_.erase(recent_.back());
            recent_.pop_back();
        }
        recent_.push_front(subject);
        cache_.emplace(subject, Entry{digest, std::move(policy), recent_.begin()});
    }

    Result<std::int64_t> add_version(
        storage::Transaction& tx, audit::AuditLog& audit, const Change& change,
        const ValuePolicy* policy);

    PolicyKeys keys_;
    base::RandomSource& random_;
    const Options options_;
    std::mutex mutex_;
    std::list<std::string> recent_;  // subjects in the cache, last used first
    std::unordered_map<std::string, Entry> cache_;
    // What cached subjects hold, by the text: wallets that were set up alike share one policy.
    std::unordered_map<std::string, std::weak_ptr<const ValuePolicy>> by_text_;
};

Result<std::int64_t> PolicyStore::Impl::add_version(
    storage::Transaction& tx, audit::AuditLog& audit, const Change& change,
    const ValuePolicy* policy) {
    TRY_VOID(check_subject(change.subject));
    if (!is_text(change.note, kNoteBytesMax)) {
        return Error::invalid_argument("the note is malformed");
    }
    TRY(Head head, lock_head(tx, change.subject));
    if (change.expected_version && *change.expected_version != head.version) {
        return Error::conflict(
            "version " + std::to_string(head.version) + " of the policy stands", "policy_version");
    }
    if (policy == nullptr && !head.present) return Error::not_found("there is no policy");
    head.version += 1;
    head.present = policy != nullptr;
    const std::string text = policy != nullptr ? to_json(*policy).dump() : std::string(kRemoved);
    const crypto::Sha256Digest digest =
        policy != nullptr ? crypto::sha256(base::as_bytes(text)) : crypto::Sha256Digest{};
    head.digest.assign(digest.bytes.begin(), digest.bytes.end());
    TRY(const base::Timestamp now, tx.now());
    TRY_VOID(tx.execute(
        "INSERT INTO policy_versions "
        "(store, subject, version, digest, key_id, sealed, actor, note, created_us) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        {options_.name, change.subject, head.version,
         base::Bytes(digest.bytes.begin(), digest.bytes.end()), keys_.current().id,
         seal(change.subject, head.version, text), change.actor, change.note,
         now.time_since_epoch().count()}));
    TRY_VOID(write_head(tx, change.subject, head));
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object()
        .member("subject", std::string_view(change.subject))
        .member("version", head.version);
    if (policy != nullptr) writer.member("digest", std::string_view(digest.to_hex()));
    if (!change.note.empty()) writer.member("note", std::string_view(change.note));
    writer.end_object();
    const std::string_view kind = policy != nullptr ? "policy.put" : "policy.remove";
    TRY_VOID(audit.append(tx, {kind, change.actor, body}));
    return head.version;
}

PolicyStore::PolicyStore(PolicyKeys keys, base::RandomSource& random, Options options)
    : impl_(std::make_unique<Impl>(std::move(keys), random, std::move(options))) {}

PolicyStore::~PolicyStore() = default;

Result<StoredPolicy> PolicyStore::Impl::load(
    storage::Transaction& tx, const std::string& subject, const Head& head) {
    StoredPolicy out;
    out.version = head.version;
    out.frozen = head.frozen;
    out.freeze_reason = head.freeze_reason;
    if (!head.present) return out;
    out.policy = cached(subject, head.digest);
    if (out.policy == nullptr) {
        TRY(const std::string text, read_text(tx, subject, head.version));
        if (text.empty()) return Error::not_found("that version says that there is no policy");
        TRY(out.policy, parse_shared(text));
        remember(subject, head.digest, out.policy);
    }
    out.frozen = out.frozen || out.policy->frozen;
    return out;
}

Result<StoredPolicy> PolicyStore::load(storage::Transaction& tx, const std::string& subject) {
    TRY(const Head head, impl_->read_head(tx, subject, ""));
    return impl_->load(tx, subject, head);
}

Result<StoredPolicy> PolicyStore::load_to_sign(
    storage::Transaction& tx, const std::string& subject) {
    if (tx.dialect() == storage::Dialect::Sqlite) return load(tx, subject);  // one writer
    TRY_VOID(check_subject(subject));
    TRY_VOID(impl_->ensure_head(tx, subject));
    TRY(const Head head, impl_->read_head(tx, subject, " FOR SHARE"));
    return impl_->load(tx, subject, head);
}

Result<std::int64_t> PolicyStore::put(
    storage::Transaction& tx, audit::AuditLog& audit, const Change& change,
    const ValuePolicy& policy) {
    return impl_->add_version(tx, audit, change, &policy);
}

Result<std::int64_t> PolicyStore::remove(
    storage::Transaction& tx, audit::AuditLog& audit, const Change& change) {
    return impl_->add_version(tx, audit, change, nullptr);
}

Result<bool> PolicyStore::freeze(
    storage::Transaction& tx, audit::AuditLog& audit, const std::string& subject,
    const std::string& reason, const std::string& actor) {
    TRY_VOID(check_subject(subject));
    if (!is_text(reason, kNoteBytesMax)) {
        return Error::invalid_argument("the reason of the freeze is malformed");
    }
    TRY(Head head, impl_->lock_head(tx, subject));
    if (head.frozen) return false;
    head.frozen = true;
    head.freeze_reason = reason;
    TRY_VOID(impl_->write_head(tx, subject, head));
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object()
        .member("subject", std::string_view(subject))
        .member("reason", std::string_view(reason))
        .end_object();
    TRY_VOID(audit.append(tx, {"policy.freeze_subject", actor, body}));
    return true;
}

Result<bool> PolicyStore::unfreeze(
    storage::Transaction& tx, audit::AuditLog& audit, const std::string& subject,
    const std::string& actor) {
    TRY_VOID(check_subject(subject));
    TRY(Head head, impl_->lock_head(tx, subject));
    if (!head.frozen) return false;
    head.frozen = false;
    head.freeze_reason.clear();
    TRY_VOID(impl_->write_head(tx, subject, head));
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object().member("subject", std::string_view(subject)).end_object();
    TRY_VOID(audit.append(tx, {"policy.unfreeze_subject", actor, body}));
    return true;
}

Result<std::vector<PolicyVersion>> PolicyStore::history(
    storage::Transaction& tx, const std::string& subject, std::int64_t count) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT version, digest, actor, note, created_us FROM policy_versions "
            "WHERE store = $1 AND subject = $2 ORDER BY version DESC LIMIT $3",
            {impl_->options_.name, subject, count}));
    std::vector<PolicyVersion> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        PolicyVersion version;
        version.subject = subject;
        TRY(version.version, rows.integer(i, 0));
        TRY(const base::Bytes digest, rows.bytes(i, 1));
        TRY(version.digest, crypto::Sha256Digest::parse(digest));
        version.removed = version.digest == crypto::Sha256Digest{};
        TRY(version.actor, rows.text(i, 2));
        TRY(version.note, rows.text(i, 3));
        TRY(const std::int64_t created, rows.integer(i, 4));
        version.created_at = base::Timestamp(std::chrono::microseconds(created));
        out.push_back(std::move(version));
    }
    return out;
}

Result<ValuePolicy> PolicyStore::find_version(
    storage::Transaction& tx, const std::string& subject, std::int64_t version) {
    return impl_->read_policy(tx, subject, version);
}

Result<std::vector<PolicyStore::Subject>> PolicyStore::list(
    storage::Transaction& tx, const std::string& after, std::int64_t count) {
    TRY(const storage::Rows rows, tx.query(
                                      "SELECT subject, version, present, frozen FROM policy_heads "
                                      "WHERE store = $1 AND subject > $2 ORDER BY subject LIMIT $3",
                                      {impl_->options_.name, after, count}));
    std::vector<Subject> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Subject subject;
        TRY(subject.subject, rows.text(i, 0));
        TRY(subject.version, rows.integer(i, 1));
        TRY(subject.has_policy, rows.boolean(i, 2));
        TRY(subject.frozen, rows.boolean(i, 3));
        out.push_back(std::move(subject));
    }
    return out;
}

Result<std::int64_t> PolicyStore::rotate(storage::Transaction& tx, std::int64_t count) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT subject, version, key_id, sealed FROM policy_versions "
            "WHERE store = $1 AND key_id <> $2 ORDER BY subject, version LIMIT $3",
            {impl_->options_.name, impl_->keys_.current().id, count}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const std::string subject, rows.text(i, 0));
        TRY(const std::int64_t version, rows.integer(i, 1));
        TRY(const std::string key_id, rows.text(i, 2));
        TRY(const base::Bytes sealed, rows.bytes(i, 3));
        TRY(const std::string text, impl_->open(subject, version, key_id, sealed));
        TRY_VOID(tx.execute(
            "UPDATE policy_versions SET key_id = $4, sealed = $5 "
            "WHERE store = $1 AND subject = $2 AND version = $3",
            {impl_->options_.name, subject, version, impl_->keys_.current().id,
             impl_->seal(subject, version, text)}));
    }
    return static_cast<std::int64_t>(rows.size());
}

Result<base::Json> PolicyStore::export_policy(
    storage::Transaction& tx, const std::string& subject) {
    TRY(const StoredPolicy stored, load(tx, subject));
    if (stored.policy == nullptr) return Error::not_found("there is no policy");
    base::Json out = base::Json::object();
    out.set("subject", base::Json::string(subject));
    out.set("version", base::Json::integer(stored.version));
    out.set("digest", base::Json::string(digest_of(*stored.policy).to_hex()));
    out.set("policy", to_json(*stored.policy));
    return out;
}

Result<std::int64_t> PolicyStore::import_policy(
    storage::Transaction& tx, audit::AuditLog& audit, const base::Json& exported,
    const std::string& actor) {
    const base::Json* const subject = exported.find("subject");
    const base::Json* const digest = exported.find("digest");
    const base::Json* const policy = exported.find("policy");
    const bool whole = subject != nullptr && subject->is_string() && digest != nullptr &&
                       digest->is_string() && policy != nullptr;
    const bool known =
        exported.is_object() && exported.size() == (exported.find("version") == nullptr ? 3U : 4U);
    if (!whole || !known) {
        return Error::invalid_argument(
            "an exported policy has subject, version, digest and policy");
    }
    TRY(const ValuePolicy parsed, ValuePolicy::parse(*policy));
    if (digest_of(parsed).to_hex() != digest->string_value()) {
        return Error::invalid_argument("the digest is not the policy's");
    }
    Change change;
    change.subject = subject->string_value();
    change.actor = actor;
    change.note = "imported";
    return put(tx, audit, change, parsed);
}

}  // namespace adyton::policy
