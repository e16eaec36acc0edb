#include "localchain/contracts/counter.h"

#include "localchain/contracts/json_args.h"

namespace adyton::localchain {
namespace {

constexpr std::uint32_t kOwnTgas = 2;
const std::string kCount = "count";

}  // namespace

void CounterContract::deploy(const near::AccountId&, NearStorage& storage) const {
    storage.set(kCount, "0");
}

Result<std::string> CounterContract::run(NearCall& call) const {
    TRY_VOID(call.burn(near::Gas::from_tgas(kOwnTgas)));
    const std::uint64_t count = stored_number(call.storage(), kCount);
    if (call.method() == "get_count") return std::to_string(count);
    if (call.method() == "increase" || call.method() == "increment") {
        if (call.is_view()) return Error::unprocessable("ProhibitedInView", "view");
        const std::string next = std::to_string(count + 1);
        call.storage().set(kCount, next);
        call.log("count is " + next + ", called by " + call.predecessor().text());
        return next;
    }
    if (call.method() == "fail") return Error::unprocessable("ordered failure");
    if (call.method() == "burn") {
        TRY(const JsonArgs args, JsonArgs::parse(call.args()));
        TRY(const std::uint32_t tgas, args.integer("tgas"));
        TRY_VOID(call.burn(near::Gas::from_tgas(tgas)));
        return std::string("null");
    }
    return Error::not_found("no such method");
}

}  // namespace adyton::localchain
