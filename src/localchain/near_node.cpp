#include "localchain/near_node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "localchain/internal/fault_order.h"
#include "localchain/internal/near_node_core.h"
#include "near/compact_json.h"

namespace adyton::localchain {
namespace internal {

using base::Json;

NearRpcError near_parse_error(std::string why) {
    NearRpcError out;
    out.name = "REQUEST_VALIDATION_ERROR";
    out.cause = "PARSE_ERROR";
    out.info.set("error_message", Json::string(why));
    out.code = -32700;
    out.message = "Parse error";
    out.data = Json::string(std::move(why));
    return out;
}

NearRpcError near_handler_error(std::string cause, Json info, std::string data) {
    NearRpcError out;
    out.cause = std::move(cause);
    out.info = std::move(info);
    out.data = Json::string(std::move(data));
    return out;
}

NearRpcError near_unknown_transaction(const near::TransactionHash& hash) {
    const std::string text = hash.to_string();
    return near_handler_error(
        "UNKNOWN_TRANSACTION", Json::object().set("requested_transaction_hash", Json::string(text)),
        "Transaction " + text + " doesn't exist");
}

NearRpcError near_timeout() {
    return near_handler_error("TIMEOUT_ERROR", Json::object(), "Timeout");
}

NearRpcError near_invalid_transaction(Json error) {
    NearRpcError out;
    out.cause = "INVALID_TRANSACTION";
    out.data = Json::object().set(
        "TxExecutionError", Json::object().set("InvalidTxError", std::move(error)));
    return out;
}

}  // namespace internal

namespace {

using base::Json;
using internal::cut_connection;
using internal::find_strike;
using internal::NearRpcError;
using internal::NearRpcOutcome;
using internal::NearRpcText;
using internal::NearStatusQuery;

constexpr std::string_view kWhatThisIs =
    "Adyton's SIMULATOR of a NEAR node, for development and tests. POST JSON-RPC here.\n";

// Whether a fault means anything for a method.
bool applies(NearFault fault, std::string_view method) {
    switch (fault) {
        case NearFault::Swallow:
        case NearFault::Double:
        case NearFault::OtherHash:
            return method == "broadcast_tx_async" || method == "broadcast_tx_commit" ||
                   method == "send_tx";
        case NearFault::Unknown:
        case NearFault::ShuffleOutcomes:
        case NearFault::BareResult:
        case NearFault::Contradict:
        case NearFault::ContradictReceipts:
        case NearFault::ForgeIds:
            return method == "tx" || method == "EXPERIMENTAL_tx_status";
        case NearFault::StaleNonce:
        case NearFault::ContradictState:
            return method == "query";
        case NearFault::OtherHeight:
            return method == "block";
        default:
            return true;
    }
}

Json error_json(const NearRpcError& error) {
    Json out = Json::object();
    out.set("name", Json::string(error.name));
    out.set("cause", Json::object().set("name", Json::string(error.cause)).set("info", error.info));
    out.set("code", Json::integer(error.code));
    out.set("message", Json::string(error.message));
    out.set("data", error.data);
    return out;
}

void shuffle(Json& result, std::string_view name, base::SeededRandom& random) {
    const Json* const list = result.find(name);
    if (list == nullptr || !list->is_array()) return;
    std::vector<Json> items = list->items();
    for (std::size_t i = items.size(); i > 1; --i) {
        std::swap(items[i - 1], items[random.below(i)]);
    }
    Json shuffled = Json::array();
    for (Json& item : items) shuffled.push_back(std::move(item));
    result.set(std::string(name), std::move(shuffled));
}

Json lying_failure() {
    const Json error = Json::object().set(
        "ExecutionError", Json::string("Smart contract panicked: a lie, by order"));
    return Json::object().set(
        "ActionError", Json::object()
                           .set("index", Json::integer(0))
                           .set("kind", Json::object().set("FunctionCallError", error)));
}

// Another node's story: what succeeded has failed.
void contradict(Json& result) {
    const Json* const status = result.find("status");
    if (status == nullptr || status->find("SuccessValue") == nullptr) return;
    result.set("status", Json::object().set("Failure", lying_failure()));
}

// `change` on a copy of each receipt's outcome.
template <typename Change>
void change_outcomes(Json& result, Change change) {
    const Json* const list = result.find("receipts_outcome");
    if (list == nullptr || !list->is_array()) return;
    Json changed = Json::array();
    for (const Json& item : list->items()) {
        Json copy = item;
        const Json* const outcome = item.find("outcome");
        if (outcome != nullptr) {
            Json other = *outcome;
            change(other);
            copy.set("outcome", std::move(other));
        }
        changed.push_back(std::move(copy));
    }
    result.set("receipts_outcome", std::move(changed));
}

void contradict_receipt(Json& outcome) {
    const Json* const status = outcome.find("status");
    if (status == nullptr || !status->is_object()) return;
    const bool failed = status->find("Failure") != nullptr;
    outcome.set(
        "status", failed ? Json::object().set("SuccessValue", Json::string(""))
                         : Json::object().set("Failure", lying_failure()));
}

// `"id":7` becomes `"id":107`, and so do lists' and batches' first ids.
void forge_ids(Json& outcome) {
    const Json* const logs = outcome.find("logs");
    if (logs == nullptr || !logs->is_array()) return;
    Json forged = Json::array();
    for (const Json& line : logs->items()) {
        std::string text = line.string_value();
        for (const std::string_view name : {"\"id\":", "\"first_id\":"}) {
            const std::size_t at = text.find(name);
            if (at != std::string::npos) text.insert(at + name.size(), "10");
        }
        forged.push_back(Json::string(std::move(text)));
    }
    outcome.set("logs", std::move(forged));
}

void move_height(Json& result, std::uint32_t blocks) {
    const Json* const header = result.find("header");
    const Json* const height = header == nullptr ? nullptr : header->find("height");
    if (height == nullptr || !height->as_uint64()) return;
    Json moved = *header;
    moved.set("height", Json::unsigned_integer(*height->as_uint64() + blocks));
    result.set("header", std::move(moved));
}

// Each number in a text, times ten.
std::string times_ten(std::string_view text) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        const bool ends = is_digit(text[i]) && (i + 1 == text.size() || !is_digit(text[i + 1]));
        const bool zero = text[i] == '0' && (i == 0 || !is_digit(text[i - 1]));
        if (ends && !zero) out += '0';
    }
    return out;
}

