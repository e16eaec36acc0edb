#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/transfer_types.h"
#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"
#include "storage/database.h"

// The SQL of transfers, as functions inside the caller's unit of work (as account_repository.h).
namespace adyton::pool {

// A transfer from the moment it is signed. All but the last group never changes.
struct TransferRecord {
    std::string id;       // UUID; its run in the journal has the same
    std::string service;  // who asked
    std::string account_id;
    std::string payer_id;    // of the fees: account_id unless somebody else pays
    std::string to_address;  // as the request wrote it
    neo::ScriptHash from;
    neo::ScriptHash to;
    neo::ScriptHash token;
    base::Amount amount;
    api::AmountForm form = api::AmountForm::Number;
    std::string data;
    neo::NetworkMagic magic{};
    neo::TransactionHash hash;
    base::Bytes bytes;  // signed; the only ones that are ever sent for this transfer
    std::uint32_t valid_until_block = 0;
    std::int64_t system_fee = 0;   // datoshi
    std::int64_t network_fee = 0;  // datoshi
    // Reservations of the policy that stand under the transfer's id (reservation_ids()).
    bool reserved = false;
    bool payer_reserved = false;  // only in records of older versions: for the fees alone
    base::Timestamp created_at;

    api::TransferStatus status = api::TransferStatus::Prepared;
    std::optional<std::uint32_t> block_index;
    std::string reason;
    base::Timestamp updated_at;

    bool sponsored() const { return payer_id != account_id; }
    std::int64_t fees() const { return system_fee + network_fee; }
    api::TransferInfo to_info() const;
    std::vector<std::string> reservation_ids() const;
};

namespace transfers {

// One more unfinished transfer of the account; its row is locked until the unit commits. With
// `uses`, tx_count + 1 and last_used_at now. Conflict "too_many_unfinished": it has `max` already.
// NotFound "account_not_found".
Result<void> begin_on_account(
    storage::Transaction& tx, const std::string& account_id, std::int64_t max, bool uses);
// One less. Accounts that are gone do not matter.
Result<void> end_on_account(storage::Transaction& tx, const std::string& account_id);

Result<void> insert(storage::Transaction& tx, const TransferRecord& record);
Result<std::optional<TransferRecord>> find(storage::Transaction& tx, const std::string& id);
// Of unfinished ones only; false: it is final already.
Result<bool> set_status(
    storage::Transaction& tx, const std::string& id, api::TransferStatus status,
    const std::string& reason, std::optional<std::uint32_t> block_index);

// What may still leave an account beyond what its balance at block `height` shows: amounts and
// fees of unfinished transfers, and of those that landed after that block.
struct Outgoing {
    base::Amount gas;    // fees, and amounts of GAS
    base::Amount token;  // amounts of the token asked for; equal to gas when that is GAS
};
// Unprocessable "amount_out_of_range": a sum passes 2^128 - 1.
Result<Outgoing> outgoing(
    storage::Transaction& tx, const std::string& account_id, const neo::ScriptHash& token,
    std::uint32_t height);

// Newest first; `cursor` as in TransfersResponse. InvalidArgument "bad_cursor".
Result<api::TransfersResponse> list(
    storage::Transaction& tx, const std::string& service, const api::TransfersQuery& query);

// Moves the tracked balances, where there are any, as a transfer did that executed: fees from the
// payer and, if the tokens moved, the amount from one account to the other. Never below zero:
// tracked balances are what callers say, the chain decides.
Result<void> move_tracked_balances(
    storage::Transaction& tx, const TransferRecord& record, bool moved);

}  // namespace transfers
}  // namespace adyton::pool
