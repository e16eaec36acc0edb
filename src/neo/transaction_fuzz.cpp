#include <algorithm>

#include "base/check.h"
#include "neo/transaction.h"

// What is read is written again and reads the same; an unsigned transaction in the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::neo;
    const adyton::base::ByteView input{data, size};
    if (const auto transaction = parse_transaction(input)) {
        CHECK(check(*transaction).has_value());
        const auto again = parse_transaction(serialize(*transaction));
        CHECK(again && *again == *transaction);
        CHECK(hash(*again) == hash(*transaction));
    }
    if (const auto transaction = parse_unsigned_transaction(input)) {
        CHECK(check(*transaction).has_value());
        CHECK(transaction->witnesses.empty());
        const auto bytes = serialize_unsigned(*transaction);
        CHECK(bytes.size() == size || (bytes.size() + 1 == size && data[size - 1] == 0));
        CHECK(std::equal(bytes.begin(), bytes.end(), data));
    }
    return 0;
}
