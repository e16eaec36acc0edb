#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/transfer_types.h"
#include "chain/neo_client.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_rpc.h"
#include "pool/internal/service_parts.h"
#include "pool/test_pool.h"
#include "pool/transfer_repository.h"

namespace adyton::pool {

// A simulated chain with two nodes, and what a process needs to talk to it. The chain lives as long
// as the test; a crash of the process under test takes the client, never the ledger.
class TransferChain {
public:
    TransferChain(base::Executor& executor, std::uint64_t seed);

    localchain::NeoChain& ledger() { return *chain_; }
    localchain::NeoNode& node(std::size_t index) { return *nodes_.at(index); }
    // Of every node.
    void order(const localchain::FaultRule& rule);
    void clear_faults();
    std::size_t nodes() const { return nodes_.size(); }
    localchain::NodeTransport& transport() { return *transport_; }
    chain::NeoClient& client() { return *client_; }
    // A new process: a client that knows nothing yet.
    void reconnect();

    // Real transfers from the committee's account, in a block at once.
    void fund(const neo::ScriptHash& account, std::uint64_t gas, std::uint64_t neo);
    base::Amount balance(const neo::ScriptHash& token, const neo::ScriptHash& account) const {
        return chain_->balance(token, account);
    }

    static const neo::ScriptHash& gas();
    static const neo::ScriptHash& neo();
    static neo::ScriptHash token();     // TEST, 18 decimals
    static neo::ScriptHash stranger();  // an account that nobody here has the key of

private:
    base::Executor& executor_;
    base::SeededRandom random_;
    std::unique_ptr<localchain::NeoChain> chain_;
    std::vector<std::unique_ptr<localchain::NeoNode>> nodes_;
    std::unique_ptr<localchain::NodeTransport> transport_;
    std::unique_ptr<chain::NeoRpcClient> client_;
};

inline constexpr std::uint64_t kOneGas = 100'000'000;

// A pool connected to such a chain, on every database.
class TransferTest : public PoolTest {
public:
    static TestPoolOptions quick_pool();

    void connect(TestPoolOptions options = quick_pool());
    void stop();  // before the test ends, when what the pool uses dies with the test's body
    TransferChain& chain() { return *chain_; }
    localchain::NeoChain& ledger() { return chain_->ledger(); }

    // Accounts that "svc" holds, each funded.
    std::vector<api::AccountInfo> funded(
        std::int64_t count, std::uint64_t gas = 10 * kOneGas, std::uint64_t neo = 100);
    static neo::ScriptHash hash_of(const api::AccountInfo& account);

    TestAnswer transfer(
        const std::string& account_id, const std::string& amount, const std::string& more = {},
        const std::string& key = {}, const std::string& service = "svc");
    static std::string address_text();  // of TransferChain::stranger()

    void block() { ledger().produce_block(); }
    // Time and blocks pass until the transfer is final; gives it. Fails the test after too long.
    api::TransferInfo finish(const std::string& transfer_id);
    api::TransferInfo find(const std::string& transfer_id, const std::string& service = "svc");
    void pass(base::Duration span);

protected:
    void SetUp() override;
    void TearDown() override;

private:
    std::unique_ptr<TransferChain> chain_;
    bool started_ = false;
};

}  // namespace adyton::pool
