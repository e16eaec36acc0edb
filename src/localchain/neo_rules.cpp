#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "localchain/internal/chain_core.h"
#include "localchain/internal/fees.h"
#include "neo/script.h"
#include "neo/witness.h"

// The order of the checks is each implementation's own: it decides which code a transaction gets
// that is wrong in two ways. neo-go looks at the expiry before it looks whether the transaction is
// on chain already, the C# node the other way round.
namespace adyton::localchain {
namespace {

using internal::Ledger;
using internal::PoolEntry;

constexpr int kUnclassified = -500;
constexpr int kAlreadyExists = -501;
constexpr int kAlreadyPooled = -503;
constexpr int kSmallNetworkFee = -504;
constexpr int kPolicy = -505;
constexpr int kInvalidScript = -506;
constexpr int kInvalidAttribute = -507;
constexpr int kInvalidSignature = -508;
constexpr int kInvalidSize = -509;
constexpr int kExpired = -510;
constexpr int kInsufficientFunds = -511;
constexpr int kNoContractWitness = -512;
constexpr int kInvalidParams = -32602;
constexpr std::size_t kScriptsMax = 100'000;

std::optional<Refusal> check_script(const PoolEntry& entry) {
    const auto instructions = neo::disassemble(entry.transaction.script);
    if (instructions) return std::nullopt;
    return Refusal{kInvalidScript, "invalid script: " + instructions.error().message()};
}

// The usual witness, one signature, without reading its key again.
bool is_signed(
    const neo::Witness& witness, const neo::StandardScript& standard,
    const neo::ScriptHash& account, const crypto::Sha256Digest& digest) {
    constexpr std::size_t kInvocationBytes = 2 + crypto::P256Signature::kSize;
    const base::ByteView invocation = witness.invocation;
    if (standard.multisig || invocation.size() != kInvocationBytes || invocation[0] != 0x0c ||
        invocation[1] != crypto::P256Signature::kSize) {
        return neo::verify_witness(witness, account, digest).has_value();
    }
    const auto signature = crypto::P256Signature::parse(invocation.subspan(2));
    CHECK(signature.has_value());
    return crypto::verify(standard.keys.front(), digest, *signature);
}

}  // namespace

namespace internal {

Result<std::unique_ptr<PoolEntry>> parse_entry(base::ByteView bytes) {
    auto entry = std::make_unique<PoolEntry>();
    TRY(entry->transaction, neo::parse_transaction(bytes));
    entry->hash = neo::hash(entry->transaction);
    entry->bytes.assign(bytes.begin(), bytes.end());
    for (const neo::Attribute& attribute : entry->transaction.attributes) {
        if (std::holds_alternative<neo::HighPriority>(attribute)) entry->high_priority = true;
        const auto* const conflict = std::get_if<neo::Conflicts>(&attribute);
        if (conflict == nullptr) continue;
        auto& known = entry->conflicts;
        if (std::find(known.begin(), known.end(), conflict->hash) == known.end()) {
            known.push_back(conflict->hash);
        }
    }
    return entry;
}

}  // namespace internal

SubmitAnswer NeoChain::Core::submit(
    base::ByteView bytes, NodeFlavour flavour, std::uint32_t at_height) {
    auto parsed = internal::parse_entry(bytes);
    if (!parsed) {
        const bool size = parsed.error().code() == ErrorCode::TooLarge;
        return {
            std::nullopt, Refusal{
                              size ? kInvalidSize : kInvalidParams,
                              "can't decode transaction: " + parsed.error().message()}};
    }
    std::unique_ptr<PoolEntry> entry = std::move(*parsed);
    const neo::TransactionHash hash = entry->hash;
    // A byte for byte repetition of what was found good needs no second look; only its height may
    // have passed.
    const PoolEntry* const pooled = pool.find(hash);
    std::optional<Refusal> refusal;
    if (pooled != nullptr && pooled->bytes == entry->bytes) {
        if (flavour != NodeFlavour::CSharp) refusal = check_expiry(*entry, at_height);
        if (!refusal.has_value()) refusal = Refusal{kAlreadyPooled, "already exists in mempool"};
        return {hash, std::move(refusal)};
    }
    refusal = flavour == NodeFlavour::CSharp ? check_csharp(*entry, at_height)
                                             : check_neo_go(*entry, at_height);
    if (refusal.has_value()) return {hash, std::move(refusal)};
    // The node is content, but it may lag: what the chain has already done or ruled out, it will
    // learn with the next blocks.
    if (check_known(*entry, height()).has_value() || check_expiry(*entry, height()).has_value()) {
        return {hash, std::nullopt};
    }
    const base::Amount gas = ledger.balance(Ledger::kGas, entry->sender());
    return {hash, pool.add(std::move(entry), gas)};
}

// Blockchain.verifyAndPoolTx of neo-go.
std::optional<Refusal> NeoChain::Core::check_neo_go(
    const PoolEntry& entry, std::uint32_t at_height) const {
    if (auto refusal = check_script(entry)) return refusal;
    if (auto refusal = check_expiry(entry, at_height)) return refusal;
    if (auto refusal = check_policy(entry)) return refusal;
    const std::int64_t size_fee =
        static_cast<std::int64_t>(entry.bytes.size()) * options.policy.fee_per_byte;
    const std::int64_t budget = entry.transaction.network_fee - size_fee;
    if (budget < 0) {
        return Refusal{
            kSmallNetworkFee, fmt::format(
                                  "too small network fee: net fee is {}, need {}",
                                  entry.transaction.network_fee, size_fee)};
    }
    if (auto refusal = check_known(entry, at_height)) return refusal;
    if (auto refusal = check_witnesses(entry, budget, NodeFlavour::NeoGo)) return refusal;
    return check_attributes(entry, at_height);
}

// Blockchain.OnTransaction, Transaction.VerifyStateIndependent and VerifyStateDependent of the C#
// node.
std::optional<Refusal> NeoChain::Core::check_csharp(
    const PoolEntry& entry, std::uint32_t at_height) const {
    if (pool.find(entry.hash) != nullptr) return Refusal{kAlreadyPooled, ""};
    if (auto refusal = check_known(entry, at_height)) return refusal;
    if (auto refusal = check_script(entry)) return refusal;
    if (auto refusal = check_expiry(entry, at_height)) return refusal;
    if (auto refusal = check_policy(entry)) return refusal;
    if (auto refusal = check_attributes(entry, at_height)) return refusal;
    const std::int64_t budget =
        entry.transaction.network_fee -
        static_cast<std::int64_t>(entry.bytes.size()) * options.policy.fee_per_byte;
    if (budget < 0) return Refusal{kInsufficientFunds, ""};
    return check_witnesses(entry, budget, NodeFlavour::CSharp);
}

std::optional<Refusal> NeoChain::Core::check_known(
    const PoolEntry& entry, std::uint32_t at_height) const {
    const auto found = confirmed.find(entry.hash);
    if (found != confirmed.end() && found->second->block_index <= at_height) {
        return Refusal{kAlreadyExists, "already exists in blockchain"};
    }
    if (is_excluded(entry, at_height)) {
        return Refusal{kUnclassified, "blockchain: transaction has conflicts"};
    }
    return std::nullopt;
}

std::optional<Refusal> NeoChain::Core::check_expiry(
    const PoolEntry& entry, std::uint32_t at_height) const {
    const std::uint64_t last = entry.transaction.valid_until_block;
    if (last > at_height && last <= std::uint64_t{at_height} + options.valid_until_increment_max) {
        return std::nullopt;
    }
    return Refusal{
        kExpired,
        fmt::format(
            "transaction has expired: ValidUntilBlock = {}, current height = {}", last, at_height)};
}

std::optional<Refusal> NeoChain::Core::check_policy(const PoolEntry& entry) const {
    for (const neo::Signer& signer : entry.transaction.signers) {
        if (blocked.contains(signer.account)) {
            return Refusal{kPolicy, "account is blocked by the policy"};
        }
    }
    if (entry.transaction.system_fee > options.block_system_fee_max) {
        return Refusal{kPolicy, "too big system fee"};
    }
    // Or it would wait for a block that never has room.
    if (entry.bytes.size() > options.block_bytes_max) {
        return Refusal{kInvalidSize, "too big for a block"};
    }
    return std::nullopt;
}

std::optional<Refusal> NeoChain::Core::check_attributes(
    const PoolEntry& entry, std::uint32_t at_height) const {
    for (const neo::Attribute& attribute : entry.transaction.attributes) {
        if (std::holds_alternative<neo::HighPriority>(attribute)) {
            if (entry.signed_by(committee)) continue;
            return Refusal{kInvalidAttribute, "high priority tx is not signed by committee"};
        }
        if (const auto* const before = std::get_if<neo::NotValidBefore>(&attribute)) {
            if (before->height <= at_height) continue;
            return Refusal{kInvalidAttribute, "transaction is not yet valid"};
        }
        if (const auto* const conflict = std::get_if<neo::Conflicts>(&attribute)) {
            const auto found = confirmed.find(conflict->hash);
            if (found == confirmed.end() || found->second->block_index > at_height) continue;
            return Refusal{kInvalidAttribute, "conflicting transaction is already on chain"};
        }
        return Refusal{
            kInvalidAttribute,
            fmt::format("the simulator knows no attribute {}", neo::attribute_name(attribute))};
    }
    return std::nullopt;
}

const neo::StandardScript* NeoChain::Core::standard_script(
    const neo::ScriptHash& account, const base::Bytes& verification) const {
    const auto found = scripts.find(account);
    if (found != scripts.end()) return &found->second;
    auto parsed = neo::parse_verification_script(verification);
    if (!parsed.has_value()) return nullptr;
    if (scripts.size() >= kScriptsMax) scripts.clear();
    return &scripts.emplace(account, std::move(*parsed)).first->second;
}

std::optional<Refusal> NeoChain::Core::check_witnesses(
    const PoolEntry& entry, std::int64_t budget, NodeFlavour flavour) const {
    const crypto::Sha256Digest digest = neo::sign_data_digest(options.magic, entry.hash);
    const neo::Transaction& transaction = entry.transaction;
    for (std::size_t i = 0; i < transaction.signers.size(); ++i) {
        const neo::Witness& witness = transaction.witnesses[i];
        const neo::ScriptHash& account = transaction.signers[i].account;
        const auto refuse = [i](int code, std::string_view why) {
            return Refusal{code, fmt::format("witness #{}: {}", i, why)};
        };
        if (witness.verification.empty()) {
            return refuse(kNoContractWitness, "the signer is no contract with a verify method");
        }
        if (neo::ScriptHash::of_script(witness.verification) != account) {
            return refuse(kUnclassified, "verification script does not match the signer");
        }
        const neo::StandardScript* const standard = standard_script(account, witness.verification);
        if (standard == nullptr) {
            return refuse(
                kUnclassified, "the simulator runs only single and multi-signature scripts");
        }
        budget -= internal::witness_price(*standard) * options.policy.exec_fee_factor;
        if (budget < 0) {
            if (flavour == NodeFlavour::CSharp) return Refusal{kInsufficientFunds, ""};
            return refuse(
                kUnclassified,
                "signature check failed: vm execution has failed: insufficient amount of gas");
        }
        if (!is_signed(witness, *standard, account, digest)) {
            return refuse(kInvalidSignature, "signature check failed: invalid signature");
        }
    }
    return std::nullopt;
}

}  // namespace adyton::localchain
