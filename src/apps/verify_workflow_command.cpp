#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "apps/attested_keys.h"
#include "apps/command.h"
#include "apps/workflow_commands.h"
#include "base/event_loop.h"
#include "chain/near_client.h"
#include "coordinator/evidence.h"
#include "http/client.h"
#include "http/tls.h"
#include "http/url.h"
#include "near/delegate.h"
#include "near/gate.h"

namespace adyton::apps {
namespace {

using base::Json;
using coordinator::EvidenceBundle;
using coordinator::EvidenceReport;
using coordinator::EvidenceStatement;

constexpr std::size_t kFileBytesMax = 16UL * 1024 * 1024;

struct VerifyOptions {
    std::string file;
    std::string key;
    std::string rpc;
    AttestedKeyOptions attested;
};

Result<std::string> read_all(const std::string& path) {
    std::string out;
    if (path == "-") {
        out.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        std::ifstream file(path, std::ios::binary);
        if (!file) return Error::not_found("cannot open " + path);
        out.assign(std::istreambuf_iterator<char>(file), {});
    }
    if (out.size() > kFileBytesMax) return Error::too_large(path + " is too long for evidence");
    return out;
}

// A node, with the loop that asks it.
struct Node {
    Node() : workers(1), loop(workers) {}
    base::WorkerThreads workers;
    base::EventLoop loop;
    std::unique_ptr<http::Client> transport;
    std::unique_ptr<chain::NearRpcClient> client;
};

Task<Result<http::Response>> post(http::Client& client, std::string url, std::string body) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = std::move(url);
    request.headers.add("Content-Type", "application/json");
    request.body = std::move(body);
    auto sending = client.send(std::move(request));
    co_return co_await std::move(sending);
}

Result<std::unique_ptr<Node>> connect(const std::string& rpc) {
    auto out = std::make_unique<Node>();
    http::ClientOptions options;
    options.response_bytes_max = 64UL * 1024 * 1024;
    http::ClientTlsOptions tls;
    tls.minimum_version = http::TlsVersion::Tls12;
    TRY(options.tls, http::TlsContext::create_client(tls));
    out->transport = std::make_unique<http::Client>(out->loop, std::move(options));
    const std::string ask = R"({"jsonrpc":"2.0","id":"adyton","method":"status","params":[]})";
    TRY(const auto answer, out->loop.run_until_done(post(*out->transport, rpc, ask)));
    TRY(const auto json, Json::parse(answer.body));
    const Json* const result = json.find("result");
    if (result == nullptr) return Error::unavailable("--rpc answers no status");
    chain::NearClientOptions near;
    TRY(near.chain_id, chain::parse_near_chain_id(*result));
    near.endpoints.urls = {rpc};
    TRY(out->client, chain::NearRpcClient::create(
                         std::move(near), *out->transport, out->loop, base::null_logger()));
    return out;
}

Result<near::TransactionStatus> status_of(
    Node& node, const std::string& hash_text, const std::string& sender_text) {
    TRY(const auto hash, near::TransactionHash::parse(hash_text));
    TRY(auto sender, near::AccountId::parse(sender_text));
    TRY(const auto found,
        node.loop.run_until_done(node.client->find_transaction(hash, std::move(sender))));
    if (!found) return Error::not_found("the node does not know transaction " + hash_text);
    return near::parse_transaction_status(found->result);
}

Result<std::string> height_text(Node& node, const std::optional<near::BlockHash>& hash) {
    if (!hash) return std::string();
    TRY(const auto block, node.loop.run_until_done(node.client->find_block(*hash)));
    return std::to_string(block.height);
}

std::string_view word_of(const near::GateDispatch& dispatch) {
    if (dispatch.state == near::GateDispatch::State::NotDispatched) return "not_dispatched";
    if (dispatch.target == near::GateDispatch::Target::Succeeded) return "success";
    if (dispatch.target == near::GateDispatch::Target::Failed) return "failure";
    return "pending";
}

// The delegate that a submit handed to the gate. Nothing: there is none that somebody signed.
std::optional<near::SignedDelegate> delegate_of(const near::ActionReceipt& receipt) {
    if (receipt.calls.size() != 1) return std::nullopt;
    const auto args = Json::parse(base::as_text(receipt.calls.front().args));
    const Json* const text = args ? args->find("signed_delegate") : nullptr;
    if (text == nullptr || !text->is_string()) return std::nullopt;
    const auto parsed = near::parse_signed_delegate_base64(text->string_value());
    if (!parsed || !near::verify(*parsed)) return std::nullopt;
    return *parsed;
}

using Differ = std::function<void(std::string_view)>;

// What the wallet signed, and who brought it to which gate.
void check_submit(
    const near::TransactionStatus& status, const EvidenceStatement& s,
    const coordinator::EvidenceCall& call, const Differ& differ) {
    if (status.signer_id.text() != s.relayer_id) differ("relayer");
    if (status.receiver_id.text() != s.gate_id) differ("gate");
    const auto outer = status.outer_receipt_id();
    const auto* const receipt = outer ? status.find_receipt(*outer) : nullptr;
    if (receipt == nullptr) return differ("submit, without its receipt");
    const auto signed_by = delegate_of(*receipt);
    if (!signed_by) return differ("submit, without a signed delegate");
    const near::DelegateAction& delegate = signed_by->delegate_action;
    if (near::hash(delegate).to_string() != call.delegate_hash) differ("delegate");
    if (delegate.sender_id.text() != s.wallet_account) differ("wallet");
    if (delegate.receiver_id.text() != call.receiver_id) differ("receiver");
    const auto* const made = delegate.actions.size() == 1
                                 ? std::get_if<near::FunctionCall>(&delegate.actions.front())
                                 : nullptr;
    if (made == nullptr) return differ("action");
    if (made->method_name != call.method_name) differ("method");
    if (crypto::sha256(made->args).to_hex() != call.args_sha256) differ("arguments");
    if (made->gas.to_string() != call.gas) differ("gas");
    if (made->deposit.to_string() != call.deposit) differ("deposit");
}

// Whom the gate called, as which of its batch, and what came of it. `place`: in its batch.
void check_dispatch(
    const near::GateDispatch& dispatch, const EvidenceStatement& s, std::size_t i,
    std::size_t place, const Differ& differ) {
    const coordinator::EvidenceCall& call = s.calls[i];
    const coordinator::EvidenceDispatch& said = s.dispatches[i];
    if (word_of(dispatch) != said.status) differ("outcome");
    const std::string receipt =
        dispatch.target_receipt_id ? dispatch.target_receipt_id->to_string() : std::string();
    if (receipt != said.receipt_id) differ("receipt");
    if (dispatch.state != near::GateDispatch::State::Dispatched) return;
    if (dispatch.seq && *dispatch.seq != place) differ("place in the batch");
    if (dispatch.predecessor_id && dispatch.predecessor_id->text() != s.gate_id) {
        differ("predecessor");
    }
    if (dispatch.receiver_id) {
        const std::string& receiver = dispatch.receiver_id->text();
        if (receiver != call.receiver_id || receiver != said.receiver_id) differ("receiver");
    }
    if (dispatch.call) {
        if (crypto::sha256(dispatch.call->args).to_hex() != call.args_sha256) differ("arguments");
        const std::string& method = dispatch.call->method_name;
        if (method != call.method_name || method != said.method_name) differ("method");
    }
    // A call may have succeeded without carrying its intent out: then the workflow has failed.
    if (call.intent_hash.empty() || s.status != "succeeded") return;
    const auto hash = near::MessageHash::parse(call.intent_hash);
    if (!hash || !near::logs_show_intent(dispatch.target_logs, *hash)) differ("intent");
}

// Of each call, counted from the first of its batch: each unbroken run of gate steps is one.
std::vector<std::size_t> places_of(const EvidenceStatement& s) {
    std::vector<std::size_t> out;
    std::size_t place = 0;
    for (const coordinator::EvidencePlanStep& step : s.plan) {
        if (step.lane == "gate_proxy") {
            out.push_back(place++);
        } else {
            place = 0;
        }
    }
    return out;
}

// One call as the chain shows it, held against the statement.
Result<void> check_call(
    Node& node, const EvidenceStatement& s, std::size_t i, const near::AccountId& gate,
    EvidenceReport& report) {
    const coordinator::EvidenceCall& call = s.calls[i];
    if (call.submit_tx_hash.empty() || call.intent_id.empty()) return {};
    TRY(const auto status, status_of(node, call.submit_tx_hash, s.relayer_id));
    TRY(const std::uint64_t id, near::parse_u64(call.intent_id));
    const Differ differ = [&](std::string_view what) {
        report.problems.push_back(fmt::format("call {}: the chain shows another {}", i, what));
    };
    check_submit(status, s, call, differ);
    const auto submit = near::read_gate_submit(status, gate);
    if (submit.state != near::GateState::Done || submit.intent_id != id) differ("intent id");
    TRY(const auto dispatch, near::read_gate_dispatch(status, gate, id));
    if (i >= s.dispatches.size()) return {};
    const coordinator::EvidenceDispatch& said = s.dispatches[i];
    const std::vector<std::size_t> places = places_of(s);
    check_dispatch(dispatch, s, i, i < places.size() ? places[i] : i, differ);
    TRY(const std::string height, height_text(node, dispatch.gate_block_hash));
    if (height != said.block_height) differ("height");
    TRY(const std::string target, height_text(node, dispatch.target_block_hash));
    if (target != said.target_block_height) differ("height of the target");
    return {};
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr || (!found->is_string() && !found->is_number())) return {};
    return found->is_string() ? found->string_value() : found->number_text();
}