void contradict_state(Json& result) {
    const Json* const amount = result.find("amount");
    const Json* const nonce = result.find("nonce");
    const Json* const bytes = result.find("result");
    if (amount != nullptr && amount->is_string()) {
        result.set("amount", Json::string(times_ten(amount->string_value())));
    }
    if (nonce != nullptr && nonce->as_uint64()) {
        result.set("nonce", Json::unsigned_integer(*nonce->as_uint64() * 10));
    }
    if (bytes == nullptr || !bytes->is_array()) return;
    std::string text;
    for (const Json& byte : bytes->items()) {
        const auto number = byte.as_uint64();
        if (!number || *number > 255) return;
        text += static_cast<char>(*number);
    }
    Json changed = Json::array();
    for (const char c : times_ten(text)) {
        changed.push_back(Json::unsigned_integer(static_cast<unsigned char>(c)));
    }
    result.set("result", std::move(changed));
}

}  // namespace

NearNode::Core::Core(
    NearChain& its_chain, base::Executor& its_executor, NearNodeOptions its_options)
    : chain(its_chain),
      executor(its_executor),
      options(std::move(its_options)),
      faults(options.seed),
      self(std::make_shared<Core*>(this)) {
    chain.on_block([watch = self](const NearBlockRecord&) {
        if (*watch != nullptr) (*watch)->on_block();
    });
    router.add("POST", "/", [this](http::Request& request) -> Task<http::Response> {
        if (down) co_return http::Response::text(http::Status::ServiceUnavailable, "down\n");
        std::string body = request.body;
        Task<http::Response> responding = respond(std::move(body));
        co_return co_await std::move(responding);
    });
    router.add("GET", "/", [](http::Request&) -> Task<http::Response> {
        co_return http::Response::text(http::Status::Ok, std::string(kWhatThisIs));
    });
    router.add("GET", "/health", [](http::Request&) -> Task<http::Response> {
        co_return http::Response::json(http::Status::Ok, "null");
    });
    router.add("GET", "/status", [this](http::Request&) -> Task<http::Response> {
        const NearRpcOutcome outcome = status(Call{});
        co_return http::Response::json(
            http::Status::Ok, near::compact_json(std::get<Json>(outcome)));
    });
}

