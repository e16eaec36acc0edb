#include "compute/secret_repository.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "crypto/aes_gcm.h"
#include "crypto/secret.h"
#include "crypto/transcript.h"

namespace adyton::compute {
namespace {

using base::Json;
using base::JsonWriter;

constexpr std::string_view kColumns =
    "user_id, name, version, exportable, policy, created_at, updated_at";

// How many names, deleted ones included, an owner may have for each secret that it may keep.
constexpr std::int64_t kNamesPerSecret = 10;
constexpr std::string_view kInTransit = "adyton/compute-secret-in-transit/v1";

base::Bytes associated_data(std::string_view owner, std::string_view name, std::int64_t version) {
    crypto::Transcript transcript("compute-secret");
    transcript.add(1, owner).add(2, name).add_u64(3, static_cast<std::uint64_t>(version));
    return {transcript.bytes().begin(), transcript.bytes().end()};
}

base::Bytes seal(
    const ComputeKeys& keys, base::RandomSource& random, const SecretInfo& info,
    const script::SensitiveBytes& value) {
    const auto nonce = crypto::AesGcmNonce::random(random);
    return crypto::aes_gcm_seal(
        keys.secrets_key(), nonce, value.expose(),
        associated_data(info.owner, info.name, info.version));
}

void write_list(JsonWriter& out, std::string_view name, const std::vector<std::string>& list) {
    if (list.empty()) return;
    out.key(name).begin_array();
    for (const std::string& item : list) out.value(std::string_view(item));
    out.end_array();
}

Result<std::vector<std::string>> read_list(const Json& json, std::string_view name) {
    std::vector<std::string> out;
    const Json* const list = json.find(name);
    if (list == nullptr) return out;
    if (!list->is_array()) return Error::corrupt_data("a secret's policy cannot be read");
    for (const Json& item : list->items()) {
        TRY(auto text, item.as_string());
        out.push_back(std::move(text));
    }
    return out;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

Result<SecretInfo> read_info(const storage::Rows& rows, std::size_t row) {
    SecretInfo out;
    TRY(out.owner, rows.text(row, 0));
    TRY(out.name, rows.text(row, 1));
    TRY(out.version, rows.integer(row, 2));
    TRY(const auto exportable, rows.integer(row, 3));
    out.exportable = exportable != 0;
    TRY(const auto policy, rows.text(row, 4));
    TRY(out.policy, SecretPolicy::parse(policy));
    TRY(out.created_at, rows.timestamp(row, 5));
    TRY(out.updated_at, rows.timestamp(row, 6));
    return out;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool starts_with_word(std::string_view text, std::string_view lower_word) {
    if (text.size() < lower_word.size()) return false;
    for (std::size_t i = 0; i < lower_word.size(); ++i) {
        const char c =
            text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
        if (c != lower_word[i]) return false;
    }
    return true;
}

}  // namespace

Result<void> check_secret_name(std::string_view name) {
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    if (name.empty() || name.size() > kSecretNameBytesMax ||
        name.find_first_not_of(kAllowed) != std::string_view::npos) {
        return Error::invalid_argument(
            "a secret's name is 1 to 128 of A-Z, a-z, 0-9, '_', '-' and '.'", "secret_name");
    }
    return {};
}

std::string SecretPolicy::to_json_text() const {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    if (any_code) out.member("any_code", true);
    write_list(out, "apps", apps);
    write_list(out, "code_hashes", code_hashes);
    write_list(out, "users", users);
    write_list(out, "destinations", destinations);
    if (redact) out.member("redact", true);
    out.end_object();
    return text;
}

Result<SecretPolicy> SecretPolicy::parse(std::string_view text) {
    const auto json = Json::parse(text);
    if (!json || !json->is_object()) {
        return Error::corrupt_data("a secret's policy cannot be read");
    }
    const auto flag = [&json](std::string_view name) {
        const Json* const found = json->find(name);
        return found != nullptr && found->is_boolean() && found->boolean_value();
    };
    SecretPolicy out;
    out.any_code = flag("any_code");
    out.redact = flag("redact");
    TRY(out.apps, read_list(*json, "apps"));
    TRY(out.code_hashes, read_list(*json, "code_hashes"));
    TRY(out.users, read_list(*json, "users"));
    TRY(out.destinations, read_list(*json, "destinations"));
    return out;
}

std::optional<SecretReference> parse_secret_reference(
    std::string_view reference, std::string_view user) {
    constexpr std::string_view kPrefix = "secrets:";
    std::string_view name = trimmed(reference);
    if (starts_with_word(name, kPrefix)) name = trimmed(name.substr(kPrefix.size()));
    if (name.empty()) return std::nullopt;
    SecretReference out;
    out.key = name;
    const std::size_t slash = name.find('/');
    out.owner = slash == std::string_view::npos ? user : name.substr(0, slash);
    out.name = slash == std::string_view::npos ? name : name.substr(slash + 1);
    return out;
}

bool may_read(const SecretInfo& secret, const SecretReader& reader) {
    const SecretPolicy& policy = secret.policy;
    if (reader.user != secret.owner && !contains(policy.users, reader.user)) return false;
    if (policy.any_code) return true;
    if (policy.apps.empty() && policy.code_hashes.empty()) return reader.empty_policy_allows;
    // Both lists must agree where both are given.
    if (!policy.apps.empty() && !contains(policy.apps, reader.app_id)) return false;
    return policy.code_hashes.empty() || contains(policy.code_hashes, reader.code_hash);
}

Result<script::SensitiveBytes> open_secret(const ComputeKeys& keys, const SealedSecret& secret) {
    const SecretInfo& info = secret.info;
    if (secret.master_key_id != keys.id()) {
        return Error::corrupt_data(
            "a secret is sealed under another master key; compute.previous_master_key names it",
            "secret_key_changed");
    }
    TRY(auto plain, crypto::aes_gcm_open(
                        keys.secrets_key(), secret.sealed,
                        associated_data(info.owner, info.name, info.version)));
    script::SensitiveBytes out{base::as_text(plain)};
    crypto::wipe(plain);
    return out;
}

namespace secrets {

base::Bytes seal_in_transit(
    const ComputeKeys& keys, base::RandomSource& random, const script::SensitiveBytes& value) {
    const auto nonce = crypto::AesGcmNonce::random(random);
    return crypto::aes_gcm_seal(
        keys.secrets_key(), nonce, value.expose(), base::as_bytes(kInTransit));
}

namespace {

// A name that is new to its owner: also deleted ones keep their rows.
Result<void> check_room(
    storage::Transaction& tx, const std::string& owner, bool new_name, std::int64_t count_max) {
    TRY(const auto counted,
        tx.query(
            "SELECT COUNT(sealed), COUNT(*) FROM compute_secrets WHERE user_id = $1", {owner}));
    TRY(const auto count, counted.integer(0, 0));
    TRY(const auto names, counted.integer(0, 1));
    if (count >= count_max) return Error::resource_exhausted("too many secrets", "secrets_max");
    if (new_name && names >= count_max * kNamesPerSecret) {
        return Error::resource_exhausted(
            "too many names of secrets, deleted ones included; use one of them again",
            "secret_names_max");
    }
    return {};
}

// Null: somebody else has put the first version of this secret meanwhile.
Result<std::optional<SecretInfo>> try_put(
    storage::Transaction& tx, const ComputeKeys& keys, base::RandomSource& random,
    const NewSecret& secret, base::ByteView in_transit, std::int64_t count_max) {
    TRY(const auto now, tx.now());
    const std::string select =
        "SELECT version, created_at, sealed IS NULL FROM compute_secrets "
        "WHERE user_id = $1 AND name = $2 " +
        std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const auto rows, tx.query(select, {secret.owner, secret.name}));
    bool adds = true;
    SecretInfo info{secret.owner, secret.name, 1, secret.exportable, secret.policy, now, now};
    if (!rows.empty()) {
        TRY(const auto version, rows.integer(0, 0));
        TRY(const bool removed, rows.boolean(0, 2));
        info.version = version + 1;
        adds = removed;
        if (!removed) {
            TRY(info.created_at, rows.timestamp(0, 1));
        }
    }
    if (adds) {
        TRY_VOID(check_room(tx, secret.owner, rows.empty(), count_max));
    }
    TRY(auto plain,
        crypto::aes_gcm_open(keys.secrets_key(), in_transit, base::as_bytes(kInTransit)));
    const script::SensitiveBytes value{base::as_text(plain)};
    crypto::wipe(plain);
    const base::Bytes sealed = seal(keys, random, info, value);
    TRY(const auto changed,
        tx.execute(
            "INSERT INTO compute_secrets (user_id, name, version, master_key_id, sealed, "
            "exportable, policy, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
            "ON CONFLICT (user_id, name) DO UPDATE SET version = excluded.version, "
            "master_key_id = excluded.master_key_id, sealed = excluded.sealed, "
            "exportable = excluded.exportable, policy = excluded.policy, "
            "created_at = excluded.created_at, updated_at = excluded.updated_at "
            "WHERE compute_secrets.version < excluded.version",
            {info.owner, info.name, info.version, keys.id(), sealed, info.exportable ? 1 : 0,
             info.policy.to_json_text(), info.created_at, info.updated_at}));
    if (changed == 0) return std::optional<SecretInfo>();
    return std::optional<SecretInfo>(std::move(info));
}

}  // namespace

Result<SecretInfo> put(
    storage::Transaction& tx, const ComputeKeys& keys, base::RandomSource& random,
    const NewSecret& secret, base::ByteView in_transit, std::int64_t count_max) {
    // Only a row that is there can be locked: of two first versions at once, one comes again.
    for (int attempt = 0; attempt < 2; ++attempt) {
        TRY(auto info, try_put(tx, keys, random, secret, in_transit, count_max));
        if (info) return *std::move(info);
    }
    return Error::unavailable("the secret is being put elsewhere; try again");
}

Result<std::optional<SealedSecret>> find(
    storage::Transaction& tx, const std::string& owner, const std::string& name) {
    TRY(const auto rows, tx.query(
                             "SELECT " + std::string(kColumns) +
                                 ", master_key_id, sealed FROM compute_secrets "
                                 "WHERE user_id = $1 AND name = $2 AND sealed IS NOT NULL",
                             {owner, name}));
    if (rows.empty()) return std::optional<SealedSecret>();
    SealedSecret out;
    TRY(out.info, read_info(rows, 0));
    TRY(out.master_key_id, rows.text(0, 7));
    TRY(out.sealed, rows.bytes(0, 8));
    return std::optional<SealedSecret>(std::move(out));
}

Result<std::vector<SecretInfo>> list(storage::Transaction& tx, const std::string& owner) {
    TRY(const auto rows,
        tx.query(
            "SELECT " + std::string(kColumns) +
                " FROM compute_secrets WHERE user_id = $1 AND sealed IS NOT NULL ORDER BY name",
            {owner}));
    std::vector<SecretInfo> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto info, read_info(rows, i));
        out.push_back(std::move(info));
    }
    return out;
}

Result<void> remove(storage::Transaction& tx, const std::string& owner, const std::string& name) {
    TRY(const auto now, tx.now());
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_secrets SET sealed = NULL, policy = '{}', updated_at = $3 "
            "WHERE user_id = $1 AND name = $2 AND sealed IS NOT NULL",
            {owner, name, now}));
    if (changed == 0) return Error::not_found("secret not found");
    return {};
}

