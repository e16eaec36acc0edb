#include "localchain/localchain_test_support.h"
#include "neo/script.h"
#include "neo/witness.h"

// Every code of neo.md 5.5, in both flavours, and that a refused transaction leaves no trace.
namespace adyton::localchain::testing {
namespace {

constexpr NodeFlavour kGo = NodeFlavour::NeoGo;
constexpr NodeFlavour kCSharp = NodeFlavour::CSharp;

class NeoRulesTest : public LocalChainTest {
protected:
    TransferPlan to_stranger(std::uint64_t amount = 5) {
        TransferPlan plan;
        plan.to = stranger_;
        plan.amount = base::Amount(amount);
        return plan;
    }
    neo::Transaction good() { return signed_transfer(alice_, to_stranger()); }
    void expect_codes(const neo::Transaction& transaction, int go, int csharp) {
        EXPECT_EQ(code(transaction, kGo), go);
        EXPECT_EQ(code(transaction, kCSharp), csharp);
        EXPECT_EQ(chain_->pool_size(), 0U);
    }
};

TEST_F(NeoRulesTest, AGoodTransferIsAcceptedWithItsOwnHash) {
    const neo::Transaction transaction = good();
    const SubmitAnswer answer = submit(transaction);
    EXPECT_TRUE(answer.accepted());
    EXPECT_EQ(answer.hash, neo::hash(transaction));
    EXPECT_EQ(chain_->pool_size(), 1U);
    EXPECT_EQ(chain_->pool_hashes().front(), neo::hash(transaction));
    EXPECT_EQ(*chain_->find_pooled(neo::hash(transaction)), neo::serialize(transaction));
}

TEST_F(NeoRulesTest, WhatIsPooledIsMinus503AndWhatIsOnChainMinus501) {
    const neo::Transaction transaction = good();
    ASSERT_EQ(code(transaction), 0);
    EXPECT_EQ(code(transaction, kGo), -503);
    EXPECT_EQ(code(transaction, kCSharp), -503);
    EXPECT_EQ(chain_->pool_size(), 1U);
    chain_->produce_block();
    EXPECT_EQ(chain_->pool_size(), 0U);
    EXPECT_EQ(code(transaction, kGo), -501);
    EXPECT_EQ(code(transaction, kCSharp), -501);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(5));
    chain_->produce_block();
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(5));
}

TEST_F(NeoRulesTest, WhatIsOnChainAndPastItsHeightIsExpiredForNeoGoAndKnownForCSharp) {
    TransferPlan plan = to_stranger();
    plan.valid_until_block = 2;
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    ASSERT_EQ(code(transaction), 0);
    chain_->produce_block();
    chain_->produce_block();
    expect_codes(transaction, -510, -501);
}

TEST_F(NeoRulesTest, OnlyHeightsWithinTheWindowAreTaken) {
    for (int i = 0; i < 3; ++i) chain_->produce_block();
    const std::uint32_t window = chain_->options().valid_until_increment_max;
    TransferPlan plan = to_stranger();
    for (const std::uint32_t bad : {0U, 2U, 3U, 3 + window + 1, 0xffffffffU}) {
        plan.valid_until_block = bad;
        expect_codes(signed_transfer(alice_, plan), -510, -510);
    }
    plan.valid_until_block = 4;
    EXPECT_EQ(code(signed_transfer(alice_, plan)), 0);
    plan.valid_until_block = 3 + window;
    EXPECT_EQ(code(signed_transfer(alice_, plan)), 0);
}

TEST_F(NeoRulesTest, AnExpiredTransactionLeavesThePoolUnexecuted) {
    TransferPlan plan = to_stranger();
    plan.valid_until_block = 2;
    ChainOptions options = standard_options();
    options.block_transactions_max = 0;  // blocks without room
    make_chain(options);
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    ASSERT_EQ(code(transaction), 0);
    chain_->produce_block();
    EXPECT_EQ(chain_->pool_size(), 1U);
    chain_->produce_block();
    EXPECT_EQ(chain_->pool_size(), 0U);
    EXPECT_EQ(chain_->find_confirmed(neo::hash(transaction)), nullptr);
    EXPECT_EQ(chain_->balance(gas(), alice_account_), base::Amount(1000 * kOneGas));
}

