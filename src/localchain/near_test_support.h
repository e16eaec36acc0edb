#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/sim_executor.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"
#include "localchain/near_node.h"
#include "near/delegate.h"
#include "near/gate.h"
#include "near/intents.h"
#include "near/transaction.h"
#include "near/transaction_status.h"

namespace adyton::localchain::testing {

near::AccountId account_id(std::string_view name);
near::YoctoNear in_near(std::uint64_t near);
near::YoctoNear yocto(std::string_view digits);
crypto::Ed25519KeyPair near_test_key(unsigned number);
// The JSON of a file of tests/vectors/near, or of the directory ADYTON_VECTORS.
base::Json read_near_vectors(const std::string& name);

// The local network with two wallets (keys 1 and 2: 100 NEAR on chain and 50 wNEAR inside the
// intents contract each), one node, virtual time, blocks by hand.
class LocalNearTest : public ::testing::Test {
protected:
    static constexpr std::uint64_t kSeed = 20261121;

    void SetUp() override { make_chain(standard_options(), standard_network()); }
    static NearChainOptions standard_options() { return {}; }
    static NearNetworkOptions standard_network();
    void make_chain(
        NearChainOptions options, const NearNetworkOptions& network, NearNodeOptions node = {});
    void produce(std::size_t blocks);

    // What can be changed of a good transaction before it is signed.
    struct Plan {
        std::optional<std::uint64_t> nonce = {};         // none: the key's next
        std::optional<near::BlockHash> block_hash = {};  // none: the head's
        std::optional<near::PublicKey> named_key = {};   // none: the signer's
    };
    near::SignedTransaction sign(
        const near::AccountId& signer, const crypto::Ed25519KeyPair& key,
        const near::AccountId& receiver, std::vector<near::Action> actions, const Plan& plan);
    near::SignedTransaction sign(
        const near::AccountId& signer, const crypto::Ed25519KeyPair& key,
        const near::AccountId& receiver, std::vector<near::Action> actions) {
        return sign(signer, key, receiver, std::move(actions), Plan{});
    }
    // Signs and submits; the pool must take it.
    near::TransactionHash send(
        const near::AccountId& signer, const crypto::Ed25519KeyPair& key,
        const near::AccountId& receiver, std::vector<near::Action> actions);
    static std::vector<near::Action> call(
        std::string method, std::string_view args_json, near::Gas gas = near::Gas::from_tgas(30),
        near::YoctoNear deposit = {});
    // The name of the refusal (the text, or the first member); empty: accepted.
    std::string refusal(const near::SignedTransaction& transaction);

    // A person of the network.
    crypto::Ed25519KeyPair key_of(const std::string& name) const;
    std::uint64_t nonce_of(const near::AccountId& id, const crypto::Ed25519KeyPair& key) const;
    base::Amount balance(const near::AccountId& id) const;
    base::Amount wrapped(const near::AccountId& id) const;
    base::Amount intents_balance(const near::AccountId& id) const;

    // A signed delegate of wallet 1 for the gate.
    near::SignedDelegate delegate(
        const near::AccountId& receiver, const std::string& method, const std::string& args_json,
        near::Gas gas = near::Gas::from_tgas(100));
    near::TransactionHash submit_intent(
        const near::SignedDelegate& signed_delegate, near::Gas gas = near::Gas::from_tgas(300));
    near::TransactionHash resume(
        const std::vector<std::uint64_t>& ids, std::string_view fee = "30000000000000000000000");
    // Submits `count` calls of the counter and waits until they are pending. Their ids are those of
    // the gate's stats from `first` on.
    std::vector<near::TransactionHash> submit_counts(std::size_t count);

    // What the node says, parsed by the client's own parser.
    near::TransactionStatus status_of(
        const near::TransactionHash& hash, std::string_view signer = "relayer.sequential.near");
    // The node's answer, its result, or the cause of its error.
    base::Json ask(std::string_view method, std::string_view params);
    base::Json result(std::string_view method, std::string_view params);
    std::string error_cause(std::string_view method, std::string_view params);
    // Of the transaction's own receipt; empty: it has not failed.
    std::string failure_of(const near::TransactionHash& hash);
    base::Json gate_view(const std::string& method, const std::string& args = "{}");
    void expect_balanced_books();

    base::SimExecutor executor_{kSeed};
    std::unique_ptr<NearChain> chain_;
    std::unique_ptr<NearNode> node_;
    NearNames names_;
    near::AccountId gate_ = account_id(names_.gate);
    near::AccountId counter_ = account_id(names_.counter);
    near::AccountId intents_ = account_id(names_.intents);
    near::AccountId wrap_ = account_id(names_.wrap);
    near::AccountId relayer_ = account_id(names_.relayer);
    near::AccountId approver_ = account_id(names_.approver);
    near::AccountId owner_ = account_id(names_.owner);
    crypto::Ed25519KeyPair alice_key_ = near_test_key(1);
    crypto::Ed25519KeyPair bob_key_ = near_test_key(2);
    near::AccountId alice_ = near::AccountId::implicit(alice_key_.public_key());
    near::AccountId bob_ = near::AccountId::implicit(bob_key_.public_key());
    std::map<std::string, std::uint64_t> last_nonces_;
    std::uint64_t next_delegate_nonce_ = 1'776'712'345'678'000;
};

}  // namespace adyton::localchain::testing
