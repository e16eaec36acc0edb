#include <limits>

#include "api/internal/members.h"
#include "api/pool_types.h"

namespace adyton::api {
namespace {

using base::Json;
using base::JsonWriter;
using internal::Members;

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

Result<Members> answer_members(const Json& body) {
    return Members::of(body, ErrorCode::CorruptData, internal::kBadAnswer);
}

Result<std::string> text_or_empty(const Members& members, std::string_view name) {
    TRY(auto value, members.text(name, kNoLimit));
    return value ? *std::move(value) : std::string();
}

Result<std::int64_t> integer_or_zero(const Members& members, std::string_view name) {
    TRY(const auto value, members.integer(name));
    return value.value_or(0);
}

Result<base::Bytes> bytes_or_empty(const Members& members, std::string_view name) {
    TRY(auto value, members.base64(name));
    return value ? *std::move(value) : base::Bytes();
}

// Reads an array of one kind of entry; an absent one is empty.
template <typename T, typename Parse>
Result<std::vector<T>> list(const Members& members, std::string_view name, Parse parse) {
    std::vector<T> out;
    TRY(const Json* const array, members.array(name));
    if (array == nullptr) return out;
    out.reserve(array->size());
    for (const Json& entry : array->items()) {
        TRY(auto item, parse(entry));
        out.push_back(std::move(item));
    }
    return out;
}

void write_text_unless_empty(JsonWriter& out, std::string_view name, std::string_view text) {
    if (!text.empty()) out.member(name, text);
}

void write_time(JsonWriter& out, std::string_view name, base::Timestamp time) {
    out.member(name, std::string_view(base::to_rfc3339(time)));
}

void write_balance(JsonWriter& out, const TokenBalance& balance) {
    out.begin_object();
    out.member("token_type", std::string_view(balance.token_type));
    out.member("script_hash", std::string_view(balance.script_hash));
    out.member("amount", balance.amount);
    out.member("decimals", balance.decimals);
    if (balance.updated_at) write_time(out, "updated_at", *balance.updated_at);
    if (balance.drift) {
        out.key("drift").begin_object();
        out.member("on_chain", std::string_view(balance.drift->on_chain));
        out.member("block_index", balance.drift->block_index);
        out.end_object();
    }
    out.end_object();
}

Result<TokenBalance> parse_balance(const Json& json) {
    TRY(const auto members, answer_members(json));
    TokenBalance balance;
    TRY(balance.token_type, members.required_text("token_type"));
    TRY(balance.script_hash, text_or_empty(members, "script_hash"));
    TRY(balance.amount, members.required_integer("amount"));
    TRY(balance.decimals, integer_or_zero(members, "decimals"));
    TRY(balance.updated_at, members.time("updated_at"));
    if (const Json* const drift = json.find("drift"); drift != nullptr && !drift->is_null()) {
        TRY(const auto parts, answer_members(*drift));
        balance.drift.emplace();
        TRY(balance.drift->on_chain, parts.required_text("on_chain"));
        TRY(balance.drift->block_index, parts.required_integer("block_index"));
    }
    return balance;
}

void write_accounts(JsonWriter& out, const std::vector<AccountInfo>& accounts) {
    out.key("accounts").begin_array();
    for (const auto& account : accounts) write(out, account);
    out.end_array();
}

Result<TokenStats> parse_token_stats(const Json& json) {
    TRY(const auto members, answer_members(json));
    TokenStats stats;
    TRY(stats.token_type, members.required_text("token_type"));
    TRY(stats.script_hash, text_or_empty(members, "script_hash"));
    TRY(stats.total_balance, members.required_integer("total_balance"));
    TRY(stats.locked_balance, members.required_integer("locked_balance"));
    TRY(stats.available_balance, members.required_integer("available_balance"));
    return stats;
}

void write_signature_members(
    JsonWriter& out, std::string_view account_id, base::ByteView signature,
    base::ByteView public_key, const SignedTransactionText& transaction) {
    out.member("account_id", account_id);
    out.key("signature").base64(signature);
    out.key("public_key").base64(public_key);
    if (transaction.tx_hash.empty()) return;
    out.member("tx_hash", transaction.tx_hash);
    out.key("explanation").raw(transaction.explanation);
}

// For tests and fakes; services write the text straight away.
std::string explanation_text(const SignResponse& response) {
    return response.explanation ? response.explanation->dump() : "null";
}

std::string as_text(const SignResponse& response) {
    const std::string explanation = explanation_text(response);
    return signed_text(
        response.account_id, response.signature, response.public_key,
        {response.tx_hash, explanation});
}

Result<BatchSignResult> parse_result(const Json& json) {
    TRY(const auto members, answer_members(json));
    BatchSignResult result;
    TRY(result.index, members.required_integer("index"));
    TRY(result.account_id, text_or_empty(members, "account_id"));
    TRY(const Json* const error, members.object("error"));
    if (error == nullptr) {
        TRY(result.signed_item, parse_sign_response(json));
        return result;
    }
    TRY(const auto error_members, answer_members(*error));
    BatchSignError parsed;
    TRY(parsed.code, text_or_empty(error_members, "code"));
    TRY(parsed.message, text_or_empty(error_members, "message"));
    TRY(parsed.reason, text_or_empty(error_members, "reason"));
    result.error = std::move(parsed);
    return result;
}

// An answer of the original has no `results`: successes keep their order, but which position a
// failure had is lost, so failures come last.
Result<std::vector<BatchSignResult>> results_of_original(const Members& members) {
    std::vector<BatchSignResult> results;
    TRY(auto signatures, list<SignResponse>(members, "signatures", parse_sign_response));
    for (auto& signature : signatures) {
        BatchSignResult result;
        result.index = static_cast<std::int64_t>(results.size());
        result.account_id = signature.account_id;
        result.signed_item = std::move(signature);
        results.push_back(std::move(result));
    }
    TRY(const Json* const errors, members.array("errors"));
    if (errors == nullptr) return results;
    for (const Json& entry : errors->items()) {
        if (!entry.is_string()) return members.wrong("errors", "an array of strings");
        const std::string& line = entry.string_value();
        const std::size_t colon = line.find(": ");
        BatchSignResult result;
        result.index = static_cast<std::int64_t>(results.size());
        result.account_id = line.substr(0, colon);
        result.error =
            BatchSignError{{}, colon == std::string::npos ? line : line.substr(colon + 2), {}};
        results.push_back(std::move(result));
    }
    return results;
}

Result<FreezeScope> parse_scope(const Members& members) {
    TRY(const auto text, members.required_text("scope"));
    for (const auto scope : {FreezeScope::Pool, FreezeScope::Service, FreezeScope::Account}) {
        if (text == to_string(scope)) return scope;
    }
    return members.wrong("scope", "pool, service or account");
}

Result<FreezeInfo> parse_freeze_info(const Json& json) {
    TRY(const auto members, answer_members(json));
    FreezeInfo freeze;
    TRY(freeze.scope, parse_scope(members));
    TRY(freeze.subject, text_or_empty(members, "subject"));
    TRY(freeze.reason, text_or_empty(members, "reason"));
    TRY(freeze.actor, text_or_empty(members, "actor"));
    TRY(freeze.created_at, members.required_time("created_at"));
    return freeze;
}

Result<AllocationInfo> parse_allocation_info(const Json& json) {
    TRY(const auto members, answer_members(json));
    AllocationInfo allocation;
    TRY(allocation.lock_id, members.required_text("lock_id"));
    TRY(allocation.service_id, members.required_text("service_id"));
    TRY(allocation.purpose, text_or_empty(members, "purpose"));
    TRY(allocation.created_at, members.required_time("created_at"));
    TRY(allocation.expires_at, members.required_time("expires_at"));
    TRY(allocation.ttl_seconds, integer_or_zero(members, "ttl_seconds"));
    TRY(allocation.account_count, integer_or_zero(members, "account_count"));
    return allocation;
}

}  // namespace

void write(JsonWriter& out, const AccountInfo& account) {
    out.begin_object();
    out.member("id", std::string_view(account.id));
    out.member("address", std::string_view(account.address));
    write_time(out, "created_at", account.created_at);
    write_time(out, "last_used_at", account.last_used_at);
    out.member("tx_count", account.tx_count);
    out.member("is_retiring", account.is_retiring);
    if (!account.locked_by.empty()) {
        out.member("locked_by", std::string_view(account.locked_by));
        if (account.locked_at) write_time(out, "locked_at", *account.locked_at);
        write_text_unless_empty(out, "lock_id", account.lock_id);
        if (account.lock_expires_at) write_time(out, "lock_expires_at", *account.lock_expires_at);
        out.member("fencing", account.fencing);
    }
    out.key("balances").begin_object();
    for (const auto& [key, balance] : account.balances) {
        out.key(key);
        write_balance(out, balance);
    }
    out.end_object().end_object();
}

void write(JsonWriter& out, const AccountsResponse& response) {
    out.begin_object();
    write_accounts(out, response.accounts);
    out.end_object();
}

void write(JsonWriter& out, const PoolInfoResponse& response) {
    out.begin_object();
    out.member("total_accounts", response.total_accounts);
    out.member("active_accounts", response.active_accounts);
    out.member("locked_accounts", response.locked_accounts);
    out.member("retiring_accounts", response.retiring_accounts);
    out.key("token_stats").begin_object();
    for (const auto& [key, stats] : response.token_stats) {
        out.key(key).begin_object();
        out.member("token_type", std::string_view(stats.token_type));
        out.member("script_hash", std::string_view(stats.script_hash));
        out.member("total_balance", stats.total_balance);
        out.member("locked_balance", stats.locked_balance);
        out.member("available_balance", stats.available_balance);
        out.end_object();
    }
    out.end_object().end_object();
}

void write(JsonWriter& out, const MasterKeyResponse& response) {
    const auto bytes = [&](std::string_view name, const base::Bytes& value) {
        if (!value.empty()) out.member(name, std::string_view(base::base64_encode(value)));
    };
    out.begin_object();
    out.member("hash", std::string_view(response.hash));
    out.member("pubkey", std::string_view(response.pubkey));
    write_text_unless_empty(out, "attestation_hash", response.attestation_hash);
    bytes("quote", response.quote);
    bytes("mrenclave", response.mrenclave);
    bytes("mrsigner", response.mrsigner);
    if (response.prod_id != 0) out.member("prod_id", response.prod_id);
    if (response.isvsvn != 0) out.member("isvsvn", response.isvsvn);
    out.member("timestamp", std::string_view(base::to_rfc3339_seconds(response.timestamp)));
    out.member("source", std::string_view(response.source));
    out.member("simulated", response.simulated);
    if (!response.attestation.empty()) out.key("attestation").raw(response.attestation);
    out.end_object();
}

void write(JsonWriter& out, const AllocationResponse& response) {
    out.begin_object();
    write_accounts(out, response.accounts);
    out.member("lock_id", std::string_view(response.lock_id));
    if (response.expires_at) write_time(out, "expires_at", *response.expires_at);
    out.end_object();
}

void write(JsonWriter& out, const ReleaseResponse& response) {
    out.begin_object().member("released_count", response.released_count).end_object();
}

void write(JsonWriter& out, const RenewResponse& response) {
    out.begin_object();
    out.member("lock_id", std::string_view(response.lock_id));
    write_time(out, "expires_at", response.expires_at);
    out.member("account_count", response.account_count);
    out.end_object();
}

void write(JsonWriter& out, const SignResponse& response) {
    out.raw(as_text(response));
}

std::string signed_text(
    std::string_view account_id, base::ByteView signature, base::ByteView public_key,
    const SignedTransactionText& transaction) {
    std::string text;
    text.reserve(256 + transaction.explanation.size());
    JsonWriter out(text);
    out.begin_object();
    write_signature_members(out, account_id, signature, public_key, transaction);
    out.end_object();
    return text;
}

BatchSignWriter::BatchSignWriter(std::size_t items) {
    constexpr std::size_t kItemBytes = 232;
    out_.reserve(2 * items * kItemBytes + 64);
    results_.reserve(items * kItemBytes);
    out_ += "{\"signatures\":[";
}

void BatchSignWriter::add_signature(
    std::string_view account_id, base::ByteView signature, base::ByteView public_key,
    const SignedTransactionText& transaction) {
    if (any_signature_) out_ += ',';
    any_signature_ = true;
    const std::size_t begin = out_.size();
    JsonWriter out(out_);
    out.begin_object();
    write_signature_members(out, account_id, signature, public_key, transaction);
    out.end_object();
    if (count_ > 0) results_ += ',';
    JsonWriter results(results_);
    results.begin_object().member("index", count_++);
    results_ += ',';
    results_.append(out_, begin + 1);  // its members and its end
}

void BatchSignWriter::add_error(std::string_view account_id, const BatchSignError& error) {
    if (!errors_.empty()) errors_ += ',';
    JsonWriter(errors_).value(std::string_view(std::string(account_id) + ": " + error.message));
    if (count_ > 0) results_ += ',';
    JsonWriter results(results_);
    results.begin_object().member("index", count_++);
    results.member("account_id", account_id);
    results.key("error").begin_object();
    results.member("code", std::string_view(error.code));
    results.member("message", std::string_view(error.message));
    write_text_unless_empty(results, "reason", error.reason);
    results.end_object().end_object();
}

std::string BatchSignWriter::finish() && {
    out_ += ']';
    if (!errors_.empty()) {
        out_ += ",\"errors\":[";
        out_ += errors_;
        out_ += ']';
    }
    out_ += ",\"results\":[";
    out_ += results_;
    out_ += "]}";
    return std::move(out_);
}

void write(JsonWriter& out, const BatchSignResponse& response) {
    BatchSignWriter writer(response.results.size());
    for (const BatchSignResult& result : response.results) {
        if (result.signed_item) {
            const SignResponse& made = *result.signed_item;
            const std::string explanation = explanation_text(made);
            writer.add_signature(
                made.account_id, made.signature, made.public_key, {made.tx_hash, explanation});
        } else {
            writer.add_error(result.account_id, result.error.value_or(BatchSignError{}));
        }
    }
    out.raw(std::move(writer).finish());
}

void write(JsonWriter& out, const BalanceResponse& response) {
    const auto amount = [&](std::string_view name, std::int64_t units) {
        out.key(name);
        if (response.form == AmountForm::Text) {
            out.value(std::string_view(std::to_string(units)));
        } else {
            out.value(units);
        }
    };
    out.begin_object();
    out.member("account_id", std::string_view(response.account_id));
    out.member("token", std::string_view(response.token));
    amount("old_balance", response.old_balance);
    amount("new_balance", response.new_balance);
    out.member("tx_count", response.tx_count);
    out.end_object();
}

void write(JsonWriter& out, const FreezeResponse& response) {
    out.begin_object();
    out.member("frozen", response.frozen).member("changed", response.changed);
    out.end_object();
}

void write(JsonWriter& out, const FreezesResponse& response) {
    out.begin_object().key("freezes").begin_array();
    for (const auto& freeze : response.freezes) {
        out.begin_object();
        out.member("scope", to_string(freeze.scope));
        write_text_unless_empty(out, "subject", freeze.subject);
        out.member("reason", std::string_view(freeze.reason));
        out.member("actor", std::string_view(freeze.actor));
        write_time(out, "created_at", freeze.created_at);
        out.end_object();
    }
    out.end_array().end_object();
}

void write(JsonWriter& out, const GrowResponse& response) {
    out.begin_object();
    out.member("created", response.created);
    out.member("total_accounts", response.total_accounts);
    out.member("target", response.target);
    out.member("complete", response.complete);
    out.end_object();
}

void write(JsonWriter& out, const AllocationsResponse& response) {
    out.begin_object().key("allocations").begin_array();
    for (const auto& allocation : response.allocations) {
        out.begin_object();
        out.member("lock_id", std::string_view(allocation.lock_id));
        out.member("service_id", std::string_view(allocation.service_id));
        out.member("purpose", std::string_view(allocation.purpose));
        write_time(out, "created_at", allocation.created_at);
        write_time(out, "expires_at", allocation.expires_at);
        out.member("ttl_seconds", allocation.ttl_seconds);
        out.member("account_count", allocation.account_count);
        out.end_object();
    }
    out.end_array().end_object();
}

void write(JsonWriter& out, const CheckpointResponse& response) {
    out.begin_object();
    out.member("number", response.number);
    out.member("hash", std::string_view(response.hash));
    write_time(out, "created_at", response.created_at);
    out.end_object();
}

Result<AccountInfo> parse_account_info(const Json& body) {
    TRY(const auto members, answer_members(body));
    AccountInfo account;
    TRY(account.id, members.required_text("id"));
    TRY(account.address, members.required_text("address"));
    TRY(account.created_at, members.required_time("created_at"));
    TRY(account.last_used_at, members.required_time("last_used_at"));
    TRY(account.tx_count, integer_or_zero(members, "tx_count"));
    TRY(const auto retiring, members.boolean("is_retiring"));
    account.is_retiring = retiring.value_or(false);
    TRY(account.locked_by, text_or_empty(members, "locked_by"));
    TRY(account.locked_at, members.time("locked_at"));
    TRY(account.lock_id, text_or_empty(members, "lock_id"));
    TRY(account.lock_expires_at, members.time("lock_expires_at"));
    TRY(account.fencing, integer_or_zero(members, "fencing"));
    TRY(const Json* const balances, members.object("balances"));
    if (balances == nullptr) return account;
    for (const auto& [key, value] : balances->members()) {
        TRY(auto balance, parse_balance(value));
        account.balances.emplace_back(key, std::move(balance));
    }
    return account;
}

Result<AccountsResponse> parse_accounts_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    AccountsResponse response;
    TRY(response.accounts, list<AccountInfo>(members, "accounts", parse_account_info));
    return response;
}

