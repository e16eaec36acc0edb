#include <fmt/format.h>
#include <gtest/gtest.h>

#include "localchain/near_test_support.h"

namespace adyton::localchain {
namespace {

using base::Json;
using testing::account_id;
using testing::in_near;
using testing::near_test_key;
using testing::yocto;

constexpr std::string_view kWrapToken = "nep141:wrap.near";

class NearIntentsTest : public testing::LocalNearTest {
protected:
    struct Wish {
        std::string intents;  // JSON list
        std::optional<std::string> recipient = {};
        std::chrono::seconds lifetime{300};
        std::optional<near::MessageNonce> nonce = {};
    };

    base::Timestamp block_time() const {
        return base::Timestamp(std::chrono::microseconds(
            static_cast<std::int64_t>(chain_->head().timestamp_ns / 1000)));
    }
    near::MessageNonce fresh_nonce() {
        near::MessageNonce out;
        random_.fill(out.bytes);
        return out;
    }
    near::SignedMessage payload(
        const near::AccountId& signer, const crypto::Ed25519KeyPair& key, const Wish& wish) {
        near::MessagePayload out;
        out.message = near::intents_message_text(
            signer, near::deadline_text(block_time() + wish.lifetime),
            Json::parse(wish.intents).value());
        out.nonce = wish.nonce.has_value() ? *wish.nonce : fresh_nonce();
        out.recipient = wish.recipient.value_or(names_.intents);
        return near::sign(std::move(out), key);
    }
    static std::string args_of(const std::vector<near::SignedMessage>& messages) {
        std::vector<near::MultiPayload> payloads;
        for (const auto& one : messages) payloads.push_back(near::MultiPayload::of(one));
        return near::execute_intents_args(payloads);
    }
    // The failure's words; empty: it worked.
    std::string execute(const std::vector<near::SignedMessage>& messages) {
        last_ = send(
            bob_, bob_key_, intents_,
            call("execute_intents", args_of(messages), near::Gas::from_tgas(100)));
        produce(2);
        return failure_of(last_);
    }
    std::string transfer_to(const near::AccountId& to, std::string_view amount) {
        return fmt::format(
            R"([{{"intent":"transfer","receiver_id":"{}","tokens":{{"{}":"{}"}}}}])", to.text(),
            kWrapToken, amount);
    }
    std::string diff(std::string_view token, std::string_view amount) {
        return fmt::format(R"([{{"intent":"token_diff","diff":{{"{}":"{}"}}}}])", token, amount);
    }
    // Calls one of the wallets' own transactions and gives the final value.
    std::string run(
        const near::AccountId& contract, const std::string& method, const std::string& args,
        near::YoctoNear deposit, near::Gas gas = near::Gas::from_tgas(100)) {
        const auto hash = send(alice_, alice_key_, contract, call(method, args, gas, deposit));
        produce(8);
        const auto status = status_of(hash, alice_.text());
        if (status.status.kind == near::ExecutionStatus::Kind::Failure) return status.status.error;
        EXPECT_EQ(status.status.kind, near::ExecutionStatus::Kind::SuccessValue);
        return std::string(base::as_text(status.status.value));
    }