NearNode::Core::~Core() {
    *self = nullptr;
}

void NearNode::Core::on_block() {
    for (const auto& waiter : std::exchange(waiters, {})) waiter->set(true);
}

std::uint32_t NearNode::Core::lag_of(const Call& call) const {
    return call.struck_by(NearFault::StaleState) ? lag + call.fault->blocks : lag;
}

internal::NodeView NearNode::Core::view(std::uint32_t the_lag) const {
    const std::uint64_t final_lag = std::uint64_t{the_lag} + chain.options().final_lag_blocks;
    return {chain.block_back(the_lag).height, chain.block_back(final_lag).height};
}

std::vector<NearNode::Core::Call> NearNode::Core::read_body(std::string_view body, bool& batch) {
    std::vector<Call> calls;
    Result<Json> parsed = Error::too_large("request too large");
    if (body.size() <= options.request_bytes_max) parsed = Json::parse(body);
    const bool list = parsed && parsed->is_array();
    if (!parsed || (list && (parsed->size() == 0 || parsed->size() > options.batch_max))) {
        Call call;
        call.broken = internal::near_parse_error(
            parsed ? "a batch of no or too many calls" : parsed.error().message());
        calls.push_back(std::move(call));
    } else if (list) {
        batch = true;
        for (const Json& item : parsed->items()) calls.push_back(read_call(item));
    } else {
        calls.push_back(read_call(*parsed));
    }
    return calls;
}

NearNode::Core::Call NearNode::Core::read_call(const Json& json) {
    Call call;
    const Json* const id = json.find("id");
    if (id != nullptr && (id->is_string() || id->is_number())) call.id = *id;
    const Json* const version = json.find("jsonrpc");
    const Json* const method = json.find("method");
    if (version == nullptr || !version->is_string() || version->string_value() != "2.0" ||
        method == nullptr || !method->is_string()) {
        call.broken = internal::near_parse_error("jsonrpc must be 2.0, and method a text");
        return call;
    }
    call.method = method->string_value();
    const Json* const params = json.find("params");
    call.params = params == nullptr ? Json::array() : *params;
    ++call_count;
    if (methods().contains(call.method)) ++method_counts[call.method];
    if (call.method == internal::kFaultMethod) return call;
    call.fault = faults.strike(
        call.method, [&call](NearFault fault) { return applies(fault, call.method); });
    return call;
}

std::optional<http::Response> NearNode::Core::early_trouble(const std::vector<Call>& calls) const {
    if (find_strike(calls, NearFault::LoseRequest) != nullptr) return cut_connection();
    if (const NearFaultRule* const rule = find_strike(calls, NearFault::HttpStatus)) {
        return internal::trouble_page(rule->http_status);
    }
    return std::nullopt;
}

NearRpcOutcome NearNode::Core::run(const Call& call) {
    if (call.broken.has_value()) return *call.broken;
    if (call.struck_by(NearFault::RpcError)) {
        return internal::near_handler_error(call.fault->text, Json::object(), call.fault->text);
    }
    const auto found = methods().find(call.method);
    if (found == methods().end() || (found->first == "adyton_faucet" && !options.faucet) ||
        (found->first == internal::kFaultMethod && !options.faults)) {
        NearRpcError error;
        error.name = "REQUEST_VALIDATION_ERROR";
        error.cause = "METHOD_NOT_FOUND";
        error.info.set("method_name", Json::string(call.method));
        error.code = -32601;
        error.message = "Method not found";
        error.data = Json::string(call.method);
        return error;
    }
    return (this->*found->second)(call);
}

