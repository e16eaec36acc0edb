#include "keystore/token_auth.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/secret.h"

namespace adyton::keystore {
namespace {

constexpr std::string_view kScheme = "Bearer ";

bool is_visible(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

Error unknown() {
    return Error::unauthenticated("the bearer token is not known", "unknown_token");
}

}  // namespace

Result<std::vector<crypto::Sha256Digest>> parse_token_hashes(std::string_view text) {
    std::vector<crypto::Sha256Digest> out;
    if (trim(text).empty()) return out;
    for (;;) {
        const std::size_t comma = text.find(',');
        const auto bytes = base::hex_decode(trim(text.substr(0, comma)));
        if (!bytes || bytes->size() != crypto::Sha256Digest::kSize) {
            return Error::invalid_argument(
                "token hashes are SHA-256 in 64 hex digits, separated by commas");
        }
        if (out.size() == kTokenHashesMax) {
            return Error::invalid_argument("more than 64 token hashes");
        }
        TRY(const auto digest, crypto::Sha256Digest::parse(*bytes));
        out.push_back(digest);
        if (comma == std::string_view::npos) return out;
        text.remove_prefix(comma + 1);
    }
}

Result<crypto::Sha256Digest> token_hash(std::string_view token) {
    if (token.size() < kTokenBytesMin || token.size() > kTokenBytesMax || !is_visible(token)) {
        return Error::invalid_argument("a token is 16 to 1024 visible ASCII characters");
    }
    return crypto::sha256(base::as_bytes(token));
}

Result<std::unique_ptr<TokenResolver>> TokenResolver::create(
    const TokenHashes& hashes, attest::IdentityMode mode) {
    std::vector<Known> known;
    const auto add = [&](const std::vector<crypto::Sha256Digest>& list,
                         std::string_view role) -> Result<void> {
        TRY(const auto id, attest::ServiceId::parse(role));
        for (const auto& hash : list) {
            for (const Known& other : known) {
                if (other.hash == hash) {
                    return Error::invalid_argument(
                        "a token hash is listed twice; coordinators and operators have different "
                        "tokens");
                }
            }
            auto caller = std::make_shared<attest::Caller>(
                attest::Caller{id, attest::IdentitySource::DevelopmentHeader, {}});
            caller->issuer = hash.to_hex().substr(0, 8);
            known.push_back({hash, std::move(caller)});
        }
        return {};
    };
    TRY_VOID(add(hashes.coordinators, kCoordinator));
    TRY_VOID(add(hashes.operators, kOperator));
    if (known.empty()) {
        return Error::invalid_argument(
            "no token may use the keystore: set ALLOWED_COORDINATOR_TOKEN_HASHES");
    }
    return std::unique_ptr<TokenResolver>(new TokenResolver(std::move(known), mode));
}

Result<std::shared_ptr<const attest::Caller>> TokenResolver::resolve(
    const http::Request& request) const {
    const auto header = request.headers.find("Authorization");
    if (!header || request.headers.count("Authorization") != 1 ||
        !http::equal_ignoring_case(header->substr(0, kScheme.size()), kScheme)) {
        return Error::unauthenticated("a bearer token is required", "no_token");
    }
    const auto hash = token_hash(header->substr(kScheme.size()));
    if (!hash) return unknown();
    // All are compared, so that the time says nothing about which one it was.
    const Known* found = nullptr;
    for (const Known& known : known_) {
        if (crypto::constant_time_equal(known.hash.bytes, hash->bytes)) found = &known;
    }
    if (found == nullptr) return unknown();
    return found->caller;
}

void TokenResolver::reload(attest::CertificateIdentifier) {
    CHECK(false);
}

std::string actor_of(const attest::Caller& caller) {
    return caller.service_id.text() + ":" + caller.issuer;
}

}  // namespace adyton::keystore