// The call of a user's key, where the row names one.
void check_user_call(
    const near::TransactionStatus& status, const Json& row, const std::string& where,
    EvidenceReport& report) {
    const auto outer = status.outer_receipt_id();
    const auto* const receipt = outer ? status.find_receipt(*outer) : nullptr;
    const bool called = receipt != nullptr && receipt->calls.size() == 1;
    const auto compare = [&](const char* name, const std::string& shown) {
        if (row.find(name) == nullptr || text_of(row, name) == shown) return;
        report.problems.push_back(where + ": the chain shows another " + name);
    };
    compare("receiver_id", status.receiver_id.text());
    compare("method_name", called ? receipt->calls.front().method_name : std::string());
    compare("nonce", std::to_string(status.nonce));
}

// What a transaction of the wallet's own does, where the row says it.
void check_own_call(
    const near::TransactionStatus& status, const Json& row, const std::string& hash,
    const std::string& where, EvidenceReport& report) {
    const Json* const list = row.find("transactions");
    if (list == nullptr || !list->is_array()) return;
    const auto said = std::find_if(
        list->items().begin(), list->items().end(),
        [&](const Json& one) { return text_of(one, "tx_hash") == hash; });
    if (said == list->items().end()) {
        report.problems.push_back(where + ": it is not said what " + hash + " does");
        return;
    }
    const auto outer = status.outer_receipt_id();
    const auto* const receipt = outer ? status.find_receipt(*outer) : nullptr;
    const near::ReceiptCall* const call =
        receipt != nullptr && receipt->action_count == 1 && receipt->calls.size() == 1
            ? &receipt->calls.front()
            : nullptr;
    const auto compare = [&](const char* name, const std::string& shown) {
        if (text_of(*said, name) == shown) return;
        report.problems.push_back(where + ": the chain shows another " + name + " of " + hash);
    };
    if (call == nullptr) {
        report.problems.push_back(where + ": the chain shows another action of " + hash);
        return;
    }
    compare("receiver_id", status.receiver_id.text());
    compare("method_name", call->method_name);
    compare("args_sha256", crypto::sha256(call->args).to_hex());
    compare("gas", call->gas.to_string());
    compare("deposit", call->deposit.to_string());
}