std::optional<NearRpcOutcome> NearNode::Core::look(const NearStatusQuery& query) const {
    const NearTransactionRecord* const record = chain.find_transaction(query.hash);
    const internal::NodeView at = view(lag + query.extra_lag);
    if (record == nullptr || record->height > at.head) return std::nullopt;
    if (internal::level_of(*record, at) < query.level) return std::nullopt;
    return internal::status_text(chain, *record, at, query.with_receipts);
}

NearRpcOutcome NearNode::Core::give_up(const NearStatusQuery& query) const {
    const NearTransactionRecord* const record = chain.find_transaction(query.hash);
    const bool known = record != nullptr && record->height <= view(lag + query.extra_lag).head;
    if (known) return internal::near_timeout();
    return internal::near_unknown_transaction(query.hash);
}

Task<NearRpcOutcome> NearNode::Core::wait(NearStatusQuery query) {
    const base::SteadyTime deadline = executor.steady_now() + options.wait_max;
    while (true) {
        std::optional<NearRpcOutcome> found = look(query);
        if (found.has_value()) co_return *std::move(found);
        const base::Duration left = deadline - executor.steady_now();
        const bool waits = query.level != internal::WaitLevel::None;
        if (!waits || left <= base::Duration::zero()) co_return give_up(query);
        base::Completion<bool> next;
        const auto state = next.completer();
        const auto done = std::make_shared<bool>(false);  // shared by the block and the deadline
        const auto timer = executor.post_after(left, [this, state, done, watch = self] {
            if (*done || *watch == nullptr) return;
            std::erase(waiters, state);
            *done = true;
            state->set(false);
        });
        waiters.push_back(state);
        co_await next;
        *done = true;
        executor.cancel(timer);
    }
}

void NearNode::Core::spoil(const Call& call, Json& result) {
    if (call.struck_by(NearFault::NullResult)) result = Json();
    if (call.struck_by(NearFault::Contradict)) contradict(result);
    if (call.struck_by(NearFault::ContradictReceipts)) change_outcomes(result, contradict_receipt);
    if (call.struck_by(NearFault::ForgeIds)) change_outcomes(result, forge_ids);
    if (call.struck_by(NearFault::OtherHeight)) move_height(result, call.fault->blocks);
    if (call.struck_by(NearFault::ContradictState)) contradict_state(result);
    if (call.struck_by(NearFault::OtherHash) && result.is_string()) {
        result = Json::string(
            near::TransactionHash{crypto::sha256(base::as_bytes(result.string_value()))}
                .to_string());
    }
    if (call.struck_by(NearFault::ShuffleOutcomes)) {
        shuffle(result, "receipts_outcome", faults.random());
        shuffle(result, "receipts", faults.random());
    }
}

std::string NearNode::Core::answer_of(const Call& call, NearRpcOutcome outcome) {
    const auto* const result = std::get_if<NearRpcText>(&outcome);
    if (result == nullptr || call.fault.has_value()) {
        return near::compact_json(spoilt_answer(call, std::move(outcome)));
    }
    std::string out;
    out.reserve(result->json.size() + 64);
    base::JsonWriter writer(out);
    writer.begin_object().member("jsonrpc", "2.0").key("result").raw(result->json);
    writer.key("id").raw(near::compact_json(call.id)).end_object();
    return out;
}

Json NearNode::Core::spoilt_answer(const Call& call, NearRpcOutcome outcome) {
    if (const auto* const text = std::get_if<NearRpcText>(&outcome)) outcome = text->parsed();
    Json out = Json::object();
    out.set("jsonrpc", Json::string("2.0"));
    if (auto* const result = std::get_if<Json>(&outcome)) {
        spoil(call, *result);
        if (call.struck_by(NearFault::BareResult)) return std::move(*result);
        out.set("result", std::move(*result));
    } else {
        out.set("error", error_json(std::get<NearRpcError>(outcome)));
    }
    out.set("id", call.struck_by(NearFault::WrongId) ? Json::string("another") : call.id);
    return out;
}

