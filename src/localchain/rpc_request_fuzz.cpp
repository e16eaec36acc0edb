#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/sim_executor.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_rpc.h"
#include "neo/token.h"

namespace adyton::localchain {
namespace {

// Whatever a node is asked, it answers with JSON, and nobody's books grow but by the faucet's
// transfers of what there is.
void one_request(std::string_view body) {
    static base::SimExecutor executor(1);
    static base::SeededRandom random(1);
    static auto chain =
        std::move(NeoChain::create({}, public_test_validator(), executor, random).value());
    NodeOptions options;
    options.faucet = true;
    static NeoNode node(*chain, executor, options);
    const base::Amount before = chain->total_supply(neo::neo_token().contract);
    const http::Response response = node.answer(body);
    CHECK(base::Json::parse(response.body).has_value());
    if (chain->pool_size() > 8) chain->produce_block();
    CHECK(chain->total_supply(neo::neo_token().contract) == before);
}

}  // namespace
}  // namespace adyton::localchain

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    adyton::localchain::one_request({reinterpret_cast<const char*>(data), size});
    return 0;
}
