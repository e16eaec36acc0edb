#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "chain/json_rpc.h"
#include "neo/integer.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"

// What Neo nodes say, as types (neo.md 5). The parsers take the `result` member of an answer of
// either node flavour; CorruptData for anything that is not what the method answers. A missing or
// malformed value is never read as zero or as absence.

namespace adyton::chain {

// Whether an error of getapplicationlog, getrawtransaction or gettransactionheight says that the
// endpoint knows no such transaction (neo.md 5.8), and not that it has trouble of its own.
bool is_unknown_transaction(const RpcError& error);

// getversion. Governed on chain: read again every few minutes.
struct NeoNetwork {
    neo::NetworkMagic magic{};
    std::chrono::milliseconds block_time{};
    std::uint32_t validators_count = 0;
    std::uint32_t valid_until_increment_max = 0;  // blocks
    std::uint8_t address_version = 0;
    std::string user_agent;
};

enum class VmState { Halt, Fault };
std::string_view to_string(VmState state);  // "HALT", "FAULT"

// One item of a VM stack.
struct StackItem {
    enum class Type {
        Null,  // "Any"
        Boolean,
        Integer,
        ByteString,
        Buffer,
        Array,
        Struct,
        Map,         // items: key, value, key, value, ...
        Unreadable,  // Pointer, InteropInterface, or what a node could not show
    };
    Type type = Type::Null;
    bool boolean = false;
    neo::Integer integer;          // of Integer
    base::Bytes bytes;             // of ByteString and Buffer
    std::vector<StackItem> items;  // of Array, Struct and Map

    // InvalidArgument: no Integer. Unprocessable: negative or above 2^128 - 1.
    Result<base::Amount> as_amount() const;
    // InvalidArgument: no 20 bytes.
    Result<neo::ScriptHash> as_script_hash() const;
};

struct Notification {
    neo::ScriptHash contract;
    std::string event;
    StackItem state;
};

// A `Transfer` event of NEP-17. Trust `token` only: any contract may emit the name.
struct Nep17Event {
    neo::ScriptHash token;
    std::optional<neo::ScriptHash> from;  // none: minted
    std::optional<neo::ScriptHash> to;    // none: burned
    base::Amount amount;

    bool operator==(const Nep17Event&) const = default;
};
// Nothing: another event, or not of that shape.
std::optional<Nep17Event> as_nep17_transfer(const Notification& notification);

// invokescript and invokefunction. FAULT is an answer, not an error.
struct Invocation {
    VmState state = VmState::Fault;
    std::int64_t gas_consumed = 0;  // datoshi, not negative
    std::string exception;          // empty: none
    std::vector<StackItem> stack;   // in the order of the node: top last
    std::vector<Notification> notifications;
};

// getapplicationlog, trigger Application. Notifications of a FAULT are void: see neo.md 5.8.
struct ApplicationLog {
    neo::TransactionHash hash;
    VmState state = VmState::Fault;
    std::int64_t gas_consumed = 0;  // datoshi
    std::string exception;
    std::vector<StackItem> stack;
    std::vector<Notification> notifications;
};

struct BlockHeader {
    std::uint32_t index = 0;
    neo::TransactionHash hash;  // wire order, like a transaction's
    std::uint64_t time_ms = 0;  // since the epoch
};

// getrawtransaction, verbose, as far as it is needed.
struct TransactionPlace {
    neo::TransactionHash hash;
    bool confirmed = false;  // in a block; else pooled
};

Result<NeoNetwork> parse_neo_version(const base::Json& result);
Result<std::uint32_t> parse_block_count(const base::Json& result);  // at least 1
Result<BlockHeader> parse_block_header(const base::Json& result);
Result<Invocation> parse_invocation(const base::Json& result);
Result<ApplicationLog> parse_application_log(const base::Json& result);
Result<std::int64_t> parse_network_fee(const base::Json& result);  // datoshi, not negative
Result<neo::TransactionHash> parse_sent_hash(const base::Json& result);
Result<std::uint32_t> parse_transaction_height(const base::Json& result);
Result<TransactionPlace> parse_transaction_place(const base::Json& result);

}  // namespace adyton::chain
