#include "pool/transfer_repository.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "crypto/uuid.h"
#include "neo/address.h"
#include "neo/token.h"
#include "pool/lock_check.h"

namespace adyton::pool {
namespace {

using storage::Rows;
using storage::Transaction;

#define ADYTON_TRANSFER_COLUMNS                                                             \
    "id, service_id, account_id, payer_id, to_address, from_hash, to_hash, token, amount, " \
    "amount_is_text, data, magic, tx_hash, tx_bytes, valid_until_block, system_fee, "       \
    "network_fee, reserved, payer_reserved, created_at, status, block_index, reason, updated_at"

Result<neo::ScriptHash> read_hash(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const std::string text, rows.text(row, column));
    auto hash = neo::ScriptHash::parse(text);
    if (!hash) return Error::corrupt_data("a script hash of a transfer does not read back");
    return *hash;
}

Result<base::Amount> read_amount(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const std::string text, rows.text(row, column));
    auto amount = base::Amount::parse(text);
    if (!amount) return Error::corrupt_data("the amount of a transfer does not read back");
    return *amount;
}

Result<std::uint32_t> read_u32(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const std::int64_t value, rows.integer(row, column));
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
        return Error::corrupt_data("a number of a transfer is out of range");
    }
    return static_cast<std::uint32_t>(value);
}

Result<api::TransferStatus> read_status(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const std::string text, rows.text(row, column));
    auto status = api::parse_transfer_status(text);
    if (!status) return Error::corrupt_data("the status of a transfer does not read back");
    return *status;
}

Result<void> read_fixed_part(const Rows& rows, std::size_t row, TransferRecord& record) {
    TRY(record.id, rows.text(row, 0));
    TRY(record.service, rows.text(row, 1));
    TRY(record.account_id, rows.text(row, 2));
    TRY(record.payer_id, rows.text(row, 3));
    TRY(record.to_address, rows.text(row, 4));
    TRY(record.from, read_hash(rows, row, 5));
    TRY(record.to, read_hash(rows, row, 6));
    TRY(record.token, read_hash(rows, row, 7));
    TRY(record.amount, read_amount(rows, row, 8));
    TRY(const bool is_text, rows.boolean(row, 9));
    record.form = is_text ? api::AmountForm::Text : api::AmountForm::Number;
    TRY(record.data, rows.text(row, 10));
    TRY(const std::uint32_t magic, read_u32(rows, row, 11));
    record.magic = neo::NetworkMagic{magic};
    TRY(const std::string hash, rows.text(row, 12));
    auto parsed = neo::TransactionHash::parse(hash);
    if (!parsed) return Error::corrupt_data("the hash of a transfer does not read back");
    record.hash = *parsed;
    TRY(record.bytes, rows.bytes(row, 13));
    TRY(record.valid_until_block, read_u32(rows, row, 14));
    TRY(record.system_fee, rows.integer(row, 15));
    TRY(record.network_fee, rows.integer(row, 16));
    TRY(record.reserved, rows.boolean(row, 17));
    TRY(record.payer_reserved, rows.boolean(row, 18));
    TRY(record.created_at, rows.timestamp(row, 19));
    return {};
}

Result<TransferRecord> read_record(const Rows& rows, std::size_t row) {
    TransferRecord record;
    TRY_VOID(read_fixed_part(rows, row, record));
    TRY(record.status, read_status(rows, row, 20));
    if (!rows.is_null(row, 21)) {
        TRY(record.block_index, read_u32(rows, row, 21));
    }
    TRY(record.reason, rows.text(row, 22));
    TRY(record.updated_at, rows.timestamp(row, 23));
    return record;
}

Error out_of_range() {
    return Error::unprocessable("a sum of amounts is out of range", "amount_out_of_range");
}

Result<void> add_to(base::Amount& sum, base::Amount more) {
    const auto total = sum.plus(more);
    if (!total) return out_of_range();
    sum = *total;
    return {};
}

std::string cursor_of(const TransferRecord& record) {
    return std::to_string(record.created_at.time_since_epoch().count()) + "." + record.id;
}

struct Cursor {
    base::Timestamp created_at;
    std::string id;
};

Result<Cursor> parse_cursor(const std::string& text) {
    const Error bad = Error::invalid_argument("cursor is not from an answer of ours", "bad_cursor");
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos) return bad;
    std::int64_t micros = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + dot, micros);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + dot) return bad;
    auto id = crypto::canonical_uuid(text.substr(dot + 1));
    if (!id || micros < 0) return bad;
    return Cursor{base::Timestamp(std::chrono::microseconds(micros)), *std::move(id)};
}

// What fits a tracked balance; larger amounts empty or fill it.
std::int64_t tracked(base::Amount amount) {
    const base::Amount most(static_cast<std::uint64_t>(api::kTrackedBalanceMax));
    return static_cast<std::int64_t>(std::min(amount, most).low_64());
}

}  // namespace

