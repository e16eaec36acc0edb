#include "coordinator/wallet_auth.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json.h"

namespace adyton::coordinator {
namespace {

constexpr std::size_t kWalletIdBytesMax = 128;
constexpr std::string_view kApiKeyPrefix = "wk_";
constexpr std::string_view kScheme = "Bearer ";

Error refused(std::string text, std::string reason) {
    return Error::unauthenticated(std::move(text), std::move(reason));
}

Result<std::shared_ptr<const attest::Caller>> caller(
    std::string_view role, const std::string& wallet_id) {
    TRY(const auto id, attest::ServiceId::parse(role));
    auto out = std::make_shared<attest::Caller>(
        attest::Caller{id, attest::IdentitySource::DevelopmentHeader, wallet_id});
    return std::shared_ptr<const attest::Caller>(std::move(out));
}

}  // namespace

Result<void> check_wallet_id(std::string_view text) {
    const bool good = !text.empty() && text.size() <= kWalletIdBytesMax &&
                      std::all_of(text.begin(), text.end(), [](char c) {
                          return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                 (c >= '0' && c <= '9') || c == ':' || c == '_' || c == '.' ||
                                 c == '-';
                      });
    if (good) return {};
    return Error::invalid_argument(
        "a wallet id is 1 to 128 of A-Z a-z 0-9 : _ . -", "invalid_wallet_id");
}

Result<std::vector<WalletApiKey>> parse_wallet_api_keys(base::ByteView json) {
    const Error bad = Error::invalid_argument(
        "WALLET_API_KEYS_JSON is no JSON object of keys (wk_...) to wallet ids");
    const auto parsed = base::Json::parse(base::as_text(json));
    if (!parsed || !parsed->is_object()) return bad;
    std::vector<WalletApiKey> out;
    for (const auto& [key, wallet] : parsed->members()) {
        const bool good = key.starts_with(kApiKeyPrefix) && key.size() > kApiKeyPrefix.size() &&
                          wallet.is_string() && check_wallet_id(wallet.string_value());
        if (!good) return bad;
        out.push_back(
            {crypto::sha256(base::as_bytes(key)), wallet.string_value(),
             key.size() < kWalletAuthBytesMin});
    }
    return out;
}

WalletAuth::WalletAuth(
    bool has_token, crypto::Sha256Digest token, std::vector<WalletApiKey> keys,
    attest::IdentityMode mode)
    : has_token_(has_token), token_(token), keys_(std::move(keys)), mode_(mode) {}

Result<std::unique_ptr<WalletAuth>> WalletAuth::create(
    const crypto::SecretBuffer* internal_token_or_null, std::vector<WalletApiKey> keys,
    attest::IdentityMode mode) {
    crypto::Sha256Digest token{};
    const bool development = mode == attest::IdentityMode::Development;
    const bool short_key =
        std::any_of(keys.begin(), keys.end(), [](const WalletApiKey& key) { return key.is_short; });
    if (short_key && !development) {
        return Error::invalid_argument("WALLET_API_KEYS_JSON has a key of fewer than 16 bytes");
    }
    bool short_token = false;
    if (internal_token_or_null != nullptr) {
        const std::size_t size = internal_token_or_null->size();
        short_token = size < kWalletAuthBytesMin;
        if (size == 0 || (short_token && !development)) {
            return Error::invalid_argument("INTERNAL_WALLET_AUTH_TOKEN has fewer than 16 bytes");
        }
        token = crypto::sha256(internal_token_or_null->expose());
    } else if (keys.empty()) {
        return Error::invalid_argument(
            "nobody may call: set INTERNAL_WALLET_AUTH_TOKEN or WALLET_API_KEYS_JSON");
    }
    std::unique_ptr<WalletAuth> out(
        new WalletAuth(internal_token_or_null != nullptr, token, std::move(keys), mode));
    out->has_short_secrets_ = short_key || short_token;
    return out;
}

Result<std::shared_ptr<const attest::Caller>> WalletAuth::resolve(
    const http::Request& request) const {
    for (const char* const name : {"X-Internal-Wallet-Auth", "X-Wallet-Id", "Authorization"}) {
        if (request.headers.count(name) > 1) {
            return Error::invalid_argument(std::string(name) + " stands twice", "duplicate_header");
        }
    }
    if (const auto given = request.headers.find("X-Internal-Wallet-Auth")) {
        // Compared by their hashes, so that the time says nothing about the token.
        const auto hash = crypto::sha256(base::as_bytes(*given));
        if (!has_token_ || !crypto::constant_time_equal(hash.bytes, token_.bytes)) {
            return refused("X-Internal-Wallet-Auth is wrong", "invalid_internal_auth");
        }
        const auto wallet = request.headers.find("X-Wallet-Id");
        if (!wallet || wallet->empty()) {
            return refused("X-Wallet-Id is missing", "missing_wallet_id");
        }
        TRY_VOID(check_wallet_id(*wallet));
        return caller("worker", std::string(*wallet));
    }
    const auto header = request.headers.find("Authorization");
    if (!header || !http::equal_ignoring_case(header->substr(0, kScheme.size()), kScheme)) {
        return refused(
            "X-Internal-Wallet-Auth or Authorization: Bearer wk_... is required", "missing_auth");
    }
    const auto hash = crypto::sha256(base::as_bytes(header->substr(kScheme.size())));
    const WalletApiKey* found = nullptr;
    for (const WalletApiKey& key : keys_) {
        if (crypto::constant_time_equal(key.hash.bytes, hash.bytes)) found = &key;
    }
    if (found == nullptr) return refused("the API key is not known", "invalid_api_key");
    return caller("wallet", found->wallet_id);
}

void WalletAuth::reload(attest::CertificateIdentifier) {
    CHECK(false);
}

}  // namespace adyton::coordinator