TEST_F(NeoRulesTest, AShortNetworkFeeIsNamedAsEachNodeNamesIt) {
    TransferPlan plan = to_stranger();
    const std::int64_t least = good().network_fee;
    plan.network_fee = least - 1;  // pays the size, not the signature check
    expect_codes(signed_transfer(alice_, plan), -500, -511);
    plan.network_fee = 1000;
    expect_codes(signed_transfer(alice_, plan), -504, -511);
    plan.network_fee = least;
    EXPECT_EQ(code(signed_transfer(alice_, plan)), 0);
}

TEST_F(NeoRulesTest, ASignatureForAnotherNetworkOrByAnotherKeyIsMinus508) {
    neo::Transaction transaction = good();
    const auto other_network = crypto::sign_rfc6979_low_s(
        alice_, neo::sign_digest(neo::NetworkMagic::MainNet, transaction));
    transaction.witnesses[0] =
        neo::single_signature_witness(alice_.public_key(), other_network.value());
    expect_codes(transaction, -508, -508);

    const auto other_key =
        crypto::sign_rfc6979_low_s(bob_, neo::sign_digest(chain_->options().magic, transaction));
    transaction.witnesses[0] =
        neo::single_signature_witness(alice_.public_key(), other_key.value());
    expect_codes(transaction, -508, -508);

    transaction = good();
    transaction.nonce ^= 1;  // changed after it was signed
    expect_codes(transaction, -508, -508);

    transaction = good();
    transaction.witnesses[0].invocation[10] ^= 1;
    expect_codes(transaction, -508, -508);
}

TEST_F(NeoRulesTest, AWitnessOfAnotherAccountIsMinus500AndNoneIsMinus512) {
    neo::Transaction transaction = good();
    const auto signature =
        crypto::sign_rfc6979_low_s(bob_, neo::sign_digest(chain_->options().magic, transaction));
    transaction.witnesses[0] = neo::single_signature_witness(bob_.public_key(), signature.value());
    expect_codes(transaction, -500, -500);
    transaction.witnesses[0] = {};
    expect_codes(transaction, -512, -512);
}

TEST_F(NeoRulesTest, ARepeatedTransactionWithABrokenWitnessIsStillChecked) {
    neo::Transaction transaction = good();
    ASSERT_EQ(code(transaction), 0);
    transaction.witnesses[0].invocation[20] ^= 1;  // same hash
    EXPECT_EQ(code(transaction, kGo), -508);
    EXPECT_EQ(code(transaction, kCSharp), -503);
    EXPECT_EQ(chain_->pool_size(), 1U);
}

TEST_F(NeoRulesTest, TheFeesOfAllPooledTransactionsMustBeCovered) {
    TransferPlan plan = to_stranger();
    plan.system_fee = static_cast<std::int64_t>(600 * kOneGas);
    const neo::Transaction first = signed_transfer(alice_, plan);
    const neo::Transaction second = signed_transfer(alice_, plan);
    ASSERT_EQ(code(first), 0);
    EXPECT_EQ(code(second, kGo), -511);
    EXPECT_EQ(code(second, kCSharp), -511);
    EXPECT_EQ(code(signed_transfer(bob_, plan)), 0) << "another account's fees are his own";
    chain_->produce_block();
    EXPECT_EQ(code(second), -511) << "the first one's fees are spent";
}

TEST_F(NeoRulesTest, AnAccountWithoutGasCannotSend) {
    expect_codes(signed_transfer(test_key(3), to_stranger()), -511, -511);
}

