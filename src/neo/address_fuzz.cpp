#include "base/check.h"
#include "neo/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::neo::Address;
    const auto text = adyton::base::as_text({data, size});
    if (const auto address = Address::parse(text)) CHECK(address->to_string() == text);
    if (size == adyton::neo::ScriptHash::kSize) {
        const auto hash = adyton::neo::ScriptHash::from_wire({data, size});
        const auto again = Address::parse(Address(*hash).to_string());
        CHECK(again && again->script_hash() == *hash);
    }
    return 0;
}
