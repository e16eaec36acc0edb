#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/task.h"
#include "localchain/internal/fault_order.h"
#include "localchain/internal/node_core.h"

namespace adyton::localchain {
namespace {

using base::Json;
using internal::cut_connection;
using internal::find_strike;
using internal::RpcFailure;
using internal::RpcOutcome;

constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;

constexpr std::string_view kWhatThisIs =
    "Adyton's SIMULATOR of a Neo N3 node, for development and tests. POST JSON-RPC here.\n";

bool applies(NodeFault fault, std::string_view method) {
    return fault != NodeFault::Swallow || method == "sendrawtransaction";
}

// The id of an answer: text, number or null, as it came.
std::string id_text(const Json* id) {
    if (id == nullptr || !(id->is_number() || id->is_string())) return "null";
    return id->dump();
}

}  // namespace

NeoNode::Core::Core(NeoChain& its_chain, base::Executor& its_executor, NodeOptions its_options)
    : chain(its_chain),
      executor(its_executor),
      options(std::move(its_options)),
      faults(options.seed) {
    router.add("POST", "/", [this](http::Request& request) -> Task<http::Response> {
        if (down) co_return http::Response::text(http::Status::ServiceUnavailable, "down\n");
        Reply made = reply(request.body);
        if (made.delay > base::Duration::zero()) co_await base::sleep_for(executor, made.delay);
        co_return std::move(made.response);
    });
    router.add("GET", "/", [](http::Request&) -> Task<http::Response> {
        co_return http::Response::text(http::Status::Ok, std::string(kWhatThisIs));
    });
}

NeoNode::Core::Reply NeoNode::Core::reply(std::string_view body) {
    std::vector<Call> calls;
    bool batch = false;
    Result<Json> parsed = Error::too_large("request too large");
    if (body.size() <= options.request_bytes_max) parsed = Json::parse(body);
    if (!parsed) {
        Call call;
        call.broken = RpcFailure{kParseError, parsed.error().message()};
        calls.push_back(std::move(call));
    } else if (!parsed->is_array()) {
        calls.push_back(read_call(*parsed));
    } else if (parsed->size() == 0 || parsed->size() > options.batch_max) {
        Call call;
        call.broken = RpcFailure{
            kInvalidRequest, "a batch has 1 to " + std::to_string(options.batch_max) + " calls"};
        calls.push_back(std::move(call));
    } else {
        batch = true;
        for (const Json& item : parsed->items()) calls.push_back(read_call(item));
    }
    return reply_to_calls(calls, batch);
}

NeoNode::Core::Call NeoNode::Core::read_call(const Json& json) {
    Call call;
    if (!json.is_object()) {
        call.broken = RpcFailure{kInvalidRequest, "a call is an object"};
        return call;
    }
    call.id = id_text(json.find("id"));
    const Json* const version = json.find("jsonrpc");
    const Json* const method = json.find("method");
    if (version == nullptr || !version->is_string() || version->string_value() != "2.0" ||
        method == nullptr || !method->is_string()) {
        call.broken = RpcFailure{kInvalidRequest, "jsonrpc must be 2.0, and method a text"};
        return call;
    }
    call.method = method->string_value();
    call.params = json.find("params");
    if (call.params != nullptr && !call.params->is_array() && !call.params->is_object()) {
        call.broken = RpcFailure{kInvalidRequest, "params must be an array"};
        return call;
    }
    ++call_count;
    if (methods().contains(call.method)) ++method_counts[call.method];
    if (call.method == internal::kFaultMethod) return call;
    call.fault = faults.strike(
        call.method, [&call](NodeFault fault) { return applies(fault, call.method); });
    return call;
}

NeoNode::Core::Reply NeoNode::Core::reply_to_calls(std::vector<Call>& calls, bool batch) {
    Reply out;
    if (const FaultRule* const rule = find_strike(calls, NodeFault::Delay)) out.delay = rule->delay;
    if (find_strike(calls, NodeFault::LoseRequest) != nullptr) {
        out.response = cut_connection();
        return out;
    }
    if (const FaultRule* const rule = find_strike(calls, NodeFault::HttpStatus)) {
        out.response = internal::trouble_page(rule->http_status);
        return out;
    }
    std::string body;
    http::Status status = http::Status::Ok;
    if (batch) body += '[';
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (i > 0) body += ',';
        const RpcOutcome outcome = run(calls[i]);
        if (const auto* const failure = std::get_if<RpcFailure>(&outcome);
            failure != nullptr && !batch) {
            status = status_of(failure->code);
        }
        write_answer(calls[i], outcome, body);
    }
    if (batch) body += ']';
    if (find_strike(calls, NodeFault::LoseAnswer) != nullptr) {
        out.response = cut_connection();
    } else if (find_strike(calls, NodeFault::Garbage) != nullptr) {
        out.response = internal::garbage();
    } else {
        out.response = http::Response::json(status, std::move(body));
    }
    return out;
}

