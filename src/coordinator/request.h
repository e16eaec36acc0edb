#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "coordinator/gate_state.h"
#include "coordinator/lane_state.h"
#include "coordinator/options.h"
#include "coordinator/planner.h"
#include "crypto/digest.h"

// From bytes of a request to what would be carried out, before anything is asked or kept. Pure.
namespace adyton::coordinator {

inline constexpr std::size_t kIdempotencyKeyBytesMax = 128;
inline constexpr std::uint64_t kGasDefault = 100'000'000'000'000;
inline constexpr std::uint64_t kDirectUserGasDefault = 30'000'000'000'000;
inline constexpr std::size_t kViewChecksMax = 16;
// The gate reads a call's arguments, hashes them, stores them, reads them back and sends them on,
// out of the gas that near.md 4.6 counts as its own work. With the fees of nearcore (storage write
// 31.0, send 47.7 + 2.2, SHA-256 24.1, storage read and remove 17.1, each copy 3.8 Mgas a byte) and
// as much again for the contract's own instructions that is 300 Mgas a byte. The first bytes are in
// what was measured, and in the 10 Tgas that the rule leaves beyond it.
inline constexpr std::size_t kArgumentBytesFree = 16 * 1024;
inline constexpr std::uint64_t kGasPerArgumentByte = 300'000'000;

// Canonical JSON: names sorted bytewise, no spaces, numbers as given, strings as JsonWriter's.
std::string canonical_json(const base::Json& json);
// SHA-256 of the canonical JSON of {"endpoint","body" without idempotency_key} (near.md 6.10).
crypto::Sha256Digest body_hash_of(std::string_view endpoint, const base::Json& body);

// The body's key and the header's. InvalidArgument: not 1 to 128 bytes, or both and different.
// None: one is to be made.
Result<std::optional<std::string>> idempotency_key_of(
    const base::Json& body, const std::optional<std::string>& header);

// Why a request that can be read is not carried out; kept as a record (near.md 6.3, 6.7).
struct Outcome {
    PlanOutcome plan;
    std::vector<GateCall> calls;  // of Executable
};

// A workflow, planned.
struct PlannedRequest {
    base::Json workflow;  // {"steps":[..]}
    Plan plan;
    Outcome outcome;
    std::optional<LanesState> lanes;     // of an executable one that is not the gate's alone
    std::optional<std::string> gate_id;  // of a sequential batch
    base::Json view_checks = base::Json::array();
};

PlannerOptions planner_options(const CoordinatorOptions& options);
LaneSwitches lane_switches(const CoordinatorOptions& options);

// What the steps of `request` say, as parse_workflow() has read it: JSON types, account ids,
// amounts, gas, method names and arguments of the fields that a step of its kind has (near.md 6.4,
// 6.5), where they are given. What is missing, and whether a lane would carry it out, is not looked
// at.
// InvalidArgument, "invalid workflow JSON: steps[i]....".
Result<void> check_step_forms(const base::Json& request);

// POST /wallet/v1/workflows/execute. InvalidArgument as near.md 6.4: the request is not kept.
// Everything else is in the outcome.
Result<PlannedRequest> plan_request(
    const base::Json& body, const CoordinatorOptions& options, base::Timestamp now);

// POST /wallet/v1/sequential-batch (near.md 6.7). InvalidArgument: not an object, wrong JSON types
// or fields that must not be there. Everything else is in the outcome.
Result<PlannedRequest> plan_batch_request(
    const base::Json& body, const CoordinatorOptions& options, base::Timestamp now);

// POST /wallet/v1/direct-user/function-call/execute.
struct DirectUserRequest {
    std::string user_id;
    std::string registry_id;
    std::string receiver_id;
    std::string method_name;
    std::uint64_t gas = kDirectUserGasDefault;
};
Result<DirectUserRequest> parse_direct_user_request(const base::Json& body);

// POST /wallet/v1/direct-user/function-call-key/prepare, and the query of .../status.
struct DirectUserKeyRequest {
    DirectUserScope scope;
    std::optional<std::string> key_label;
};
Result<DirectUserKeyRequest> parse_direct_user_key_request(const base::Json& body);
// InvalidArgument "direct-user scope is not allowed".
Result<void> check_scope(const DirectUserScope& scope, const CoordinatorOptions& options);

}  // namespace adyton::coordinator