    base::SeededRandom random_{7};
    near::TransactionHash last_{};
};

const std::string kPanic = "Smart contract panicked: ";

TEST_F(NearIntentsTest, ASignedTransferMovesTheBalanceAndNamesItsHash) {
    const auto message = payload(alice_, alice_key_, {transfer_to(bob_, "5")});
    EXPECT_EQ(execute({message}), "");
    EXPECT_EQ(intents_balance(bob_), in_near(50).amount().plus(base::Amount(5)));
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount().minus(base::Amount(5)));
    const auto logs = chain_->find_transaction(last_)->outcomes.front().logs;
    EXPECT_TRUE(near::logs_show_intent(logs, near::hash(message.payload)));
    const auto used = chain_->view(
        intents_, "is_nonce_used",
        fmt::format(
            R"({{"account_id":"{}","nonce":"{}"}})", alice_.text(),
            message.payload.nonce.to_base64()));
    EXPECT_EQ(used.value(), Json::boolean(true));
    EXPECT_EQ(execute({message}), kPanic + "nonce was already used");
}

TEST_F(NearIntentsTest, PayloadsAreRefusedInTheContractsOrderAndWords) {
    auto forged = payload(alice_, alice_key_, {transfer_to(bob_, "5")});
    forged.payload.message += " ";
    EXPECT_EQ(execute({forged}), kPanic + "invalid signature");
    EXPECT_EQ(
        execute({payload(alice_, alice_key_, {transfer_to(bob_, "5"), "other.near"})}),
        kPanic + "wrong verifying_contract");
    EXPECT_EQ(
        execute(
            {payload(alice_, alice_key_, {transfer_to(bob_, "5"), {}, std::chrono::seconds(-10)})}),
        kPanic + "deadline has expired");
    EXPECT_EQ(
        execute({payload(alice_, bob_key_, {transfer_to(bob_, "5")})}),
        kPanic + fmt::format(
                     "public key '{}' doesn't exist for account '{}'",
                     near::PublicKey(bob_key_.public_key()).to_string(), alice_.text()));
    EXPECT_EQ(
        execute({payload(alice_, alice_key_, {transfer_to(bob_, "50000000000000000000000001")})}),
        kPanic + "insufficient balance or overflow");
    EXPECT_EQ(
        execute({payload(alice_, alice_key_, {transfer_to(alice_, "1")})}),
        kPanic + "invalid intent");
    EXPECT_NE(
        execute({payload(alice_, alice_key_, {R"([{"intent":"teleport"}])"})}).find("JSON: "),
        std::string::npos);
    EXPECT_NE(
        execute(
            {payload(
                alice_, alice_key_,
                {R"([{"intent":"auth_call","contract_id":"a.near","msg":"","attached_deposit":"0"}])"})})
            .find("SIMULATOR"),
        std::string::npos);
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount());
    EXPECT_EQ(refusal(sign(bob_, bob_key_, intents_, call("execute_intents", "{}"))), "");
}

TEST_F(NearIntentsTest, VersionedNoncesCarryASaltAndADeadline) {
    const auto salt =
        near::IntentsSalt::parse(chain_->view(intents_, "current_salt").value().string_value());
    ASSERT_TRUE(salt);
    const auto nonce = [&](const near::IntentsSalt& its, std::chrono::seconds lifetime) {
        return near::VersionedNonce::create(its, block_time() + lifetime, random_).encode();
    };
    const std::chrono::seconds life(300);
    EXPECT_EQ(
        execute({payload(
            alice_, alice_key_,
            {transfer_to(bob_, "1"), {}, life, nonce(*salt, std::chrono::seconds(360))})}),
        "");
    const auto other = near::IntentsSalt::parse("00000000").value();
    EXPECT_EQ(
        execute({payload(
            alice_, alice_key_,
            {transfer_to(bob_, "1"), {}, life, nonce(other, std::chrono::seconds(360))})}),
        kPanic + "invalid salt");
    EXPECT_EQ(
        execute({payload(
            alice_, alice_key_,
            {transfer_to(bob_, "1"), {}, life, nonce(*salt, std::chrono::seconds(200))})}),
        kPanic + "deadline is greater than nonce");
    EXPECT_EQ(
        chain_->view(intents_, "is_valid_salt", R"({"salt":"00000000"})").value(),
        Json::boolean(false));
}

TEST_F(NearIntentsTest, TokenDiffsMustSumToZeroOverTheWholeCall) {
    const auto give = payload(alice_, alice_key_, {diff(kWrapToken, "-5")});
    EXPECT_EQ(
        execute({give}),
        kPanic +
            R"(invariant violated: {"error":"unmatched_deltas","unmatched_deltas":{"nep141:wrap.near":"-5"}})");
    const auto take = payload(bob_, bob_key_, {diff(kWrapToken, "5")});
    EXPECT_EQ(execute({give, take}), "");
    EXPECT_EQ(intents_balance(bob_), in_near(50).amount().plus(base::Amount(5)));
}

TEST_F(NearIntentsTest, OneBadPayloadUndoesTheWholeCall) {
    const auto good = payload(alice_, alice_key_, {transfer_to(bob_, "5")});
    const auto bad = payload(bob_, alice_key_, {transfer_to(alice_, "5")});
    EXPECT_NE(execute({good, bad}), "");
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount());
    EXPECT_EQ(execute({good}), "");
}

TEST_F(NearIntentsTest, SimulationTellsWithoutEffect) {
    const auto good = payload(alice_, alice_key_, {transfer_to(bob_, "5")});
    const auto told = chain_->view(intents_, "simulate_intents", args_of({good}));
    ASSERT_TRUE(told) << told.error().message();
    EXPECT_EQ(told->find("intents_executed")->size(), 1U);
    EXPECT_TRUE(told->find("invariant_violated")->is_null());
    const auto lone = chain_->view(
        intents_, "simulate_intents",
        args_of({payload(alice_, alice_key_, {diff(kWrapToken, "-5")})}));
    ASSERT_TRUE(lone);
    EXPECT_FALSE(lone->find("invariant_violated")->is_null());
    const auto dear = chain_->view(
        intents_, "simulate_intents",
        args_of({payload(alice_, alice_key_, {transfer_to(bob_, "60000000000000000000000000")})}));
    ASSERT_FALSE(dear);
    EXPECT_NE(dear.error().message().find("insufficient balance"), std::string::npos);
    EXPECT_EQ(execute({good}), "");
}

