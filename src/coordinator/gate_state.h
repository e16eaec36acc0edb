#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"

// What a gate run must remember between its steps, and nothing else: it is written before each
// effect, so that a process that takes over goes on with the same bytes.
namespace adyton::coordinator {

// A transaction of the relayer or the approver. The bytes stand in the database before they are
// sent, and others are signed only once these are known to be dead.
struct SentTransaction {
    std::string public_key;  // "ed25519:..."
    std::uint64_t nonce = 0;
    std::string base64;
    std::string hash;
    std::uint64_t signed_at_height = 0;  // of the block hash in it
    bool operator==(const SentTransaction&) const = default;
};

// One call of a batch, from the request to its intent at the gate.
struct GateCall {
    std::string receiver_id;
    std::string method_name;
    std::uint64_t gas = 0;
    std::string deposit = "0";
    std::optional<std::string> raw_args;  // exact bytes, base64

    // Of a call to the intents contract; null for a raw call.
    base::Json intents;                        // the list to be signed
    base::Json counterparties;                 // MultiPayloads that go with ours
    std::optional<std::string> own_deadline;   // as the request wrote it
    std::optional<std::string> own_signer;     // must turn out to be the wallet's account
    base::Json actions = base::Json::array();  // what the policy is asked

    // nep413
    std::string message;
    std::string nonce_base64;
    std::string deadline;
    std::string intent_hash;
    // delegate
    std::string args_base64;  // of the call as signed
    std::uint64_t delegate_nonce = 0;
    std::uint64_t max_block_height = 0;
    std::string delegate_hash;
    // submit
    std::optional<SentTransaction> submit;
    std::vector<std::string> dead_submits;  // hashes that can never land
    std::optional<std::uint64_t> intent_id;
    std::uint64_t submit_height = 0;  // of the block that the intent began to live in
    std::string submit_error;
    bool submit_over = false;  // it did not take effect and never can

    bool is_intents_call() const { return intents.is_array(); }
    bool decided() const { return intent_id.has_value() || submit_over; }
};

struct GateState {
    std::string gate_id;
    std::string wallet_account;  // 64 hex
    std::string wallet_key;      // "ed25519:<base58>"
    std::string relayer_id;      // who signs the submits
    std::string approver_id;     // who signs the resume
    std::vector<GateCall> calls;
    std::optional<SentTransaction> resume;
    std::vector<std::string> dead_resumes;
    std::uint64_t resumes = 0;  // signed so far
    std::uint64_t batch_id = 0;
    std::string fee_yocto;
    base::Json view_checks = base::Json::array();       // of a sequential batch
    base::Json balances_before = base::Json::object();  // token id to amount
    bool failed = false;                                // the record says so already; see watch
    base::Json lanes;                                   // of a workflow over several (lane_state.h)

    // Of the first intent submitted; zero: none yet.
    std::uint64_t first_submit_height() const;
    std::uint64_t last_submit_height() const;
    std::uint64_t last_max_block_height() const;
    // Ids of intents at the gate.
    std::vector<std::string> intent_ids() const;
};

std::string to_text(const GateState& state);  // JSON
base::Json to_json(const GateState& state);
// CorruptData.
Result<GateState> parse_gate_state(const base::Json& json);
Result<GateState> parse_gate_state(std::string_view text);

}  // namespace adyton::coordinator
