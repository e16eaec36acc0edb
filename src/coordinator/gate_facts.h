#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/near_client.h"
#include "coordinator/internal/fresh_value.h"
#include "coordinator/options.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/gate.h"
#include "near/nonce.h"

namespace adyton::coordinator {

// What a gate asks for its batches, and the height that it is of.
struct GateFees {
    std::vector<std::pair<std::uint64_t, near::YoctoNear>> tiers;  // up to so many calls: fee
    std::uint64_t block_height = 0;

    // Of the first tier that takes so many calls; nothing: none does.
    std::optional<near::YoctoNear> of(std::uint64_t calls) const;
};

// What a gate's views say (near.md 4.2).
struct GateFacts {
    near::AccountId owner;
    near::AccountId approver;
    bool relayer_listed = false;
    GateFees fees;
    std::vector<std::string> batch_tail;
};

// Why a gate's price is not paid (near.md 6.13).
std::string fee_drift_text(
    std::size_t calls, near::YoctoNear expected, const std::optional<near::YoctoNear>& fee);

// A batch that runs at a gate and does not move: which intent of it is next, and since when, as far
// as anybody here looked. Ids are given out once, so the same one is the same standstill.
struct GateStandstill {
    std::string intent_id;
    std::uint64_t since_block = 0;
};
// Why nothing is submitted there.
std::string standstill_text(const near::AccountId& gate_id, const GateStandstill& standstill);

// The chain as the coordinator reads it, with what may be remembered remembered. Thread safe.
// Errors: as NearClient's; Unprocessable for a gate that is not what the configuration says.
class ChainFacts {
public:
    ChainFacts(
        const CoordinatorOptions& options, near::AccountId relayer, near::AccountId approver,
        chain::NearClient& chain, chain::NearClient* archive_or_null, const base::Clock& clock);

    // At most half a poll interval old.
    Task<Result<chain::NearBlock>> final_block();
    Task<Result<chain::NearHeights>> final_heights();
    // Both as a quorum tells it. The first may be CoordinatorOptions::facts_keep old.
    Task<Result<GateFacts>> gate(near::AccountId gate_id);
    // For whoever is about to pay: no older than about a block.
    Task<Result<GateFees>> fees(near::AccountId gate_id);
    // Whether gate() failed less than facts_keep ago, and has not succeeded since.
    bool is_unreadable(const near::AccountId& gate_id);
    Task<Result<std::vector<std::string>>> batch_tail(near::AccountId gate_id);
    // A standstill that lasts for three quarters of an intent's life, so that what is submitted now
    // would most likely die there. Nothing: the gate is free or moves, or nobody looked for so
    // long. Asks the chain only where one may be.
    Task<Result<std::optional<GateStandstill>>> standstill(near::AccountId gate_id);
    // As another process saw it, where nothing is known here.
    void recall(const near::AccountId& gate_id, GateStandstill seen);
    // Whether a quorum says that the gate holds an intent of that sender and delegate nonce: that
    // it took the delegate, whatever is told of transactions. False says nothing of what it
    // dispatched or let die. Unavailable also when more intents wait there than are looked at.
    Task<Result<bool>> holds_delegate(
        near::AccountId gate_id, std::string sender, std::uint64_t nonce);
    // Why it cannot carry out a batch of so many calls for what the configuration allows, in the
    // texts of near.md 6.13; empty: it can.
    Task<Result<std::vector<std::string>>> drifts(near::AccountId gate_id, std::uint64_t calls);
    // Unprocessable "gate_drift", with the first of them.
    Task<Result<void>> check_gate(near::AccountId gate_id, std::uint64_t calls);
    // Null: the contract knows no salts.
    Task<Result<std::optional<near::IntentsSalt>>> salt();
    // NotFound: neither a node nor the archive has the block.
    Task<Result<std::uint64_t>> height_of(near::BlockHash hash);
    // token id to amount, as a quorum tells them; and the height that they are of.
    struct Balances {
        std::map<std::string, base::Amount> amounts;
        std::uint64_t block_height = 0;
    };
    Task<Result<Balances>> intents_balances(
        std::string account, std::vector<std::string> token_ids);
    // The answer of a view, as JSON, as one node says it.
    Task<Result<base::Json>> view(near::AccountId contract, std::string method, std::string args);
    // The same where something depends on the answer: as a quorum tells it.
    Task<Result<base::Json>> agreed_view(
        near::AccountId contract, std::string method, std::string args);
    // Nothing: nobody knows it, the archive included.
    Task<Result<std::optional<chain::NearTransaction>>> find_transaction(
        near::TransactionHash hash, near::AccountId sender);
    // The same where money depends on the answer: as a quorum tells it (chain::NearClient).
    Task<Result<std::optional<chain::NearTransaction>>> find_agreed(
        near::TransactionHash hash, near::AccountId sender, chain::NearStory story);

    // What was asked before is too old, whenever that was.
    void forget_gate(const near::AccountId& gate_id);

private:
    Task<Result<GateFacts>> read_gate(near::AccountId gate_id);
    Task<Result<GateFees>> read_fees(near::AccountId gate_id);
    struct Remembered {
        FreshValue<GateFacts> facts;
        FreshValue<GateFees> fees;
        std::optional<base::SteadyTime> unreadable_since;  // guarded by mutex_
    };
    Remembered& remembered(const near::AccountId& gate_id);
    Task<void> note_tail(near::AccountId gate_id, std::vector<std::string> tail);

    const CoordinatorOptions& options_;
    const near::AccountId relayer_;
    const near::AccountId approver_;
    chain::NearClient& chain_;
    chain::NearClient* archive_or_null_;
    const base::Clock& clock_;
    FreshValue<chain::NearBlock> block_;
    FreshValue<chain::NearHeights> final_heights_;
    FreshValue<std::optional<near::IntentsSalt>> salt_;
    std::mutex mutex_;  // guards the three below
    std::map<near::AccountId, std::unique_ptr<Remembered>> gates_;
    // Of gates with a batch at the last look; and when it was first seen there.
    std::map<near::AccountId, std::pair<GateStandstill, base::SteadyTime>> standing_;
    std::map<near::BlockHash, std::uint64_t> heights_;
};

}  // namespace adyton::coordinator
