#include "localchain/internal/block_format.h"
#include "localchain/internal/ledger.h"
#include "localchain/localchain_test_support.h"
#include "neo/nep17.h"
#include "neo/script.h"
#include "neo/verification_script.h"
#include "neo/witness.h"

namespace adyton::localchain::testing {
namespace {

using neo::Value;

class NeoChainTest : public LocalChainTest {
protected:
    Execution invoke(const base::Bytes& script, std::uint8_t scopes = neo::kScopeCalledByEntry) {
        neo::Signer signer;
        signer.account = alice_account_;
        signer.scopes = scopes;
        return chain_->invoke(script, {signer}, chain_->height());
    }
    Execution invoke_call(
        const neo::ScriptHash& contract, std::string_view method, std::vector<Value> arguments,
        std::uint8_t flags = neo::kCallAll) {
        neo::ScriptBuilder builder;
        return invoke(builder.call(contract, method, flags, arguments).take());
    }
    neo::TransactionHash confirm(const neo::Transaction& transaction) {
        EXPECT_EQ(code(transaction), 0);
        chain_->produce_block();
        return neo::hash(transaction);
    }
};

TEST_F(NeoChainTest, GenesisGivesWhatIsAllocatedAndTheRestToTheCommittee) {
    EXPECT_EQ(chain_->height(), 0U);
    EXPECT_EQ(chain_->balance(gas(), alice_account_), base::Amount(1000 * kOneGas));
    EXPECT_EQ(chain_->balance(neo_hash(), bob_account_), base::Amount(100));
    EXPECT_EQ(
        chain_->balance(neo_hash(), chain_->committee_account()), base::Amount(100'000'000 - 200));
    EXPECT_EQ(chain_->total_supply(gas()), base::Amount(5'200'000'000'000'000));
    EXPECT_EQ(chain_->total_supply(test_token_), sum_of_balances(test_token_, {}));
    EXPECT_EQ(
        neo::Address(chain_->committee_account()).to_string(),
        "NTZAirRR9MB4DCg2Y529G7JWqqqexgJk1s");
}

TEST_F(NeoChainTest, AllocationsThatDoNotAddUpAreRefused) {
    ChainOptions options;
    options.genesis.push_back({neo_hash(), alice_account_, base::Amount(100'000'001)});
    EXPECT_FALSE(NeoChain::create(options, public_test_validator(), executor_, random_));
    options.genesis = {{test_token_, alice_account_, base::Amount(1)}};
    EXPECT_FALSE(NeoChain::create(options, public_test_validator(), executor_, random_));
    options.genesis.clear();
    options.tokens = {{gas(), "x", "X", 0, {}}};
    EXPECT_FALSE(NeoChain::create(options, public_test_validator(), executor_, random_));
}

TEST_F(NeoChainTest, ATransferMovesTheAmountBurnsTheSystemFeeAndPaysTheValidator) {
    TransferPlan plan;
    plan.to = stranger_;
    plan.amount = base::Amount(7 * kOneGas);
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    EXPECT_EQ(transaction.system_fee, 9'977'780);
    const neo::TransactionHash hash = confirm(transaction);
    const auto system_fee = static_cast<std::uint64_t>(transaction.system_fee);
    const auto network_fee = static_cast<std::uint64_t>(transaction.network_fee);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(7 * kOneGas));
    EXPECT_EQ(
        chain_->balance(gas(), alice_account_),
        base::Amount(993 * kOneGas - system_fee - network_fee));
    EXPECT_EQ(
        chain_->balance(gas(), neo::account_script_hash(chain_->validator())),
        base::Amount(network_fee));
    EXPECT_EQ(chain_->total_supply(gas()), base::Amount(5'200'000'000'000'000 - system_fee));
    EXPECT_EQ(chain_->total_supply(gas()), sum_of_balances(gas(), {}));
    const Execution& done = execution(hash);
    EXPECT_EQ(done.state, VmState::Halt);
    ASSERT_EQ(done.events.size(), 1U);
    EXPECT_EQ(
        done.events[0],
        (TransferEvent{gas(), alice_account_, stranger_, base::Amount(7 * kOneGas)}));
    EXPECT_EQ(chain_->find_confirmed(hash)->block_index, 1U);
    EXPECT_EQ(chain_->find_confirmed(hash)->bytes, neo::serialize(transaction));
}

TEST_F(NeoChainTest, FeesAreBurnedBeforeTheScriptRuns) {
    // neo.md 0, finding 6: the simulation of the whole balance HALTs, the transaction FAULTs.
    TransferPlan plan;
    plan.to = stranger_;
    plan.amount = base::Amount(1000 * kOneGas);
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    EXPECT_EQ(chain_->invoke(transaction.script, transaction.signers, 0).state, VmState::Halt);
    const Execution& done = execution(confirm(transaction));
    EXPECT_EQ(done.state, VmState::Fault);
    EXPECT_EQ(done.exception, "at instruction 94 (ASSERT): ASSERT failed");
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());
    EXPECT_LT(chain_->balance(gas(), alice_account_), base::Amount(1000 * kOneGas));
    EXPECT_EQ(chain_->total_supply(gas()), sum_of_balances(gas(), {}));
}

TEST_F(NeoChainTest, ASystemFeeOneDatoshiShortFaultsAndIsSpent) {
    TransferPlan plan;
    plan.to = stranger_;
    plan.system_fee = 9'977'779;
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    const Execution& done = execution(confirm(transaction));
    EXPECT_EQ(done.state, VmState::Fault);
    EXPECT_NE(done.exception.find("(ASSERT): gas limit is exceeded"), std::string::npos);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());
    EXPECT_LT(chain_->balance(gas(), alice_account_), base::Amount(1000 * kOneGas));
}

TEST_F(NeoChainTest, NeoThatMovesPaysItsGasToBothSides) {
    for (int i = 0; i < 9; ++i) chain_->produce_block();
    TransferPlan plan;
    plan.token = neo_hash();
    plan.to = bob_account_;
    plan.amount = base::Amount(60);
    const neo::Transaction transaction = signed_transfer(alice_, plan);
    const Execution& done = execution(confirm(transaction));  // block 10
    ASSERT_EQ(done.state, VmState::Halt);
    const base::Amount earned(100 * 10 / 2);  // half a datoshi a NEO and block
    ASSERT_EQ(done.events.size(), 3U);
    EXPECT_EQ(
        done.events[0],
        (TransferEvent{neo_hash(), alice_account_, bob_account_, base::Amount(60)}));
    EXPECT_EQ(done.events[1], (TransferEvent{gas(), std::nullopt, alice_account_, earned}));
    EXPECT_EQ(done.events[2], (TransferEvent{gas(), std::nullopt, bob_account_, earned}));
    EXPECT_EQ(
        chain_->balance(gas(), bob_account_), base::Amount(1000 * kOneGas).plus(earned).value());
    EXPECT_EQ(chain_->balance(neo_hash(), bob_account_), base::Amount(160));
    EXPECT_EQ(chain_->total_supply(gas()), sum_of_balances(gas(), {}));

    // Paid once: the next move in the same block count pays only for the new blocks.
    const neo::Transaction again = signed_transfer(alice_, plan);
    EXPECT_EQ(code(again), 0);
    chain_->produce_block();
    EXPECT_EQ(execution(neo::hash(again)).state, VmState::Fault) << "40 NEO are left";
}

TEST_F(NeoChainTest, AccruedGasIsThatOfNeoGo) {
    // rpc_examples.json: the committee's 100,000,000 NEO earn 4 GAS in 8 blocks.
    EXPECT_EQ(internal::accrued_gas(base::Amount(100'000'000), 0, 8), base::Amount(4 * kOneGas));
    EXPECT_EQ(internal::accrued_gas(base::Amount(1), 0, 1), base::Amount());
    EXPECT_EQ(internal::accrued_gas(base::Amount(5), 7, 7), base::Amount());
    EXPECT_EQ(internal::accrued_gas(base::Amount(5), 9, 7), base::Amount());
}

TEST_F(NeoChainTest, ZeroAndSelfTransfersEmitTheirEvent) {
    TransferPlan plan;
    plan.to = stranger_;
    plan.amount = base::Amount();
    const Execution& zero = execution(confirm(signed_transfer(alice_, plan)));
    EXPECT_EQ(zero.state, VmState::Halt);
    EXPECT_EQ(zero.events.size(), 1U);
    plan.token = test_token_;
    plan.to = alice_account_;
    plan.amount = base::Amount(1);
    EXPECT_EQ(execution(confirm(signed_transfer(alice_, plan))).state, VmState::Fault)
        << "she has none";
    ASSERT_TRUE(chain_->pay(test_token_, alice_account_, base::Amount(1)));
    chain_->produce_block();
    const Execution& self = execution(confirm(signed_transfer(alice_, plan)));
    EXPECT_EQ(self.state, VmState::Halt);
    EXPECT_EQ(chain_->balance(test_token_, alice_account_), base::Amount(1));
}

TEST_F(NeoChainTest, WithoutAWitnessATransferIsFalse) {
    const base::Bytes script =
        neo::nep17_transfer_call({gas(), alice_account_, stranger_, base::Amount(1), {}});
    EXPECT_EQ(invoke(script).stack, std::vector<Value>{Value::of_boolean(true)});
    for (const std::uint8_t scopes : {std::uint8_t{neo::kScopeNone}}) {
        EXPECT_EQ(invoke(script, scopes).stack, std::vector<Value>{Value::of_boolean(false)});
    }
    EXPECT_EQ(chain_->invoke(script, {}, 0).stack, std::vector<Value>{Value::of_boolean(false)});
    EXPECT_EQ(invoke(script, neo::kScopeGlobal).stack.front(), Value::of_boolean(true));
    neo::Signer limited;
    limited.account = alice_account_;
    limited.scopes = neo::kScopeCustomContracts;
    limited.allowed_contracts = {neo_hash()};
    EXPECT_EQ(chain_->invoke(script, {limited}, 0).stack.front(), Value::of_boolean(false));
    limited.allowed_contracts = {gas()};
    EXPECT_EQ(chain_->invoke(script, {limited}, 0).stack.front(), Value::of_boolean(true));
}

TEST_F(NeoChainTest, SeveralCallsInOneScriptAreAllOrNothing) {
    const std::vector<neo::Nep17Transfer> transfers = {
        {gas(), alice_account_, stranger_, base::Amount(1), {}},
        {neo_hash(), alice_account_, stranger_, base::Amount(101), {}},  // one more than she has
    };
    TransferPlan plan;
    plan.to = stranger_;
    plan.script = neo::nep17_transfer_script(transfers).value();
    plan.system_fee = 100'000'000;
    EXPECT_EQ(execution(confirm(signed_transfer(alice_, plan))).state, VmState::Fault);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());

    neo::ScriptBuilder builder;
    for (const neo::ScriptHash& token : {gas(), neo_hash(), test_token_}) {
        builder.call(token, "balanceOf", neo::kCallReadOnly, {Value::of_hash(bob_account_)});
    }
    const Execution balances = invoke(builder.take());
    ASSERT_EQ(balances.stack.size(), 3U) << balances.exception;
    EXPECT_EQ(balances.stack[0], Value::of_amount(base::Amount(1000 * kOneGas)));
    EXPECT_EQ(balances.stack[1], Value::of_integer(100));
    EXPECT_EQ(balances.stack[2], Value::of_integer(0));
}

TEST_F(NeoChainTest, GettersAnswer) {
    EXPECT_EQ(invoke_call(test_token_, "symbol", {}).stack.front(), Value::of_text("TEST"));
    EXPECT_EQ(invoke_call(test_token_, "decimals", {}).stack.front(), Value::of_integer(18));
    EXPECT_EQ(
        invoke_call(neo_hash(), "totalSupply", {}).stack.front(), Value::of_integer(100'000'000));
    const auto policy =
        neo::ScriptHash::parse("0xcc5e4edd9f5f8dba8bb65734541df7a1c081c67b").value();
    EXPECT_EQ(invoke_call(policy, "getFeePerByte", {}).stack.front(), Value::of_integer(1000));
    const auto ledger =
        neo::ScriptHash::parse("0xda65b600f7124ce6c79950c1772a36403104f2be").value();
    chain_->produce_block();
    EXPECT_EQ(invoke_call(ledger, "currentIndex", {}).stack.front(), Value::of_integer(1));
}

TEST_F(NeoChainTest, WhatTheSimulatorDoesNotKnowFaultsAndSaysSo) {
    const auto fault = [this](const base::Bytes& script, std::string_view why) {
        const Execution done = invoke(script);
        EXPECT_EQ(done.state, VmState::Fault);
        EXPECT_NE(done.exception.find(why), std::string::npos) << done.exception;
    };
    fault({0x11, 0x12, 0x9e}, "(ADD): the simulator does not run this instruction");
    fault({0x41, 0x56, 0xe7, 0xb3, 0x27}, "does not know this system call");
    fault({0x39}, "(ASSERT): the stack is empty");
    fault({0x11, 0x39}, "Booleans only");
    fault({0x12, 0xc0}, "(PACK): the stack has fewer items");
    fault({0x0f, 0xc0}, "(PACK)");
    base::Bytes nested = {0x10};
    for (int i = 0; i < 40; ++i) nested.insert(nested.end(), {0x11, 0xc0});
    fault(nested, "too deep");
    fault(base::Bytes(4000, 0x11), "the stack is full");
    EXPECT_NE(invoke_call(stranger_, "symbol", {}).exception.find("not found"), std::string::npos);
    EXPECT_NE(
        invoke_call(gas(), "Symbol", {}).exception.find("knows no method"), std::string::npos);
    EXPECT_NE(
        invoke_call(gas(), "symbol", {Value::null()}).exception.find("knows no method"),
        std::string::npos);
    EXPECT_NE(
        invoke_call(gas(), "balanceOf", {Value::of_text("short")}).exception.find("SYSCALL"),
        std::string::npos);
    EXPECT_NE(
        invoke_call(gas(), "balanceOf", {Value::of_hash(gas())}, neo::kCallNone)
            .exception.find("missing call flags"),
        std::string::npos);
    const base::Bytes to_contract =
        neo::nep17_transfer_script({gas(), alice_account_, neo_hash(), base::Amount(1), {}});
    fault(to_contract, "onNEP17Payment");
}

TEST_F(NeoChainTest, AmountsBeyondAllBalancesAreFalse) {
    for (const std::string_view amount :
         {"-1", "340282366920938463463374607431768211455",
          "340282366920938463463374607431768211456",
          "57896044618658097711785492504343953926634992332820282019728792003956564819967"}) {
        const Value number = Value::of_integer(neo::Integer::parse(amount).value());
        const Execution done = invoke_call(
            gas(), "transfer",
            {Value::of_hash(alice_account_), Value::of_hash(stranger_), number, Value::null()});
        ASSERT_EQ(done.state, VmState::Halt) << amount << ": " << done.exception;
        EXPECT_EQ(done.stack.front(), Value::of_boolean(false)) << amount;
        EXPECT_TRUE(done.events.empty());
    }
}

TEST_F(NeoChainTest, ASimulatedCallChangesNothingAndHasItsOwnGasLimit) {
    const base::Bytes one =
        neo::nep17_transfer_script({gas(), alice_account_, stranger_, base::Amount(1), {}});
    EXPECT_EQ(invoke(one).state, VmState::Halt);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount());
    base::Bytes many;
    for (int i = 0; i < 200; ++i) many.insert(many.end(), one.begin(), one.end());
    const Execution done = invoke(many);
    EXPECT_EQ(done.state, VmState::Fault);
    EXPECT_NE(done.exception.find("gas limit is exceeded"), std::string::npos);
}

TEST_F(NeoChainTest, BlocksAreHashedAndSignedAsTheNetworkDoes) {
    TransferPlan plan;
    plan.to = stranger_;
    for (int i = 0; i < 3; ++i) ASSERT_EQ(code(signed_transfer(alice_, plan)), 0);
    const Block& block = chain_->produce_block();
    EXPECT_EQ(block.transactions.size(), 3U);
    EXPECT_EQ(block.previous, chain_->find_block(0U)->hash);
    EXPECT_EQ(chain_->find_block(block.hash), &block);
    const crypto::Sha256Digest digest = neo::sign_data_digest(chain_->options().magic, block.hash);
    EXPECT_TRUE(crypto::verify(chain_->validator(), digest, block.signature));
    EXPECT_TRUE(neo::verify_witness(
        {chain_->block_invocation(block), chain_->committee_script()}, chain_->committee_account(),
        digest));
    EXPECT_GT(block.time_ms, chain_->find_block(0U)->time_ms);
}

TEST_F(NeoChainTest, BlocksHaveRoomForSoMuch) {
    ChainOptions options = standard_options();
    options.block_transactions_max = 2;
    make_chain(options);
    TransferPlan plan;
    plan.to = stranger_;
    for (int i = 0; i < 5; ++i) ASSERT_EQ(code(signed_transfer(alice_, plan)), 0);
    EXPECT_EQ(chain_->produce_block().transactions.size(), 2U);
    EXPECT_EQ(chain_->produce_block().transactions.size(), 2U);
    EXPECT_EQ(chain_->produce_block().transactions.size(), 1U);

    options.block_transactions_max = 512;
    options.block_bytes_max = 600;
    make_chain(options);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(code(signed_transfer(alice_, plan)), 0);
    EXPECT_EQ(chain_->produce_block().transactions.size(), 2U);
}

TEST_F(NeoChainTest, TheTimerMakesBlocksAndLateOnesComeLate) {
    int seen = 0;
    chain_->on_block([&seen](const Block&) { ++seen; });
    chain_->start();
    executor_.run_for(std::chrono::milliseconds(5500));
    EXPECT_EQ(chain_->height(), 5U);
    EXPECT_EQ(seen, 5);
    chain_->delay_next_block(std::chrono::seconds(3));
    executor_.run_for(std::chrono::seconds(3));
    EXPECT_EQ(chain_->height(), 5U);
    executor_.run_for(std::chrono::seconds(1));
    EXPECT_EQ(chain_->height(), 6U);
    chain_->stop();
    executor_.run_for(std::chrono::seconds(9));
    EXPECT_EQ(chain_->height(), 6U);
}

TEST_F(NeoChainTest, BalancesOfRecentBlocksCanBeRead) {
    ChainOptions options = standard_options();
    options.history_blocks = 4;
    make_chain(options);
    for (std::uint32_t block = 1; block <= 10; ++block) {
        ASSERT_TRUE(chain_->pay(test_token_, stranger_, base::Amount(1)));
        chain_->produce_block();
        for (std::uint32_t back = 0; back <= 4 && back <= block; ++back) {
            EXPECT_EQ(
                chain_->balance_at(test_token_, stranger_, block - back),
                base::Amount(block - back));
        }
    }
    const Execution then = chain_->invoke(neo::nep17_balance_script(test_token_, stranger_), {}, 7);
    EXPECT_EQ(then.stack.front(), Value::of_integer(7));
}

TEST_F(NeoChainTest, RecordsReplayToTheSameChain) {
    TransferPlan plan;
    plan.to = bob_account_;
    plan.token = neo_hash();
    plan.amount = base::Amount(30);
    std::vector<base::Bytes> records;
    for (int i = 0; i < 12; ++i) {
        ASSERT_EQ(code(signed_transfer(alice_, plan)), 0);  // from the fourth on they FAULT
        records.push_back(chain_->block_record(chain_->produce_block()));
    }
    const neo::TransactionHash last = chain_->find_block(12U)->hash;
    const base::Amount alice = chain_->balance(gas(), alice_account_);
    const auto original = std::move(chain_);
    make_chain(standard_options());
    for (const base::Bytes& record : records) {
        const auto done = chain_->replay_record(record);
        ASSERT_TRUE(done) << done.error().message();
    }
    EXPECT_EQ(chain_->find_block(12U)->hash, last);
    EXPECT_EQ(chain_->balance(gas(), alice_account_), alice);
    EXPECT_EQ(chain_->balance(neo_hash(), bob_account_), base::Amount(190));
    EXPECT_EQ(chain_->find_block(12U)->signature, original->find_block(12U)->signature);
    EXPECT_FALSE(chain_->replay_record(records.back())) << "it is there already";
}

TEST_F(NeoChainTest, NoChangedRecordReplays) {
    TransferPlan plan;
    plan.to = bob_account_;
    ASSERT_EQ(code(signed_transfer(alice_, plan)), 0);
    const base::Bytes record = chain_->block_record(chain_->produce_block());
    constexpr std::size_t kSignatureAt = 4 + 8 + 8 + 32 + 32;
    for (std::size_t at = 0; at < record.size(); ++at) {
        if (at >= kSignatureAt && at < kSignatureAt + 64) continue;  // not part of the hash
        make_chain(standard_options());
        base::Bytes bad = record;
        bad[at] ^= 0x20;
        const auto done = chain_->replay_record(bad);
        // Witnesses are not part of a transaction's hash either; the ledger file's checksum guards
        // them.
        if (done) continue;
        EXPECT_EQ(chain_->height(), 0U) << at;
        EXPECT_EQ(chain_->balance(gas(), bob_account_), base::Amount(1000 * kOneGas)) << at;
    }
    for (std::size_t size = 0; size < record.size(); ++size) {
        EXPECT_FALSE(chain_->replay_record({record.data(), size}));
    }
}

TEST_F(NeoChainTest, TheRecordedBlockVectorHashesAsRecorded) {
    const base::Json examples = read_vectors("rpc_examples.json");
    bool found = false;
    for (const base::Json& example : examples.find("cases")->items()) {
        if (example.find("name")->string_value() != "block: by hash") continue;
        found = true;
        const base::Json& block = *example.find("response")->find("result");
        const auto text = [&block](std::string_view name) {
            return block.find(name)->string_value();
        };
        internal::HeaderFields header;
        header.previous = neo::TransactionHash::parse(text("previousblockhash")).value();
        const auto leaf =
            neo::TransactionHash::parse(block.find("tx")->items()[0].find("hash")->string_value())
                .value();
        header.merkle_root = internal::merkle_root({&leaf, 1});
        EXPECT_EQ(header.merkle_root.to_string(), text("merkleroot"));
        header.time_ms = block.find("time")->as_uint64().value();
        header.nonce = std::stoull(text("nonce"), nullptr, 16);
        header.index = static_cast<std::uint32_t>(block.find("index")->as_uint64().value());
        header.next_consensus = neo::Address::parse(text("nextconsensus")).value().script_hash();
        EXPECT_EQ(internal::header_hash(header).to_string(), text("hash"));
    }
    EXPECT_TRUE(found);
}

TEST_F(NeoChainTest, PayRefusesWhatTheTreasuryDoesNotHave) {
    const auto paid = chain_->pay(neo_hash(), stranger_, base::Amount(200'000'000));
    ASSERT_FALSE(paid);
    EXPECT_EQ(paid.error().code(), ErrorCode::Unprocessable);
    EXPECT_FALSE(chain_->pay(stranger_, stranger_, base::Amount(1))) << "no such token";
    EXPECT_EQ(chain_->pool_size(), 0U);
}

}  // namespace
}  // namespace adyton::localchain::testing
