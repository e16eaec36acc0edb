#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "policy/facts.h"
#include "policy/value_policy.h"

// Facts that parse write back to the same facts, and the engine judges them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto json = base::Json::parse(base::as_text({data, size}));
    if (!json) return 0;
    const auto facts = policy::parse_facts(*json);
    if (!facts) return 0;
    const auto again = policy::parse_facts(policy::to_json(*facts));
    CHECK(again.has_value());
    CHECK(*again == *facts);
    CHECK(policy::digest_of(*again) == policy::digest_of(*facts));
    policy::ValuePolicy policy = policy::ValuePolicy::allow_all();
    for (auto& caps : policy.limits.caps) caps["*"] = policy::Amount(1000);
    const policy::Verdict verdict = policy::evaluate(policy, {*facts, "w", {}});
    CHECK(facts->understood || verdict.denied());
    return 0;
}