http::Response NearNode::Core::finish(
    const std::vector<Call>& calls, std::vector<std::string> answers, bool batch) {
    if (find_strike(calls, NearFault::LoseAnswer) != nullptr) return cut_connection();
    if (find_strike(calls, NearFault::Garbage) != nullptr) {
        return internal::garbage();
    }
    if (!batch) return http::Response::json(http::Status::Ok, std::move(answers.front()));
    std::string list;
    base::JsonWriter out(list);
    out.begin_array();
    for (const std::string& answer : answers) out.raw(answer);
    out.end_array();
    return http::Response::json(http::Status::Ok, std::move(list));
}

Task<http::Response> NearNode::Core::respond(std::string body) {
    bool batch = false;
    std::vector<Call> calls = read_body(body, batch);
    std::optional<http::Response> trouble = early_trouble(calls);
    if (trouble.has_value()) co_return *std::move(trouble);
    std::vector<std::string> answers;
    for (const Call& call : calls) {
        NearRpcOutcome outcome = run(call);
        if (const auto* const query = std::get_if<NearStatusQuery>(&outcome)) {
            Task<NearRpcOutcome> waiting = wait(*query);
            outcome = co_await std::move(waiting);
        }
        answers.push_back(answer_of(call, std::move(outcome)));
    }
    const NearFaultRule* const late = find_strike(calls, NearFault::Delay);
    if (late != nullptr && late->delay > base::Duration::zero()) {
        Task<void> sleeping = base::sleep_for(executor, late->delay);
        co_await std::move(sleeping);
    }
    co_return finish(calls, std::move(answers), batch);
}

http::Response NearNode::Core::respond_now(std::string_view body) {
    bool batch = false;
    const std::vector<Call> calls = read_body(body, batch);
    if (auto trouble = early_trouble(calls)) return *std::move(trouble);
    std::vector<std::string> answers;
    for (const Call& call : calls) {
        NearRpcOutcome outcome = run(call);
        if (const auto* const query = std::get_if<NearStatusQuery>(&outcome)) {
            const NearStatusQuery asked = *query;
            auto found = look(asked);
            outcome = found.has_value() ? *std::move(found) : give_up(asked);
        }
        answers.push_back(answer_of(call, std::move(outcome)));
    }
    return finish(calls, std::move(answers), batch);
}

NearNode::NearNode(NearChain& chain, base::Executor& executor, NearNodeOptions options)
    : core_(std::make_unique<Core>(chain, executor, std::move(options))) {}
NearNode::~NearNode() = default;

const http::Router& NearNode::router() const {
    return core_->router;
}
http::Response NearNode::answer(std::string_view body) {
    return core_->respond_now(body);
}
Json NearNode::rpc(std::string_view method, Json params) {
    const std::string body = Json::object()
                                 .set("jsonrpc", Json::string("2.0"))
                                 .set("id", Json::integer(1))
                                 .set("method", Json::string(std::string(method)))
                                 .set("params", std::move(params))
                                 .dump();
    const http::Response response = core_->respond_now(body);
    auto parsed = Json::parse(response.body);
    return parsed ? *std::move(parsed) : Json();
}

void NearNode::set_lag(std::uint32_t blocks) {
    CHECK(blocks <= core_->chain.options().history_blocks);
    core_->lag = blocks;
}
std::uint64_t NearNode::height() const {
    return core_->view(core_->lag).head;
}
void NearNode::set_height_lie(std::int64_t heights) {
    core_->height_lie = heights;
}
void NearNode::set_down(bool down) {
    core_->down = down;
}
bool NearNode::down() const {
    return core_->down;
}

void NearNode::order(NearFaultRule rule) {
    core_->faults.order(std::move(rule));
}
void NearNode::clear_faults() {
    core_->faults.clear();
}
std::uint64_t NearNode::struck(NearFault fault) const {
    return core_->faults.struck(fault);
}
std::uint64_t NearNode::calls() const {
    return core_->call_count;
}
std::uint64_t NearNode::calls(std::string_view method) const {
    const auto found = core_->method_counts.find(method);
    return found == core_->method_counts.end() ? 0 : found->second;
}

}  // namespace adyton::localchain
