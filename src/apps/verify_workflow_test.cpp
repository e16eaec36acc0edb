#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include "apps/command_test_support.h"
#include "apps/local_near.h"
#include "base/event_loop.h"
#include "coordinator/evidence.h"
#include "http/client.h"
#include "near/delegate.h"
#include "near/gate.h"

// `adyton verify workflow --rpc`: statements about a batch that ran on a local chain, signed as a
// wrong coordinator would sign them too.
namespace adyton::apps {
namespace {

using base::Json;
using coordinator::EvidenceStatement;

class VerifyWorkflowTest : public testing::Test {
protected:
    static constexpr std::size_t kCalls = 2;

    void SetUp() override {
        std::string pattern = testing::TempDir() + "adyton-verify-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        LocalNearOptions options;
        options.port = 0;
        options.block_time = base::Duration::zero();
        auto local = LocalNear::start(std::move(options));
        ASSERT_TRUE(local) << local.error().message();
        local_ = *std::move(local);
        run_batch();
        ASSERT_NO_FATAL_FAILURE(describe());
    }
    void TearDown() override {
        local_.reset();
        std::filesystem::remove_all(directory_);
    }

    // On the network's thread.
    template <typename T>
    T on_chain(std::function<T(localchain::NearChain&)> work) {
        std::promise<T> done;
        local_->executor().post([&] { done.set_value(work(local_->chain())); });
        return done.get_future().get();
    }
    std::string view(const std::string& method) {
        return on_chain<std::string>([&](localchain::NearChain& chain) {
            const auto answer = chain.view(gate_, method);
            return answer ? answer->dump() : answer.error().message();
        });
    }
    static Task<bool> pause(base::Executor& executor) {
        co_await base::sleep_for(executor, std::chrono::milliseconds(20));
        co_return true;
    }
    void wait_for(const std::string& method, const std::string& wanted) {
        for (int i = 0; i < 500 && view(method) != wanted; ++i) loop_.run_until_done(pause(loop_));
        ASSERT_EQ(view(method), wanted);
    }
    void run_batch() {
        localchain::ForeignIntents intents{gate_, relayer_, counter_, "increase"};
        intents.count = kCalls;
        submits_ = on_chain<std::vector<near::TransactionHash>>([&](localchain::NearChain& chain) {
            return localchain::inject_foreign_intents(chain, intents).value();
        });
        wait_for("list_pending", R"(["0","1"])");
        resume_ = on_chain<near::TransactionHash>([&](localchain::NearChain& chain) {
            return localchain::inject_foreign_batch(chain, gate_, approver_, {0, 1}).value();
        });
        wait_for("stats", R"(["2","2","0","2","1"])");
        wait_for("get_batch_tail", "[]");
    }
    Json ask(const std::string& method, const std::string& params) {
        http::ClientRequest request;
        request.method = "POST";
        request.url = local_->url();
        request.body =
            R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}";
        Task<Result<http::Response>> sending = client_.send(std::move(request));
        const auto response = loop_.run_until_done(std::move(sending));
        return response ? Json::parse(response->body).value() : Json();
    }
    std::string height(const near::BlockHash& hash) {
        const Json answer = ask("block", R"({"block_id":")" + hash.to_string() + R"("})");
        return answer.find("result")->find("header")->find("height")->number_text();
    }

    // What an honest coordinator would sign of that batch.
    void describe() {
        EvidenceStatement& s = statement_;
        s.request_id = "6f1c2a9e-6f0f-4d0b-9a50-0d6f3c1f4a11";
        s.wallet_id = "wallet-1";
        s.endpoint = "sequential_batch";
        s.body_sha256 = std::string(64, 'a');
        s.created_at = "2026-04-24T20:00:00Z";
        s.gate_id = gate_.text();
        s.relayer_id = relayer_.text();
        s.approver_id = approver_.text();
        s.resume_tx_hash = resume_.to_string();
        s.batch_id = "1";
        s.status = "succeeded";
        s.final_status = "success";
        for (std::size_t i = 0; i < kCalls; ++i) {
            const auto status = near::parse_transaction_status(
                ask("EXPERIMENTAL_tx_status", R"({"tx_hash":")" + submits_[i].to_string() +
                                                  R"(","sender_account_id":")" + relayer_.text() +
                                                  R"(","wait_until":"NONE"})"));
            ASSERT_TRUE(status) << status.error().message();
            const auto dispatch = near::read_gate_dispatch(*status, gate_, i);
            ASSERT_TRUE(dispatch && dispatch->call);
            const auto* const outer = status->find_receipt(*status->outer_receipt_id());
            ASSERT_NE(outer, nullptr);
            const Json args = Json::parse(base::as_text(outer->calls.front().args)).value();
            const auto signed_by =
                near::parse_signed_delegate_base64(args.find("signed_delegate")->string_value());
            ASSERT_TRUE(signed_by);
            s.wallet_account = signed_by->delegate_action.sender_id.text();
            const std::string id = std::to_string(i);
            s.calls.push_back(
                {counter_.text(), "increase", "30000000000000", "0",
                 crypto::sha256(dispatch->call->args).to_hex(), "",
                 near::hash(signed_by->delegate_action).to_string(), submits_[i].to_string(), id});
            s.dispatches.push_back(
                {id, dispatch->target_receipt_id->to_string(), counter_.text(), "increase",
                 height(*dispatch->gate_block_hash), height(*dispatch->target_block_hash),
                 "success"});
            s.plan.push_back({"gate_proxy", counter_.text(), "increase", ""});
            s.policy_decisions.push_back({id, "call", "true", "default"});
        }
    }