Result<PoolInfoResponse> parse_pool_info_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    PoolInfoResponse response;
    TRY(response.total_accounts, members.required_integer("total_accounts"));
    TRY(response.active_accounts, members.required_integer("active_accounts"));
    TRY(response.locked_accounts, members.required_integer("locked_accounts"));
    TRY(response.retiring_accounts, members.required_integer("retiring_accounts"));
    TRY(const Json* const stats, members.object("token_stats"));
    if (stats == nullptr) return response;
    for (const auto& [key, value] : stats->members()) {
        TRY(auto parsed, parse_token_stats(value));
        response.token_stats.emplace_back(key, std::move(parsed));
    }
    return response;
}

Result<MasterKeyResponse> parse_master_key_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    MasterKeyResponse response;
    TRY(response.hash, members.required_text("hash"));
    TRY(response.pubkey, members.required_text("pubkey"));
    TRY(response.attestation_hash, text_or_empty(members, "attestation_hash"));
    TRY(response.quote, bytes_or_empty(members, "quote"));
    TRY(response.mrenclave, bytes_or_empty(members, "mrenclave"));
    TRY(response.mrsigner, bytes_or_empty(members, "mrsigner"));
    TRY(response.prod_id, integer_or_zero(members, "prod_id"));
    TRY(response.isvsvn, integer_or_zero(members, "isvsvn"));
    TRY(response.timestamp, members.required_time("timestamp"));
    TRY(response.source, text_or_empty(members, "source"));
    TRY(const auto simulated, members.boolean("simulated"));
    response.simulated = simulated.value_or(false);
    if (const Json* const bundle = body.find("attestation")) response.attestation = bundle->dump();
    return response;
}

