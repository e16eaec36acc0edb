#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

// What goes over the wire to and from the account pool: one struct a message, used by the server
// and by the client alike. Requests are parsed strictly (unknown members are ignored, everything
// else that does not fit is InvalidArgument "invalid request body: ..."); null counts as absent, as
// Go clients send it. Member names are exact. Byte strings travel as base64 with padding.
namespace adyton::api {

inline constexpr std::int64_t kTrackedBalanceMax = 9'007'199'254'740'991;  // 2^53 - 1
inline constexpr std::int64_t kRequestCountMax = 100;
inline constexpr std::size_t kReleaseIdsMax = 10'000;
inline constexpr std::size_t kPurposeBytesMax = 1024;
inline constexpr std::size_t kTokenBytesMax = 32;
inline constexpr std::size_t kScriptHashBytesMax = 66;
inline constexpr std::size_t kFreezeReasonBytesMax = 256;
inline constexpr std::int64_t kLockTtlSecondsMax = 86'400;

// The body of a request as a JSON object. InvalidArgument: not JSON, or not an object.
Result<base::Json> parse_request_body(std::string_view body);

// ----- what accounts look like ------------------------------------------------------------------

// A tracked balance is not what the chain says, in two readings or more.
struct BalanceDrift {
    std::string on_chain;          // base 10, smallest unit; up to 2^128 - 1
    std::int64_t block_index = 0;  // that the reading is of

    bool operator==(const BalanceDrift&) const = default;
};

struct TokenBalance {
    std::string token_type;
    std::string script_hash;
    std::int64_t amount = 0;  // 0 to kTrackedBalanceMax
    std::int64_t decimals = 0;
    std::optional<base::Timestamp> updated_at;
    std::optional<BalanceDrift> drift;

    bool operator==(const TokenBalance&) const = default;
};

// `balances` is keyed by token type; where an account holds several tokens of one type, the one
// with the type's usual script hash has the plain key and the others "TYPE:SCRIPT_HASH".
struct AccountInfo {
    std::string id;
    std::string address;
    base::Timestamp created_at;
    base::Timestamp last_used_at;
    std::int64_t tx_count = 0;
    bool is_retiring = false;
    std::string locked_by;  // empty: not locked; the four below then mean nothing
    std::optional<base::Timestamp> locked_at;
    std::string lock_id;
    std::optional<base::Timestamp> lock_expires_at;
    std::int64_t fencing = 0;
    std::vector<std::pair<std::string, TokenBalance>> balances;

    bool operator==(const AccountInfo&) const = default;
};

struct AccountsResponse {
    std::vector<AccountInfo> accounts;
};

// ----- GET /pool-info ---------------------------------------------------------------------------

// Sums over accounts; a sum that does not fit is shown as the largest int64.
struct TokenStats {
    std::string token_type;
    std::string script_hash;
    std::int64_t total_balance = 0;
    std::int64_t locked_balance = 0;
    std::int64_t available_balance = 0;

    bool operator==(const TokenStats&) const = default;
};

struct PoolInfoResponse {
    std::int64_t total_accounts = 0;
    std::int64_t active_accounts = 0;
    std::int64_t locked_accounts = 0;
    std::int64_t retiring_accounts = 0;
    std::vector<std::pair<std::string, TokenStats>> token_stats;  // keys as in AccountInfo