// The transactions of one step of another lane than the gate's: signed by whom the statement names,
// ended as it says, the last of them at its height.
Result<void> check_lane_row(
    Node& node, const Json& row, const std::vector<std::string>& hashes, bool succeeded,
    EvidenceReport& report) {
    // The route of one user's call has one step, and no number for it.
    const std::string number = text_of(row, "step");
    const std::string where = "step " + (number.empty() ? "0" : number);
    const std::string signer = text_of(row, "signer_id");
    for (const std::string& hash : hashes) {
        const auto status = status_of(node, hash, signer);
        if (!status) {
            if (succeeded) report.problems.push_back(where + ": " + status.error().message());
            continue;
        }
        const bool failed = std::any_of(
            status->receipts_outcome.begin(), status->receipts_outcome.end(), [](const auto& one) {
                return one.status.kind == near::ExecutionStatus::Kind::Failure;
            });
        const bool good = status->status.kind == near::ExecutionStatus::Kind::SuccessValue;
        if (succeeded && (failed || !good)) {
            report.problems.push_back(where + ": the chain shows a failure of " + hash);
        }
        if (status->signer_id.text() != signer) {
            report.problems.push_back(where + ": the chain shows another signer of " + hash);
        }
        check_user_call(*status, row, where, report);
        check_own_call(*status, row, hash, where, report);
        const auto outer = status->outer_receipt_id();
        const auto* const outcome = outer ? status->find_outcome(*outer) : nullptr;
        if (outcome == nullptr || hash != hashes.back()) continue;
        TRY(const std::string height, height_text(node, outcome->block_hash));
        if (height != text_of(row, "block_height")) {
            report.problems.push_back(where + ": the chain shows another height of " + hash);
        }
        report.facts.push_back(
            fmt::format("{}: {} by {} at block {}", where, hash, signer, height));
    }
    return {};
}

