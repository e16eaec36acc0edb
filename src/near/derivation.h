#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "near/account_id.h"

// Keys of the keystore (near.md 5.1): Ed25519 seed = HMAC-SHA256(master secret, seed text). The
// seed text is taken byte for byte: another spelling of a wallet id is another key.
namespace adyton::near {

// The caller keeps ids free of ':' where two ids could otherwise run together (wallet ids may hold
// one; account ids cannot).
std::string wallet_seed_text(std::string_view wallet_id, std::string_view chain);
std::string policy_seed_text(std::string_view wallet_id);
std::string direct_user_full_access_seed_text(std::string_view wallet_id, const AccountId& user_id);
std::string direct_user_function_call_seed_text(
    std::string_view wallet_id, const AccountId& user_id, const AccountId& registry_id,
    const AccountId& receiver_id, std::string_view method_names_hash);

// "outlayer:{wallet_id}:direct-user-fa:v1" and "...-fc:{registry_id}:{receiver_id}:v1".
std::string direct_user_full_access_label(std::string_view wallet_id);
std::string direct_user_function_call_label(
    std::string_view wallet_id, const AccountId& registry_id, const AccountId& receiver_id);

// Trimmed of ASCII white space, sorted bytewise, without duplicates.
std::vector<std::string> normalize_method_names(const std::vector<std::string>& names);
// Lower hex of SHA-256 over the normalized names joined with LF.
std::string method_names_hash(const std::vector<std::string>& names);

// The master secret, 32 bytes, prepared for deriving. Thread safe; about two microseconds a key
// plus the key's own preparation.
class KeyDeriver {
public:
    static constexpr std::size_t kMasterBytes = 32;

    explicit KeyDeriver(const crypto::SecretBytes<kMasterBytes>& master);

    crypto::SecretBytes<32> derive_seed(std::string_view seed_text) const;
    crypto::Ed25519KeyPair derive(std::string_view seed_text) const;

private:
    crypto::SecretBytes<kMasterBytes> master_;
};

}  // namespace adyton::near
