#include "coordinator/wallet_auth.h"

#include <gtest/gtest.h>

namespace adyton::coordinator {
namespace {

constexpr std::string_view kToken = "a-token-of-16-bytes-or-more";

std::unique_ptr<WalletAuth> auth() {
    const auto token = crypto::SecretBuffer::copy_of(base::as_bytes(kToken)).value();
    auto keys = parse_wallet_api_keys(
        base::as_bytes(R"({"wk_0123456789abcdef":"w-1","wk_fedcba9876543210":"ed25519:w.2"})"));
    EXPECT_TRUE(keys);
    return WalletAuth::create(&token, *std::move(keys), attest::IdentityMode::Development).value();
}

http::Request request(std::initializer_list<std::pair<const char*, std::string_view>> headers) {
    http::Request out;
    for (const auto& [name, value] : headers) out.headers.add(name, value);
    return out;
}

std::string reason(const http::Request& asked) {
    const auto refused = auth()->resolve(asked);
    EXPECT_FALSE(refused);
    return refused ? "" : refused.error().reason();
}

TEST(WalletAuthTest, BothWaysNameTheWallet) {
    const auto by_token = auth()->resolve(
        request({{"X-Internal-Wallet-Auth", kToken}, {"X-Wallet-Id", "ed25519:abc"}}));
    ASSERT_TRUE(by_token);
    EXPECT_EQ((*by_token)->issuer, "ed25519:abc");
    const auto by_key = auth()->resolve(request({{"Authorization", "Bearer wk_fedcba9876543210"}}));
    ASSERT_TRUE(by_key);
    EXPECT_EQ((*by_key)->issuer, "ed25519:w.2");
    // A key's wallet is the key's, whatever the header says.
    const auto both = auth()->resolve(
        request({{"Authorization", "Bearer wk_0123456789abcdef"}, {"X-Wallet-Id", "w-9"}}));
    EXPECT_EQ((*both)->issuer, "w-1");
}

TEST(WalletAuthTest, RefusalsSayWhatIsMissing) {
    EXPECT_EQ(reason(request({})), "missing_auth");
    EXPECT_EQ(reason(request({{"Authorization", "Basic x"}})), "missing_auth");
    EXPECT_EQ(reason(request({{"Authorization", "Bearer wk_unknown000000"}})), "invalid_api_key");
    EXPECT_EQ(
        reason(request({{"X-Internal-Wallet-Auth", "wrong"}, {"X-Wallet-Id", "w"}})),
        "invalid_internal_auth");
    EXPECT_EQ(reason(request({{"X-Internal-Wallet-Auth", kToken}})), "missing_wallet_id");
    EXPECT_EQ(
        reason(request({{"X-Internal-Wallet-Auth", kToken}, {"X-Wallet-Id", "a b"}})),
        "invalid_wallet_id");
    // A wrong token is not made good by a good key.
    EXPECT_EQ(
        reason(request(
            {{"X-Internal-Wallet-Auth", ""}, {"Authorization", "Bearer wk_0123456789abcdef"}})),
        "invalid_internal_auth");
    EXPECT_EQ(
        reason(request(
            {{"X-Internal-Wallet-Auth", kToken}, {"X-Wallet-Id", "a"}, {"X-Wallet-Id", "b"}})),
        "duplicate_header");
}

TEST(WalletAuthTest, MalformedConfigurationsAreRefused) {
    for (const char* const text :
         {"[]", "{", R"({"key":"w"})", R"({"wk_":"w"})", R"({"wk_0123456789abcdef":""})",
          R"({"wk_0123456789abcdef":7})"}) {
        EXPECT_FALSE(parse_wallet_api_keys(base::as_bytes(text))) << text;
    }
    EXPECT_FALSE(WalletAuth::create(nullptr, {}, attest::IdentityMode::Development));
}

TEST(WalletAuthTest, ShortKeysAreForDevelopmentAlone) {
    using attest::IdentityMode;
    const auto short_token = crypto::SecretBuffer::copy_of(base::as_bytes("short")).value();
    const auto token = crypto::SecretBuffer::copy_of(base::as_bytes(kToken)).value();
    const auto short_keys = parse_wallet_api_keys(base::as_bytes(R"({"wk_test":"w-1"})"));
    ASSERT_TRUE(short_keys) << short_keys.error().message();
    EXPECT_FALSE(WalletAuth::create(&short_token, {}, IdentityMode::Strict));
    EXPECT_FALSE(WalletAuth::create(&token, *short_keys, IdentityMode::Strict));
    EXPECT_FALSE(WalletAuth::create(&token, {}, IdentityMode::Strict).value()->has_short_secrets());
    const auto by_token = WalletAuth::create(&short_token, {}, IdentityMode::Development);
    ASSERT_TRUE(by_token);
    EXPECT_TRUE(by_token.value()->has_short_secrets());
    EXPECT_TRUE(by_token.value()->resolve(
        request({{"X-Internal-Wallet-Auth", "short"}, {"X-Wallet-Id", "w"}})));
    const auto by_key = WalletAuth::create(nullptr, *short_keys, IdentityMode::Development);
    ASSERT_TRUE(by_key);
    EXPECT_TRUE(by_key.value()->has_short_secrets());
    EXPECT_TRUE(by_key.value()->resolve(request({{"Authorization", "Bearer wk_test"}})));
}

}  // namespace
}  // namespace adyton::coordinator
