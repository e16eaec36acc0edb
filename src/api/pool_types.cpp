#include "api/pool_types.h"

#include <algorithm>
#include <charconv>

#include "api/internal/members.h"

namespace adyton::api {
namespace {

using base::Json;
using base::JsonWriter;
using internal::Members;

constexpr std::size_t kTxHashBytesMax = 4096;
constexpr std::size_t kTransactionTextMax = 140'000;  // base64 of the largest, 102,400 bytes
constexpr std::int64_t kNetworkMagicMax = 0xffff'ffff;
constexpr std::size_t kIdBytesMax = 256;  // service ids, account ids, lock ids: before any check

Result<Members> request_members(const Json& body) {
    return Members::of(body, ErrorCode::InvalidArgument, internal::kBadRequest);
}

Result<std::string> text_or_empty(
    const Members& members, std::string_view name, std::size_t bytes_max) {
    TRY(auto value, members.text(name, bytes_max));
    return value ? *std::move(value) : std::string();
}

// The integer at the start of a text, as C's and the original's scanning does it.
std::optional<std::int64_t> leading_integer(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc()) return std::nullopt;
    return value;
}

bool is_integer_text(std::string_view text) {
    if (!text.empty() && text.front() == '-') text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

struct ParsedAmount {
    std::int64_t units;
    AmountForm form;
};

// decisions.md 5: an integer, or the same as base-10 text.
Result<std::optional<ParsedAmount>> parse_amount(const Members& members, std::string_view name) {
    const Json* const found = members.find(name);
    if (found == nullptr) return std::optional<ParsedAmount>();
    if (!found->is_number() && !found->is_string()) {
        return members.wrong(name, "an integer or base-10 text");
    }
    const AmountForm form = found->is_number() ? AmountForm::Number : AmountForm::Text;
    const std::string& text = found->is_number() ? found->number_text() : found->string_value();
    if (!is_integer_text(text)) {
        return members.wrong(name, "an integer in the token's smallest unit");
    }
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc()) {
        return Error::unprocessable(std::string(name) + " is out of range", "amount_out_of_range");
    }
    return std::optional<ParsedAmount>(ParsedAmount{value, form});
}

Result<std::optional<std::int64_t>> parse_ttl(const Members& members) {
    TRY(const auto ttl, members.integer("ttl_seconds"));
    if (ttl && (*ttl < 1 || *ttl > kLockTtlSecondsMax)) {
        return members.wrong("ttl_seconds", "between 1 and 86400");
    }
    return ttl;
}

// base64 (the original's form), or hex of 32 bytes with or without 0x; their lengths never collide.
Result<base::Bytes> decode_digest(std::string_view text) {
    std::string_view hex = text;
    if (hex.size() == 66 && hex.substr(0, 2) == "0x") hex.remove_prefix(2);
    return hex.size() == 64 ? base::hex_decode(hex) : base::base64_decode(text);
}

Result<base::Bytes> parse_digest_text(const Members& members, const std::string& text) {
    auto bytes = decode_digest(text);
    if (!bytes) return members.wrong("tx_hash", "base64 or hex of 32 bytes");
    return bytes;
}

Result<void> parse_transaction_members(const Members& members, SignItem& item) {
    TRY(const auto text, members.text("transaction", kTransactionTextMax));
    if (text) {
        auto bytes = base::base64_decode(*text);
        if (!bytes) return members.wrong("transaction", "base64 of an unsigned transaction");
        item.transaction = *std::move(bytes);
    }
    TRY(const auto network, members.integer("network"));
    if (!network) return {};
    if (*network < 0 || *network > kNetworkMagicMax) {
        return members.wrong("network", "between 0 and 4294967295");
    }
    item.network = static_cast<std::uint32_t>(*network);
    return {};
}

Result<SignItem> parse_sign_item(const Members& members) {
    SignItem item;
    TRY(item.account_id, text_or_empty(members, "account_id", kIdBytesMax));
    TRY(const auto tx_hash, members.text("tx_hash", kTxHashBytesMax));
    if (tx_hash) {
        TRY(item.tx_hash, parse_digest_text(members, *tx_hash));
    }
    TRY(item.lock_id, text_or_empty(members, "lock_id", kIdBytesMax));
    TRY(item.fencing, members.integer("fencing"));
    TRY(const auto magic, members.integer("network_magic"));
    if (magic) {
        if (*magic < 0 || *magic > kNetworkMagicMax) {
            return members.wrong("network_magic", "between 0 and 4294967295");
        }
        item.network_magic = static_cast<std::uint32_t>(*magic);
    }
    TRY_VOID(parse_transaction_members(members, item));
    return item;
}

// The members of a signing request as plain text has them. Each may stand once; a request's own
// service_id is one of them, an item's is not.
class PlainSignReader {
public:
    PlainSignReader(base::JsonScanner& in, SignItem& item, std::string* service_id)
        : in_(in), item_(item), service_id_(service_id) {}

