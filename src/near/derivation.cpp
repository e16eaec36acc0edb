#include "near/derivation.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/hmac_secret.h"

namespace adyton::near {
namespace {

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

std::string wallet_seed_text(std::string_view wallet_id, std::string_view chain) {
    return fmt::format("wallet:{}:{}", wallet_id, chain);
}

std::string policy_seed_text(std::string_view wallet_id) {
    return fmt::format("wallet-policy:{}", wallet_id);
}

std::string direct_user_full_access_seed_text(
    std::string_view wallet_id, const AccountId& user_id) {
    return fmt::format("wallet:{}:near:direct-user-fa:{}:v1", wallet_id, user_id.text());
}

std::string direct_user_function_call_seed_text(
    std::string_view wallet_id, const AccountId& user_id, const AccountId& registry_id,
    const AccountId& receiver_id, std::string_view method_names_hash) {
    return fmt::format(
        "wallet:{}:near:direct-user-fc:{}:{}:{}:{}:v1", wallet_id, user_id.text(),
        registry_id.text(), receiver_id.text(), method_names_hash);
}

std::string direct_user_full_access_label(std::string_view wallet_id) {
    return fmt::format("outlayer:{}:direct-user-fa:v1", wallet_id);
}

std::string direct_user_function_call_label(
    std::string_view wallet_id, const AccountId& registry_id, const AccountId& receiver_id) {
    return fmt::format(
        "outlayer:{}:direct-user-fc:{}:{}:v1", wallet_id, registry_id.text(), receiver_id.text());
}

std::vector<std::string> normalize_method_names(const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const std::string& name : names) out.emplace_back(trim(name));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::string method_names_hash(const std::vector<std::string>& names) {
    return crypto::sha256(
               base::as_bytes(fmt::format("{}", fmt::join(normalize_method_names(names), "\n"))))
        .to_hex();
}

KeyDeriver::KeyDeriver(const crypto::SecretBytes<kMasterBytes>& master)
    : master_(crypto::SecretBytes<kMasterBytes>::copy_of(master.expose())) {}

crypto::SecretBytes<32> KeyDeriver::derive_seed(std::string_view seed_text) const {
    return crypto::hmac_sha256_secret(master_.expose(), base::as_bytes(seed_text));
}

crypto::Ed25519KeyPair KeyDeriver::derive(std::string_view seed_text) const {
    return crypto::Ed25519KeyPair(derive_seed(seed_text));
}

}  // namespace adyton::near
