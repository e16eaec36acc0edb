#include <utility>

#include "localchain/internal/fault_order.h"
#include "localchain/internal/fees.h"
#include "localchain/internal/node_core.h"
#include "localchain/internal/rpc_json.h"
#include "neo/address.h"
#include "neo/script.h"
#include "neo/transaction.h"

// Calls that run or send something. What only reads is in rpc_queries.cpp.
namespace adyton::localchain {
namespace {

using base::Json;
using internal::invalid_params;
using internal::RpcFailure;
using internal::RpcOutcome;
using internal::RpcWriter;

constexpr int kUnsupportedAmount = -32602;

// The parameter at a position, or null.
const Json* param(const Json& params, std::size_t index) {
    if (!params.is_array() || index >= params.size()) return nullptr;
    return &params.items()[index];
}

Result<base::Bytes> base64_param(const Json& params, std::size_t index) {
    const Json* const json = param(params, index);
    if (json == nullptr || !json->is_string()) {
        return Error::invalid_argument("no base64 text in the parameters");
    }
    auto bytes = base::base64_decode(json->string_value());
    if (!bytes) return Error::invalid_argument("not a base64: " + bytes.error().message());
    return bytes;
}

Result<neo::ScriptHash> find_token(const NeoChain& chain, std::string_view text) {
    for (const TokenOptions& token : chain.tokens()) {
        if (token.symbol.size() == text.size() && http::equal_ignoring_case(token.symbol, text)) {
            return token.contract;
        }
    }
    TRY(const neo::ScriptHash hash, neo::ScriptHash::parse(text));
    for (const TokenOptions& token : chain.tokens()) {
        if (token.contract == hash) return hash;
    }
    return Error::invalid_argument("the chain has no such token");
}

Result<base::Amount> amount_of(const Json* json) {
    if (json != nullptr && json->is_number()) return base::Amount::parse(json->number_text());
    if (json != nullptr && json->is_string()) return base::Amount::parse(json->string_value());
    return Error::invalid_argument("amount must be an integer, in the token's smallest unit");
}

}  // namespace

RpcOutcome NeoNode::Core::invoke(
    base::ByteView script, const std::vector<neo::Signer>& signers) const {
    const Execution done = chain.invoke(script, signers, height());
    std::string out;
    RpcWriter writer(out, options.flavour);
    writer.json().begin_object();
    writer.json().member("state", done.state == VmState::Halt ? "HALT" : "FAULT");
    writer.json().member("gasconsumed", std::to_string(done.gas_consumed)).key("script");
    writer.base64(script);
    writer.execution(done);
    writer.json().end_object();
    return out;
}

RpcOutcome NeoNode::Core::invoke_script(const Json& params) {
    const auto script = base64_param(params, 0);
    if (!script) return invalid_params(script.error().message());
    if (script->empty() || script->size() > neo::kScriptBytesMax) {
        return invalid_params("a script has 1 to 65535 bytes");
    }
    static const Json kNone;
    const Json* const given = param(params, 1);
    const auto signers = internal::parse_signers(given == nullptr ? kNone : *given);
    if (!signers) return invalid_params(signers.error().message());
    return invoke(*script, *signers);
}

RpcOutcome NeoNode::Core::invoke_function(const Json& params) {
    const Json* const contract = param(params, 0);
    const Json* const method = param(params, 1);
    if (contract == nullptr || !contract->is_string() || method == nullptr ||
        !method->is_string()) {
        return invalid_params("a contract and a method are needed");
    }
    const auto hash = internal::parse_account(contract->string_value());
    if (!hash) return invalid_params(hash.error().message());
    std::vector<neo::Value> arguments;
    const Json* const given = param(params, 2);
    if (given != nullptr && !given->is_null()) {
        if (!given->is_array()) return invalid_params("arguments must be an array");
        for (const Json& item : given->items()) {
            auto argument = internal::parse_parameter(item);
            if (!argument) return invalid_params(argument.error().message());
            arguments.push_back(std::move(*argument));
        }
    }
    static const Json kNone;
    const Json* const signing = param(params, 3);
    const auto signers = internal::parse_signers(signing == nullptr ? kNone : *signing);
    if (!signers) return invalid_params(signers.error().message());
    neo::ScriptBuilder builder;
    builder.call(*hash, method->string_value(), neo::kCallAll, arguments);
    if (builder.size() > neo::kScriptBytesMax) return invalid_params("the script is too long");
    return invoke(builder.bytes(), *signers);
}

RpcOutcome NeoNode::Core::calculate_network_fee(const Json& params) {
    const auto bytes = base64_param(params, 0);
    if (!bytes) return invalid_params(bytes.error().message());
    const auto transaction = neo::parse_transaction(*bytes);
    if (!transaction) return invalid_params(transaction.error().message());
    const auto fee = internal::network_fee(*transaction, chain.options().policy);
    if (!fee) return invalid_params(fee.error().message());
    std::string out;
    base::JsonWriter(out).begin_object().member("networkfee", std::to_string(*fee)).end_object();
    return out;
}

RpcOutcome NeoNode::Core::send_raw_transaction(const Json& params) {
    const auto bytes = base64_param(params, 0);
    if (!bytes) return invalid_params(bytes.error().message());
    const SubmitAnswer answer = chain.submit(*bytes, options.flavour, height());
    if (!answer.accepted()) return RpcFailure{answer.refusal->code, answer.refusal->data};
    if (swallowing) chain.drop_from_pool(*answer.hash);
    std::string out;
    base::JsonWriter(out).begin_object().member("hash", answer.hash->to_string()).end_object();
    return out;
}

RpcOutcome NeoNode::Core::faucet(const Json& params) {
    const Json* asked = &params;
    if (params.is_array()) asked = param(params, 0);
    if (asked == nullptr || !asked->is_object()) {
        return invalid_params("{\"address\", \"token\", \"amount\"} is needed");
    }
    const Json* const address = asked->find("address");
    const Json* const token = asked->find("token");
    if (address == nullptr || !address->is_string()) return invalid_params("address is missing");
    if (token != nullptr && !token->is_string()) return invalid_params("token must be a text");
    const auto to = internal::parse_account(address->string_value());
    if (!to) return invalid_params(to.error().message());
    const auto contract = find_token(chain, token == nullptr ? "GAS" : token->string_value());
    if (!contract) return invalid_params(contract.error().message());
    const auto amount = amount_of(asked->find("amount"));
    if (!amount) return invalid_params(amount.error().message());
    if (*amount > options.faucet_max) {
        return RpcFailure{
            kUnsupportedAmount,
            "the faucet gives at most " + options.faucet_max.to_string() + " at once"};
    }
    const auto hash = chain.pay(*contract, *to, *amount);
    if (!hash) return RpcFailure{-32603, hash.error().message()};
    std::string out;
    base::JsonWriter writer(out);
    writer.begin_object().member("hash", hash->to_string()).member("token", contract->to_string());
    writer.member("to", neo::Address(*to).to_string()).member("amount", amount->to_string());
    writer.member("height", std::uint64_t{chain.height()}).end_object();
    return out;
}

RpcOutcome NeoNode::Core::fault(const Json& params) {
    const auto done = internal::carry_out_fault_wish<FaultRule>(
        *this, params, internal::kNodeFaultNames, chain.options().history_blocks / 2);
    if (!done) return invalid_params(done.error().message());
    return done->dump();
}

}  // namespace adyton::localchain
