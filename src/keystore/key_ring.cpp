#include "keystore/key_ring.h"

#include "base/check.h"
#include "near/policy_blob.h"

namespace adyton::keystore {
namespace {

constexpr std::string_view kProbe = "adyton/keystore-probe/v1";
constexpr std::string_view kFirstVersion = ":v1";

// Names of version 1 end in ":v1"; the same name of a later version in its number.
std::string with_version(std::string text, std::uint32_t version) {
    CHECK(text.ends_with(kFirstVersion));
    text.resize(text.size() - kFirstVersion.size());
    return text + ":v" + std::to_string(version);
}

}  // namespace

KeyName KeyName::wallet(const std::string& wallet_id, std::uint32_t version) {
    std::string text = near::wallet_seed_text(wallet_id, "near");
    if (version > 1) text += ":v" + std::to_string(version);
    return KeyName(std::move(text));
}

KeyName KeyName::direct_user(
    const std::string& wallet_id, const near::AccountId& user_id, std::uint32_t version) {
    return KeyName(
        with_version(near::direct_user_full_access_seed_text(wallet_id, user_id), version));
}

KeyName KeyName::direct_user_calls(
    const std::string& wallet_id, const near::AccountId& user_id,
    const near::AccountId& registry_id, const near::AccountId& receiver_id,
    const std::vector<std::string>& method_names, std::uint32_t version) {
    return KeyName(with_version(
        near::direct_user_function_call_seed_text(
            wallet_id, user_id, registry_id, receiver_id, near::method_names_hash(method_names)),
        version));
}

KeyRing::KeyRing(
    crypto::SecretBytes<kMasterBytes> master, std::size_t cached_public_keys,
    crypto::SelfCheck self_check)
    : master_(std::move(master)),
      deriver_(master_),
      shard_limit_(cached_public_keys / kShards + 1),
      self_check_(self_check),
      probe_(deriver_.derive(kProbe).public_key()) {}

KeyRing::Shard& KeyRing::shard(const std::string& seed_text) const {
    return shards_[std::hash<std::string>{}(seed_text) % kShards];
}

crypto::Ed25519PublicKey KeyRing::public_key(const KeyName& name) const {
    Shard& part = shard(name.seed_text());
    {
        const std::lock_guard lock(part.mutex);
        const auto found = part.keys.find(name.seed_text());
        if (found != part.keys.end()) return found->second;
    }
    const crypto::Ed25519PublicKey key = deriver_.derive(name.seed_text()).public_key();
    const std::lock_guard lock(part.mutex);
    if (part.keys.size() >= shard_limit_) part.keys.erase(part.keys.begin());
    part.keys.emplace(name.seed_text(), key);
    return key;
}

Result<crypto::Ed25519Signature> KeyRing::sign(
    const KeyName& name, const crypto::Sha256Digest& digest) const {
    // The public key in memory was derived from the same seed.
    const crypto::Ed25519PublicKey known = public_key(name);
    const crypto::Ed25519KeyPair pair(deriver_.derive_seed(name.seed_text()), known);
    const crypto::Ed25519Signature signature = pair.sign(digest.view());
    if (self_check_ == crypto::SelfCheck::On && !crypto::verify(known, digest.view(), signature)) {
        return Error::internal("a signature did not verify; it does not leave");
    }
    return signature;
}

crypto::X25519KeyPair KeyRing::policy_blob_key(const std::string& wallet_id) const {
    return near::policy_key(deriver_, wallet_id);
}

std::string KeyRing::fingerprint() const {
    return crypto::hmac_sha256(
               master_.expose(), base::as_bytes(std::string_view("adyton/keystore-secret/v1")))
        .to_hex();
}

Result<void> KeyRing::check() const {
    if (deriver_.derive(kProbe).public_key() != probe_) {
        return Error::internal("the master secret no longer gives the keys it gave at start-up");
    }
    return {};
}

Result<crypto::SecretBytes<KeyRing::kMasterBytes>> master_secret(
    const crypto::SecretBuffer& bytes) {
    if (bytes.size() != KeyRing::kMasterBytes) {
        return Error::invalid_argument(
            "the keystore's master secret is 32 bytes: 64 hex digits in KEYSTORE_MASTER_SECRET, or "
            "a file of 32 raw bytes or hex: and 64 hex digits");
    }
    crypto::SecretBytes<KeyRing::kMasterBytes> out;
    const auto from = bytes.expose();
    const auto to = out.expose_mutable();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
    return out;
}

}  // namespace adyton::keystore
