#include "chain/neo_types.h"

#include <array>
#include <limits>
#include <utility>

#include "chain/internal/members.h"
#include "chain/internal/texts.h"

namespace adyton::chain {
namespace {

constexpr std::size_t kStackDepthMax = 32;
constexpr std::size_t kExceptionBytesMax = 4096;
constexpr std::uint64_t kBlockTimeMsMax = 24ULL * 3600 * 1000;

using internal::malformed;
using internal::member;
using internal::text_member;
using internal::unsigned_member;
using internal::unsigned_value;

// Datoshi: base-10 text, or a number. Not negative.
Result<std::int64_t> datoshi_member(const base::Json& object, std::string_view name) {
    TRY(const base::Json* found, member(object, name));
    if (found->is_number()) {
        const Result<std::int64_t> number = found->as_int64();
        if (!number || *number < 0) return malformed(name);
        return *number;
    }
    if (!found->is_string()) return malformed(name);
    const Result<base::Amount> amount = base::Amount::parse(found->string_value());
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!amount || *amount > base::Amount(kMax)) return malformed(name);
    return static_cast<std::int64_t>(amount->low_64());
}

Result<VmState> vm_state_member(const base::Json& object, std::string_view name) {
    TRY(const std::string_view text, text_member(object, name));
    if (text == "HALT") return VmState::Halt;
    if (text == "FAULT") return VmState::Fault;
    return malformed(name);
}

std::string exception_of(const base::Json& object) {
    const base::Json* found = object.find("exception");
    if (found == nullptr || found->is_null()) return {};
    if (found->is_string()) {
        return internal::presentable(found->string_value(), kExceptionBytesMax);
    }
    return internal::presentable(found->dump(), kExceptionBytesMax);
}

Result<StackItem> parse_item(const base::Json& json, std::size_t depth);

Result<void> parse_items(const base::Json& value, std::size_t depth, StackItem& out) {
    if (!value.is_array()) return malformed("stack item");
    out.items.reserve(value.size());
    for (const base::Json& element : value.items()) {
        TRY(StackItem item, parse_item(element, depth + 1));
        out.items.push_back(std::move(item));
    }
    return {};
}

Result<void> parse_pairs(const base::Json& value, std::size_t depth, StackItem& out) {
    if (!value.is_array()) return malformed("stack item");
    for (const base::Json& pair : value.items()) {
        TRY(const base::Json* key, member(pair, "key"));
        TRY(const base::Json* element, member(pair, "value"));
        TRY(StackItem key_item, parse_item(*key, depth + 1));
        TRY(StackItem value_item, parse_item(*element, depth + 1));
        out.items.push_back(std::move(key_item));
        out.items.push_back(std::move(value_item));
    }
    return {};
}

Result<void> parse_scalar(const base::Json& value, StackItem& out) {
    if (out.type == StackItem::Type::Boolean) {
        const Result<bool> flag = value.as_boolean();
        if (!flag) return malformed("stack item");
        out.boolean = *flag;
        return {};
    }
    if (out.type == StackItem::Type::Integer) {
        // Text from both node types; the text of a number is exact as well.
        const bool readable = value.is_string() || value.is_number();
        if (!readable) return malformed("stack item");
        const Result<neo::Integer> number =
            neo::Integer::parse(value.is_string() ? value.string_value() : value.number_text());
        if (!number) return malformed("stack item");
        out.integer = *number;
        return {};
    }
    if (!value.is_string()) return malformed("stack item");
    Result<base::Bytes> bytes = base::base64_decode(value.string_value());
    if (!bytes) return malformed("stack item");
    out.bytes = *std::move(bytes);
    return {};
}

StackItem::Type type_of(std::string_view name) {
    using Type = StackItem::Type;
    struct Name {
        std::string_view text;
        Type type;
    };
    static constexpr std::array<Name, 8> kNames = {{
        {"Any", Type::Null},
        {"Boolean", Type::Boolean},
        {"Integer", Type::Integer},
        {"ByteString", Type::ByteString},
        {"Buffer", Type::Buffer},
        {"Array", Type::Array},
        {"Struct", Type::Struct},
        {"Map", Type::Map},
    }};
    for (const Name& one : kNames) {
        if (one.text == name) return one.type;
    }
    return Type::Unreadable;
}

Result<StackItem> parse_item(const base::Json& json, std::size_t depth) {
    using Type = StackItem::Type;
    StackItem out;
    out.type = Type::Unreadable;
    if (!json.is_object() || depth > kStackDepthMax) return malformed("stack item");
    const base::Json* type = json.find("type");
    if (type == nullptr) {
        // The C# node writes {"error": ...} for what it cannot show.
        if (json.find("error") != nullptr) return out;
        return malformed("stack item");
    }
    if (!type->is_string()) return malformed("stack item");
    out.type = type_of(type->string_value());
    if (out.type == Type::Unreadable) return out;
    const base::Json* value = json.find("value");
    if (out.type == Type::Null) {
        if (value != nullptr && !value->is_null()) return malformed("stack item");
        return out;
    }
    if (value == nullptr || value->is_null()) return malformed("stack item");
    if (out.type == Type::Array || out.type == Type::Struct) {
        TRY_VOID(parse_items(*value, depth, out));
    } else if (out.type == Type::Map) {
        TRY_VOID(parse_pairs(*value, depth, out));
    } else {
        TRY_VOID(parse_scalar(*value, out));
    }
    return out;
}

Result<std::vector<StackItem>> parse_stack(const base::Json& object) {
    TRY(const base::Json* stack, member(object, "stack"));
    std::vector<StackItem> out;
    if (stack->is_string()) {  // C#: "error: recursive reference"
        out.emplace_back().type = StackItem::Type::Unreadable;
        return out;
    }
    if (!stack->is_array()) return malformed("stack");
    out.reserve(stack->size());
    for (const base::Json& element : stack->items()) {
        TRY(StackItem item, parse_item(element, 0));
        out.push_back(std::move(item));
    }
    return out;
}

Result<std::vector<Notification>> parse_notifications(const base::Json& object) {
    std::vector<Notification> out;
    const base::Json* list = object.find("notifications");
    if (list == nullptr || list->is_null()) return out;
    if (!list->is_array()) return malformed("notifications");
    out.reserve(list->size());
    for (const base::Json& element : list->items()) {
        TRY(const std::string_view contract, text_member(element, "contract"));
        const Result<neo::ScriptHash> hash = neo::ScriptHash::parse(contract);
        if (!hash) return malformed("contract");
        TRY(const std::string_view event, text_member(element, "eventname"));
        TRY(const base::Json* state, member(element, "state"));
        Notification& notification = out.emplace_back();
        notification.contract = *hash;
        notification.event = internal::presentable(event, 256);
        if (state->is_string()) {
            notification.state.type = StackItem::Type::Unreadable;
        } else {
            TRY(notification.state, parse_item(*state, 0));
        }
    }
    return out;
}

// A side of a transfer: an account, or nobody.
bool read_side(const StackItem& item, std::optional<neo::ScriptHash>& out) {
    if (item.type == StackItem::Type::Null) return true;
    const Result<neo::ScriptHash> hash = item.as_script_hash();
    if (hash) out = *hash;
    return hash.has_value();
}

}  // namespace

