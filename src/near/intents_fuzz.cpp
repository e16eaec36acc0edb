#include "base/check.h"
#include "near/compact_json.h"
#include "near/intents.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::near;
    const adyton::base::ByteView bytes{data, size};
    const auto text = adyton::base::as_text(bytes);
    static const AccountId wrap = AccountId::parse("wrap.near").value();
    if (const auto message = parse_intents_message(text)) {
        for (const IntentFacts& facts : facts_of(*message, wrap)) {
            CHECK(facts.understood == facts.reason.empty());
        }
    }
    if (const auto payloads = parse_execute_intents_args(bytes)) {
        const auto args = execute_intents_args(*payloads);
        const auto again = parse_execute_intents_args(adyton::base::as_bytes(args));
        CHECK(again && again->size() == payloads->size());
        for (std::size_t i = 0; i < again->size(); ++i) {
            CHECK((*again)[i].nep413 == (*payloads)[i].nep413);
            CHECK((*again)[i].json == (*payloads)[i].json);
        }
    }
    if (const auto json = adyton::base::Json::parse(text)) {
        const auto again = adyton::base::Json::parse(compact_json(*json));
        CHECK(again && *again == *json);
    }
    return 0;
}