// What the row says of itself: whose its transactions are, and that there are some where they are
// what the step does.
void check_funding_row(
    const Json& row, const std::vector<std::string>& hashes, const EvidenceStatement& s,
    EvidenceReport& report) {
    const std::string where = "step " + text_of(row, "step");
    const std::string kind = text_of(row, "kind");
    const bool looks = kind == "view" || kind == "funding.balance_check";
    if (hashes.empty() && !looks && text_of(row, "status") == "success") {
        report.problems.push_back(where + ": a success without a transaction");
    }
    if (!hashes.empty() && text_of(row, "tx_hash") != hashes.back()) {
        report.problems.push_back(where + ": its transaction is not the last of all it names");
    }
    if (!hashes.empty() && text_of(row, "signer_id") != s.wallet_account) {
        report.problems.push_back(where + ": its signer is not the wallet");
    }
}

Result<void> check_lanes(Node& node, const EvidenceStatement& s, EvidenceReport& report) {
    if (!s.lane_evidence.empty()) {
        TRY(const Json lanes, Json::parse(s.lane_evidence, Json::Limits{128}));
        const Json* const rows = lanes.find("funding_evidence");
        if (rows == nullptr || !rows->is_array()) return {};
        for (const Json& row : rows->items()) {
            std::vector<std::string> hashes;
            const Json* const list = row.find("tx_hashes");
            if (list == nullptr || !list->is_array()) continue;
            for (const Json& hash : list->items()) {
                if (hash.is_string()) hashes.push_back(hash.string_value());
            }
            const bool good = text_of(row, "status") == "success";
            check_funding_row(row, hashes, s, report);
            TRY_VOID(check_lane_row(node, row, hashes, good, report));
        }
    }
    if (s.direct_user_evidence.empty()) return {};
    TRY(const Json direct, Json::parse(s.direct_user_evidence, Json::Limits{128}));
    Json rows = Json::array();
    if (direct.is_object()) rows.push_back(direct);
    if (direct.is_array()) rows = direct;
    for (const Json& row : rows.items()) {
        const std::string hash = text_of(row, "tx_hash");
        if (hash.empty()) continue;
        const bool good = text_of(row, "receipt_status") == "success";
        TRY_VOID(check_lane_row(node, row, {hash}, good, report));
    }
    return {};
}

// Calls of the last batch: with other lanes between them there may be several.
std::size_t last_batch_of(const EvidenceStatement& s) {
    if (s.lane_evidence.empty()) return s.calls.size();
    std::size_t count = 0;
    bool counting = false;
    for (std::size_t i = s.plan.size(); i > 0; --i) {
        const bool gate = s.plan[i - 1].lane == "gate_proxy";
        if (counting && !gate) break;
        counting = counting || gate;
        count += gate ? 1U : 0U;
    }
    return std::min(count, s.calls.size());
}