bool is_unknown_transaction(const RpcError& error) {
    if (error.code == -100 || error.code == -103 || error.code == -105) return true;
    constexpr std::string_view kText = "Unknown transaction";
    return error.code == -32602 && (error.message.find(kText) != std::string::npos ||
                                    error.data.find(kText) != std::string::npos);
}

std::string_view to_string(VmState state) {
    return state == VmState::Halt ? "HALT" : "FAULT";
}

Result<base::Amount> StackItem::as_amount() const {
    if (type != Type::Integer) return Error::invalid_argument("the stack item is no integer");
    return integer.as_amount();
}

Result<neo::ScriptHash> StackItem::as_script_hash() const {
    if (type != Type::ByteString && type != Type::Buffer) {
        return Error::invalid_argument("the stack item is no byte string");
    }
    return neo::ScriptHash::from_wire(bytes);
}

std::optional<Nep17Event> as_nep17_transfer(const Notification& notification) {
    const StackItem& state = notification.state;
    const bool list = state.type == StackItem::Type::Array || state.type == StackItem::Type::Struct;
    if (notification.event != "Transfer" || !list || state.items.size() != 3) return std::nullopt;
    Nep17Event out;
    out.token = notification.contract;
    if (!read_side(state.items[0], out.from) || !read_side(state.items[1], out.to)) {
        return std::nullopt;
    }
    const Result<base::Amount> amount = state.items[2].as_amount();
    if (!amount) return std::nullopt;
    out.amount = *amount;
    return out;
}