    // From '{' to '}'. False: not plain, or not good.
    bool read() {
        if (!in_.take('{')) return false;
        do {
            const auto name = in_.string();
            if (!name || !in_.take(':') || !read_member(*name)) return false;
        } while (in_.take(','));
        return in_.take('}');
    }

private:
    enum Member : unsigned {
        AccountId = 1,
        TxHash = 2,
        LockId = 4,
        Fencing = 8,
        Magic = 16,
        ServiceId = 32
    };

    bool first(Member member) {
        const bool repeated = (seen_ & member) != 0;
        seen_ |= member;
        return !repeated;
    }
    bool read_text(std::string& out) {
        const auto text = in_.string();
        if (!text || text->size() > kIdBytesMax) return false;
        out.assign(*text);
        return true;
    }
    bool read_digest() {
        const auto text = in_.string();
        if (!text || text->size() > kTxHashBytesMax) return false;
        auto bytes = decode_digest(*text);
        if (!bytes) return false;
        item_.tx_hash = *std::move(bytes);
        return true;
    }
    bool read_magic() {
        const auto magic = in_.integer();
        if (!magic || *magic < 0 || *magic > kNetworkMagicMax) return false;
        item_.network_magic = static_cast<std::uint32_t>(*magic);
        return true;
    }
    bool read_member(std::string_view name) {
        if (name == "account_id") return first(AccountId) && read_text(item_.account_id);
        if (name == "tx_hash") return first(TxHash) && read_digest();
        if (name == "lock_id") return first(LockId) && read_text(item_.lock_id);
        if (name == "fencing") return first(Fencing) && (item_.fencing = in_.integer());
        if (name == "network_magic") return first(Magic) && read_magic();
        if (name == "service_id" && service_id_ != nullptr) {
            return first(ServiceId) && read_text(*service_id_);
        }
        return false;
    }

    base::JsonScanner& in_;
    SignItem& item_;
    std::string* service_id_;
    unsigned seen_ = 0;
};

// The items of a batch, from '[' to ']'.
bool read_plain_items(base::JsonScanner& in, std::size_t items_max, std::vector<SignItem>& items) {
    if (!in.take('[')) return false;
    do {
        if (items.size() >= items_max) return false;
        if (!PlainSignReader(in, items.emplace_back(), nullptr).read()) return false;
    } while (in.take(','));
    return in.take(']');
}

void write_item_members(JsonWriter& out, const SignItem& item) {
    out.member("account_id", std::string_view(item.account_id));
    if (!item.transaction.empty()) {
        out.key("transaction").base64(item.transaction);
    } else {
        out.key("tx_hash").base64(item.tx_hash);
    }
    if (item.network) out.member("network", static_cast<std::int64_t>(*item.network));
    if (!item.lock_id.empty()) out.member("lock_id", std::string_view(item.lock_id));
    if (item.fencing) out.member("fencing", *item.fencing);
    if (item.network_magic) {
        out.member("network_magic", static_cast<std::int64_t>(*item.network_magic));
    }
}

void write_service_id(JsonWriter& out, const std::string& service_id) {
    if (!service_id.empty()) out.member("service_id", std::string_view(service_id));
}

}  // namespace

Result<Json> parse_request_body(std::string_view body) {
    auto json = Json::parse(body);
    if (!json) {
        return std::move(json).error().with_context(internal::kBadRequest);
    }
    if (!json->is_object()) {
        return Error::invalid_argument(std::string(internal::kBadRequest) + ": must be an object");
    }
    return json;
}

AccountsQuery parse_accounts_query(
    std::optional<std::string_view> service_id, std::optional<std::string_view> token,
    std::optional<std::string_view> min_balance) {
    AccountsQuery query;
    query.service_id = service_id.value_or("");
    query.token = token.value_or("");
    if (min_balance) query.min_balance = leading_integer(*min_balance);
    return query;
}

LowBalanceQuery parse_low_balance_query(
    std::optional<std::string_view> token, std::optional<std::string_view> max_balance,
    std::optional<std::string_view> limit) {
    LowBalanceQuery query;
    if (token && !token->empty()) query.token = *token;
    if (max_balance) query.max_balance = leading_integer(*max_balance).value_or(query.max_balance);
    const std::int64_t wanted = limit ? leading_integer(*limit).value_or(0) : 0;
    if (wanted > 0) query.limit = wanted > 100 ? 100 : wanted;
    return query;
}