Result<void> check_on_chain(
    const EvidenceStatement& s, const std::string& rpc, EvidenceReport& report) {
    if (s.calls.empty() && s.lane_evidence.empty() && s.direct_user_evidence.empty()) {
        return Error::invalid_argument("no transaction to look up");
    }
    TRY(const auto node, connect(rpc));
    TRY_VOID(check_lanes(*node, s, report));
    if (!s.calls.empty()) {
        TRY(const auto gate, near::AccountId::parse(s.gate_id));
        for (std::size_t i = 0; i < s.calls.size(); ++i) {
            TRY_VOID(check_call(*node, s, i, gate, report));
        }
        if (!s.resume_tx_hash.empty() && !s.batch_id.empty()) {
            TRY(const auto status, status_of(*node, s.resume_tx_hash, s.approver_id));
            const auto resume = near::read_gate_resume(status, gate);
            const std::size_t n = last_batch_of(s);
            const bool fits =
                status.signer_id.text() == s.approver_id && status.receiver_id == gate && n > 0 &&
                resume.state == near::GateState::Done &&
                std::to_string(resume.batch_id) == s.batch_id && resume.n == n &&
                std::to_string(resume.first_id) == s.calls[s.calls.size() - n].intent_id;
            if (!fits) report.problems.emplace_back("the chain shows another batch");
        }
    }
    report.facts.push_back("compared with the chain at " + rpc);
    return {};
}

Result<EvidenceReport> verify(const VerifyOptions& options) {
    TRY(const std::string text, read_all(options.file));
    TRY(const Json json, Json::parse(text));
    TRY(const EvidenceBundle bundle, coordinator::parse_evidence(json));
    std::optional<crypto::Ed25519PublicKey> trusted;
    if (!options.key.empty()) {
        TRY(const auto bytes, base::hex_decode(options.key));
        TRY(trusted, crypto::Ed25519PublicKey::parse(bytes));
    }
    std::optional<AttestedKeys> attested;
    if (options.attested.given()) {
        TRY(attested, verify_attested_keys(options.attested));
        TRY(const std::string hex, attested_signing_key(*attested, "workflow-ed25519"));
        TRY(const auto bytes, base::hex_decode(hex));
        TRY(const auto key, crypto::Ed25519PublicKey::parse(bytes));
        if (trusted && !(*trusted == key)) {
            return Error::permission_denied("--key is not the attested key", "binding_mismatch");
        }
        trusted = key;
    }
    EvidenceReport report = coordinator::check_evidence(bundle, trusted);
    if (attested) report.facts.push_back(attested->to_string());
    if (!trusted) {
        report.facts.emplace_back(
            "the key is taken from the file: compare it with GET /info, or give --key");
    }
    if (!options.rpc.empty()) {
        TRY_VOID(check_on_chain(bundle.statement, options.rpc, report));
    }
    return report;
}

Json to_json(const EvidenceReport& report) {
    const auto list = [](const std::vector<std::string>& lines) {
        Json out = Json::array();
        for (const std::string& line : lines) out.push_back(Json::string(line));
        return out;
    };
    return Json::object()
        .set("holds", Json::boolean(report.problems.empty()))
        .set("facts", list(report.facts))
        .set("problems", list(report.problems));
}

Exit run_verify(Process& process, const VerifyOptions& options, bool json) {
    const auto report = verify(options);
    if (!report) {
        process.console.fail(report.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(to_json(*report));
    } else {
        for (const std::string& fact : report->facts) process.console.print(printable(fact));
        for (const std::string& problem : report->problems) {
            process.console.error(printable(problem));
        }
        if (report->problems.empty()) process.console.print("all holds");
    }
    return report->problems.empty() ? Exit::Ok : Exit::Failed;
}

}  // namespace

void add_verify_workflow(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "workflow",
         .summary = "Check the evidence of a workflow, offline or against a node",
         .details =
             "The signature must be the coordinator's, the audit record must name this very "
             "statement, and the statement must agree with itself: order, intent ids, heights, "
             "outcome. With --rpc every transaction is looked up and compared: signers, what the "
             "wallet signed, whom each call reached, receipts, arguments, heights.",
         .examples = {
             "adyton verify workflow run.json --key 5f0c...",
             "adyton verify workflow run.json --rpc http://127.0.0.1:3030",
             "adyton verify workflow run.json --attestation coordinator.json"}});
    const auto options = std::make_shared<VerifyOptions>();  // shared: the callback is copied
    command.add_option("file", options->file, "The evidence; - for standard input")->required();
    command.add_option("--key", options->key, "The coordinator's public key, 64 hex digits");
    command.add_option("--rpc", options->rpc, "A NEAR node to compare with");
    add_attested_key_options(command, options->attested);
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_verify(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps
