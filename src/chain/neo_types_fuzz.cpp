#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "chain/internal/neo_requests.h"
#include "chain/neo_types.h"

// Any JSON through every parser of Neo answers: refused as corrupt, or with values that hold what
// their types promise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto json = base::Json::parse(text);
    if (!json) return 0;
    const auto check = [](const auto& parsed) {
        CHECK(parsed.has_value() || parsed.error().code() == ErrorCode::CorruptData);
        return parsed.has_value();
    };
    check(chain::parse_neo_version(*json));
    check(chain::parse_block_header(*json));
    check(chain::parse_sent_hash(*json));
    check(chain::parse_transaction_height(*json));
    check(chain::parse_transaction_place(*json));
    const auto count = chain::parse_block_count(*json);
    if (check(count)) CHECK(*count > 0);
    const auto fee = chain::parse_network_fee(*json);
    if (check(fee)) CHECK(*fee >= 0);
    const auto invocation = chain::parse_invocation(*json);
    if (check(invocation)) {
        CHECK(invocation->gas_consumed >= 0);
        const auto balances = chain::internal::read_balances(*invocation, invocation->stack.size());
        CHECK(!balances.has_value());  // the height alone takes one item
        (void)chain::internal::read_policy(*invocation);
    }
    const auto log = chain::parse_application_log(*json);
    if (check(log)) {
        for (const auto& one : log->notifications) (void)chain::as_nep17_transfer(one);
    }
    return 0;
}
