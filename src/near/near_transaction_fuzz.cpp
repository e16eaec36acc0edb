#include "base/check.h"
#include "near/transaction.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::near;
    const adyton::base::ByteView bytes{data, size};
    const auto check_json = [](const Transaction& transaction) {
        for (const Action& action : transaction.actions) {
            const auto again = action_from_json(to_json(action));
            CHECK(again && *again == action);
        }
        CHECK(!explain(transaction).empty());
    };
    if (const auto read = parse_transaction(bytes)) {
        const auto again = serialize(*read);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
        check_json(*read);
    }
    if (const auto read = parse_signed_transaction(bytes)) {
        const auto again = serialize(*read);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
        check_json(read->transaction);
    }
    return 0;
}