Result<std::int64_t> rotate(
    storage::Transaction& tx, const ComputeKeys& from, const ComputeKeys& to,
    base::RandomSource& random, std::int64_t limit) {
    const std::string select =
        "SELECT " + std::string(kColumns) +
        ", master_key_id, sealed FROM compute_secrets WHERE master_key_id = $1 "
        "AND sealed IS NOT NULL ORDER BY user_id, name LIMIT $2 " +
        std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const auto rows, tx.query(select, {from.id(), limit}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        SealedSecret secret;
        TRY(secret.info, read_info(rows, i));
        TRY(secret.master_key_id, rows.text(i, 7));
        TRY(secret.sealed, rows.bytes(i, 8));
        TRY(const auto value, open_secret(from, secret));
        TRY_VOID(tx.execute(
            "UPDATE compute_secrets SET master_key_id = $3, sealed = $4 "
            "WHERE user_id = $1 AND name = $2",
            {secret.info.owner, secret.info.name, to.id(), seal(to, random, secret.info, value)}));
    }
    return static_cast<std::int64_t>(rows.size());
}

Result<std::int64_t> count_foreign(storage::Transaction& tx, const std::string& master_key_id) {
    TRY(const auto rows, tx.query(
                             "SELECT COUNT(*) FROM compute_secrets WHERE sealed IS NOT NULL "
                             "AND master_key_id <> $1",
                             {master_key_id}));
    return rows.integer(0, 0);
}

}  // namespace secrets
}  // namespace adyton::compute