Result<crypto::Sha256Digest> signing_digest(const SignItem& item) {
    if (item.account_id.empty() || item.tx_hash.empty()) {
        return Error::invalid_argument("account_id and tx_hash required", "missing_field");
    }
    if (item.tx_hash.size() != crypto::Sha256Digest::kSize) {
        return Error::invalid_argument("tx_hash must be 32 bytes", "bad_digest");
    }
    if (!item.network_magic) return crypto::Sha256Digest::parse(item.tx_hash);
    std::array<std::uint8_t, 4> magic{};
    for (std::size_t i = 0; i < magic.size(); ++i) {
        magic[i] = static_cast<std::uint8_t>(*item.network_magic >> (8 * i));
    }
    return crypto::Sha256().update(magic).update(item.tx_hash).finish();
}

std::string_view to_string(FreezeScope scope) {
    switch (scope) {
        case FreezeScope::Pool:
            return "pool";
        case FreezeScope::Service:
            return "service";
        case FreezeScope::Account:
            return "account";
    }
    return "pool";
}

Result<AccountsRequest> parse_accounts_request(const Json& body) {
    TRY(const auto members, request_members(body));
    AccountsRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(const auto count, members.integer("count"));
    request.count = count.value_or(1);
    if (request.count < 1) request.count = 1;
    if (request.count > kRequestCountMax) return members.wrong("count", "between 1 and 100");
    TRY(request.purpose, text_or_empty(members, "purpose", kPurposeBytesMax));
    TRY(request.ttl_seconds, parse_ttl(members));
    return request;
}

Result<ReleaseRequest> parse_release_request(const Json& body) {
    TRY(const auto members, request_members(body));
    ReleaseRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(request.lock_id, text_or_empty(members, "lock_id", kIdBytesMax));
    TRY(const Json* const ids, members.array("account_ids"));
    if (ids == nullptr) return request;
    if (ids->size() > kReleaseIdsMax) return members.wrong("account_ids", "at most 10000 ids");
    request.account_ids.reserve(ids->size());
    for (const Json& id : ids->items()) {
        if (!id.is_string()) return members.wrong("account_ids", "an array of strings");
        request.account_ids.push_back(id.string_value());
    }
    return request;
}

Result<RenewRequest> parse_renew_request(const Json& body) {
    TRY(const auto members, request_members(body));
    RenewRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(request.lock_id, text_or_empty(members, "lock_id", kIdBytesMax));
    if (request.lock_id.empty()) {
        return Error::invalid_argument("lock_id required", "missing_field");
    }
    TRY(request.ttl_seconds, parse_ttl(members));
    return request;
}

Result<SignRequest> parse_sign_request(const Json& body) {
    TRY(const auto members, request_members(body));
    SignRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(request.item, parse_sign_item(members));
    return request;
}

std::optional<SignRequest> read_plain_sign_request(std::string_view body) {
    base::JsonScanner in(body);
    std::optional<SignRequest> request(std::in_place);
    if (!PlainSignReader(in, request->item, &request->service_id).read() || !in.at_end()) {
        request.reset();
    }
    return request;
}

std::optional<BatchSignRequest> read_plain_batch_sign_request(
    std::string_view body, std::size_t items_max) {
    constexpr std::size_t kUsualItems = 100;
    base::JsonScanner in(body);
    BatchSignRequest request;
    request.requests.reserve(std::min(items_max, kUsualItems));
    bool items_seen = false;
    bool service_seen = false;
    if (!in.take('{')) return std::nullopt;
    do {
        const auto name = in.string();
        if (!name || !in.take(':')) return std::nullopt;
        if (*name == "requests" && !items_seen) {
            items_seen = true;
            if (!read_plain_items(in, items_max, request.requests)) return std::nullopt;
        } else if (*name == "service_id" && !service_seen) {
            service_seen = true;
            const auto id = in.string();
            if (!id || id->size() > kIdBytesMax) return std::nullopt;
            request.service_id.assign(*id);
        } else {
            return std::nullopt;
        }
    } while (in.take(','));
    if (!in.take('}') || !in.at_end()) return std::nullopt;
    return request;
}

Result<BatchSignRequest> parse_batch_sign_request(const Json& body, std::size_t items_max) {
    TRY(const auto members, request_members(body));
    BatchSignRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(const Json* const requests, members.array("requests"));
    if (requests == nullptr) return request;
    if (requests->size() > items_max) {
        return members.wrong("requests", "at most " + std::to_string(items_max) + " items");
    }
    request.requests.reserve(requests->size());
    for (const Json& entry : requests->items()) {
        TRY(const auto item_members, request_members(entry));
        TRY(auto item, parse_sign_item(item_members));
        request.requests.push_back(std::move(item));
    }
    return request;
}