    bool operator==(const PoolInfoResponse&) const = default;
};

// ----- GET /master-key --------------------------------------------------------------------------

struct MasterKeyResponse {
    std::string hash;    // 64 hex digits
    std::string pubkey;  // 66 hex digits
    std::string attestation_hash;
    base::Bytes quote;  // this and the next four only inside an enclave
    base::Bytes mrenclave;
    base::Bytes mrsigner;
    std::int64_t prod_id = 0;
    std::int64_t isvsvn = 0;
    base::Timestamp timestamp;  // whole seconds
    std::string source;
    bool simulated = false;
    std::string attestation;  // the bundle as JSON text (attest/attestation_bundle.h); may be empty
};

// ----- GET /accounts, GET /accounts/low-balance -------------------------------------------------

struct AccountsQuery {
    std::string service_id;  // empty: the caller's own
    std::string token;
    std::optional<std::int64_t> min_balance;
};

// The leading integer counts ("12abc" is 12); text without one is ignored.
AccountsQuery parse_accounts_query(
    std::optional<std::string_view> service_id, std::optional<std::string_view> token,
    std::optional<std::string_view> min_balance);

struct LowBalanceQuery {
    std::string token = "GAS";
    std::int64_t max_balance = 10'000'000;
    std::int64_t limit = 10;  // 1 to 100
};

// Values that are missing or bad become the defaults; a limit over 100 becomes 100 (A3: never 10).
LowBalanceQuery parse_low_balance_query(
    std::optional<std::string_view> token, std::optional<std::string_view> max_balance,
    std::optional<std::string_view> limit);

// ----- POST /request, /release, /renew ----------------------------------------------------------

struct AccountsRequest {
    std::string service_id;
    std::int64_t count = 1;  // 1 to kRequestCountMax; absent, 0 and less become 1
    std::string purpose;
    std::optional<std::int64_t> ttl_seconds;  // 1 to kLockTtlSecondsMax
};

struct AllocationResponse {
    std::vector<AccountInfo> accounts;
    std::string lock_id;
    std::optional<base::Timestamp> expires_at;
};

// With lock_id: that allocation (and of it only account_ids, when given). Without: account_ids, or
// when there are none everything that the caller holds.
struct ReleaseRequest {
    std::string service_id;
    std::vector<std::string> account_ids;
    std::string lock_id;
};

struct ReleaseResponse {
    std::int64_t released_count = 0;
};

struct RenewRequest {
    std::string service_id;
    std::string lock_id;
    std::optional<std::int64_t> ttl_seconds;
};

struct RenewResponse {
    std::string lock_id;
    base::Timestamp expires_at;
    std::int64_t account_count = 0;  // still held under this lock
};

// ----- POST /sign, /batch-sign ------------------------------------------------------------------

// Either a digest: what is signed is `tx_hash` itself, no further hashing; a Neo N3 witness needs
// SHA-256(magic || hash), which network_magic asks for. Or a whole unsigned `transaction` for a
// `network`: what is signed is its own digest, after it was read and judged.
struct SignItem {
    std::string account_id;
    base::Bytes tx_hash;  // checked by signing_digest()
    std::string lock_id;
    std::optional<std::int64_t> fencing;
    std::optional<std::uint32_t> network_magic;
    base::Bytes transaction = {};  // Neo N3, unsigned; checked by the pool
    std::optional<std::uint32_t> network = {};
};

// InvalidArgument: account_id or tx_hash missing, or tx_hash not 32 bytes.
Result<crypto::Sha256Digest> signing_digest(const SignItem& item);

struct SignRequest {
    std::string service_id;
    SignItem item;
};

// The same request straight from a body, in one pass, if the text is plain: base/json.h,
// JsonScanner. Nothing for other text, good or bad: parse_request_body() and parse_sign_request()
// decide then, and whatever is taken here they take too.
std::optional<SignRequest> read_plain_sign_request(std::string_view body);

struct SignResponse {
    std::string account_id;
    base::Bytes signature;   // 64 bytes, r || s
    base::Bytes public_key;  // 33 bytes, compressed
    // Of a transaction only.
    std::string tx_hash = {};                    // "0x..."
    std::optional<base::Json> explanation = {};  // neo/explain.h, to_json()

    bool operator==(const SignResponse&) const = default;
};

struct BatchSignRequest {
    std::string service_id;
    std::vector<SignItem> requests;
};

// As read_plain_sign_request().
std::optional<BatchSignRequest> read_plain_batch_sign_request(
    std::string_view body, std::size_t items_max);

struct BatchSignError {
    std::string code;  // "HTTP_409"
    std::string message;
    std::string reason;
};

struct BatchSignResult {
    std::int64_t index = 0;  // position in the request
    std::string account_id;
    std::optional<SignResponse> signed_item;  // or
    std::optional<BatchSignError> error;
};

// `signatures` and `errors` are the seed's form (successes in order, "<account_id>: <cause>");
// `results` has one entry a request, in order. The writer makes all three from `results`.
struct BatchSignResponse {
    std::vector<BatchSignResult> results;
};

// What the answer says of a transaction that was signed; empty for a digest.
struct SignedTransactionText {
    std::string_view tx_hash = {};
    std::string_view explanation = {};  // JSON
};

// Writes the answers without making the structs above: for hot paths.
std::string signed_text(
    std::string_view account_id, base::ByteView signature, base::ByteView public_key,
    const SignedTransactionText& transaction = {});

class BatchSignWriter {
public:
    explicit BatchSignWriter(std::size_t items);
    // The next item, in the order of the request.
    void add_signature(
        std::string_view account_id, base::ByteView signature, base::ByteView public_key,
        const SignedTransactionText& transaction = {});
    void add_error(std::string_view account_id, const BatchSignError& error);
    std::string finish() &&;

private:
    std::string out_;      // with the signatures
    std::string errors_;   // their lines
    std::string results_;  // each with its comma
    std::int64_t count_ = 0;
    bool any_signature_ = false;
};

// ----- POST /balance ----------------------------------------------------------------------------

// An amount is a JSON integer in the smallest unit or the same as base-10 text; the answer echoes
// the form of the request (text if either amount was text).
enum class AmountForm { Number, Text };

struct BalanceRequest {
    std::string service_id;
    std::string account_id;
    std::string token = "GAS";
    std::string script_hash;  // empty: the token's usual one
    std::int64_t delta = 0;
    std::optional<std::int64_t> absolute;  // wins over delta
    AmountForm form = AmountForm::Number;
};

struct BalanceResponse {
    std::string account_id;
    std::string token;
    std::int64_t old_balance = 0;
    std::int64_t new_balance = 0;
    std::int64_t tx_count = 0;
    AmountForm form = AmountForm::Number;

