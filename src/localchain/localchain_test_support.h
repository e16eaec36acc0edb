#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/sim_executor.h"
#include "crypto/p256.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_rpc.h"
#include "neo/address.h"
#include "neo/token.h"
#include "neo/transaction.h"

namespace adyton::localchain::testing {

// A key of a test, from a small number.
crypto::P256PrivateKey test_key(unsigned number);
neo::ScriptHash account_of(const crypto::P256PrivateKey& key);

inline const neo::ScriptHash& gas() {
    return neo::gas_token().contract;
}
inline const neo::ScriptHash& neo_hash() {
    return neo::neo_token().contract;
}
inline constexpr std::uint64_t kOneGas = 100'000'000;

// The JSON of a file of tests/vectors/neo, or of the directory ADYTON_VECTORS.
base::Json read_vectors(const std::string& name);

// What can be changed of a good transfer before it is signed.
struct TransferPlan {
    neo::ScriptHash token = gas();
    neo::ScriptHash to;
    base::Amount amount{1};
    std::optional<std::int64_t> system_fee;          // none: what the script costs
    std::optional<std::int64_t> network_fee;         // none: the least
    std::optional<std::uint32_t> valid_until_block;  // none: height + 100
    std::uint8_t scopes = neo::kScopeCalledByEntry;
    std::vector<neo::Attribute> attributes;
    std::optional<base::Bytes> script;  // none: the transfer
    std::uint32_t nonce = 0;            // 0: a fresh one
};

// A chain with a TEST token, two funded accounts (keys 1 and 2: 1,000 GAS and 100 NEO each) and one
// node, on virtual time.
class LocalChainTest : public ::testing::Test {
protected:
    static constexpr std::uint64_t kSeed = 20261121;

    void SetUp() override { make_chain(standard_options()); }
    static ChainOptions standard_options();
    void make_chain(ChainOptions options, NodeOptions node = {});

    neo::Transaction plan(const crypto::P256PrivateKey& key, const TransferPlan& plan);
    // Signed by the key alone, who is the sender.
    neo::Transaction signed_transfer(const crypto::P256PrivateKey& key, const TransferPlan& plan);
    void sign(neo::Transaction& transaction, const crypto::P256PrivateKey& key);
    SubmitAnswer submit(
        const neo::Transaction& transaction, NodeFlavour flavour = NodeFlavour::NeoGo);
    // The code of the refusal; 0: accepted.
    int code(const neo::Transaction& transaction, NodeFlavour flavour = NodeFlavour::NeoGo);
    const Execution& execution(const neo::TransactionHash& hash);
    base::Amount sum_of_balances(const neo::ScriptHash& token, std::vector<neo::ScriptHash> others);

    // The whole answer, or its result or error code.
    base::Json ask(std::string_view method, std::string_view params);
    base::Json result(std::string_view method, std::string_view params);
    std::int64_t error_code(std::string_view method, std::string_view params);

    base::SimExecutor executor_{kSeed};
    base::SeededRandom random_{kSeed};
    crypto::P256PrivateKey alice_ = test_key(1);
    crypto::P256PrivateKey bob_ = test_key(2);
    neo::ScriptHash alice_account_ = account_of(alice_);
    neo::ScriptHash bob_account_ = account_of(bob_);
    neo::ScriptHash stranger_ = account_of(test_key(3));
    neo::ScriptHash test_token_ = neo::ScriptHash::of_script(base::as_bytes("TEST token"));
    std::unique_ptr<NeoChain> chain_;
    std::unique_ptr<NeoNode> node_;
    std::uint32_t next_nonce_ = 1;
};

}  // namespace adyton::localchain::testing
