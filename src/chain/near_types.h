#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "chain/json_rpc.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"
#include "near/transaction_status.h"

// What NEAR nodes say, as types (near.md 7). The parsers take the `result` member of an answer.
// CorruptData for anything that is not what the call answers; a missing or malformed value is never
// read as zero or as absence.

namespace adyton::chain {

// block
struct NearBlock {
    std::uint64_t height = 0;
    near::BlockHash hash{};
    std::uint64_t timestamp_ns = 0;  // since the epoch

    struct Link {
        std::uint64_t height = 0;
        near::BlockHash hash{};
        bool operator==(const Link&) const = default;
    };
    std::optional<Link> previous;  // none: genesis, or the node does not tell
};

// query view_access_key
struct NearAccessKey {
    struct FunctionCall {
        std::optional<near::YoctoNear> allowance;  // none: unlimited
        std::string receiver_id;
        std::vector<std::string> method_names;  // empty: all
    };
    std::uint64_t nonce = 0;                    // of the last transaction that used it
    std::optional<FunctionCall> function_call;  // none: full access
    std::uint64_t block_height = 0;
    near::BlockHash block_hash{};
};

// query view_account
struct NearAccount {
    near::YoctoNear amount;
    near::YoctoNear locked;
    near::CodeHash code_hash{};  // all zero bytes: no contract
    std::uint64_t storage_bytes = 0;
    std::uint64_t block_height = 0;
};

// query call_function
struct NearView {
    base::Bytes result;  // usually JSON text
    std::vector<std::string> logs;
    std::uint64_t block_height = 0;
    near::BlockHash block_hash{};
};

// tx, EXPERIMENTAL_tx_status
struct NearTransaction {
    enum class Status { NotStarted, Started, Success, Failure };
    Status status = Status::NotStarted;
    std::string execution_status;  // "NONE", "INCLUDED", ..., "FINAL"; empty on old nodes
    base::Bytes value;             // of Success
    std::string failure;           // of Failure: JSON, for people
    base::Json result;  // receipts too; of answers, what parse_transaction_status() reads

    // near::parse_transaction_status(result), read once however often it is asked for. Copies share
    // it. Not thread safe.
    const Result<near::TransactionStatus>& facts() const;

private:
    // Shared with copies; what it points to never changes.
    mutable std::shared_ptr<const Result<near::TransactionStatus>> facts_;
};

// A `query` result that carries an `error` text is an error (near.md 7.2). Nothing: none.
std::optional<std::string> flat_error(const base::Json& result);
// Whether an error says that the account, key or contract is not there; not that there is trouble.
bool is_missing(const RpcError& error);
bool is_missing(const std::string& flat_error);
bool is_unknown_near_transaction(const RpcError& error);

Result<NearBlock> parse_near_block(const base::Json& result);
Result<NearAccessKey> parse_near_access_key(const base::Json& result);
Result<NearAccount> parse_near_account(const base::Json& result);
Result<NearView> parse_near_view(const base::Json& result);
Result<NearTransaction> parse_near_transaction(base::Json result);
Result<std::string> parse_near_chain_id(const base::Json& result);  // of `status`
Result<near::TransactionHash> parse_near_sent_hash(const base::Json& result);

}  // namespace adyton::chain
