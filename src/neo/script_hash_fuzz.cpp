#include "base/check.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"
#include "neo/token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::neo;
    const auto text = adyton::base::as_text({data, size});
    if (const auto hash = ScriptHash::parse(text)) {
        const auto again = ScriptHash::parse(hash->to_string());
        CHECK(again && *again == *hash);
    }
    if (const auto hash = TransactionHash::parse(text)) {
        const auto again = TransactionHash::parse(hash->to_string());
        CHECK(again && *again == *hash);
    }
    if (const auto token = find_well_known_token(text)) {
        CHECK(find_well_known_token(token->symbol)->contract == token->contract);
    }
    return 0;
}
