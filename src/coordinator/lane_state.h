#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "coordinator/gate_state.h"
#include "coordinator/planner.h"

// What a workflow over several lanes remembers: funding steps, direct-user steps and gate batches,
// one after the other in the order of the request (near.md 8.1, 8.2 and 8.5). It stands in
// `GateState::lanes`, in the record's internal state.
namespace adyton::coordinator {

// One function call of a transaction.
struct LaneCall {
    std::string method_name;
    std::string args;  // exact bytes
    std::uint64_t gas = 0;
    std::string deposit = "0";
    bool operator==(const LaneCall&) const = default;
};

// One transaction of a key that the keystore holds. What is decided stands here before the keystore
// or the chain is asked: the calls, then the nonce, then the signed bytes, then what became of
// them.
struct LaneTransaction {
    std::string signer_id;
    std::string public_key;  // "ed25519:<base58>"
    std::string receiver_id;
    std::vector<LaneCall> calls;
    std::uint64_t nonce = 0;  // zero: none was taken yet
    std::optional<SentTransaction> sent;
    bool over = false;
    bool succeeded = false;
    std::string error;
    std::string value;               // what it returned
    std::uint64_t block_height = 0;  // of its outer receipt
    std::string block_hash;          // the same block
    std::uint64_t last_height = 0;   // of the last block that any of its receipts ran in
};

// One step, or a run of gate steps that is one batch.
struct LaneSegment {
    enum class Outcome { Open, Succeeded, Skipped, Failed };

    Lane lane = Lane::FundingSetup;
    std::size_t first_step = 0;
    std::size_t steps = 1;
    std::string kind;                          // "funding.wrap_near", "call", "gate_batch"...
    base::Json params = base::Json::object();  // of the step, checked: texts
    std::vector<LaneCall> calls;               // of a direct-user step or a plain call
    std::optional<GateState> batch;            // of a gate segment: its calls
    std::string child_id;                      // the request that carries the batch out
    bool prepared = false;                     // what follows is decided
    std::vector<LaneTransaction> transactions;
    base::Json before = base::Json::object();  // balances: name to amount
    base::Json after = base::Json::object();
    base::Json result;  // of a view, or of a batch
    std::string note;   // "already_registered"
    Outcome outcome = Outcome::Open;
    std::string error;
};
std::string_view to_string(LaneSegment::Outcome outcome);  // "success"

struct LanesState {
    std::vector<LaneSegment> segments;
    std::size_t current = 0;

    bool any_transaction() const;  // signed, in any segment
    bool has_lane(Lane lane) const;
};

base::Json to_json(const LanesState& state);
// CorruptData.
Result<LanesState> parse_lanes_state(const base::Json& json);

}  // namespace adyton::coordinator
