#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "localchain/near_test_support.h"

// The simulator's answers against recorded ones (tests/vectors/near/gate_tx_outcomes.json): for
// each case the same situation is made on the local chain. Whatever the recorded answer has, ours
// has too, with the same names and types; log lines have the same members in the same order; and
// both say the same to the client's parsers.
namespace adyton::localchain {
namespace {

using base::Json;
using testing::account_id;
using testing::read_near_vectors;
using testing::yocto;

// Where `ours` lacks something of `given`, or has it as another type. Empty: nowhere.
std::string shape_difference(const Json& given, const Json& ours, const std::string& path) {
    if (given.type() != ours.type()) return path + " has another type";
    if (given.is_object()) {
        for (const auto& [name, value] : given.members()) {
            const Json* const mine = ours.find(name);
            if (mine == nullptr) return path + "." + name + " is missing";
            std::string inner = shape_difference(value, *mine, path + "." + name);
            if (!inner.empty()) return inner;
        }
    }
    if (!given.is_array()) return {};
    // Each item must look like some item of ours; what stands where is not promised.
    for (const Json& item : given.items()) {
        std::string best = path + "[] is empty";
        for (const Json& mine : ours.items()) {
            best = shape_difference(item, mine, path + "[]");
            if (best.empty()) break;
        }
        if (!best.empty()) return best;
    }
    return {};
}

// The names of a log line's members, in order, behind its event's name; empty: no trace line.
std::string form_of(const std::string& line) {
    constexpr std::string_view kPrefix = "trace:";
    if (!line.starts_with(kPrefix)) return {};
    const auto json = Json::parse(std::string_view(line).substr(kPrefix.size()));
    if (!json || !json->is_object()) return "broken";
    std::string out = json->find("ev")->string_value();
    for (const auto& [name, value] : json->members()) {
        out += fmt::format(",{}:{}", name, static_cast<int>(value.type()));
    }
    return out;
}

std::map<std::string, std::string> forms_in(const Json& answer) {
    std::map<std::string, std::string> out;
    const Json* const result = answer.find("result") != nullptr ? answer.find("result") : &answer;
    const Json* const outcomes = result->find("receipts_outcome");
    if (outcomes == nullptr) return out;
    for (const Json& outcome : outcomes->items()) {
        for (const Json& line : outcome.find("outcome")->find("logs")->items()) {
            const std::string form = form_of(line.string_value());
            if (!form.empty()) out[form.substr(0, form.find(','))] = form;
        }
    }
    return out;
}

class NearRpcVectorTest : public testing::LocalNearTest {
protected:
    Json query(const near::TransactionHash& hash, std::string_view signer) {
        return ask(
            "EXPERIMENTAL_tx_status",
            fmt::format(
                R"({{"tx_hash":"{}","sender_account_id":"{}","wait_until":"NONE"}})",
                hash.to_string(), signer));
    }
    // `words`: both must say the same, not only have the same form.
    void compare(const Json& given, const Json& ours, bool words = true) {
        const bool bare = given.find("jsonrpc") == nullptr;
        Json mine = bare ? *ours.find("result") : ours;
        if (!bare) mine.set("id", Json::string("x"));
        EXPECT_EQ(shape_difference(given, mine, "$"), "") << ours.dump();
        const auto our_forms = forms_in(mine);
        for (const auto& [event, form] : forms_in(given)) {
            const auto found = our_forms.find(event);
            ASSERT_NE(found, our_forms.end()) << event;
            EXPECT_EQ(found->second, form);
        }
        const auto theirs_parsed = near::parse_transaction_status(given);
        const auto ours_parsed = near::parse_transaction_status(mine);
        ASSERT_EQ(theirs_parsed.has_value(), ours_parsed.has_value());
        if (!theirs_parsed) {
            EXPECT_EQ(theirs_parsed.error().reason(), ours_parsed.error().reason());
            return;
        }
        EXPECT_EQ(theirs_parsed->status.kind, ours_parsed->status.kind);
        if (!words) return;
        EXPECT_EQ(theirs_parsed->status.error, ours_parsed->status.error);
    }

    // Fresh gate, one intent of the counter with the method.
    near::TransactionHash one_submit(const std::string& method = "increase") {
        const auto hash = submit_intent(delegate(counter_, method, "{}"));
        produce(2);
        return hash;
    }
    // The situation in which a submit fails with these words. Nothing: not one we can make.
    std::optional<near::TransactionHash> failing_submit(const std::string& error) {
        const auto good = delegate(counter_, "increase", "{}");
        near::DelegateAction action = good.delegate_action;
        if (error == "Exceeded the prepaid gas.") {
            return submit_intent(good, near::Gas::from_tgas(50));
        }
        if (error.ends_with("signature verification failed")) {
            auto forged = good;
            ++forged.delegate_action.nonce;
            return submit_intent(forged);
        }
        if (error.ends_with("intent expired (max_block_height <= current block)")) {
            action.max_block_height = 1;
            return submit_intent(near::sign(action, alice_key_).value());
        }
        if (error.ends_with("nonce already used for this sender (replay rejected)")) {
            submit_intent(good);
            produce(2);
            return submit_intent(good);
        }
        if (error.ends_with("v0.1 gate requires exactly one action per delegate")) {
            action.actions.clear();
            return submit_intent(near::sign(action, alice_key_).value());
        }
        return std::nullopt;
    }

