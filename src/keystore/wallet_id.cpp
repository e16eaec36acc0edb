#include "keystore/wallet_id.h"

#include <algorithm>

#include "api/keystore_types.h"

namespace adyton::keystore {

Result<void> check_wallet_id(std::string_view text) {
    if (text.empty()) return Error::invalid_argument("wallet_id is required");
    if (text.size() > api::kWalletIdBytesMax) {
        return Error::invalid_argument("Invalid wallet_id: longer than 128 bytes");
    }
    const bool good = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-' || c == '@';
    });
    if (!good) {
        return Error::invalid_argument(
            "Invalid wallet_id: only letters, digits, '.', '_', '-' and '@'");
    }
    return {};
}

std::string subject_of(std::string_view wallet_id) {
    return "wallet:" + std::string(wallet_id);
}

}  // namespace adyton::keystore
