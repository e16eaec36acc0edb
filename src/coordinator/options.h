#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "near/account_id.h"
#include "near/amounts.h"

namespace adyton::coordinator {

// What a scoped FunctionCall key of a user may be used for (near.md 6.12). The deposit is zero.
struct DirectUserScope {
    std::string user_id;
    std::string registry_id;
    std::string receiver_id;
    std::vector<std::string> method_names;
};
// mike.near, mike.sequential.near, count.mike.near, ["increase"].
DirectUserScope counter_proof_scope();

// near.md 6.14; the defaults are those of the specification, but for submit_gas (decisions.md 24).
struct CoordinatorOptions {
    // SEQUENTIAL_GATE_ID; the first is used where a request names none and all are as busy.
    std::vector<near::AccountId> gates;
    near::AccountId intents_contract;
    near::AccountId wrap_contract;
    near::YoctoNear gate_fee;  // GATE_FEE_1_TO_3_YOCTO: never more is paid
    // The same for larger batches, which gate_calls_max allows (near.md 8.3).
    near::YoctoNear gate_fee_4_to_6;
    near::YoctoNear gate_fee_7_to_12;
    std::size_t gate_calls_max = 3;  // of one batch; 3 to 12
    near::Gas submit_gas = near::Gas::from_tgas(300);
    near::Gas resume_gas = near::Gas::from_tgas(100);
    std::uint64_t delegate_validity_blocks = 180;
    base::Duration poll_timeout = std::chrono::seconds(60);
    base::Duration poll_interval = std::chrono::milliseconds(750);
    base::Duration intents_deadline = std::chrono::seconds(300);
    base::Duration execute_wait = std::chrono::seconds(20);
    std::string gate_code_hash;  // base58; empty: unchecked
    std::vector<DirectUserScope> direct_user_scopes;
    bool allow_gate_deposits = false;
    // Intents that change who may sign for the wallet or call other contracts in its name.
    bool allow_authority_intents = false;
    bool enable_funding_lane = false;
    bool enable_direct_user_lane = false;
    // No token's contract is paid more for the registration of one account.
    near::YoctoNear storage_deposit_max;
    // What a wallet keeps for gas, beside what it wraps.
    near::YoctoNear gas_reserve;
    bool simulate_intents = false;  // a dry run of every call before anything is broadcast

    // The gate lane.
    std::uint64_t yield_blocks = 200;        // a submitted intent dies after so many
    std::uint64_t yield_margin_blocks = 15;  // no resume is begun so close to that
    std::uint64_t validity_blocks = 86'400;  // how old a transaction's block hash may be
    std::int64_t lane_ahead = 2;             // batches that are submitted while another one runs
    std::int64_t queue_max = 1'000;          // of one gate
    base::Duration queue_wait_max = std::chrono::minutes(30);
    base::Duration facts_keep = std::chrono::seconds(30);  // what the gate's views say
    base::Duration salt_keep = std::chrono::seconds(60);
    std::int64_t keystore_attempts_max = 10;

    std::size_t body_bytes_max = 256 * 1024;
    base::Duration checkpoint_period = std::chrono::minutes(10);

    CoordinatorOptions(
        std::vector<near::AccountId> gates, near::AccountId intents, near::AccountId wrap);
    // The names of mainnet.
    static CoordinatorOptions mainnet();

    // The most that is paid for a batch of so many calls.
    near::YoctoNear fee_max(std::size_t calls) const;
};

inline constexpr std::size_t kGateCallsMost = 12;  // the gate's top tier

// The least submit gas with which the public gate can work (near.md 0, finding 4).
inline constexpr near::Gas kSubmitGasLeast = near::Gas::from_tgas(215);

// InvalidArgument: values that cannot work together, by the names of their settings.
Result<void> check_options(const CoordinatorOptions& options);
// Things worth telling at the start, one a line.
std::vector<std::string> warnings_of(const CoordinatorOptions& options);

}  // namespace adyton::coordinator
