#include <algorithm>
#include <utility>

#include "localchain/internal/fault_order.h"
#include "localchain/internal/near_core.h"
#include "localchain/internal/near_node_core.h"
#include "localchain/near_network.h"

namespace adyton::localchain {
namespace {

using base::Json;
using internal::near_handler_error;
using internal::near_parse_error;
using internal::NearRpcError;
using internal::NearRpcOutcome;
using internal::NearStatusQuery;
using internal::WaitLevel;

Json text(std::string value) {
    return Json::string(std::move(value));
}

// A member of an object, or the item at that place of a list. Null: absent or null.
const Json* find_param(const Json& params, std::string_view name, std::size_t place) {
    const Json* found = nullptr;
    if (params.is_object()) found = params.find(name);
    if (params.is_array() && place < params.size()) found = &params.items()[place];
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::string> text_param(const Json& params, std::string_view name, std::size_t place) {
    const Json* const found = find_param(params, name, place);
    if (found == nullptr) {
        return Error::invalid_argument(
            "Failed parsing args: missing field `" + std::string(name) + "`");
    }
    if (!found->is_string()) {
        return Error::invalid_argument(
            "Failed parsing args: invalid type of `" + std::string(name) + "`, expected a string");
    }
    return found->string_value();
}

template <typename T>
Result<T> parsed_param(const Json& params, std::string_view name, std::size_t place) {
    TRY(const std::string value, text_param(params, name, place));
    auto parsed = T::parse(value);
    if (!parsed) {
        return Error::invalid_argument(
            "Failed parsing args: `" + std::string(name) + "`: " + parsed.error().message());
    }
    return *std::move(parsed);
}

NearRpcError unparsable(const Error& error) {
    return near_parse_error(error.message());
}

// The members that every answer of `query` has.
Json with_block(Json out, const NearBlockRecord& at) {
    out.set("block_height", Json::unsigned_integer(at.height));
    out.set("block_hash", text(at.hash.to_string()));
    return out;
}

Json flat_error(std::string error, const NearBlockRecord& at) {
    return with_block(
        Json::object().set("error", text(std::move(error))).set("logs", Json::array()), at);
}

Json block_info(const NearBlockRecord& at) {
    return with_block(Json::object(), at);
}

}  // namespace

const std::map<std::string_view, NearNode::Core::Method>& NearNode::Core::methods() {
    static const std::map<std::string_view, Method> kMethods = {
        {"block", &Core::block},
        {"chunk", &Core::chunk},
        {"query", &Core::query},
        {"gas_price", &Core::gas_price},
        {"status", &Core::status},
        {"network_info", &Core::network_info},
        {"validators", &Core::validators},
        {"health", &Core::health},
        {"EXPERIMENTAL_protocol_config", &Core::protocol_config},
        {"broadcast_tx_async", &Core::broadcast_async},
        {"broadcast_tx_commit", &Core::broadcast_commit},
        {"send_tx", &Core::send_tx},
        {"tx", &Core::tx},
        {"EXPERIMENTAL_tx_status", &Core::tx_status},
        {"EXPERIMENTAL_receipt", &Core::receipt},
        {"adyton_faucet", &Core::faucet},
        {internal::kFaultMethod, &Core::fault},
    };
    return kMethods;
}

// The block that a call speaks of: by finality, height or hash, as far as this node knows.
std::variant<const NearBlockRecord*, NearRpcError> NearNode::Core::block_for(
    const Json& params, std::uint32_t the_lag) const {
    const Json* const id = find_param(params, "block_id", 0);
    const Json* const finality = find_param(params, "finality", 0);
    const NearBlockRecord* found = nullptr;
    const auto unknown = [](const std::string& what) {
        return near_handler_error(
            "UNKNOWN_BLOCK", Json::object(), "DB Not Found Error: " + what + " \n Cause: Unknown");
    };
    const bool names_block =
        id != nullptr && (params.is_object() || id->is_number() ||
                          near::BlockHash::parse(id->is_string() ? id->string_value() : ""));
    if (!names_block) {
        const std::string word =
            finality == nullptr || !finality->is_string() ? "final" : finality->string_value();
        std::uint32_t back = the_lag;
        if (word == "final") {
            back += chain.options().final_lag_blocks;
        } else if (word == "near-final") {
            back += std::min<std::uint32_t>(1, chain.options().final_lag_blocks);
        } else if (word != "optimistic") {
            return near_parse_error("Failed parsing args: unknown finality");
        }
        return &chain.block_back(back);
    }
    if (id->is_number()) {
        const auto height = id->as_uint64();
        if (!height) return near_parse_error("Failed parsing args: block_id is no height");
        found = chain.find_block(*height);
    } else if (id->is_string()) {
        const auto hash = near::BlockHash::parse(id->string_value());
        if (!hash) return near_parse_error("Failed parsing args: block_id is no hash");
        found = chain.find_block(*hash);
    } else {
        return near_parse_error("Failed parsing args: block_id");
    }
    if (found == nullptr || found->height > view(the_lag).head)
        return unknown("BLOCK: " + id->dump());
    return found;
}

NearRpcOutcome NearNode::Core::block(const Call& call) {
    const auto found = block_for(call.params, lag_of(call));
    if (const auto* const error = std::get_if<NearRpcError>(&found)) return *error;
    auto told = internal::block_text(chain, *std::get<const NearBlockRecord*>(found));
    if (height_lie == 0 || find_param(call.params, "block_id", 1) != nullptr) return told;
    Json out = told.parsed();
    Json header = *out.find("header");
    const std::uint64_t height = header.find("height")->as_uint64().value();
    header.set("height", Json::unsigned_integer(height + static_cast<std::uint64_t>(height_lie)));
    out.set("header", std::move(header));
    return out;
}

NearRpcOutcome NearNode::Core::chunk(const Call& call) {
    Json params = call.params;
    const Json* const chunk_id = find_param(call.params, "chunk_id", 0);
    if (chunk_id != nullptr && chunk_id->is_array() && chunk_id->size() > 0) {
        params = Json::object().set("block_id", chunk_id->items()[0]);
    } else if (chunk_id != nullptr) {
        params = Json::object().set("block_id", *chunk_id);  // one chunk a block: same hash
    }
    if (find_param(params, "block_id", 0) == nullptr) {
        return near_parse_error("Failed parsing args: chunk_id or block_id and shard_id");
    }
    auto found = block_for(params, lag_of(call));
    if (auto* const error = std::get_if<NearRpcError>(&found)) {
        if (error->cause == "UNKNOWN_BLOCK" && chunk_id != nullptr) {
            error->cause = "UNKNOWN_CHUNK";
            error->info.set("chunk_hash", *chunk_id);
        }
        return *error;
    }
    return internal::chunk_text(chain, *std::get<const NearBlockRecord*>(found));
}

NearRpcOutcome NearNode::Core::query(const Call& call) {
    const auto type = text_param(call.params, "request_type", SIZE_MAX);
    if (!type) return unparsable(type.error());
    const auto found = block_for(call.params, lag_of(call));
    if (const auto* const error = std::get_if<NearRpcError>(&found)) return *error;
    const NearBlockRecord& at = *std::get<const NearBlockRecord*>(found);
    if (at.height < chain.core().keep_from()) {
        return near_handler_error(
            "GARBAGE_COLLECTED_BLOCK", block_info(at),
            "The data for block #" + std::to_string(at.height) +
                " is garbage collected on this node, use an archival node to fetch historical "
                "data");
    }
    if (*type == "view_account") return view_account(call.params, at);
    if (*type == "view_access_key") return view_access_key(call, call.params, at);
    if (*type == "view_access_key_list") return view_access_key_list(call.params, at);
    if (*type == "call_function") return call_function(call.params, at);
    if (*type == "view_state" || *type == "view_code") {
        return near_handler_error(
            "UNAVAILABLE_SHARD", Json::object(), "the SIMULATOR's contracts are no WebAssembly");
    }
    return near_parse_error("Failed parsing args: unknown variant `" + *type + "`");
}

namespace {

NearRpcError unknown_account(const near::AccountId& id, const NearBlockRecord& at) {
    return near_handler_error(
        "UNKNOWN_ACCOUNT", block_info(at).set("requested_account_id", text(id.text())),
        "account " + id.text() + " does not exist while viewing");
}

}  // namespace

NearRpcOutcome NearNode::Core::view_account(const Json& params, const NearBlockRecord& at) {
    const auto id = parsed_param<near::AccountId>(params, "account_id", SIZE_MAX);
    if (!id) return unparsable(id.error());
    const auto account = chain.account_at(*id, at.height);
    if (!account.has_value()) return unknown_account(*id, at);
    return with_block(
        Json::object()
            .set("amount", text(account->amount.to_string()))
            .set("locked", text("0"))
            .set("code_hash", text(account->code_hash.to_string()))
            .set("storage_usage", Json::unsigned_integer(account->storage_bytes))
            .set("storage_paid_at", Json::integer(0)),
        at);
}

NearRpcOutcome NearNode::Core::view_access_key(
    const Call& call, const Json& params, const NearBlockRecord& at) {
    const auto id = parsed_param<near::AccountId>(params, "account_id", SIZE_MAX);
    if (!id) return unparsable(id.error());
    const auto key = parsed_param<near::PublicKey>(params, "public_key", SIZE_MAX);
    if (!key) return unparsable(key.error());
    std::uint64_t height = at.height;
    if (call.struck_by(NearFault::StaleNonce)) {
        height = chain.block_back(std::uint64_t{lag} + call.fault->blocks).height;
    }
    const auto found = chain.access_key_at(*id, *key, height);
    if (found.has_value()) return with_block(internal::access_key_view(*found), at);
    const std::string words = "access key " + key->to_string() + " does not exist while viewing";
    if (options.flat_errors) return flat_error(words, at);
    return near_handler_error(
        "UNKNOWN_ACCESS_KEY", block_info(at).set("public_key", text(key->to_string())), words);
}

NearRpcOutcome NearNode::Core::view_access_key_list(const Json& params, const NearBlockRecord& at) {
    const auto id = parsed_param<near::AccountId>(params, "account_id", SIZE_MAX);
    if (!id) return unparsable(id.error());
    if (!chain.account_at(*id, at.height).has_value()) return unknown_account(*id, at);
    Json keys = Json::array();
    const auto rows = chain.access_keys_at(*id, at.height);
    for (const auto& [key, row] : rows) {
        keys.push_back(Json::object()
                           .set("public_key", text(key.to_string()))
                           .set("access_key", internal::access_key_view(row)));
    }
    return with_block(Json::object().set("keys", std::move(keys)), at);
}

NearRpcOutcome NearNode::Core::call_function(const Json& params, const NearBlockRecord& at) {
    const auto id = parsed_param<near::AccountId>(params, "account_id", SIZE_MAX);
    if (!id) return unparsable(id.error());
    const auto method = text_param(params, "method_name", SIZE_MAX);
    if (!method) return unparsable(method.error());
    const auto base64 = text_param(params, "args_base64", SIZE_MAX);
    if (!base64) return unparsable(base64.error());
    const auto args = base::base64_decode(*base64);
    if (!args) return near_parse_error("Failed parsing args: args_base64 is no base64");
    const Result<NearViewAnswer> answer = chain.view_at(*id, *method, *args, at.height);
    if (!answer) {
        if (answer.error().reason() == "account") return unknown_account(*id, at);
        return near_handler_error(
            "NO_CONTRACT_CODE", block_info(at).set("contract_account_id", text(id->text())),
            "Contract code for contract ID #" + id->text() +
                " has never been observed on the node");
    }
    if (answer->error.has_value()) {
        if (options.flat_errors) return flat_error(*answer->error, at);
        return near_handler_error(
            "CONTRACT_EXECUTION_ERROR", block_info(at).set("vm_error", text(*answer->error)),
            *answer->error);
    }
    Json bytes = Json::array();
    for (const std::uint8_t byte : answer->result) bytes.push_back(Json::integer(byte));
    Json logs = Json::array();
    for (const std::string& line : answer->logs) logs.push_back(text(line));
    return with_block(
        Json::object().set("result", std::move(bytes)).set("logs", std::move(logs)), at);
}

NearRpcOutcome NearNode::Core::gas_price(const Call& call) {
    const auto found = block_for(call.params, lag_of(call));
    if (const auto* const error = std::get_if<NearRpcError>(&found)) return *error;
    return Json::object().set("gas_price", text(std::to_string(chain.options().gas_price_yocto)));
}

NearRpcOutcome NearNode::Core::status(const Call& call) {
    const NearBlockRecord& head = chain.block_back(lag_of(call));
    const NearBlockRecord& genesis = chain.block_back(UINT64_MAX);
    const std::uint64_t height = head.height + static_cast<std::uint64_t>(height_lie);
    const std::uint64_t ns = head.timestamp_ns;
    const base::Timestamp time{std::chrono::microseconds(static_cast<std::int64_t>(ns / 1000))};
    Json sync = Json::object();
    sync.set("latest_block_hash", text(head.hash.to_string()))
        .set("latest_block_height", Json::unsigned_integer(height))
        .set("latest_state_root", text(near::BlockHash{}.to_string()))
        .set("latest_block_time", text(base::to_rfc3339(time)))
        .set("syncing", Json::boolean(false))
        .set("earliest_block_hash", text(genesis.hash.to_string()))
        .set("earliest_block_height", Json::unsigned_integer(genesis.height));
    return Json::object()
        .set(
            "version", Json::object()
                           .set("version", text("adyton SIMULATOR"))
                           .set("build", text("localchain"))
                           .set("rustc_version", text("none")))
        .set("chain_id", text(chain.options().chain_id))
        .set("protocol_version", Json::integer(80))
        .set("latest_protocol_version", Json::integer(80))
        .set("genesis_hash", text(genesis.hash.to_string()))
        .set("rpc_addr", Json())
        .set("validators", Json::array())
        .set("sync_info", std::move(sync))
        .set("validator_account_id", Json())
        .set("node_public_key", text(near::PublicKey(crypto::Ed25519PublicKey{}).to_string()))
        .set("node_key", Json())
        .set("uptime_sec", Json::unsigned_integer((ns - genesis.timestamp_ns) / 1'000'000'000));
}

NearRpcOutcome NearNode::Core::network_info(const Call&) {
    return Json::object()
        .set("active_peers", Json::array())
        .set("num_active_peers", Json::integer(0))
        .set("peer_max_count", Json::integer(0))
        .set("sent_bytes_per_sec", Json::integer(0))
        .set("received_bytes_per_sec", Json::integer(0))
        .set("known_producers", Json::array());
}

NearRpcOutcome NearNode::Core::validators(const Call&) {
    Json out = Json::object();
    for (const char* const name :
         {"current_validators", "next_validators", "current_fishermen", "next_fishermen",
          "current_proposals", "prev_epoch_kickout"}) {
        out.set(name, Json::array());
    }
    out.set("epoch_start_height", Json::unsigned_integer(chain.options().genesis_height));
    out.set("epoch_height", Json::integer(1));
    return out;
}

NearRpcOutcome NearNode::Core::health(const Call&) {
    return Json();
}

NearRpcOutcome NearNode::Core::protocol_config(const Call&) {
    return Json::object()
        .set("protocol_version", Json::integer(80))
        .set("chain_id", text(chain.options().chain_id))
        .set("genesis_height", Json::unsigned_integer(chain.options().genesis_height))
        .set(
            "transaction_validity_period",
            Json::unsigned_integer(chain.options().transaction_validity_blocks))
        .set("min_gas_price", text(std::to_string(chain.options().gas_price_yocto)))
        .set("max_gas_price", text(std::to_string(chain.options().gas_price_yocto)));
}

// --- transactions --------------------------------------------------------------------------------

NearRpcOutcome NearNode::Core::broadcast(
    const Call& call, const std::string& base64, WaitLevel level) {
    const auto bytes = base::base64_decode(base64);
    const auto parsed = bytes ? near::parse_signed_transaction(*bytes)
                              : Result<near::SignedTransaction>(bytes.error());
    if (!parsed) {
        return near_parse_error(
            "Failed parsing args: Failed to decode transaction: " + parsed.error().message());
    }
    const near::TransactionHash hash = near::hash(parsed->transaction);
    const bool waits = level != WaitLevel::None;
    const bool known = chain.find_transaction(hash) != nullptr;
    if (!call.struck_by(NearFault::Swallow) && !known) {
        const NearSubmitAnswer answer = chain.submit(*bytes, view(lag_of(call)).head);
        if (call.struck_by(NearFault::Double)) chain.submit(*bytes, view(lag_of(call)).head);
        if (answer.invalid_tx_error.has_value() && (waits || options.async_validates)) {
            return internal::near_invalid_transaction(*answer.invalid_tx_error);
        }
    }
    if (!waits) return text(hash.to_string());
    return NearStatusQuery{hash, level, false, lag_of(call) - lag};
}

NearRpcOutcome NearNode::Core::broadcast_async(const Call& call) {
    const auto base64 = text_param(call.params, "signed_tx_base64", 0);
    if (!base64) return unparsable(base64.error());
    return broadcast(call, *base64, WaitLevel::None);
}

NearRpcOutcome NearNode::Core::broadcast_commit(const Call& call) {
    const auto base64 = text_param(call.params, "signed_tx_base64", 0);
    if (!base64) return unparsable(base64.error());
    return broadcast(call, *base64, WaitLevel::ExecutedOptimistic);
}

NearRpcOutcome NearNode::Core::send_tx(const Call& call) {
    const auto base64 = text_param(call.params, "signed_tx_base64", 0);
    if (!base64) return unparsable(base64.error());
    WaitLevel level = WaitLevel::ExecutedOptimistic;
    if (const Json* const word = find_param(call.params, "wait_until", 1)) {
        const auto parsed =
            internal::parse_wait_level(word->is_string() ? word->string_value() : "");
        if (!parsed.has_value()) return near_parse_error("Failed parsing args: wait_until");
        level = *parsed;
    }
    NearRpcOutcome out = broadcast(call, *base64, level);
    // Unlike broadcast_tx_async: an object that says how far it is.
    if (level == WaitLevel::None && std::holds_alternative<Json>(out) && call.params.is_object()) {
        const auto parsed = near::parse_signed_transaction_base64(*base64);
        if (parsed) {
            return Json::object().set("final_execution_status", text("NONE"));
        }
    }
    return out;
}

NearRpcOutcome NearNode::Core::transaction_query(const Call& call, bool with_receipts) {
    WaitLevel level = WaitLevel::ExecutedOptimistic;
    if (const Json* const word = find_param(call.params, "wait_until", SIZE_MAX)) {
        const auto parsed =
            internal::parse_wait_level(word->is_string() ? word->string_value() : "");
        if (!parsed.has_value()) return near_parse_error("Failed parsing args: wait_until");
        level = *parsed;
    }
    near::TransactionHash hash{};
    const Json* const signed_bytes = find_param(call.params, "signed_tx_base64", SIZE_MAX);
    if (signed_bytes != nullptr && signed_bytes->is_string()) {
        const auto parsed = near::parse_signed_transaction_base64(signed_bytes->string_value());
        if (!parsed) return near_parse_error("Failed parsing args: signed_tx_base64");
        hash = near::hash(parsed->transaction);
    } else {
        const auto given = parsed_param<near::TransactionHash>(call.params, "tx_hash", 0);
        if (!given) return unparsable(given.error());
        const auto sender = parsed_param<near::AccountId>(call.params, "sender_account_id", 1);
        if (!sender) return unparsable(sender.error());
        hash = *given;
    }
    if (call.struck_by(NearFault::Unknown)) return internal::near_unknown_transaction(hash);
    return NearStatusQuery{hash, level, with_receipts, lag_of(call) - lag};
}

NearRpcOutcome NearNode::Core::tx(const Call& call) {
    return transaction_query(call, false);
}
NearRpcOutcome NearNode::Core::tx_status(const Call& call) {
    return transaction_query(call, true);
}

NearRpcOutcome NearNode::Core::receipt(const Call& call) {
    const auto id = parsed_param<near::ReceiptId>(call.params, "receipt_id", 0);
    if (!id) return unparsable(id.error());
    const NearTransactionRecord* const record = chain.find_transaction_of_receipt(*id);
    if (record != nullptr) {
        for (const NearReceipt& receipt : record->receipts) {
            if (receipt.id == *id && receipt.made_at <= view(lag_of(call)).head) {
                return internal::receipt_text(receipt);
            }
        }
    }
    return near_handler_error(
        "UNKNOWN_RECEIPT", Json::object().set("receipt_id", text(id->to_string())),
        "Receipt with id " + id->to_string() + " has never been observed on this node");
}

// Gives NEAR ("NEAR", the default), wNEAR ("wrap") or wNEAR inside the intents contract ("intents")
// from the faucet's account.
NearRpcOutcome NearNode::Core::faucet(const Call& call) {
    const Json& params =
        call.params.is_array() && call.params.size() == 1 ? call.params.items()[0] : call.params;
    const auto id = parsed_param<near::AccountId>(params, "account_id", SIZE_MAX);
    if (!id) return unparsable(id.error());
    const auto amount = parsed_param<near::YoctoNear>(params, "amount", SIZE_MAX);
    if (!amount) return unparsable(amount.error());
    if (*amount > options.faucet_max || amount->is_zero()) {
        return near_parse_error(
            "Failed parsing args: the faucet gives 1 yocto to " + options.faucet_max.to_string());
    }
    const Json* const wish = find_param(params, "token", SIZE_MAX);
    const std::string token = wish != nullptr && wish->is_string() ? wish->string_value() : "NEAR";
    const NearNames names;
    const auto account = [](const std::string& name) {
        return near::AccountId::parse(name).value();
    };
    NearChain::InjectedCall pay{account(names.faucet), *id, "", "{}", *amount};
    if (token == "wrap") {
        NearChain::InjectedCall open{account(names.faucet), account(names.wrap), "storage_deposit"};
        open.args_json = Json::object().set("account_id", text(id->text())).dump();
        open.deposit = near::YoctoNear(near::parse_u128("1250000000000000000000").value());
        const auto opened = chain.inject(std::move(open));
        if (!opened) return near_parse_error(opened.error().message());
    }
    if (token == "wrap" || token == "intents") {
        pay.receiver = account(names.wrap);
        pay.method = token == "wrap" ? "ft_transfer" : "ft_transfer_call";
        Json args = Json::object();
        args.set("receiver_id", text(token == "wrap" ? id->text() : names.intents));
        args.set("amount", text(amount->to_string()));
        if (token == "intents") args.set("msg", text(id->text()));
        pay.args_json = args.dump();
        pay.deposit = near::YoctoNear(base::Amount(1));
    } else if (token != "NEAR") {
        return near_parse_error("Failed parsing args: token is NEAR, wrap or intents");
    }
    const auto paid = chain.inject(std::move(pay));
    if (!paid) return near_parse_error(paid.error().message());
    return Json::object()
        .set("hash", text(paid->to_string()))
        .set("sender_account_id", text(names.faucet));
}

NearRpcOutcome NearNode::Core::fault(const Call& call) {
    // The node's own lag and that of a fault come together.
    auto done = internal::carry_out_fault_wish<NearFaultRule>(
        *this, call.params, internal::kNearFaultNames, chain.options().history_blocks / 2);
    if (!done) return near_parse_error("Failed parsing args: " + done.error().message());
    return *std::move(done);
}

}  // namespace adyton::localchain
