#include "base/bytes.h"
#include "base/check.h"
#include "coordinator/planner.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto json = base::Json::parse(base::as_text({data, size}));
    if (!json) return 0;
    static_cast<void>(coordinator::check_no_signing_fields(*json));
    const auto steps = coordinator::parse_workflow(*json);
    if (!steps) return 0;
    const auto plan = coordinator::plan_workflow(*steps, {});
    CHECK(plan.steps.size() == steps->size());
    const auto outcome = coordinator::outcome_of(plan);
    if (!plan.accepted) CHECK(outcome.status == coordinator::PlanOutcome::Status::Rejected);
    return 0;
}
