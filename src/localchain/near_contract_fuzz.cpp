#include <string>
#include <string_view>

#include "base/check.h"
#include "base/sim_executor.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"

namespace adyton::localchain {
namespace {

// First byte: which account calls; second: which contract; a line with the method; the rest are its
// arguments. No call breaks a contract, and no token comes or goes.
void one_call(std::string_view input) {
    static base::SimExecutor executor(1);
    static const NearNames names;
    static const auto chain = [] {
        NearChainOptions options;
        options.genesis = near_network_genesis({});
        options.garbage_collect_blocks = options.history_blocks = 10;
        return std::move(NearChain::create(std::move(options), executor).value());
    }();
    if (input.size() < 3) return;
    const auto choose = [&input](std::size_t place, std::initializer_list<std::string> from) {
        const auto byte = static_cast<unsigned char>(input[place]);
        return near::AccountId::parse(*(from.begin() + byte % from.size())).value();
    };
    const auto caller = choose(
        0, {names.owner, names.approver, names.relayer, names.user, names.gate, names.intents,
            names.wrap});
    const auto contract = choose(1, {names.gate, names.intents, names.wrap, names.counter});
    const bool pays = static_cast<unsigned char>(input[0]) >= 128;
    input.remove_prefix(2);
    const std::size_t end = input.find('\n');
    const std::string method(input.substr(0, end));
    const std::string args(end == std::string_view::npos ? "" : input.substr(end + 1));
    if (method.empty() || method.size() > 256) return;
    (void)chain->view_at(contract, method, base::as_bytes(args), chain->height());
    const near::YoctoNear deposit(base::Amount(pays ? 1 : 0));
    CHECK(chain->inject({caller, contract, method, args, deposit}).has_value());
    for (int i = 0; i < 3; ++i) chain->produce_block();
    const NearChain::Books books = chain->books();
    const auto moving = books.in_flight.plus(books.burnt).value();
    CHECK(books.held.plus(moving) == books.supply);
}

}  // namespace
}  // namespace adyton::localchain

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    adyton::localchain::one_call({reinterpret_cast<const char*>(data), size});
    return 0;
}
