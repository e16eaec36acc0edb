#include "base/check.h"
#include "base/json.h"
#include "neo/explain.h"

// The first byte chooses the scopes; the rest is a script (or, when odd, a whole transaction).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::neo;
    if (size < 2) return 0;
    const adyton::base::ByteView rest{data + 1, size - 1};
    Transaction transaction;
    if ((data[0] & 1U) != 0) {
        const auto parsed = parse_unsigned_transaction(rest);
        if (!parsed) return 0;
        transaction = *parsed;
    } else {
        Signer signer;
        signer.scopes = (data[0] & 2U) != 0 ? kScopeGlobal : kScopeCalledByEntry;
        transaction.signers.push_back(signer);
        transaction.script.assign(rest.begin(), rest.end());
        if (!check(transaction)) return 0;
    }
    const auto explanation = explain(transaction);
    CHECK(!explanation.recognised || explanation.decoded);
    CHECK(!explanation.understood || explanation.recognised);
    CHECK(explanation.understood == explanation.reason.empty());
    CHECK(!to_text(explanation).empty());
    CHECK(adyton::base::Json::parse(to_json(explanation).dump()).has_value());
    return 0;
}
