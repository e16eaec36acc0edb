#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "policy/outlayer_policy.h"
#include "policy/value_policy.h"

// What parses, in either form, writes back to the same policy and judges without falling over.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto json = base::Json::parse(base::as_text({data, size}));
    if (!json) return 0;
    const auto policy = policy::ValuePolicy::parse_any(*json);
    if (!policy) return 0;
    const auto again = policy::ValuePolicy::parse(policy::to_json(*policy));
    CHECK(again.has_value());
    CHECK(*again == *policy);
    if (const auto theirs = policy::to_outlayer_json(*policy)) {
        const auto back = policy::parse_outlayer_policy(*theirs);
        CHECK(back.has_value());
        CHECK(policy::evaluate(*back, {{}, "w", {}}).denied());
    }
    policy::ActionFacts facts;
    facts.actions.emplace_back();
    facts.actions[0].call.emplace();
    facts.actions[0].movements.push_back({"native", "a", "b", policy::Amount(1)});
    for (std::size_t i = 0; i < policy::kActionKindCount; ++i) {
        facts.actions[0].kind = static_cast<policy::ActionKind>(i);
        const policy::Verdict verdict = policy::evaluate(*policy, {facts, "w", {}});
        CHECK(!(verdict.denied() && !verdict.charges.empty()));
    }
    return 0;
}