TEST_F(NearIntentsTest, NearIsWrappedDepositedAndComesBack) {
    const auto register_args = fmt::format(R"({{"account_id":"{}"}})", alice_.text());
    EXPECT_NE(run(wrap_, "storage_deposit", register_args, yocto("1250000000000000000000")), "");
    EXPECT_EQ(run(wrap_, "near_deposit", "{}", in_near(10)), "");
    EXPECT_EQ(wrapped(alice_), in_near(10).amount());
    EXPECT_EQ(
        run(wrap_, "ft_transfer_call",
            fmt::format(
                R"({{"receiver_id":"intents.near","amount":"{}","msg":""}})",
                in_near(4).to_string()),
            yocto("1"), near::Gas::from_tgas(150)),
        "\"" + in_near(4).to_string() + "\"");
    EXPECT_EQ(intents_balance(alice_), in_near(54).amount());
    EXPECT_EQ(wrapped(alice_), in_near(6).amount());
    EXPECT_EQ(
        run(intents_, "ft_withdraw",
            fmt::format(
                R"({{"token":"wrap.near","receiver_id":"{}","amount":"{}"}})", alice_.text(),
                in_near(54).to_string()),
            yocto("1")),
        "\"" + in_near(54).to_string() + "\"");
    EXPECT_EQ(wrapped(alice_), in_near(60).amount());
    const base::Amount before = balance(alice_);
    EXPECT_EQ(
        run(wrap_, "near_withdraw", fmt::format(R"({{"amount":"{}"}})", in_near(60).to_string()),
            yocto("1")),
        "");
    EXPECT_GT(balance(alice_), before.plus(in_near(59).amount()).value());
    expect_balanced_books();
}

TEST_F(NearIntentsTest, AnUnregisteredHolderPaysForItsStorage) {
    EXPECT_EQ(run(wrap_, "near_deposit", "{}", in_near(1)), "");
    EXPECT_EQ(wrapped(alice_), yocto("998750000000000000000000").amount());
    EXPECT_EQ(
        chain_
            ->view(
                wrap_, "storage_balance_of", fmt::format(R"({{"account_id":"{}"}})", bob_.text()))
            .value(),
        Json());
    const auto poor = send(
        bob_, bob_key_, wrap_,
        call("near_deposit", "{}", near::Gas::from_tgas(30), yocto("1249999999999999999999")));
    produce(3);
    EXPECT_EQ(failure_of(poor), kPanic + "ERR_DEPOSIT_TOO_SMALL");
    expect_balanced_books();
}

TEST_F(NearIntentsTest, ADepositThatTheReceiverRefusesComesBack) {
    run(wrap_, "near_deposit", "{}", in_near(2));
    const base::Amount before = wrapped(alice_);
    // The counter has no ft_on_transfer, and is not even registered.
    EXPECT_NE(
        run(wrap_, "ft_transfer_call", R"({"receiver_id":"count.mike.near","amount":"7","msg":""})",
            yocto("1")),
        "");
    EXPECT_EQ(
        run(wrap_, "ft_transfer_call",
            R"({"receiver_id":"intents.near","amount":"7","msg":"not an account!"})", yocto("1")),
        "\"0\"");
    EXPECT_EQ(wrapped(alice_), before);
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount());
}

TEST_F(NearIntentsTest, AWithdrawalToNobodyIsGivenBackInALaterReceipt) {
    const auto intent = fmt::format(
        R"([{{"intent":"ft_withdraw","token":"wrap.near","receiver_id":"{}","amount":"9"}}])",
        bob_.text());
    EXPECT_EQ(execute({payload(alice_, alice_key_, {intent})}), "");
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount().minus(base::Amount(9)));
    produce(5);
    EXPECT_EQ(intents_balance(alice_), in_near(50).amount());
    run(wrap_, "storage_deposit", fmt::format(R"({{"account_id":"{}"}})", bob_.text()),
        yocto("1250000000000000000000"));
    EXPECT_EQ(execute({payload(alice_, alice_key_, {intent})}), "");
    produce(5);
    EXPECT_EQ(wrapped(bob_), base::Amount(9));
}