    // What the command says of a statement that was signed as it is.
    std::string verify(const EvidenceStatement& statement) {
        const std::string path = directory_ + "/bundle";
        std::ofstream(path, std::ios::binary)
            << coordinator::to_json(signed_by_coordinator(statement)).dump();
        const Outcome said = run_command({"verify", "workflow", path, "--rpc", local_->url()});
        EXPECT_EQ(said.exit == Exit::Ok, said.err.empty()) << said.err;
        return said.exit == Exit::Ok ? "all holds" : said.err;
    }
    void expect_refused(
        const std::string& why, const std::function<void(EvidenceStatement&)>& change) {
        EvidenceStatement other = statement_;
        change(other);
        const std::string said = verify(other);
        EXPECT_NE(said.find("the chain shows another " + why), std::string::npos) << said;
    }

    const near::AccountId gate_ = near::AccountId::parse("gate.sequential.near").value();
    const near::AccountId relayer_ = near::AccountId::parse("relayer.sequential.near").value();
    const near::AccountId approver_ = near::AccountId::parse("approver.sequential.near").value();
    const near::AccountId counter_ = near::AccountId::parse("count.mike.near").value();
    std::string directory_;
    std::unique_ptr<LocalNear> local_;
    std::vector<near::TransactionHash> submits_;
    near::TransactionHash resume_;
    EvidenceStatement statement_;

private:
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    http::Client client_{loop_, {}};
};

TEST_F(VerifyWorkflowTest, WhatTheChainShowsHolds) {
    EXPECT_EQ(verify(statement_), "all holds");
}

TEST_F(VerifyWorkflowTest, AnotherReceiverIsFound) {
    expect_refused("receiver", [](EvidenceStatement& s) {
        for (auto& call : s.calls) call.receiver_id = "wrap.near";
        for (auto& dispatch : s.dispatches) dispatch.receiver_id = "wrap.near";
        for (auto& step : s.plan) step.receiver_id = "wrap.near";
    });
}

TEST_F(VerifyWorkflowTest, AnotherWalletGasDepositOrDelegateIsFound) {
    expect_refused("wallet", [](EvidenceStatement& s) { s.wallet_account = "mike.near"; });
    expect_refused("gas", [](EvidenceStatement& s) { s.calls[1].gas = "1"; });
    expect_refused("deposit", [](EvidenceStatement& s) { s.calls[1].deposit = "1"; });
    expect_refused("delegate", [](EvidenceStatement& s) {
        s.calls[0].delegate_hash = s.calls[1].delegate_hash;
    });
}

TEST_F(VerifyWorkflowTest, AnIntentThatTheTargetNeverExecutedIsFound) {
    expect_refused("intent", [](EvidenceStatement& s) {
        s.calls[0].intent_hash = "11111111111111111111111111111111";
    });
}

TEST_F(VerifyWorkflowTest, AnotherOutcomeIsFound) {
    expect_refused("outcome", [](EvidenceStatement& s) {
        s.dispatches[1].status = "failure";
        s.status = "failed";
        s.final_status = "failed";
    });
    expect_refused(
        "arguments", [](EvidenceStatement& s) { s.calls[0].args_sha256 = std::string(64, 'c'); });
}

TEST_F(VerifyWorkflowTest, AnotherCallOfAUserIsFound) {
    const auto user = near::AccountId::parse("mike.near").value();
    const auto hash = on_chain<near::TransactionHash>([&](localchain::NearChain& chain) {
        return chain.inject({user, counter_, "increase", "{}"}).value();
    });
    const auto status_of = [&] {
        return near::parse_transaction_status(
            ask("EXPERIMENTAL_tx_status",
                R"({"tx_hash":")" + hash.to_string() +
                    R"(","sender_account_id":"mike.near","wait_until":"FINAL"})"));
    };
    const auto status = status_of();
    ASSERT_TRUE(status) << status.error().message();
    const auto* const outcome = status->find_outcome(*status->outer_receipt_id());
    ASSERT_NE(outcome, nullptr);
    EvidenceStatement direct = statement_;
    direct.endpoint = "direct_user_function_call";
    direct.calls.clear();
    direct.dispatches.clear();
    direct.plan.clear();
    direct.resume_tx_hash.clear();
    direct.batch_id.clear();
    const auto with = [&](const std::string& receiver, const std::string& method,
                          std::uint64_t nonce) {
        EvidenceStatement out = direct;
        out.direct_user_evidence =
            Json::object()
                .set("tx_hash", Json::string(hash.to_string()))
                .set("signer_id", Json::string(user.text()))
                .set("receiver_id", Json::string(receiver))
                .set("method_name", Json::string(method))
                .set("nonce", Json::unsigned_integer(nonce))
                .set("block_height", Json::string(height(outcome->block_hash)))
                .set("receipt_status", Json::string("success"))
                .dump();
        return verify(out);
    };
    EXPECT_EQ(with(counter_.text(), "increase", status->nonce), "all holds");
    for (const std::string& said :
         {with("wrap.near", "increase", status->nonce),
          with(counter_.text(), "decrease", status->nonce),
          with(counter_.text(), "increase", status->nonce + 1)}) {
        EXPECT_NE(said.find("step 0: the chain shows another "), std::string::npos) << said;
    }
}