RpcOutcome NeoNode::Core::run(const Call& call) {
    if (call.broken.has_value()) return *call.broken;
    if (call.fault.has_value() && call.fault->fault == NodeFault::RpcError) {
        return RpcFailure{call.fault->code, call.fault->text};
    }
    const auto found = methods().find(call.method);
    if (found == methods().end() || (found->first == "adyton_faucet" && !options.faucet) ||
        (found->first == internal::kFaultMethod && !options.faults)) {
        return RpcFailure{kMethodNotFound, "method \"" + call.method + "\" not supported"};
    }
    swallowing = call.fault.has_value() && call.fault->fault == NodeFault::Swallow;
    static const Json kNone = Json::array();
    RpcOutcome outcome = (this->*found->second)(call.params == nullptr ? kNone : *call.params);
    if (call.fault.has_value() && call.fault->fault == NodeFault::NullResult) return "null";
    return outcome;
}

void NeoNode::Core::write_answer(
    const Call& call, const RpcOutcome& outcome, std::string& out) const {
    const bool wrong_id = call.fault.has_value() && call.fault->fault == NodeFault::WrongId;
    base::JsonWriter writer(out);
    writer.begin_object().key("id").raw(wrong_id ? "\"another\"" : call.id);
    writer.member("jsonrpc", "2.0");
    if (const auto* const result = std::get_if<std::string>(&outcome)) {
        writer.key("result").raw(*result).end_object();
        return;
    }
    const RpcFailure& failure = std::get<RpcFailure>(outcome);
    std::string message(internal::rpc_message(failure.code, options.flavour));
    if (options.flavour == NodeFlavour::CSharp && !failure.data.empty()) {
        message += " - " + failure.data;
    }
    writer.key("error").begin_object().member("code", failure.code).member("message", message);
    if (!failure.data.empty()) writer.member("data", failure.data);
    writer.end_object().end_object();
}

http::Status NeoNode::Core::status_of(int code) const {
    if (options.flavour != NodeFlavour::NeoGo105) return http::Status::Ok;
    switch (code) {
        case kParseError:
        case kInvalidRequest:
            return http::Status::BadRequest;
        case kMethodNotFound:
            return http::Status::MethodNotAllowed;
        case -32603:
            return http::Status::InternalServerError;
        default:
            return http::Status::UnprocessableContent;
    }
}

std::uint32_t NeoNode::Core::height() const {
    const std::uint32_t newest = chain.height();
    return lag >= newest ? 0 : newest - lag;
}

NeoNode::NeoNode(NeoChain& chain, base::Executor& executor, NodeOptions options)
    : core_(std::make_unique<Core>(chain, executor, std::move(options))) {}
NeoNode::~NeoNode() = default;

const http::Router& NeoNode::router() const {
    return core_->router;
}
http::Response NeoNode::answer(std::string_view body) {
    return core_->reply(body).response;
}

void NeoNode::set_lag(std::uint32_t blocks) {
    CHECK(blocks <= core_->chain.options().history_blocks);
    core_->lag = blocks;
}
std::uint32_t NeoNode::height() const {
    return core_->height();
}
void NeoNode::set_height_lie(std::int64_t blocks) {
    core_->height_lie = blocks;
}
void NeoNode::set_down(bool down) {
    core_->down = down;
}
bool NeoNode::down() const {
    return core_->down;
}

void NeoNode::order(FaultRule rule) {
    core_->faults.order(std::move(rule));
}
void NeoNode::clear_faults() {
    core_->faults.clear();
}
std::uint64_t NeoNode::struck(NodeFault fault) const {
    return core_->faults.struck(fault);
}
std::uint64_t NeoNode::calls() const {
    return core_->call_count;
}
std::uint64_t NeoNode::calls(std::string_view method) const {
    const auto found = core_->method_counts.find(method);
    return found == core_->method_counts.end() ? 0 : found->second;
}

}  // namespace adyton::localchain