    void check_outer(const Json& one);
    void check_dispatch(const Json& one);
    void check_resume(const Json& one);
    void check_batch(const Json& one);
};

void NearRpcVectorTest::check_outer(const Json& one) {
    const Json& response = *one.find("response");
    const Json& expected = *one.find("expected");
    const std::string& state = expected.find("state")->string_value();
    if (response.find("error") != nullptr) {
        compare(response, query(near::TransactionHash{}, names_.relayer));
        return;
    }
    if (state == "failed") {
        const std::string& error = expected.find("error")->string_value();
        const auto made = failing_submit(error);
        // Words that no submit of ours can provoke: another failure has the same form.
        const auto hash = made.has_value() ? *made : *failing_submit("Exceeded the prepaid gas.");
        produce(4);
        compare(response, query(hash, names_.relayer), made.has_value());
        return;
    }
    const auto hash = submit_intent(delegate(counter_, "increase", "{}"));
    produce(1);
    if (state == "submitted") produce(3);
    const Json ours = query(hash, names_.relayer);
    // The second form of the gate's log is another program's.
    if (state == "submitted" && forms_in(response).empty()) return;
    compare(response, ours);
    const auto status = near::parse_transaction_status(ours).value();
    const auto submit = near::read_gate_submit(status, gate_);
    EXPECT_EQ(
        submit.state, state == "submitted" ? near::GateState::Done : near::GateState::Pending);
}

void NearRpcVectorTest::check_dispatch(const Json& one) {
    using State = near::GateDispatch::State;
    const Json& expected = *one.find("expected");
    const std::string& state = expected.find("state")->string_value();
    const Json* const reason = expected.find("reason");
    const auto hash = one_submit();
    if (state == "pending") {
        produce(2);
    } else if (state != "not_dispatched") {
        resume({0});
        produce(8);
    } else if (reason != nullptr && reason->string_value() == "rejected") {
        send(
            approver_, key_of(names_.approver), gate_,
            call(
                "resume_intent", R"({"intent_id":"0","approve":false})", near::Gas::from_tgas(100),
                yocto("30000000000000000000000")));
        produce(6);
    } else {
        produce(205);
    }
    const Json ours = query(hash, names_.relayer);
    compare(*one.find("response"), ours);
    const auto read =
        near::read_gate_dispatch(near::parse_transaction_status(ours).value(), gate_, 0).value();
    EXPECT_EQ(
        read.state, state == "pending"          ? State::Pending
                    : state == "not_dispatched" ? State::NotDispatched
                                                : State::Dispatched);
    if (reason != nullptr) {
        EXPECT_EQ(read.reason, reason->string_value());
    }
}

void NearRpcVectorTest::check_resume(const Json& one) {
    const Json& expected = *one.find("expected");
    const std::string& state = expected.find("state")->string_value();
    submit_counts(5);
    near::TransactionHash hash = resume({0, 1, 2});
    bool words = true;
    if (state == "failed") {
        produce(2);
        hash = resume({3, 4});
        // Any other refusal has the same form as that of a gate that is busy.
        words = expected.find("error")->string_value().ends_with(
            "owner must reset_batch_tail if stuck");
    }
    produce(state == "pending" ? 1 : 4);
    compare(*one.find("response"), query(hash, names_.approver), words);
}

void NearRpcVectorTest::check_batch(const Json& one) {
    const auto& dispatches = one.find("expected")->find("dispatch")->items();
    std::vector<near::TransactionHash> submits;
    std::vector<std::uint64_t> ids;
    for (std::size_t i = 0; i < dispatches.size(); ++i) {
        const bool fails = dispatches[i].find("status")->string_value() == "failure";
        submits.push_back(one_submit(fails ? "fail" : "increase"));
        ids.push_back(i);
    }
    const auto resumed = resume(ids);
    produce(3 * ids.size() + 6);
    for (const Json& given : one.find("submit_responses_in_arrival_order")->items()) {
        const std::size_t index = given.find("call_index")->as_uint64().value();
        ASSERT_LT(index, submits.size());
        const Json& response = *given.find("response");
        const Json ours = query(submits[index], names_.relayer);
        // The recorded words of a failing target are its own.
        const auto theirs = near::parse_transaction_status(response).value();
        if (theirs.status.kind == near::ExecutionStatus::Kind::Failure) continue;
        compare(response, ours);
        const auto read =
            near::read_gate_dispatch(near::parse_transaction_status(ours).value(), gate_, index)
                .value();
        EXPECT_EQ(read.seq, index);
        EXPECT_EQ(
            read.target, dispatches[index].find("status")->string_value() == "failure"
                             ? near::GateDispatch::Target::Failed
                             : near::GateDispatch::Target::Succeeded);
    }
    compare(*one.find("resume_response"), query(resumed, names_.approver));
}

TEST_F(NearRpcVectorTest, RecordedAnswersOfTheGateFlowHaveTheShapeOfOurs) {
    const Json file = read_near_vectors("gate_tx_outcomes.json");
    const Json* const cases = file.find("cases");
    ASSERT_TRUE(cases != nullptr && cases->size() > 0);
    for (const Json& one : cases->items()) {
        SCOPED_TRACE(one.find("name")->string_value());
        last_nonces_.clear();
        make_chain(standard_options(), standard_network());
        const std::string& kind = one.find("kind")->string_value();
        if (kind == "outer_receipt") {
            check_outer(one);
        } else if (kind == "dispatch") {
            check_dispatch(one);
        } else if (kind == "resume") {
            check_resume(one);
        } else if (kind == "batch") {
            check_batch(one);
        } else {
            ADD_FAILURE() << "unknown kind " << kind;
        }
        expect_balanced_books();
    }
}

}  // namespace
}  // namespace adyton::localchain
