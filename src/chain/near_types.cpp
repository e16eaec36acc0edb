#include "chain/near_types.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "chain/internal/members.h"
#include "chain/internal/texts.h"

namespace adyton::chain {
namespace {

constexpr std::size_t kFailureBytesMax = 4096;
constexpr std::size_t kLogsMax = 100;
constexpr std::size_t kLogBytesMax = 16 * 1024;

using internal::hash_member;
using internal::malformed;
using internal::member;
using internal::text_member;

Result<near::YoctoNear> yocto_member(const base::Json& object, std::string_view name) {
    TRY(const std::string_view text, text_member(object, name));
    const Result<near::YoctoNear> amount = near::YoctoNear::parse(text);
    if (!amount) return malformed(name);
    return *amount;
}

// Flat errors are refused by their callers; here they have none of the members.
Result<NearAccessKey::FunctionCall> parse_function_call(const base::Json& json) {
    NearAccessKey::FunctionCall out;
    const base::Json* allowance = json.find("allowance");
    if (allowance == nullptr) return malformed("allowance");
    if (!allowance->is_null()) {
        TRY(out.allowance, yocto_member(json, "allowance"));
    }
    TRY(const std::string_view receiver, text_member(json, "receiver_id"));
    out.receiver_id = internal::presentable(receiver, near::AccountId::kLengthMax);
    TRY(const base::Json* methods, member(json, "method_names"));
    if (!methods->is_array()) return malformed("method_names");
    for (const base::Json& method : methods->items()) {
        if (!method.is_string()) return malformed("method_names");
        out.method_names.push_back(method.string_value());
    }
    return out;
}

Result<base::Bytes> byte_numbers(const base::Json& list) {
    if (!list.is_array()) return malformed("result");
    base::Bytes out;
    out.reserve(list.size());
    for (const base::Json& item : list.items()) {
        const Result<std::uint64_t> number = item.as_uint64();
        if (!number || *number > 255) return malformed("result");
        out.push_back(static_cast<std::uint8_t>(*number));
    }
    return out;
}

Result<void> parse_status(const base::Json& status, NearTransaction& out) {
    using Status = NearTransaction::Status;
    if (status.is_string()) {
        if (status.string_value() == "NotStarted" || status.string_value() == "Unknown") {
            out.status = Status::NotStarted;
        } else if (status.string_value() == "Started") {
            out.status = Status::Started;
        } else {
            return malformed("status");
        }
        return {};
    }
    if (!status.is_object() || status.size() != 1) return malformed("status");
    const auto& [name, value] = status.members().front();
    if (name == "SuccessValue") {
        if (!value.is_string()) return malformed("status");
        Result<base::Bytes> bytes = base::base64_decode(value.string_value());
        if (!bytes) return malformed("status");
        out.status = Status::Success;
        out.value = *std::move(bytes);
        return {};
    }
    if (name != "Failure" || value.is_null()) return malformed("status");
    out.status = Status::Failure;
    out.failure = internal::presentable(value.dump(), kFailureBytesMax);
    return {};
}

template <std::size_t N>
bool is_one_of(const std::string& text, const std::array<std::string_view, N>& names) {
    return std::find(names.begin(), names.end(), text) != names.end();
}

}  // namespace

const Result<near::TransactionStatus>& NearTransaction::facts() const {
    if (facts_ == nullptr) {
        facts_ = std::make_shared<const Result<near::TransactionStatus>>(
            near::parse_transaction_status(result));
    }
    return *facts_;
}

std::optional<std::string> flat_error(const base::Json& result) {
    const base::Json* error = result.find("error");
    if (error == nullptr || error->is_null()) return std::nullopt;
    return internal::presentable(
        error->is_string() ? error->string_value() : error->dump(), kRpcTextBytesMax);
}

bool is_missing(const RpcError& error) {
    static constexpr std::array<std::string_view, 3> kCauses = {
        "UNKNOWN_ACCOUNT", "UNKNOWN_ACCESS_KEY", "NO_CONTRACT_CODE"};
    return is_one_of(error.cause, kCauses);
}

bool is_missing(const std::string& flat_error) {
    return flat_error.find("does not exist") != std::string::npos &&
           flat_error.find("wasm execution failed") == std::string::npos;
}

bool is_unknown_near_transaction(const RpcError& error) {
    return error.cause == "UNKNOWN_TRANSACTION";
}

Result<NearBlock> parse_near_block(const base::Json& result) {
    TRY(const base::Json* header, member(result, "header"));
    NearBlock out;
    TRY(out.height, internal::unsigned_member<std::uint64_t>(*header, "height"));
    TRY(out.hash, hash_member<near::BlockHash>(*header, "hash"));
    TRY(out.timestamp_ns, internal::unsigned_member<std::uint64_t>(*header, "timestamp"));
    const base::Json* const before = header->find("prev_height");
    if (before == nullptr || before->is_null()) return out;
    NearBlock::Link previous;
    TRY(previous.height, internal::unsigned_member<std::uint64_t>(*header, "prev_height"));
    TRY(previous.hash, hash_member<near::BlockHash>(*header, "prev_hash"));
    if (previous.height >= out.height) return malformed("prev_height");
    out.previous = previous;
    return out;
}

Result<NearAccessKey> parse_near_access_key(const base::Json& result) {
    if (flat_error(result)) return malformed("access key");
    NearAccessKey out;
    TRY(out.nonce, internal::unsigned_member<std::uint64_t>(result, "nonce"));
    TRY(out.block_height, internal::unsigned_member<std::uint64_t>(result, "block_height"));
    TRY(out.block_hash, hash_member<near::BlockHash>(result, "block_hash"));
    TRY(const base::Json* permission, member(result, "permission"));
    if (permission->is_string()) {
        if (permission->string_value() != "FullAccess") return malformed("permission");
        return out;
    }
    TRY(const base::Json* call, member(*permission, "FunctionCall"));
    TRY(out.function_call, parse_function_call(*call));
    return out;
}

Result<NearAccount> parse_near_account(const base::Json& result) {
    if (flat_error(result)) return malformed("account");
    NearAccount out;
    TRY(out.amount, yocto_member(result, "amount"));
    TRY(out.locked, yocto_member(result, "locked"));
    TRY(out.code_hash, hash_member<near::CodeHash>(result, "code_hash"));
    TRY(out.storage_bytes, internal::unsigned_member<std::uint64_t>(result, "storage_usage"));
    TRY(out.block_height, internal::unsigned_member<std::uint64_t>(result, "block_height"));
    return out;
}

Result<NearView> parse_near_view(const base::Json& result) {
    if (flat_error(result)) return malformed("result");
    NearView out;
    TRY(const base::Json* bytes, member(result, "result"));
    TRY(out.result, byte_numbers(*bytes));
    TRY(const base::Json* logs, member(result, "logs"));
    if (!logs->is_array()) return malformed("logs");
    for (const base::Json& line : logs->items()) {
        if (!line.is_string()) return malformed("logs");
        if (out.logs.size() == kLogsMax) break;
        out.logs.push_back(internal::presentable(line.string_value(), kLogBytesMax));
    }
    TRY(out.block_height, internal::unsigned_member<std::uint64_t>(result, "block_height"));
    TRY(out.block_hash, hash_member<near::BlockHash>(result, "block_hash"));
    return out;
}

Result<NearTransaction> parse_near_transaction(base::Json result) {
    NearTransaction out;
    if (const base::Json* level = result.find("final_execution_status")) {
        if (!level->is_string()) return malformed("final_execution_status");
        out.execution_status = internal::presentable(level->string_value(), 64);
    }
    // A node that has only the transaction yet tells no status.
    const base::Json* status = result.find("status");
    if (status == nullptr && out.execution_status.empty()) return malformed("status");
    if (status != nullptr) {
        TRY_VOID(parse_status(*status, out));
    }
    out.result = std::move(result);
    return out;
}

Result<std::string> parse_near_chain_id(const base::Json& result) {
    TRY(const std::string_view text, text_member(result, "chain_id"));
    return internal::presentable(text, 64);
}

Result<near::TransactionHash> parse_near_sent_hash(const base::Json& result) {
    if (!result.is_string()) return malformed("hash");
    const Result<near::TransactionHash> hash = near::TransactionHash::parse(result.string_value());
    if (!hash) return malformed("hash");
    return *hash;
}

}  // namespace adyton::chain
