#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "chain/near_types.h"

// Any JSON through every parser of NEAR answers: refused as corrupt, or with values that hold what
// their types promise. What carries a flat error is never a value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto json = base::Json::parse(text);
    if (!json) return 0;
    const auto check = [](const auto& parsed) {
        CHECK(parsed.has_value() || parsed.error().code() == ErrorCode::CorruptData);
        return parsed.has_value();
    };
    const bool flat = chain::flat_error(*json).has_value();
    check(chain::parse_near_block(*json));
    check(chain::parse_near_chain_id(*json));
    check(chain::parse_near_sent_hash(*json));
    if (check(chain::parse_near_access_key(*json))) CHECK(!flat);
    if (check(chain::parse_near_account(*json))) CHECK(!flat);
    if (check(chain::parse_near_view(*json))) CHECK(!flat);
    check(chain::parse_near_transaction(*json));
    return 0;
}
