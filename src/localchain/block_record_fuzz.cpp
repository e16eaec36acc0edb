#include "base/check.h"
#include "base/sim_executor.h"
#include "localchain/neo_chain.h"

namespace adyton::localchain {
namespace {

// A record that a chain takes is one that it would write itself.
void one_record(base::ByteView bytes) {
    base::SimExecutor executor(1);
    base::SeededRandom random(1);
    auto chain = std::move(NeoChain::create({}, public_test_validator(), executor, random).value());
    if (chain->replay_record(bytes)) {
        CHECK(chain->height() == 1);
        CHECK(chain->block_record(*chain->find_block(1U)).size() == bytes.size());
    } else {
        CHECK(chain->height() == 0);
    }
}

}  // namespace
}  // namespace adyton::localchain

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    adyton::localchain::one_record({data, size});
    return 0;
}
