#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/peer_identity.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

namespace adyton::coordinator {

// [A-Za-z0-9:_.-]{1,128}. InvalidArgument, reason "invalid_wallet_id". It goes into the keystore's
// seeds, so it is never changed.
Result<void> check_wallet_id(std::string_view text);

// Of tokens and API keys; shorter ones are for development alone.
inline constexpr std::size_t kWalletAuthBytesMin = 16;

// One key of WALLET_API_KEYS_JSON, as its SHA-256.
struct WalletApiKey {
    crypto::Sha256Digest hash;
    std::string wallet_id;
    bool is_short = false;  // fewer than kWalletAuthBytesMin
};
// {"wk_...":"wallet id",..}. InvalidArgument: another shape, a key that is not wk_ and more, a
// malformed wallet id. The message repeats neither.
Result<std::vector<WalletApiKey>> parse_wallet_api_keys(base::ByteView json);

// Which wallet calls (near.md 6.2): X-Internal-Wallet-Auth with X-Wallet-Id, else Authorization:
// Bearer wk_.... Caller::issuer is the wallet id; service_id is "worker" for the first way,
// "wallet" for the second. Thread safe.
class WalletAuth final : public attest::IdentityResolver {
public:
    // InvalidArgument: outside of development a token or a key of fewer than kWalletAuthBytesMin;
    // an empty token; neither a token nor a key.
    static Result<std::unique_ptr<WalletAuth>> create(
        const crypto::SecretBuffer* internal_token_or_null, std::vector<WalletApiKey> keys,
        attest::IdentityMode mode);

    attest::IdentityMode mode() const override { return mode_; }
    // In development: a token or a key that would be refused elsewhere.
    bool has_short_secrets() const { return has_short_secrets_; }
    // Unauthenticated: "missing_auth", "invalid_api_key", "missing_wallet_id",
    // "invalid_internal_auth". InvalidArgument: "invalid_wallet_id", "duplicate_header".
    Result<std::shared_ptr<const attest::Caller>> resolve(
        const http::Request& request) const override;
    // CHECKs: keys come from the configuration alone.
    void reload(attest::CertificateIdentifier identifier) override;

private:
    WalletAuth(
        bool has_token, crypto::Sha256Digest token, std::vector<WalletApiKey> keys,
        attest::IdentityMode mode);

    bool has_token_;
    bool has_short_secrets_ = false;
    crypto::Sha256Digest token_;
    std::vector<WalletApiKey> keys_;
    attest::IdentityMode mode_;
};

}  // namespace adyton::coordinator