TEST_F(NeoRulesTest, ThePoolWatchesFeesAndNotAmounts) {
    // neo.md 0, finding 7: both are accepted, the second faults and still pays.
    const std::uint64_t nearly_all = 999 * kOneGas;
    const neo::Transaction first = signed_transfer(alice_, to_stranger(nearly_all));
    const neo::Transaction second = signed_transfer(alice_, to_stranger(nearly_all));
    ASSERT_EQ(code(first), 0);
    ASSERT_EQ(code(second), 0);
    chain_->produce_block();
    const VmState a = execution(neo::hash(first)).state;
    const VmState b = execution(neo::hash(second)).state;
    EXPECT_NE(a, b);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(nearly_all));
    const std::int64_t fees =
        first.system_fee + first.network_fee + second.system_fee + second.network_fee;
    EXPECT_EQ(
        chain_->balance(gas(), alice_account_),
        base::Amount(kOneGas - static_cast<std::uint64_t>(fees)));
}

TEST_F(NeoRulesTest, APooledTransactionWhoseSenderSpentHisGasLeavesThePool) {
    // Both fit the pool; the block has room for one, and it moves everything away.
    ChainOptions options = standard_options();
    options.block_transactions_max = 1;
    make_chain(options);
    TransferPlan first = to_stranger(995 * kOneGas);
    first.network_fee = static_cast<std::int64_t>(2 * kOneGas);  // goes first
    TransferPlan second = to_stranger();
    second.system_fee = static_cast<std::int64_t>(10 * kOneGas);
    const neo::Transaction spender = signed_transfer(alice_, first);
    const neo::Transaction poorer = signed_transfer(alice_, second);
    ASSERT_EQ(code(spender), 0);
    ASSERT_EQ(code(poorer), 0);
    chain_->produce_block();
    EXPECT_EQ(execution(neo::hash(spender)).state, VmState::Halt);
    EXPECT_EQ(chain_->find_pooled(neo::hash(poorer)), nullptr);
    EXPECT_EQ(chain_->pool_size(), 0U);
}

TEST_F(NeoRulesTest, AScriptThatIsNotWellFormedIsMinus506) {
    for (const base::Bytes& script :
         {base::Bytes{0xff}, base::Bytes{0x0c, 0x20, 0x01}, base::Bytes{0x41, 0x01}}) {
        TransferPlan plan = to_stranger();
        plan.script = script;
        plan.system_fee = 10'000'000;
        expect_codes(signed_transfer(alice_, plan), -506, -506);
    }
}

TEST_F(NeoRulesTest, BlockedAccountsAndHugeFeesAreMinus505) {
    TransferPlan plan = to_stranger();
    plan.system_fee = chain_->options().block_system_fee_max + 1;
    expect_codes(signed_transfer(alice_, plan), -505, -505);
    chain_->set_blocked(alice_account_, true);
    expect_codes(good(), -505, -505);
    chain_->set_blocked(alice_account_, false);
    EXPECT_EQ(code(good()), 0);
}

TEST_F(NeoRulesTest, AttributesAreForThoseWhoMayUseThem) {
    TransferPlan plan = to_stranger();
    plan.attributes = {neo::HighPriority{}};
    expect_codes(signed_transfer(alice_, plan), -507, -507);
    plan.attributes = {neo::NotValidBefore{1}};
    const neo::Transaction later = signed_transfer(alice_, plan);
    expect_codes(later, -507, -507);
    chain_->produce_block();
    EXPECT_EQ(code(later), 0);
    plan.attributes = {neo::NotaryAssisted{1}};
    EXPECT_EQ(code(signed_transfer(alice_, plan)), -507);
}

TEST_F(NeoRulesTest, ConflictsExcludeThePooledOtherIfTheyPayMore) {
    const neo::Transaction first = good();
    ASSERT_EQ(code(first), 0);
    TransferPlan plan = to_stranger(7);
    plan.attributes = {neo::Conflicts{neo::hash(first)}};
    plan.network_fee = first.network_fee;
    // Not even for its own size, which is larger by the attribute.
    EXPECT_EQ(code(signed_transfer(alice_, plan)), -500);
    plan.network_fee = first.network_fee + 100'000;
    EXPECT_EQ(code(signed_transfer(bob_, plan)), -500) << "not signed by the other's sender";
    const neo::Transaction second = signed_transfer(alice_, plan);
    ASSERT_EQ(code(second), 0);
    EXPECT_EQ(chain_->pool_size(), 1U);
    EXPECT_EQ(code(first), -500) << "the pooled one names it";
    chain_->produce_block();
    EXPECT_EQ(code(first), -500) << "the confirmed one names it";
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(7));
    chain_->produce_block();
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(7));
}