    bool operator==(const BalanceResponse&) const = default;
};

// ----- operators' routes ------------------------------------------------------------------------

enum class FreezeScope { Pool, Service, Account };
std::string_view to_string(FreezeScope scope);

struct FreezeRequest {  // POST /freeze and, without reason, POST /unfreeze
    FreezeScope scope = FreezeScope::Pool;
    std::string subject;  // a service id or an account id; empty for the pool
    std::string reason;
};

struct FreezeInfo {
    FreezeScope scope = FreezeScope::Pool;
    std::string subject;
    std::string reason;
    std::string actor;
    base::Timestamp created_at;
};

// `changed` is false when it was so already.
struct FreezeResponse {
    bool frozen = false;
    bool changed = false;
};

struct FreezesResponse {
    std::vector<FreezeInfo> freezes;
};

struct GrowRequest {
    std::int64_t to = 0;  // wanted number of accounts, 1 or more
};

struct GrowResponse {
    std::int64_t created = 0;  // by this call
    std::int64_t total_accounts = 0;
    std::int64_t target = 0;
    bool complete = false;  // false: call again, a call creates a bounded number
};

struct AllocationInfo {
    std::string lock_id;
    std::string service_id;
    std::string purpose;
    base::Timestamp created_at;
    base::Timestamp expires_at;
    std::int64_t ttl_seconds = 0;
    std::int64_t account_count = 0;  // still held
};

struct AllocationsResponse {
    std::vector<AllocationInfo> allocations;
};

struct CheckpointResponse {
    std::int64_t number = 0;
    std::string hash;  // 64 hex digits
    base::Timestamp created_at;
};

// ----- requests: text to struct, struct to text -------------------------------------------------
// All parse functions: InvalidArgument as said above; an amount outside 64 bits is Unprocessable.

Result<AccountsRequest> parse_accounts_request(const base::Json& body);
Result<ReleaseRequest> parse_release_request(const base::Json& body);
Result<RenewRequest> parse_renew_request(const base::Json& body);
Result<SignRequest> parse_sign_request(const base::Json& body);
Result<BatchSignRequest> parse_batch_sign_request(const base::Json& body, std::size_t items_max);
Result<BalanceRequest> parse_balance_request(const base::Json& body);
Result<FreezeRequest> parse_freeze_request(const base::Json& body);
Result<GrowRequest> parse_grow_request(const base::Json& body);

void write(base::JsonWriter& out, const AccountsRequest& request);
void write(base::JsonWriter& out, const ReleaseRequest& request);
void write(base::JsonWriter& out, const RenewRequest& request);
void write(base::JsonWriter& out, const SignRequest& request);
void write(base::JsonWriter& out, const BatchSignRequest& request);
void write(base::JsonWriter& out, const BalanceRequest& request);
void write(base::JsonWriter& out, const FreezeRequest& request);
void write(base::JsonWriter& out, const GrowRequest& request);

// ----- answers ----------------------------------------------------------------------------------

void write(base::JsonWriter& out, const AccountInfo& account);
void write(base::JsonWriter& out, const AccountsResponse& response);
void write(base::JsonWriter& out, const PoolInfoResponse& response);
void write(base::JsonWriter& out, const MasterKeyResponse& response);
void write(base::JsonWriter& out, const AllocationResponse& response);
void write(base::JsonWriter& out, const ReleaseResponse& response);
void write(base::JsonWriter& out, const RenewResponse& response);
void write(base::JsonWriter& out, const SignResponse& response);
void write(base::JsonWriter& out, const BatchSignResponse& response);
void write(base::JsonWriter& out, const BalanceResponse& response);
void write(base::JsonWriter& out, const FreezeResponse& response);
void write(base::JsonWriter& out, const FreezesResponse& response);
void write(base::JsonWriter& out, const GrowResponse& response);
void write(base::JsonWriter& out, const AllocationsResponse& response);
void write(base::JsonWriter& out, const CheckpointResponse& response);

// What a client reads; accepts answers of the original service too. CorruptData: not the shape.
Result<AccountInfo> parse_account_info(const base::Json& body);
Result<AccountsResponse> parse_accounts_response(const base::Json& body);
Result<PoolInfoResponse> parse_pool_info_response(const base::Json& body);
Result<MasterKeyResponse> parse_master_key_response(const base::Json& body);
Result<AllocationResponse> parse_allocation_response(const base::Json& body);
Result<ReleaseResponse> parse_release_response(const base::Json& body);
Result<RenewResponse> parse_renew_response(const base::Json& body);
Result<SignResponse> parse_sign_response(const base::Json& body);
Result<BatchSignResponse> parse_batch_sign_response(const base::Json& body);
Result<BalanceResponse> parse_balance_response(const base::Json& body);
Result<FreezeResponse> parse_freeze_response(const base::Json& body);
Result<FreezesResponse> parse_freezes_response(const base::Json& body);
Result<GrowResponse> parse_grow_response(const base::Json& body);
Result<AllocationsResponse> parse_allocations_response(const base::Json& body);
Result<CheckpointResponse> parse_checkpoint_response(const base::Json& body);

// Any of the above as the text of a body.
template <typename T>
std::string to_json_text(const T& message) {
    std::string text;
    text.reserve(512);
    base::JsonWriter writer(text);
    write(writer, message);
    return text;
}

}  // namespace adyton::api