TEST_F(NearIntentsTest, ANativeWithdrawalArrivesAsNear) {
    const base::Amount before = balance(account_id(names_.user));
    EXPECT_EQ(
        execute({payload(
            alice_, alice_key_,
            {fmt::format(
                R"([{{"intent":"native_withdraw","receiver_id":"mike.near","amount":"{}"}}])",
                in_near(2).to_string())})}),
        "");
    produce(6);
    EXPECT_EQ(balance(account_id(names_.user)), before.plus(in_near(2).amount()));
    expect_balanced_books();
}

TEST_F(NearIntentsTest, KeysAreAddedAndRemovedByIntentAndByTheirOwner) {
    const auto other = near_test_key(6);
    const std::string text = near::PublicKey(other.public_key()).to_string();
    const auto change = [&](std::string_view what) {
        return fmt::format(R"([{{"intent":"{}","public_key":"{}"}}])", what, text);
    };
    EXPECT_EQ(execute({payload(alice_, alice_key_, {change("add_public_key")})}), "");
    EXPECT_EQ(execute({payload(alice_, other, {transfer_to(bob_, "1")})}), "");
    EXPECT_EQ(execute({payload(alice_, alice_key_, {change("remove_public_key")})}), "");
    EXPECT_NE(execute({payload(alice_, other, {transfer_to(bob_, "1")})}), "");
    EXPECT_EQ(
        run(intents_, "remove_public_key",
            fmt::format(
                R"({{"public_key":"{}"}})", near::PublicKey(alice_key_.public_key()).to_string()),
            yocto("1")),
        "");
    EXPECT_NE(execute({payload(alice_, alice_key_, {transfer_to(bob_, "1")})}), "");
}

TEST_F(NearIntentsTest, TheGateExecutesIntentsInOrderAsTheirPredecessor) {
    std::vector<near::TransactionHash> submits;
    std::vector<near::MessageHash> hashes;
    for (int i = 0; i < 3; ++i) {
        const auto message = payload(alice_, alice_key_, {transfer_to(bob_, "1")});
        hashes.push_back(near::hash(message.payload));
        submits.push_back(submit_intent(delegate(intents_, "execute_intents", args_of({message}))));
        produce(2);
    }
    resume({0, 1, 2});
    produce(14);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto dispatch = near::read_gate_dispatch(status_of(submits[i]), gate_, i).value();
        EXPECT_EQ(dispatch.target, near::GateDispatch::Target::Succeeded);
        EXPECT_EQ(dispatch.predecessor_id, gate_);
        EXPECT_TRUE(near::logs_show_intent(dispatch.target_logs, hashes[i]));
    }
    EXPECT_EQ(intents_balance(bob_), in_near(50).amount().plus(base::Amount(3)));
}

// The published payloads are good for this contract, a minute before their deadlines.
TEST(NearIntentsVectorTest, PublishedPayloadsPassEveryCheckOfTheContract) {
    const Json file = testing::read_near_vectors("intents_multipayload.json");
    const Json* const cases = file.find("cases");
    ASSERT_TRUE(cases != nullptr && cases->size() > 0);
    for (const Json& one : cases->items()) {
        SCOPED_TRACE(one.find("name")->string_value());
        const Json& input = *one.find("input");
        const auto deadline = base::parse_rfc3339(input.find("deadline")->string_value());
        ASSERT_TRUE(deadline);
        base::SimExecutor executor(1);
        executor.shift_clock(*deadline - std::chrono::minutes(1) - executor.now());
        NearNetworkOptions network;
        network.names.intents = input.find("recipient")->string_value();
        NearChainOptions options;
        options.genesis = near_network_genesis(network);
        const auto chain = std::move(NearChain::create(std::move(options), executor).value());
        chain->produce_block();
        const std::string& args =
            one.find("expected")->find("execute_intents_args_json")->string_value();
        const auto told = chain->view(account_id(network.names.intents), "simulate_intents", args);
        if (told) {
            EXPECT_EQ(
                told->find("intents_executed")->items().front().find("intent_hash")->string_value(),
                one.find("expected")->find("intent_hash")->string_value());
            continue;
        }
        // Nobody has a balance here, named accounts have no keys, and some intents are not
        // modelled; everything before that was found good.
        const std::string& why = told.error().message();
        EXPECT_TRUE(
            why.find("insufficient balance") != std::string::npos ||
            why.find("doesn't exist for account") != std::string::npos ||
            why.find("SIMULATOR") != std::string::npos)
            << why;
    }
}

}  // namespace
}  // namespace adyton::localchain
