#include "coordinator/evidence.h"

// Evidence comes from anybody: reading it never fails badly, and what reads back is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto json = base::Json::parse(base::as_text({data, size}));
    if (!json) return 0;
    const auto bundle = coordinator::parse_evidence(*json);
    if (!bundle) return 0;
    const auto again = coordinator::parse_evidence(coordinator::to_json(*bundle));
    CHECK(again.has_value() && again->statement == bundle->statement);
    (void)coordinator::check_evidence(*bundle, std::nullopt);
    return 0;
}