Result<BalanceRequest> parse_balance_request(const Json& body) {
    TRY(const auto members, request_members(body));
    BalanceRequest request;
    TRY(request.service_id, text_or_empty(members, "service_id", kIdBytesMax));
    TRY(request.account_id, text_or_empty(members, "account_id", kIdBytesMax));
    if (request.account_id.empty()) {
        return Error::invalid_argument("account_id required", "missing_field");
    }
    TRY(auto token, text_or_empty(members, "token", kTokenBytesMax));
    if (!token.empty()) request.token = std::move(token);
    TRY(request.script_hash, text_or_empty(members, "script_hash", kScriptHashBytesMax));
    TRY(const auto delta, parse_amount(members, "delta"));
    TRY(const auto absolute, parse_amount(members, "absolute"));
    if (delta) request.delta = delta->units;
    if (absolute) request.absolute = absolute->units;
    const bool text = (delta && delta->form == AmountForm::Text) ||
                      (absolute && absolute->form == AmountForm::Text);
    request.form = text ? AmountForm::Text : AmountForm::Number;
    return request;
}

Result<FreezeRequest> parse_freeze_request(const Json& body) {
    TRY(const auto members, request_members(body));
    FreezeRequest request;
    TRY(const auto scope, text_or_empty(members, "scope", kIdBytesMax));
    if (scope == "pool") {
        request.scope = FreezeScope::Pool;
    } else if (scope == "service") {
        request.scope = FreezeScope::Service;
    } else if (scope == "account") {
        request.scope = FreezeScope::Account;
    } else {
        return members.wrong("scope", "pool, service or account");
    }
    TRY(request.subject, text_or_empty(members, "subject", kIdBytesMax));
    if (request.subject.empty() != (request.scope == FreezeScope::Pool)) {
        return members.wrong(
            "subject", "given for a service or an account, and absent for the pool");
    }
    TRY(request.reason, text_or_empty(members, "reason", kFreezeReasonBytesMax));
    return request;
}

Result<GrowRequest> parse_grow_request(const Json& body) {
    TRY(const auto members, request_members(body));
    TRY(const auto to, members.integer("to"));
    if (!to || *to < 1) return members.wrong("to", "a positive number of accounts");
    return GrowRequest{*to};
}

void write(JsonWriter& out, const AccountsRequest& request) {
    out.begin_object();
    write_service_id(out, request.service_id);
    out.member("count", request.count);
    if (!request.purpose.empty()) out.member("purpose", std::string_view(request.purpose));
    if (request.ttl_seconds) out.member("ttl_seconds", *request.ttl_seconds);
    out.end_object();
}

void write(JsonWriter& out, const ReleaseRequest& request) {
    out.begin_object();
    write_service_id(out, request.service_id);
    if (!request.account_ids.empty()) {
        out.key("account_ids").begin_array();
        for (const auto& id : request.account_ids) out.value(std::string_view(id));
        out.end_array();
    }
    if (!request.lock_id.empty()) out.member("lock_id", std::string_view(request.lock_id));
    out.end_object();
}

void write(JsonWriter& out, const RenewRequest& request) {
    out.begin_object();
    write_service_id(out, request.service_id);
    out.member("lock_id", std::string_view(request.lock_id));
    if (request.ttl_seconds) out.member("ttl_seconds", *request.ttl_seconds);
    out.end_object();
}

void write(JsonWriter& out, const SignRequest& request) {
    out.begin_object();
    write_service_id(out, request.service_id);
    write_item_members(out, request.item);
    out.end_object();
}

void write(JsonWriter& out, const BatchSignRequest& request) {
    out.begin_object();
    write_service_id(out, request.service_id);
    out.key("requests").begin_array();
    for (const auto& item : request.requests) {
        out.begin_object();
        write_item_members(out, item);
        out.end_object();
    }
    out.end_array().end_object();
}

void write(JsonWriter& out, const BalanceRequest& request) {
    const auto amount = [&](std::string_view name, std::int64_t units) {
        out.key(name);
        if (request.form == AmountForm::Text) {
            out.value(std::string_view(std::to_string(units)));
        } else {
            out.value(units);
        }
    };
    out.begin_object();
    write_service_id(out, request.service_id);
    out.member("account_id", std::string_view(request.account_id));
    out.member("token", std::string_view(request.token));
    if (!request.script_hash.empty()) {
        out.member("script_hash", std::string_view(request.script_hash));
    }
    if (request.absolute) {
        amount("absolute", *request.absolute);
    } else {
        amount("delta", request.delta);
    }
    out.end_object();
}

void write(JsonWriter& out, const FreezeRequest& request) {
    out.begin_object();
    out.member("scope", to_string(request.scope));
    if (!request.subject.empty()) out.member("subject", std::string_view(request.subject));
    if (!request.reason.empty()) out.member("reason", std::string_view(request.reason));
    out.end_object();
}

void write(JsonWriter& out, const GrowRequest& request) {
    out.begin_object().member("to", request.to).end_object();
}

}  // namespace adyton::api