api::TransferInfo TransferRecord::to_info() const {
    api::TransferInfo info;
    info.tx_hash = hash.to_string();
    info.account_id = account_id;
    info.to_address = to_address;
    info.amount = amount;
    info.form = form;
    info.transfer_id = id;
    info.status = status;
    info.token_address = token.to_string();
    if (sponsored()) info.fee_account_id = payer_id;
    info.data = data;
    info.system_fee = system_fee;
    info.network_fee = network_fee;
    info.valid_until_block = valid_until_block;
    info.block_index = block_index;
    info.reason = reason;
    info.created_at = created_at;
    info.updated_at = updated_at;
    return info;
}

std::vector<std::string> TransferRecord::reservation_ids() const {
    std::vector<std::string> ids;
    if (reserved) ids.push_back("transfer:" + id);
    if (payer_reserved) ids.push_back("transfer:" + id + ":fees");
    return ids;
}

namespace transfers {

Result<void> begin_on_account(
    Transaction& tx, const std::string& account_id, std::int64_t max, bool uses) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t updated,
        uses ? tx.execute(
                   "UPDATE pool_accounts SET unfinished_transfers = unfinished_transfers + 1, "
                   "tx_count = tx_count + 1, last_used_at = $3 "
                   "WHERE id = $1 AND unfinished_transfers < $2",
                   {account_id, max, now})
             : tx.execute(
                   "UPDATE pool_accounts SET unfinished_transfers = unfinished_transfers + 1 "
                   "WHERE id = $1 AND unfinished_transfers < $2",
                   {account_id, max}));
    if (updated == 1) return {};
    TRY(const Rows rows, tx.query("SELECT 1 FROM pool_accounts WHERE id = $1", {account_id}));
    if (rows.empty()) return unknown_account();
    return Error::conflict(
        "the account has too many unfinished transfers; wait for some of them",
        "too_many_unfinished");
}

Result<void> end_on_account(Transaction& tx, const std::string& account_id) {
    TRY_VOID(tx.execute(
        "UPDATE pool_accounts SET unfinished_transfers = unfinished_transfers - 1 "
        "WHERE id = $1 AND unfinished_transfers > 0",
        {account_id}));
    return {};
}

Result<void> insert(Transaction& tx, const TransferRecord& record) {
    TRY_VOID(tx.execute(
        "INSERT INTO pool_transfers (" ADYTON_TRANSFER_COLUMNS
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
        "$18, $19, $20, $21, NULL, '', $20)",
        {record.id,
         record.service,
         record.account_id,
         record.payer_id,
         record.to_address,
         record.from.to_string(),
         record.to.to_string(),
         record.token.to_string(),
         record.amount.to_string(),
         record.form == api::AmountForm::Text,
         record.data,
         static_cast<std::int64_t>(record.magic),
         record.hash.to_string(),
         record.bytes,
         static_cast<std::int64_t>(record.valid_until_block),
         record.system_fee,
         record.network_fee,
         record.reserved,
         record.payer_reserved,
         record.created_at,
         std::string(to_string(record.status))}));
    return {};
}

Result<std::optional<TransferRecord>> find(Transaction& tx, const std::string& id) {
    TRY(const Rows rows,
        tx.query("SELECT " ADYTON_TRANSFER_COLUMNS " FROM pool_transfers WHERE id = $1", {id}));
    if (rows.empty()) return std::optional<TransferRecord>();
    TRY(auto record, read_record(rows, 0));
    return std::optional<TransferRecord>(std::move(record));
}

Result<bool> set_status(
    Transaction& tx, const std::string& id, api::TransferStatus status, const std::string& reason,
    std::optional<std::uint32_t> block_index) {
    TRY(const base::Timestamp now, tx.now());
    if (!is_final(status)) {
        CHECK(!block_index);
        // Without the columns that stand in indexes.
        TRY(const std::int64_t updated,
            tx.execute(
                "UPDATE pool_transfers SET status = $2, reason = $3, updated_at = $4 "
                "WHERE id = $1 AND final_at IS NULL",
                {id, to_string(status), reason, now}));
        return updated == 1;
    }
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE pool_transfers SET status = $2, reason = $3, block_index = $4, "
            "updated_at = $5, final_at = $5 WHERE id = $1 AND final_at IS NULL",
            {id, to_string(status), reason,
             block_index ? storage::Parameter(*block_index) : storage::Parameter(), now}));
    return updated == 1;
}

