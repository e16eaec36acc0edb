#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/pool_types.h"
#include "base/amount.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

// POST /transfer, GET /transfers and GET /transfers/{id} of the account pool. The rules of
// pool_types.h hold here too.
namespace adyton::api {

inline constexpr std::size_t kTransferDataBytesMax = 4096;
inline constexpr std::int64_t kTransferWaitSecondsMax = 25;
inline constexpr std::int64_t kTransfersListedMax = 200;

// Where a transfer stands. The last three are final.
enum class TransferStatus {
    Prepared,   // signed and stored; no node is known to have it
    Broadcast,  // a node has it in its pool; it may land until valid_until_block
    Unknown,    // it was sent, or may have been, and no node has answered for it yet
    Confirmed,  // executed (HALT), and its Transfer event is there
    Failed,     // executed without moving the tokens, or refused and dead; `reason` says why
    Expired,    // in no block, and never will be
};
std::string_view to_string(TransferStatus status);  // "prepared"
Result<TransferStatus> parse_transfer_status(std::string_view text);
constexpr bool is_final(TransferStatus status) {
    return status == TransferStatus::Confirmed || status == TransferStatus::Failed ||
           status == TransferStatus::Expired;
}

struct TransferRequest {
    std::string service_id;
    std::string account_id;
    std::string to_address;  // address, or script hash with or without 0x
    base::Amount amount;     // above 0, in the token's smallest unit
    AmountForm form = AmountForm::Number;
    std::string token_address = "GAS";  // symbol, or contract hash with or without 0x
    std::string data;                   // its UTF-8 bytes reach the receiver; empty: null
    std::string fee_account_id;         // pays the fees instead of the account; empty: none
    std::string lock_id;                // what the caller believes to hold; empty: nothing claimed
    std::optional<std::int64_t> fencing;
    std::int64_t wait_seconds = 0;  // for a final status, at most; 0 to kTransferWaitSecondsMax
};

// The answer to POST /transfer too, whose seed form are its first four members. Fees in datoshi.
struct TransferInfo {
    std::string tx_hash;  // "0x...", known from the first moment
    std::string account_id;
    std::string to_address;  // as the request wrote it
    base::Amount amount;
    AmountForm form = AmountForm::Number;  // of the request
    std::string transfer_id;
    TransferStatus status = TransferStatus::Prepared;
    std::string token_address;  // contract hash
    std::string fee_account_id;
    std::string data;
    std::int64_t system_fee = 0;
    std::int64_t network_fee = 0;
    std::uint32_t valid_until_block = 0;
    std::optional<std::uint32_t> block_index;  // once executed
    std::string reason;
    base::Timestamp created_at;
    base::Timestamp updated_at;

    bool operator==(const TransferInfo&) const = default;
};

struct TransfersQuery {
    std::string account_id;                // empty: all
    std::optional<TransferStatus> status;  // none: all
    std::string cursor;                    // from the page before; empty: the newest
    std::int64_t limit = 50;               // 1 to kTransfersListedMax
};

// The caller's own, newest first.
struct TransfersResponse {
    std::vector<TransferInfo> transfers;
    std::string next_cursor;  // empty: no more
};

// InvalidArgument: unknown status, or a limit that is no number from 1 to kTransfersListedMax.
Result<TransfersQuery> parse_transfers_query(
    std::optional<std::string_view> account_id, std::optional<std::string_view> status,
    std::optional<std::string_view> cursor, std::optional<std::string_view> limit);

Result<TransferRequest> parse_transfer_request(const base::Json& body);
void write(base::JsonWriter& out, const TransferRequest& request);
void write(base::JsonWriter& out, const TransferInfo& transfer);
void write(base::JsonWriter& out, const TransfersResponse& response);
// CorruptData: not the shape.
Result<TransferInfo> parse_transfer_info(const base::Json& body);
Result<TransfersResponse> parse_transfers_response(const base::Json& body);

}  // namespace adyton::api
