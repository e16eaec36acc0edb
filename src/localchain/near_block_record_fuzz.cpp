#include "base/check.h"
#include "base/sim_executor.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"

namespace adyton::localchain {
namespace {

// A record that a chain takes is one that it would write itself.
void one_record(base::ByteView bytes) {
    base::SimExecutor executor(1);
    NearChainOptions options;
    options.genesis = near_network_genesis({});
    auto chain = std::move(NearChain::create(std::move(options), executor).value());
    chain->keep_head_record();
    const std::uint64_t before = chain->height();
    if (!chain->replay_record(bytes)) return;
    CHECK(chain->height() > before);
    CHECK(base::as_text(chain->head_record()) == base::as_text(bytes));
}

}  // namespace
}  // namespace adyton::localchain

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    adyton::localchain::one_record({data, size});
    return 0;
}