TEST_F(VerifyWorkflowTest, AnotherTransactionOfAFundingStepIsFound) {
    const auto wallet = near::AccountId::parse("mike.near").value();
    const auto wrap = near::AccountId::parse("wrap.near").value();
    const std::string args = R"({"account_id":"mike.near","registration_only":true})";
    const auto deposit = near::YoctoNear::parse("1250000000000000000000").value();
    const auto hash = on_chain<near::TransactionHash>([&](localchain::NearChain& chain) {
        return chain.inject({wallet, wrap, "storage_deposit", args, deposit}).value();
    });
    const auto status = near::parse_transaction_status(
        ask("EXPERIMENTAL_tx_status",
            R"({"tx_hash":")" + hash.to_string() +
                R"(","sender_account_id":"mike.near","wait_until":"FINAL"})"));
    ASSERT_TRUE(status) << status.error().message();
    const auto* const outcome = status->find_outcome(*status->outer_receipt_id());
    ASSERT_NE(outcome, nullptr);
    const auto text = [](std::string value) { return Json::string(std::move(value)); };
    const auto list = [](Json item) {
        Json out = Json::array();
        out.push_back(std::move(item));
        return out;
    };
    const std::string args_digest = crypto::sha256(base::as_bytes(args)).to_hex();
    const Json transaction = Json::object()
                                 .set("tx_hash", text(hash.to_string()))
                                 .set("receiver_id", text(wrap.text()))
                                 .set("method_name", text("storage_deposit"))
                                 .set("args_sha256", text(args_digest))
                                 .set("gas", text("300000000000000"))
                                 .set("deposit", text(deposit.to_string()));
    const Json row = Json::object()
                         .set("step", Json::unsigned_integer(0))
                         .set("kind", text("funding.storage_deposit"))
                         .set("status", text("success"))
                         .set("tx_hash", text(hash.to_string()))
                         .set("signer_id", text(wallet.text()))
                         .set("block_height", text(height(outcome->block_hash)))
                         .set("tx_hashes", list(text(hash.to_string())));
    const auto said_of = [&](Json its_row, const Json& its_transaction) {
        EvidenceStatement s = statement_;
        s.endpoint = "workflow";
        s.wallet_account = wallet.text();
        s.calls.clear();
        s.dispatches.clear();
        s.policy_decisions.clear();
        s.resume_tx_hash.clear();
        s.batch_id.clear();
        s.plan = {{"funding_setup", "wrap.near", "storage_deposit", ""}};
        if (!its_transaction.is_null()) {
            its_row.set("transactions", list(its_transaction));
        }
        const Json segment = Json::object()
                                 .set("first_step", Json::unsigned_integer(0))
                                 .set("steps", Json::unsigned_integer(1))
                                 .set("lane", text("funding_setup"))
                                 .set("status", text("success"));
        s.lane_evidence = Json::object()
                              .set("segments", list(segment))
                              .set("funding_evidence", list(std::move(its_row)))
                              .dump();
        return verify(s);
    };
    EXPECT_EQ(said_of(row, transaction), "all holds");
    EXPECT_EQ(said_of(row, Json()), "all holds");  // of a coordinator that said less
    for (const auto& [name, other] :
         {std::pair<const char*, const char*>{"receiver_id", "count.mike.near"},
          {"method_name", "near_deposit"},
          {"args_sha256", "00"},
          {"gas", "1"},
          {"deposit", "1"}}) {
        Json changed = transaction;
        changed.set(name, text(other));
        const std::string said = said_of(row, changed);
        EXPECT_NE(said.find("the chain shows another " + std::string(name)), std::string::npos)
            << said;
    }
    Json untold = transaction;
    untold.set("tx_hash", text(resume_.to_string()));
    EXPECT_NE(said_of(row, untold).find("it is not said what"), std::string::npos);
    Json another = row;
    another.set("tx_hash", text(resume_.to_string()));
    EXPECT_NE(said_of(another, transaction).find("not the last"), std::string::npos);
    Json none = row;
    none.set("tx_hashes", Json::array());
    EXPECT_NE(said_of(none, Json()).find("a success without a transaction"), std::string::npos);
    Json stranger = row;
    stranger.set("signer_id", text("relayer.sequential.near"));
    EXPECT_NE(said_of(stranger, transaction).find("not the wallet"), std::string::npos);
}

}  // namespace
}  // namespace adyton::apps
