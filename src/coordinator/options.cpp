#include "coordinator/options.h"

#include <fmt/format.h>

#include <set>

#include "near/delegate.h"
#include "near/hash.h"

namespace adyton::coordinator {
namespace {

near::AccountId account(std::string_view text) {
    auto id = near::AccountId::parse(text);
    CHECK(id.has_value());  // literals
    return *std::move(id);
}

near::YoctoNear yocto(std::string_view text) {
    auto amount = near::YoctoNear::parse(text);
    CHECK(amount.has_value());  // literals
    return *amount;
}

}  // namespace

DirectUserScope counter_proof_scope() {
    return {"mike.near", "mike.sequential.near", "count.mike.near", {"increase"}};
}

CoordinatorOptions::CoordinatorOptions(
    std::vector<near::AccountId> its_gates, near::AccountId intents, near::AccountId wrap)
    : gates(std::move(its_gates)),
      intents_contract(std::move(intents)),
      wrap_contract(std::move(wrap)),
      direct_user_scopes({counter_proof_scope()}) {
    gate_fee = yocto("30000000000000000000000");
    gate_fee_4_to_6 = yocto("50000000000000000000000");
    gate_fee_7_to_12 = yocto("60000000000000000000000");
    storage_deposit_max = yocto("100000000000000000000000");
    gas_reserve = yocto("20000000000000000000000");
}

near::YoctoNear CoordinatorOptions::fee_max(std::size_t calls) const {
    if (calls <= 3) return gate_fee;
    return calls <= 6 ? gate_fee_4_to_6 : gate_fee_7_to_12;
}

CoordinatorOptions CoordinatorOptions::mainnet() {
    return {{account("gate.sequential.near")}, account("intents.near"), account("wrap.near")};
}

Result<void> check_options(const CoordinatorOptions& options) {
    const auto bad = [](std::string text) -> Result<void> {
        return Error::invalid_argument(std::move(text));
    };
    if (options.gates.empty()) return bad("SEQUENTIAL_GATE_ID names no gate");
    std::set<near::AccountId> gates(options.gates.begin(), options.gates.end());
    if (gates.size() != options.gates.size()) return bad("SEQUENTIAL_GATE_ID names a gate twice");
    if (options.submit_gas > near::Gas::from_tgas(300) || options.submit_gas == near::Gas()) {
        return bad("SUBMIT_INTENT_GAS is not 1 to 300000000000000");
    }
    if (options.resume_gas > near::Gas::from_tgas(300) || options.resume_gas == near::Gas()) {
        return bad("RESUME_BATCH_GAS is not 1 to 300000000000000");
    }
    if (options.delegate_validity_blocks == 0) return bad("DELEGATE_VALIDITY_BLOCKS is zero");
    if (options.yield_margin_blocks >= options.yield_blocks) {
        return bad("the margin of a yield is longer than its life");
    }
    if (options.lane_ahead < 0 || options.queue_max < 1) return bad("the queue has no place");
    const bool positive = options.poll_interval > base::Duration::zero() &&
                          options.poll_timeout > base::Duration::zero() &&
                          options.intents_deadline > base::Duration::zero();
    if (!positive)
        return bad(
            "NEAR_POLL_TIMEOUT_SECS, NEAR_POLL_INTERVAL_MS or "
            "INTENTS_DEADLINE_SECS is zero");
    if (!options.gate_code_hash.empty()) {
        auto hash = near::CodeHash::parse(options.gate_code_hash);
        if (!hash) return std::move(hash).error().with_context("GATE_CODE_HASH");
    }
    if (options.gate_calls_max < 3 || options.gate_calls_max > kGateCallsMost) {
        return bad("coordinator.gate_calls_max is not 3 to 12");
    }
    for (const DirectUserScope& scope : options.direct_user_scopes) {
        if (scope.method_names.empty()) {
            return bad("DIRECT_USER_SCOPES_JSON has a scope without methods");
        }
        for (const std::string& id : {scope.user_id, scope.registry_id, scope.receiver_id}) {
            auto parsed = near::AccountId::parse(id);
            if (!parsed) {
                return std::move(parsed).error().with_context("DIRECT_USER_SCOPES_JSON");
            }
        }
    }
    return {};
}

std::vector<std::string> warnings_of(const CoordinatorOptions& options) {
    std::vector<std::string> out;
    if (options.submit_gas < kSubmitGasLeast) {
        out.push_back(fmt::format(
            "SUBMIT_INTENT_GAS is {} Tgas: the public gate reserves 200 Tgas for the callback, so "
            "every submit below {} Tgas ends in \"Exceeded the prepaid gas\"",
            options.submit_gas.units() / near::Gas::kUnitsPerTgas,
            kSubmitGasLeast.units() / near::Gas::kUnitsPerTgas));
    }
    if (options.delegate_validity_blocks > options.yield_blocks) {
        out.push_back(
            "DELEGATE_VALIDITY_BLOCKS is longer than an intent lives at the gate: signed delegates "
            "stay usable after their batch has ended");
    }
    if (options.allow_gate_deposits) {
        out.push_back("ALLOW_GATE_DEPOSITS is on: deposits of raw calls are the gate's money");
    }
    if (options.allow_authority_intents) {
        out.push_back("intents that change a wallet's keys are allowed");
    }
    return out;
}

}  // namespace adyton::coordinator
