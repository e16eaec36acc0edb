#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/sim_executor.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"
#include "localchain/near_node.h"

namespace adyton::localchain {
namespace {

// Whatever a node is asked, it answers with JSON, and no token comes or goes.
void one_request(std::string_view body) {
    static base::SimExecutor executor(1);
    static const auto chain = [] {
        NearChainOptions options;
        options.genesis = near_network_genesis({});
        options.garbage_collect_blocks = options.history_blocks = 10;
        return std::move(NearChain::create(std::move(options), executor).value());
    }();
    static NearNode node(*chain, executor, [] {
        NearNodeOptions options;
        options.faucet = true;
        return options;
    }());
    const http::Response response = node.answer(body);
    CHECK(base::Json::parse(response.body).has_value());
    static unsigned requests = 0;
    if (++requests % 16 != 0) return;
    chain->produce_block();
    const NearChain::Books books = chain->books();
    const auto moving = books.in_flight.plus(books.burnt).value();
    CHECK(books.held.plus(moving) == books.supply);
}

}  // namespace
}  // namespace adyton::localchain

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    adyton::localchain::one_request({reinterpret_cast<const char*>(data), size});
    return 0;
}