Result<NeoNetwork> parse_neo_version(const base::Json& result) {
    NeoNetwork out;
    TRY(const std::string_view agent, text_member(result, "useragent"));
    out.user_agent = internal::presentable(agent, 256);
    TRY(const base::Json* protocol, member(result, "protocol"));
    // Very old nodes have the magic at the top.
    const base::Json& place = protocol->find("network") != nullptr ? *protocol : result;
    TRY(const auto magic, unsigned_member<std::uint32_t>(place, "network"));
    out.magic = neo::NetworkMagic{magic};
    TRY(const auto block_time, unsigned_member<std::uint64_t>(*protocol, "msperblock"));
    if (block_time == 0 || block_time > kBlockTimeMsMax) return malformed("msperblock");
    out.block_time = std::chrono::milliseconds(block_time);
    TRY(out.validators_count, unsigned_member<std::uint32_t>(*protocol, "validatorscount"));
    TRY(out.valid_until_increment_max,
        unsigned_member<std::uint32_t>(*protocol, "maxvaliduntilblockincrement"));
    if (out.valid_until_increment_max == 0) return malformed("maxvaliduntilblockincrement");
    TRY(out.address_version, unsigned_member<std::uint8_t>(*protocol, "addressversion"));
    return out;
}

Result<std::uint32_t> parse_block_count(const base::Json& result) {
    TRY(const auto count, unsigned_value<std::uint32_t>(result, "block count"));
    if (count == 0) return malformed("block count");
    return count;
}

Result<BlockHeader> parse_block_header(const base::Json& result) {
    BlockHeader out;
    TRY(out.index, unsigned_member<std::uint32_t>(result, "index"));
    TRY(out.hash, internal::hash_member<neo::TransactionHash>(result, "hash"));
    TRY(out.time_ms, unsigned_member<std::uint64_t>(result, "time"));
    return out;
}

Result<Invocation> parse_invocation(const base::Json& result) {
    Invocation out;
    TRY(out.state, vm_state_member(result, "state"));
    TRY(out.gas_consumed, datoshi_member(result, "gasconsumed"));
    out.exception = exception_of(result);
    TRY(out.stack, parse_stack(result));
    TRY(out.notifications, parse_notifications(result));
    return out;
}

Result<ApplicationLog> parse_application_log(const base::Json& result) {
    ApplicationLog out;
    TRY(out.hash, internal::hash_member<neo::TransactionHash>(result, "txid"));
    TRY(const base::Json* executions, member(result, "executions"));
    if (!executions->is_array()) return malformed("executions");
    const base::Json* application = nullptr;
    for (const base::Json& execution : executions->items()) {
        TRY(const std::string_view trigger, text_member(execution, "trigger"));
        if (trigger != "Application") continue;
        if (application != nullptr) return malformed("executions");
        application = &execution;
    }
    if (application == nullptr) return malformed("executions");
    TRY(out.state, vm_state_member(*application, "vmstate"));
    TRY(out.gas_consumed, datoshi_member(*application, "gasconsumed"));
    out.exception = exception_of(*application);
    TRY(out.stack, parse_stack(*application));
    TRY(out.notifications, parse_notifications(*application));
    return out;
}

Result<std::int64_t> parse_network_fee(const base::Json& result) {
    return datoshi_member(result, "networkfee");
}

Result<neo::TransactionHash> parse_sent_hash(const base::Json& result) {
    return internal::hash_member<neo::TransactionHash>(result, "hash");
}

Result<std::uint32_t> parse_transaction_height(const base::Json& result) {
    return unsigned_value<std::uint32_t>(result, "transaction height");
}

Result<TransactionPlace> parse_transaction_place(const base::Json& result) {
    TransactionPlace out;
    TRY(out.hash, internal::hash_member<neo::TransactionHash>(result, "hash"));
    const base::Json* confirmations = result.find("confirmations");
    if (confirmations == nullptr || confirmations->is_null()) return out;
    TRY(const auto count, unsigned_value<std::uint64_t>(*confirmations, "confirmations"));
    out.confirmed = count > 0;
    return out;
}

}  // namespace adyton::chain
