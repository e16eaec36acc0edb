#include "coordinator/request.h"
#include "coordinator/wallet_auth.h"

// Bodies of the routes down to the calls that would be signed.
// With the switches of the other lanes on: what is planned reads back as it was.
namespace {

void try_lanes(const adyton::base::Json& json, adyton::base::Timestamp now) {
    using namespace adyton;
    static const auto options = [] {
        auto out = coordinator::CoordinatorOptions::mainnet();
        out.enable_funding_lane = true;
        out.enable_direct_user_lane = true;
        out.gate_calls_max = coordinator::kGateCallsMost;
        return out;
    }();
    const auto planned = coordinator::plan_request(json, options, now);
    if (!planned || !planned->lanes) return;
    const auto written = coordinator::to_json(*planned->lanes);
    const auto read = coordinator::parse_lanes_state(written);
    CHECK(read.has_value() && coordinator::to_json(*read) == written);
    std::size_t steps = 0;
    for (const auto& segment : planned->lanes->segments) {
        CHECK(segment.first_step == steps && segment.steps > 0);
        steps += segment.steps;
    }
    CHECK(steps == planned->plan.steps.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    (void)coordinator::parse_wallet_api_keys({data, size});
    const auto json = base::Json::parse(base::as_text({data, size}));
    if (!json || !json->is_object()) return 0;
    static const auto options = coordinator::CoordinatorOptions::mainnet();
    const base::Timestamp now{std::chrono::seconds(1'777'060'500)};
    for (const auto& planned :
         {coordinator::plan_request(*json, options, now),
          coordinator::plan_batch_request(*json, options, now)}) {
        if (!planned) continue;
        coordinator::GateState state;
        state.gate_id = "gate.sequential.near";
        state.calls = planned->outcome.calls;
        const auto written = coordinator::to_json(state);
        const auto read = coordinator::parse_gate_state(written);
        CHECK(read.has_value() && coordinator::to_json(*read) == written);
    }
    try_lanes(*json, now);
    (void)coordinator::parse_lanes_state(*json);
    (void)coordinator::body_hash_of("workflow", *json);
    (void)coordinator::idempotency_key_of(*json, std::nullopt);
    (void)coordinator::parse_direct_user_request(*json);
    (void)coordinator::parse_direct_user_key_request(*json);
    return 0;
}