Result<AllocationResponse> parse_allocation_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    AllocationResponse response;
    TRY(response.accounts, list<AccountInfo>(members, "accounts", parse_account_info));
    TRY(response.lock_id, members.required_text("lock_id"));
    TRY(response.expires_at, members.time("expires_at"));
    return response;
}

Result<ReleaseResponse> parse_release_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    TRY(const auto count, members.required_integer("released_count"));
    return ReleaseResponse{count};
}

Result<RenewResponse> parse_renew_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    RenewResponse response;
    TRY(response.lock_id, members.required_text("lock_id"));
    TRY(response.expires_at, members.required_time("expires_at"));
    TRY(response.account_count, integer_or_zero(members, "account_count"));
    return response;
}

Result<SignResponse> parse_sign_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    SignResponse response;
    TRY(response.account_id, members.required_text("account_id"));
    TRY(response.signature, bytes_or_empty(members, "signature"));
    TRY(response.public_key, bytes_or_empty(members, "public_key"));
    if (response.signature.size() != 64) return members.wrong("signature", "64 bytes");
    if (response.public_key.size() != 33) return members.wrong("public_key", "33 bytes");
    TRY(response.tx_hash, text_or_empty(members, "tx_hash"));
    TRY(const Json* const explanation, members.object("explanation"));
    if (explanation != nullptr) response.explanation = *explanation;
    return response;
}

