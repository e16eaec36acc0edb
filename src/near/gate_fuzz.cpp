#include "base/check.h"
#include "near/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto text = base::as_text({data, size});
    static const auto gate = near::AccountId::parse("gate.near").value();
    if (const auto event = near::parse_gate_log(text)) {
        CHECK(text.starts_with("trace:") || text.starts_with("EVENT_JSON:"));
    }
    const auto json = base::Json::parse(text);
    if (!json) return 0;
    const auto status = near::parse_transaction_status(*json);
    if (!status) return 0;
    const auto submit = near::read_gate_submit(*status, gate);
    static_cast<void>(near::read_gate_resume(*status, gate));
    static_cast<void>(near::read_gate_dispatch(*status, gate, submit.intent_id));
    const near::GateBatch batch{{*status, *status}, *status, {}};
    const auto evidence = near::read_gate_batch(batch, gate, {});
    CHECK(evidence.dispatches.size() == 2);
    return 0;
}
