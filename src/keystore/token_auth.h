#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attest/peer_identity.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace adyton::keystore {

// Who calls a keystore is known by a bearer token, of which only the SHA-256 is kept (near.md 5).
// Coordinators sign; operators also change policies, freeze and rotate: a coordinator that could
// change its own limits would have none.
inline constexpr std::string_view kCoordinator = "coordinator";
inline constexpr std::string_view kOperator = "operator";

inline constexpr std::size_t kTokenHashesMax = 64;
inline constexpr std::size_t kTokenBytesMin = 16;
inline constexpr std::size_t kTokenBytesMax = 1024;

// SHA-256 in hex, separated by commas (ALLOWED_COORDINATOR_TOKEN_HASHES); empty: none.
// InvalidArgument: another form, more than 64.
Result<std::vector<crypto::Sha256Digest>> parse_token_hashes(std::string_view text);

// The digest that a token is known by. InvalidArgument: not 16 to 1024 visible ASCII characters.
Result<crypto::Sha256Digest> token_hash(std::string_view token);

struct TokenHashes {
    std::vector<crypto::Sha256Digest> coordinators;
    std::vector<crypto::Sha256Digest> operators;
};

// The caller by `Authorization: Bearer`. Caller::service_id is "coordinator" or "operator", its
// issuer the first 8 hex digits of the token's hash, for the audit log. Thread safe.
class TokenResolver final : public attest::IdentityResolver {
public:
    // InvalidArgument: no token at all, or one that is both.
    static Result<std::unique_ptr<TokenResolver>> create(
        const TokenHashes& hashes, attest::IdentityMode mode);

    attest::IdentityMode mode() const override { return mode_; }
    // Unauthenticated, reason "no_token" (or two, or another scheme) or "unknown_token".
    Result<std::shared_ptr<const attest::Caller>> resolve(
        const http::Request& request) const override;
    // CHECKs: tokens come from the configuration alone.
    void reload(attest::CertificateIdentifier identifier) override;

private:
    struct Known {
        crypto::Sha256Digest hash;
        std::shared_ptr<const attest::Caller> caller;  // shared with the requests that it serves
    };
    TokenResolver(std::vector<Known> known, attest::IdentityMode mode)
        : known_(std::move(known)), mode_(mode) {}

    std::vector<Known> known_;
    attest::IdentityMode mode_;
};

// "coordinator:1a2b3c4d", for the audit log.
std::string actor_of(const attest::Caller& caller);

}  // namespace adyton::keystore