Result<BatchSignResponse> parse_batch_sign_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    BatchSignResponse response;
    if (members.find("results") == nullptr) {
        TRY(response.results, results_of_original(members));
        return response;
    }
    TRY(response.results, list<BatchSignResult>(members, "results", parse_result));
    return response;
}

Result<BalanceResponse> parse_balance_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    BalanceResponse response;
    TRY(response.account_id, members.required_text("account_id"));
    TRY(response.token, members.required_text("token"));
    const auto amount = [&](std::string_view name) -> Result<std::int64_t> {
        const Json* const found = members.find(name);
        if (found == nullptr || !found->is_string()) return members.required_integer(name);
        response.form = AmountForm::Text;
        TRY(const auto number, Json::parse(found->string_value()));
        return number.as_int64();
    };
    auto old_balance = amount("old_balance");
    if (!old_balance) return members.wrong("old_balance", "an amount");
    auto new_balance = amount("new_balance");
    if (!new_balance) return members.wrong("new_balance", "an amount");
    response.old_balance = *old_balance;
    response.new_balance = *new_balance;
    TRY(response.tx_count, integer_or_zero(members, "tx_count"));
    return response;
}

Result<FreezeResponse> parse_freeze_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    TRY(const auto frozen, members.boolean("frozen"));
    TRY(const auto changed, members.boolean("changed"));
    return FreezeResponse{frozen.value_or(false), changed.value_or(false)};
}

Result<FreezesResponse> parse_freezes_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    FreezesResponse response;
    TRY(response.freezes, list<FreezeInfo>(members, "freezes", parse_freeze_info));
    return response;
}

Result<GrowResponse> parse_grow_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    GrowResponse response;
    TRY(response.created, members.required_integer("created"));
    TRY(response.total_accounts, members.required_integer("total_accounts"));
    TRY(response.target, members.required_integer("target"));
    TRY(const auto complete, members.boolean("complete"));
    response.complete = complete.value_or(false);
    return response;
}

Result<AllocationsResponse> parse_allocations_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    AllocationsResponse response;
    TRY(response.allocations, list<AllocationInfo>(members, "allocations", parse_allocation_info));
    return response;
}

Result<CheckpointResponse> parse_checkpoint_response(const Json& body) {
    TRY(const auto members, answer_members(body));
    CheckpointResponse response;
    TRY(response.number, members.required_integer("number"));
    TRY(response.hash, members.required_text("hash"));
    TRY(response.created_at, members.required_time("created_at"));
    return response;
}

}  // namespace adyton::api
