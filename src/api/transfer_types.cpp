#include "api/transfer_types.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "api/internal/members.h"

namespace adyton::api {
namespace {

using base::Json;
using base::JsonWriter;
using internal::Members;

constexpr std::size_t kIdBytesMax = 256;
constexpr std::size_t kAnswerTextMax = std::numeric_limits<std::size_t>::max();

constexpr std::array<std::pair<TransferStatus, std::string_view>, 6> kStatuses = {{
    {TransferStatus::Prepared, "prepared"},
    {TransferStatus::Broadcast, "broadcast"},
    {TransferStatus::Unknown, "unknown"},
    {TransferStatus::Confirmed, "confirmed"},
    {TransferStatus::Failed, "failed"},
    {TransferStatus::Expired, "expired"},
}};

Result<std::string> text_or_empty(
    const Members& members, std::string_view name, std::size_t bytes_max) {
    TRY(auto value, members.text(name, bytes_max));
    return value ? *std::move(value) : std::string();
}

struct ParsedAmount {
    base::Amount amount;
    AmountForm form = AmountForm::Number;
};

// decisions.md 5: an integer, or the same as base-10 text. Absent: zero.
Result<ParsedAmount> parse_amount(const Members& members, std::string_view name) {
    const Json* const found = members.find(name);
    if (found == nullptr) return ParsedAmount{};
    if (!found->is_number() && !found->is_string()) {
        return members.wrong(name, "an integer or base-10 text");
    }
    const AmountForm form = found->is_number() ? AmountForm::Number : AmountForm::Text;
    const std::string& text = found->is_number() ? found->number_text() : found->string_value();
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || (text.size() > 1 && text.front() == '0')) {
        return members.wrong(name, "a positive integer in the token's smallest unit");
    }
    if (text.size() > base::Amount::kDigitsMax) {
        return Error::unprocessable(std::string(name) + " is out of range", "amount_out_of_range");
    }
    auto amount = base::Amount::parse(text);
    if (!amount) {
        return Error::unprocessable(std::string(name) + " is out of range", "amount_out_of_range");
    }
    return ParsedAmount{*amount, form};
}

void write_amount(JsonWriter& out, base::Amount amount, AmountForm form) {
    out.key("amount");
    const std::string text = amount.to_string();
    if (form == AmountForm::Text) {
        out.value(std::string_view(text));
    } else {
        out.raw(text);
    }
}

void write_text_unless_empty(JsonWriter& out, std::string_view name, std::string_view text) {
    if (!text.empty()) out.member(name, text);
}

Result<std::uint32_t> block_number(const Members& members, std::string_view name) {
    TRY(const std::int64_t value, members.required_integer(name));
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
        return members.wrong(name, "a block's index");
    }
    return static_cast<std::uint32_t>(value);
}

}  // namespace

std::string_view to_string(TransferStatus status) {
    for (const auto& [value, text] : kStatuses) {
        if (value == status) return text;
    }
    return "unknown";
}

Result<TransferStatus> parse_transfer_status(std::string_view text) {
    for (const auto& [value, name] : kStatuses) {
        if (name == text) return value;
    }
    return Error::invalid_argument(
        "status must be prepared, broadcast, unknown, confirmed, failed or expired", "bad_status");
}

Result<TransfersQuery> parse_transfers_query(
    std::optional<std::string_view> account_id, std::optional<std::string_view> status,
    std::optional<std::string_view> cursor, std::optional<std::string_view> limit) {
    TransfersQuery query;
    query.account_id = account_id.value_or("");
    query.cursor = cursor.value_or("");
    if (status && !status->empty()) {
        TRY(query.status, parse_transfer_status(*status));
    }
    if (limit && !limit->empty()) {
        const char* const end = limit->data() + limit->size();
        const auto parsed = std::from_chars(limit->data(), end, query.limit);
        if (parsed.ec != std::errc() || parsed.ptr != end || query.limit < 1 ||
            query.limit > kTransfersListedMax) {
            return Error::invalid_argument("limit must be between 1 and 200", "bad_limit");
        }
    }
    return query;
}

Result<TransferRequest> parse_transfer_request(const Json& body) {
    TRY(const Members members,
        Members::of(body, ErrorCode::InvalidArgument, internal::kBadRequest));
    TransferRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(request.account_id, text_or_empty(members, "account_id", kIdBytesMax));
    TRY(request.to_address, text_or_empty(members, "to_address", kIdBytesMax));
    TRY(const auto amount, parse_amount(members, "amount"));
    request.amount = amount.amount;
    request.form = amount.form;
    TRY(auto token, text_or_empty(members, "token_address", kIdBytesMax));
    if (!token.empty()) request.token_address = std::move(token);
    TRY(request.data, text_or_empty(members, "data", kTransferDataBytesMax));
    TRY(request.fee_account_id, text_or_empty(members, "fee_account_id", kIdBytesMax));
    TRY(request.lock_id, text_or_empty(members, "lock_id", kIdBytesMax));
    TRY(request.fencing, members.integer("fencing"));
    TRY(const auto wait, members.integer("wait_seconds"));
    request.wait_seconds = wait.value_or(0);
    if (request.wait_seconds < 0 || request.wait_seconds > kTransferWaitSecondsMax) {
        return members.wrong("wait_seconds", "between 0 and 25");
    }
    if (request.account_id.empty() || request.to_address.empty() ||
        request.amount == base::Amount()) {
        return Error::invalid_argument("account_id, to_address, and positive amount required");
    }
    return request;
}