TEST_F(NeoRulesTest, WhatIsOnChainCannotBeExcludedAnyMore) {
    const neo::Transaction first = good();
    ASSERT_EQ(code(first), 0);
    chain_->produce_block();
    TransferPlan plan = to_stranger(7);
    plan.attributes = {neo::Conflicts{neo::hash(first)}};
    plan.network_fee = first.network_fee + 100'000;
    expect_codes(signed_transfer(alice_, plan), -507, -507);
}

TEST_F(NeoRulesTest, AFullPoolTakesOnlyWhoPaysMore) {
    ChainOptions options = standard_options();
    options.mempool_max = 2;
    make_chain(options);
    const neo::Transaction first = good();
    const neo::Transaction second = good();
    ASSERT_EQ(code(first), 0);
    ASSERT_EQ(code(second), 0);
    EXPECT_EQ(code(good()), -502);
    TransferPlan plan = to_stranger();
    plan.network_fee = first.network_fee + 100'000;
    const neo::Transaction better = signed_transfer(bob_, plan);
    EXPECT_EQ(code(better), 0);
    EXPECT_EQ(chain_->pool_size(), 2U);
    EXPECT_EQ(chain_->pool_hashes().front(), neo::hash(better));
    EXPECT_NE(chain_->find_pooled(neo::hash(first)), nullptr) << "the last one in goes first";
    EXPECT_EQ(chain_->find_pooled(neo::hash(second)), nullptr);
}

TEST_F(NeoRulesTest, BytesThatAreNoTransactionAreMinus32602) {
    const base::Bytes bytes = neo::serialize(good());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const SubmitAnswer answer = chain_->submit({bytes.data(), size}, kGo);
        ASSERT_FALSE(answer.accepted()) << size;
        EXPECT_EQ(answer.refusal->code, -32602) << size;
        EXPECT_FALSE(answer.hash.has_value());
    }
    const base::Bytes huge(neo::kTransactionBytesMax + 1);
    EXPECT_EQ(chain_->submit(huge, kGo).refusal->code, -509);
}

TEST_F(NeoRulesTest, ASponsorPaysForAnAccountWithoutGas) {
    // neo.md 6.4: signer 0 with scope None pays, signer 1 owns the token.
    const crypto::P256PrivateKey holder = test_key(3);
    ASSERT_TRUE(chain_->pay(test_token_, stranger_, base::Amount(50)));
    chain_->produce_block();
    TransferPlan its_plan;
    its_plan.token = test_token_;
    its_plan.to = bob_account_;
    its_plan.amount = base::Amount(20);
    neo::Transaction transaction = plan(holder, its_plan);
    neo::Signer sponsor;
    sponsor.account = alice_account_;
    sponsor.scopes = neo::kScopeNone;
    transaction.signers.insert(transaction.signers.begin(), sponsor);
    transaction.network_fee += 2'000'000;
    sign(transaction, holder);
    sign(transaction, alice_);
    ASSERT_EQ(code(transaction), 0);
    chain_->produce_block();
    EXPECT_EQ(execution(neo::hash(transaction)).state, VmState::Halt);
    EXPECT_EQ(chain_->balance(test_token_, bob_account_), base::Amount(20));
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());

    transaction.nonce += 1;
    sign(transaction, holder);
    sign(transaction, alice_);
    std::swap(transaction.witnesses[0], transaction.witnesses[1]);
    EXPECT_EQ(code(transaction), -500) << "witnesses stand in the order of the signers";
}

}  // namespace
}  // namespace adyton::localchain::testing
