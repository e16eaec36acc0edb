#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "policy/rule.h"

// Any policy that is accepted reads back from what it writes, and can be asked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto json = base::Json::parse(text);
    if (!json) return 0;
    const auto rules = policy::RuleSet::parse(*json);
    if (!rules) return 0;
    const auto again = policy::RuleSet::parse(policy::to_json(*rules));
    CHECK(again.has_value());
    CHECK(policy::to_json(*again) == policy::to_json(*rules));
    const policy::Policy policy(*rules);
    for (const auto& rule : rules->rules) {
        for (const auto& service : rule.services) {
            const auto& decision = policy.decide(service, policy::Operation::SignDigest);
            CHECK(!decision.rule.empty());
        }
    }
    return 0;
}