void write(JsonWriter& out, const TransferRequest& request) {
    out.begin_object();
    write_text_unless_empty(out, "service_id", request.service_id);
    out.member("account_id", std::string_view(request.account_id));
    out.member("to_address", std::string_view(request.to_address));
    write_amount(out, request.amount, request.form);
    out.member("token_address", std::string_view(request.token_address));
    write_text_unless_empty(out, "data", request.data);
    write_text_unless_empty(out, "fee_account_id", request.fee_account_id);
    write_text_unless_empty(out, "lock_id", request.lock_id);
    if (request.fencing) out.member("fencing", *request.fencing);
    if (request.wait_seconds != 0) out.member("wait_seconds", request.wait_seconds);
    out.end_object();
}

void write(JsonWriter& out, const TransferInfo& transfer) {
    out.begin_object();
    out.member("tx_hash", std::string_view(transfer.tx_hash));
    out.member("account_id", std::string_view(transfer.account_id));
    out.member("to_address", std::string_view(transfer.to_address));
    write_amount(out, transfer.amount, transfer.form);
    out.member("transfer_id", std::string_view(transfer.transfer_id));
    out.member("status", to_string(transfer.status));
    out.member("token_address", std::string_view(transfer.token_address));
    write_text_unless_empty(out, "fee_account_id", transfer.fee_account_id);
    write_text_unless_empty(out, "data", transfer.data);
    out.member("system_fee", transfer.system_fee);
    out.member("network_fee", transfer.network_fee);
    out.member("valid_until_block", static_cast<std::int64_t>(transfer.valid_until_block));
    if (transfer.block_index) {
        out.member("block_index", static_cast<std::int64_t>(*transfer.block_index));
    }
    write_text_unless_empty(out, "reason", transfer.reason);
    out.member("created_at", std::string_view(base::to_rfc3339(transfer.created_at)));
    out.member("updated_at", std::string_view(base::to_rfc3339(transfer.updated_at)));
    out.end_object();
}

void write(JsonWriter& out, const TransfersResponse& response) {
    out.begin_object();
    out.key("transfers").begin_array();
    for (const auto& transfer : response.transfers) write(out, transfer);
    out.end_array();
    write_text_unless_empty(out, "next_cursor", response.next_cursor);
    out.end_object();
}

Result<TransferInfo> parse_transfer_info(const Json& body) {
    TRY(const Members members, Members::of(body, ErrorCode::CorruptData, internal::kBadAnswer));
    TransferInfo transfer;
    TRY(transfer.tx_hash, members.required_text("tx_hash"));
    TRY(transfer.account_id, members.required_text("account_id"));
    TRY(transfer.to_address, members.required_text("to_address"));
    auto amount = parse_amount(members, "amount");
    if (!amount || amount->amount == base::Amount()) {
        return members.wrong("amount", "an amount above zero");
    }
    transfer.amount = amount->amount;
    transfer.form = amount->form;
    TRY(transfer.transfer_id, members.required_text("transfer_id"));
    TRY(const std::string status, members.required_text("status"));
    const auto parsed = parse_transfer_status(status);
    if (!parsed) return members.wrong("status", "a transfer's status");
    transfer.status = *parsed;
    TRY(transfer.token_address, members.required_text("token_address"));
    TRY(transfer.fee_account_id, text_or_empty(members, "fee_account_id", kAnswerTextMax));
    TRY(transfer.data, text_or_empty(members, "data", kAnswerTextMax));
    TRY(transfer.system_fee, members.required_integer("system_fee"));
    TRY(transfer.network_fee, members.required_integer("network_fee"));
    TRY(transfer.valid_until_block, block_number(members, "valid_until_block"));
    if (members.find("block_index") != nullptr) {
        TRY(transfer.block_index, block_number(members, "block_index"));
    }
    TRY(transfer.reason, text_or_empty(members, "reason", kAnswerTextMax));
    TRY(transfer.created_at, members.required_time("created_at"));
    TRY(transfer.updated_at, members.required_time("updated_at"));
    return transfer;
}

Result<TransfersResponse> parse_transfers_response(const Json& body) {
    TRY(const Members members, Members::of(body, ErrorCode::CorruptData, internal::kBadAnswer));
    TransfersResponse response;
    TRY(const Json* const array, members.array("transfers"));
    if (array != nullptr) {
        for (const Json& entry : array->items()) {
            TRY(auto transfer, parse_transfer_info(entry));
            response.transfers.push_back(std::move(transfer));
        }
    }
    TRY(response.next_cursor, text_or_empty(members, "next_cursor", kAnswerTextMax));
    return response;
}

}  // namespace adyton::api
