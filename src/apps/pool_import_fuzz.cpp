#include <cstddef>
#include <cstdint>
#include <string_view>

#include "apps/pool_import.h"
#include "base/check.h"
#include "crypto/uuid.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto accounts = adyton::apps::parse_account_rows(text)) {
        for (const auto& account : *accounts) {
            CHECK(adyton::crypto::is_canonical_uuid(account.id));
            CHECK(account.tx_count >= 0);
        }
    }
    if (const auto balances = adyton::apps::parse_balance_rows(text)) {
        for (const auto& balance : *balances) CHECK(balance.amount >= 0);
    }
    return 0;
}