Result<Outgoing> outgoing(
    Transaction& tx, const std::string& account_id, const neo::ScriptHash& token,
    std::uint32_t height) {
    TRY(const Rows rows,
        tx.query(
            "SELECT account_id, payer_id, token, amount, system_fee + network_fee, status "
            "FROM pool_transfers WHERE account_id = $1 AND final_at IS NULL "
            "UNION ALL SELECT account_id, payer_id, token, amount, system_fee + network_fee, "
            "status FROM pool_transfers WHERE payer_id = $1 AND payer_id <> account_id "
            "AND final_at IS NULL "
            "UNION ALL SELECT account_id, payer_id, token, amount, system_fee + network_fee, "
            "status FROM pool_transfers WHERE account_id = $1 AND block_index > $2 "
            "UNION ALL SELECT account_id, payer_id, token, amount, system_fee + network_fee, "
            "status FROM pool_transfers WHERE payer_id = $1 AND payer_id <> account_id "
            "AND block_index > $2",
            {account_id, static_cast<std::int64_t>(height)}));
    Outgoing out;
    const neo::ScriptHash& gas = neo::gas_token().contract;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const std::string from, rows.text(i, 0));
        TRY(const std::string payer, rows.text(i, 1));
        TRY(const std::int64_t fees, rows.integer(i, 4));
        if (payer == account_id) {
            TRY_VOID(add_to(out.gas, base::Amount(static_cast<std::uint64_t>(fees))));
        }
        TRY(const auto status, read_status(rows, i, 5));
        if (from != account_id || status == api::TransferStatus::Failed) continue;
        TRY(const neo::ScriptHash moved, read_hash(rows, i, 2));
        TRY(const base::Amount amount, read_amount(rows, i, 3));
        if (moved == gas) {
            TRY_VOID(add_to(out.gas, amount));
        } else if (moved == token) {
            TRY_VOID(add_to(out.token, amount));
        }
    }
    if (token == gas) out.token = out.gas;
    return out;
}

Result<api::TransfersResponse> list(
    Transaction& tx, const std::string& service, const api::TransfersQuery& query) {
    Cursor cursor{base::Timestamp(std::chrono::microseconds(253402300799000000)), ""};
    if (!query.cursor.empty()) {
        TRY(cursor, parse_cursor(query.cursor));
    }
    const std::string status = query.status ? std::string(to_string(*query.status)) : std::string();
    std::string account;
    if (!query.account_id.empty()) {
        auto id = crypto::canonical_uuid(query.account_id);
        if (!id) return api::TransfersResponse{};
        account = *std::move(id);
    }
    TRY(const Rows rows,
        account.empty()
            ? tx.query(
                  "SELECT " ADYTON_TRANSFER_COLUMNS
                  " FROM pool_transfers WHERE service_id = $1 AND ($2 = '' OR status = $2) "
                  "AND (created_at < $3 OR (created_at = $3 AND id < $4)) "
                  "ORDER BY created_at DESC, id DESC LIMIT $5",
                  {service, status, cursor.created_at, cursor.id, query.limit + 1})
            : tx.query(
                  "SELECT " ADYTON_TRANSFER_COLUMNS
                  " FROM pool_transfers WHERE account_id = $6 AND service_id = $1 "
                  "AND ($2 = '' OR status = $2) "
                  "AND (created_at < $3 OR (created_at = $3 AND id < $4)) "
                  "ORDER BY created_at DESC, id DESC LIMIT $5",
                  {service, status, cursor.created_at, cursor.id, query.limit + 1, account}));
    api::TransfersResponse response;
    const auto shown = std::min(rows.size(), static_cast<std::size_t>(query.limit));
    for (std::size_t i = 0; i < shown; ++i) {
        TRY(const TransferRecord record, read_record(rows, i));
        response.transfers.push_back(record.to_info());
        if (i + 1 == shown && rows.size() > shown) response.next_cursor = cursor_of(record);
    }
    return response;
}

namespace {

Result<void> take_tracked(
    Transaction& tx, const std::string& account_id, const neo::ScriptHash& token,
    base::Amount amount) {
    TRY(const base::Timestamp now, tx.now());
    TRY_VOID(tx.execute(
        "UPDATE pool_account_balances SET amount = CASE WHEN amount > $3 THEN amount - $3 "
        "ELSE 0 END, updated_at = $4 WHERE account_id = $1 AND script_hash = $2",
        {account_id, token.to_string(), tracked(amount), now}));
    return {};
}

// Only where the receiver is an account of this pool.
Result<void> give_tracked(Transaction& tx, const TransferRecord& record) {
    TRY(const base::Timestamp now, tx.now());
    const std::int64_t amount = tracked(record.amount);
    TRY_VOID(tx.execute(
        "UPDATE pool_account_balances SET amount = CASE WHEN amount > $3 THEN $4 "
        "ELSE amount + $5 END, updated_at = $6 WHERE script_hash = $2 AND account_id = "
        "(SELECT a.id FROM pool_accounts AS a WHERE a.address = $1)",
        {neo::Address(record.to).to_string(), record.token.to_string(),
         api::kTrackedBalanceMax - amount, api::kTrackedBalanceMax, amount, now}));
    return {};
}

}  // namespace

Result<void> move_tracked_balances(Transaction& tx, const TransferRecord& record, bool moved) {
    const neo::ScriptHash& gas = neo::gas_token().contract;
    base::Amount fees(static_cast<std::uint64_t>(record.fees()));
    if (moved && record.token == gas && !record.sponsored()) {
        // One row, one statement.
        fees = fees.plus(record.amount).value_or(record.amount);
        TRY_VOID(take_tracked(tx, record.account_id, gas, fees));
    } else {
        TRY_VOID(take_tracked(tx, record.payer_id, gas, fees));
        if (moved) {
            TRY_VOID(take_tracked(tx, record.account_id, record.token, record.amount));
        }
    }
    if (!moved) return {};
    return give_tracked(tx, record);
}

}  // namespace transfers
}  // namespace adyton::pool
