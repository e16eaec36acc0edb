#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "localchain/internal/block_format.h"
#include "localchain/internal/fault_order.h"
#include "localchain/internal/ledger.h"
#include "localchain/internal/node_core.h"
#include "localchain/internal/rpc_json.h"
#include "neo/address.h"
#include "neo/transaction.h"

// Calls that only read.
namespace adyton::localchain {
namespace {

using base::Json;
using internal::invalid_params;
using internal::RpcFailure;
using internal::RpcOutcome;
using internal::RpcWriter;

constexpr int kUnknownBlock = -101;
constexpr int kUnknownTransaction = -103;
constexpr int kUnknownLog = -105;
constexpr int kUnknownHeight = -109;

const Json* param(const Json& params, std::size_t index) {
    if (!params.is_array() || index >= params.size()) return nullptr;
    return &params.items()[index];
}

// Verbose or not: true or 1.
bool flag_param(const Json& params, std::size_t index) {
    const Json* const json = param(params, index);
    if (json == nullptr) return false;
    if (json->is_boolean()) return json->boolean_value();
    return json->is_number() && json->number_text() != "0";
}

Result<neo::TransactionHash> hash_param(const Json& params, std::size_t index) {
    const Json* const json = param(params, index);
    if (json == nullptr || !json->is_string()) {
        return Error::invalid_argument("no hash in the parameters");
    }
    return neo::TransactionHash::parse(json->string_value());
}

std::string quoted(std::string_view text) {
    std::string out;
    base::JsonWriter(out).value(text);
    return out;
}

std::string quoted_base64(base::ByteView bytes, NodeFlavour flavour) {
    std::string out;
    RpcWriter(out, flavour).base64(bytes);
    return out;
}

// What is in the pool or a block has been parsed before.
neo::Transaction parsed(base::ByteView bytes) {
    auto transaction = neo::parse_transaction(bytes);
    CHECK(transaction.has_value());
    return std::move(*transaction);
}

}  // namespace

namespace internal {

std::string_view rpc_message(int code, NodeFlavour flavour) {
    const bool csharp = flavour == NodeFlavour::CSharp;
    switch (code) {
        case -32700:
            return csharp ? "Bad request" : "Parse error";
        case -32600:
            return "Invalid request";
        case -32601:
            return "Method not found";
        case -32602:
            return "Invalid params";
        case -32603:
            return csharp ? "Internal server RpcError" : "Internal error";
        case kUnknownBlock:
            return "Unknown block";
        case kUnknownTransaction:
            return "Unknown transaction";
        case kUnknownLog:
            return "Unknown script container";
        case kUnknownHeight:
            return "Unknown height";
        case -500:
            return csharp ? "Unclassified inventory error"
                          : "Unclassified inventory verification error";
        case -501:
            return csharp ? "Inventory already exists" : "Inventory already exists on chain";
        case -502:
            return csharp ? "Memory pool capacity reached" : "The memory pool is full";
        case -503:
            return csharp ? "Already in pool" : "Transaction already exists in the memory pool";
        case -504:
            return "Insufficient network fee";
        case -505:
            return csharp ? "One of the Policy filters failed" : "Policy check failed";
        case -506:
            return csharp ? "Invalid transaction script" : "Invalid script";
        case -507:
            return csharp ? "Invalid transaction attribute" : "Invalid transaction attribute";
        case -508:
            return csharp ? "Invalid transaction signature" : "Invalid signature";
        case -509:
            return csharp ? "Invalid inventory size" : "Invalid transaction size";
        case -510:
            return "Expired transaction";
        case -511:
            return csharp ? "Insufficient funds for fee" : "Insufficient funds";
        case -512:
            return csharp ? "Invalid contract verification" : "Invalid verification contract";
        default:
            return "Error";
    }
}

}  // namespace internal

const std::map<std::string_view, NeoNode::Core::Method>& NeoNode::Core::methods() {
    static const std::map<std::string_view, Method> kMethods = {
        {"getversion", &Core::get_version},
        {"getblockcount", &Core::get_block_count},
        {"getbestblockhash", &Core::get_best_block_hash},
        {"getblockhash", &Core::get_block_hash},
        {"getblock", &Core::get_block},
        {"getblockheader", &Core::get_block_header},
        {"invokescript", &Core::invoke_script},
        {"invokefunction", &Core::invoke_function},
        {"calculatenetworkfee", &Core::calculate_network_fee},
        {"sendrawtransaction", &Core::send_raw_transaction},
        {"getrawtransaction", &Core::get_raw_transaction},
        {"gettransactionheight", &Core::get_transaction_height},
        {"getapplicationlog", &Core::get_application_log},
        {"getnep17balances", &Core::get_nep17_balances},
        {"getrawmempool", &Core::get_raw_mempool},
        {"validateaddress", &Core::validate_address},
        {"adyton_faucet", &Core::faucet},
        {internal::kFaultMethod, &Core::fault},
    };
    return kMethods;
}

const ConfirmedTransaction* NeoNode::Core::find_confirmed(const neo::TransactionHash& hash) const {
    const ConfirmedTransaction* const found = chain.find_confirmed(hash);
    return found != nullptr && found->block_index <= height() ? found : nullptr;
}

RpcOutcome NeoNode::Core::get_version(const Json&) {
    const ChainOptions& rules = chain.options();
    std::string out;
    base::JsonWriter json(out);
    json.begin_object().member("tcpport", std::uint64_t{options.tcp_port});
    json.member("nonce", std::uint64_t{options.seed & 0xffffffffU});
    json.member("useragent", "/Adyton-SIMULATOR:1/");
    if (options.flavour != NodeFlavour::NeoGo105) {
        json.key("rpc").begin_object().member("maxiteratorresultitems", 100);
        json.member("sessionenabled", false).end_object();
    }
    json.key("protocol").begin_object().member("addressversion", int{neo::Address::kVersion});
    json.member("network", static_cast<std::uint64_t>(rules.magic));
    json.member("msperblock", static_cast<std::int64_t>(rules.block_time.count() / 1'000'000));
    json.member("maxtraceableblocks", 2'102'400);
    json.member("maxvaliduntilblockincrement", std::uint64_t{rules.valid_until_increment_max});
    json.member(
        "maxtransactionsperblock", static_cast<std::uint64_t>(rules.block_transactions_max));
    json.member("memorypoolmaxtransactions", static_cast<std::uint64_t>(rules.mempool_max));
    json.member("validatorscount", 1);
    json.member("initialgasdistribution", internal::genesis_gas().low_64());
    json.key("hardforks").begin_array();
    for (const std::string_view name : {"Aspidochelone", "Basilisk"}) {
        json.begin_object().member("name", name).member("blockheight", 0).end_object();
    }
    json.end_array();
    if (options.flavour != NodeFlavour::NeoGo105) {
        json.key("standbycommittee").begin_array().value(chain.validator().to_hex()).end_array();
        json.key("seedlist").begin_array().end_array();
    }
    json.end_object().end_object();
    return out;
}

RpcOutcome NeoNode::Core::get_block_count(const Json&) {
    return std::to_string(std::max(std::int64_t{height()} + 1 + height_lie, std::int64_t{0}));
}

RpcOutcome NeoNode::Core::get_best_block_hash(const Json&) {
    return quoted(chain.find_block(height())->hash.to_string());
}

RpcOutcome NeoNode::Core::get_block_hash(const Json& params) {
    const Json* const json = param(params, 0);
    if (json == nullptr) return invalid_params("no height in the parameters");
    const auto index = json->as_uint64();
    if (!index) return invalid_params(index.error().message());
    if (*index > height()) return RpcFailure{kUnknownHeight, ""};
    return quoted(chain.find_block(static_cast<std::uint32_t>(*index))->hash.to_string());
}

RpcOutcome NeoNode::Core::get_block(const Json& params) {
    return block_or_header(params, true);
}
RpcOutcome NeoNode::Core::get_block_header(const Json& params) {
    return block_or_header(params, false);
}

RpcOutcome NeoNode::Core::block_or_header(const Json& params, bool with_transactions) {
    const Json* const which = param(params, 0);
    if (which == nullptr) return invalid_params("no block in the parameters");
    const Block* block = nullptr;
    if (which->is_number()) {
        const auto index = which->as_uint64();
        if (!index || *index > height()) {
            return RpcFailure{
                kUnknownHeight,
                "param at index 0 should be greater than or equal to 0 and less "
                "than or equal to current block height"};
        }
        block = chain.find_block(static_cast<std::uint32_t>(*index));
    } else {
        const auto hash = hash_param(params, 0);
        if (!hash) return invalid_params(hash.error().message());
        block = chain.find_block(*hash);
    }
    if (block == nullptr || block->index > height()) {
        return RpcFailure{kUnknownBlock, "key not found"};
    }
    const base::Bytes bytes = chain.serialize_block(*block);
    if (!flag_param(params, 1)) return quoted_base64(bytes, options.flavour);
    std::string out;
    write_block(*block, bytes.size(), with_transactions, out);
    return out;
}

void NeoNode::Core::write_block(
    const Block& block, std::size_t size_bytes, bool with_transactions, std::string& out) const {
    RpcWriter writer(out, options.flavour);
    base::JsonWriter& json = writer.json();
    json.begin_object().member("size", static_cast<std::uint64_t>(size_bytes));
    json.member("confirmations", std::uint64_t{height() - block.index} + 1);
    json.member("hash", block.hash.to_string()).member("version", 0);
    json.member("previousblockhash", block.previous.to_string());
    json.member("merkleroot", block.merkle_root.to_string()).member("time", block.time_ms);
    json.member("nonce", fmt::format("{:016X}", block.nonce));
    json.member("index", std::uint64_t{block.index});
    json.member("nextconsensus", neo::Address(chain.committee_account()).to_string());
    json.member("primary", 0).key("witnesses").begin_array().begin_object().key("invocation");
    writer.base64(chain.block_invocation(block));
    json.key("verification");
    writer.base64(chain.committee_script());
    json.end_object().end_array();
    if (with_transactions) {
        json.key("tx").begin_array();
        for (const ConfirmedTransaction* done : block.transactions) {
            json.begin_object();
            writer.transaction(parsed(done->bytes), done->bytes.size());
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
}

RpcOutcome NeoNode::Core::get_raw_transaction(const Json& params) {
    const auto hash = hash_param(params, 0);
    if (!hash) return invalid_params(hash.error().message());
    const ConfirmedTransaction* const done = find_confirmed(*hash);
    const base::Bytes* bytes = nullptr;
    if (done != nullptr) {
        bytes = &done->bytes;
    } else if (const ConfirmedTransaction* const ahead = chain.find_confirmed(*hash)) {
        bytes = &ahead->bytes;  // this node lags: for it, it is pooled
    } else {
        bytes = chain.find_pooled(*hash);
    }
    if (bytes == nullptr) return RpcFailure{kUnknownTransaction, ""};
    if (!flag_param(params, 1)) return quoted_base64(*bytes, options.flavour);
    std::string out;
    RpcWriter writer(out, options.flavour);
    writer.json().begin_object();
    if (done != nullptr) {
        const Block& block = *chain.find_block(done->block_index);
        writer.json().member("blockhash", block.hash.to_string());
        writer.json().member("confirmations", std::uint64_t{height() - block.index} + 1);
        writer.json().member("blocktime", block.time_ms);
        if (options.flavour != NodeFlavour::CSharp) {
            const bool halt = done->execution.state == VmState::Halt;
            writer.json().member("vmstate", halt ? "HALT" : "FAULT");
        }
    } else if (options.flavour == NodeFlavour::NeoGo105) {
        writer.json().member("blockhash", neo::TransactionHash().to_string());
    }
    writer.transaction(parsed(*bytes), bytes->size());
    writer.json().end_object();
    return out;
}

RpcOutcome NeoNode::Core::get_transaction_height(const Json& params) {
    const auto hash = hash_param(params, 0);
    if (!hash) return invalid_params(hash.error().message());
    const ConfirmedTransaction* const done = find_confirmed(*hash);
    if (done == nullptr) return RpcFailure{kUnknownTransaction, ""};
    return std::to_string(done->block_index);
}

RpcOutcome NeoNode::Core::get_application_log(const Json& params) {
    const auto hash = hash_param(params, 0);
    if (!hash) return invalid_params(hash.error().message());
    const ConfirmedTransaction* const done = find_confirmed(*hash);
    if (done == nullptr) {
        if (options.flavour == NodeFlavour::CSharp) {
            return invalid_params("Unknown transaction/blockhash");
        }
        return RpcFailure{kUnknownLog, "failed to locate application log: key not found"};
    }
    std::string out;
    RpcWriter writer(out, options.flavour);
    base::JsonWriter& json = writer.json();
    json.begin_object().member("txid", done->hash.to_string()).key("executions").begin_array();
    json.begin_object().member("trigger", "Application");
    json.member("vmstate", done->execution.state == VmState::Halt ? "HALT" : "FAULT");
    json.member("gasconsumed", std::to_string(done->execution.gas_consumed));
    writer.execution(done->execution);
    json.end_object().end_array().end_object();
    return out;
}

RpcOutcome NeoNode::Core::get_nep17_balances(const Json& params) {
    const Json* const which = param(params, 0);
    if (which == nullptr || !which->is_string()) return invalid_params("no account");
    const auto account = internal::parse_account(which->string_value());
    if (!account) return invalid_params(account.error().message());
    std::string out;
    base::JsonWriter json(out);
    json.begin_object().key("balance").begin_array();
    for (const TokenOptions& token : chain.tokens()) {
        const base::Amount amount = chain.balance_at(token.contract, *account, height());
        if (amount == base::Amount()) continue;
        json.begin_object().member("assethash", token.contract.to_string());
        json.member("amount", amount.to_string())
            .member("decimals", std::to_string(token.decimals));
        json.member(
            "lastupdatedblock",
            std::uint64_t{chain.changed_at(token.contract, *account, height())});
        json.member("name", token.name).member("symbol", token.symbol).end_object();
    }
    json.end_array().member("address", neo::Address(*account).to_string()).end_object();
    return out;
}

RpcOutcome NeoNode::Core::get_raw_mempool(const Json& params) {
    std::string out;
    base::JsonWriter json(out);
    const bool all = flag_param(params, 0);
    if (all) json.begin_object().member("height", std::uint64_t{height()}).key("verified");
    json.begin_array();
    for (const neo::TransactionHash& hash : chain.pool_hashes()) json.value(hash.to_string());
    json.end_array();
    if (all) json.key("unverified").begin_array().end_array().end_object();
    return out;
}

RpcOutcome NeoNode::Core::validate_address(const Json& params) {
    const Json* const which = param(params, 0);
    if (which == nullptr || !which->is_string()) return invalid_params("no address");
    std::string out;
    base::JsonWriter(out)
        .begin_object()
        .member("address", which->string_value())
        .member("isvalid", neo::Address::parse(which->string_value()).has_value())
        .end_object();
    return out;
}

}  // namespace adyton::localchain
