#include "coordinator/gate_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "near/hash.h"

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr std::size_t kHeightsMax = 100'000;
constexpr std::size_t kPendingLooksMax = 100;
constexpr base::Duration kFeesKeep = std::chrono::milliseconds(600);  // a block

Error unreadable(std::string_view method) {
    return Error::corrupt_data("the gate's " + std::string(method) + " cannot be read");
}

base::Bytes bytes_of(std::string_view text) {
    const auto view = base::as_bytes(text);
    return {view.begin(), view.end()};
}

Result<std::vector<std::pair<std::uint64_t, near::YoctoNear>>> read_tiers(const Json& json) {
    std::vector<std::pair<std::uint64_t, near::YoctoNear>> out;
    if (!json.is_array()) return unreadable("get_fee_tiers");
    for (const Json& tier : json.items()) {
        if (!tier.is_array() || tier.size() != 2) return unreadable("get_fee_tiers");
        const auto cap = tier.items()[0].as_uint64();
        const Json& amount = tier.items()[1];
        if (!cap || !amount.is_string()) return unreadable("get_fee_tiers");
        const auto fee = near::YoctoNear::parse(amount.string_value());
        if (!fee) return unreadable("get_fee_tiers");
        out.emplace_back(*cap, *fee);
    }
    return out;
}

Result<std::vector<std::string>> read_ids(const Json& json, std::string_view method) {
    std::vector<std::string> out;
    if (!json.is_array()) return unreadable(method);
    for (const Json& id : json.items()) {
        if (!id.is_string()) return unreadable(method);
        out.push_back(id.string_value());
    }
    return out;
}

Result<near::AccountId> read_account(const Json& json, std::string_view method) {
    if (!json.is_string()) return unreadable(method);
    const auto id = near::AccountId::parse(json.string_value());
    if (!id) return unreadable(method);
    return *id;
}

Result<Json> read_view(const chain::NearView& answer, const std::string& method) {
    auto json = Json::parse(base::as_text(answer.result));
    if (!json) return Error::corrupt_data("the answer of the view " + method + " is no JSON");
    return json;
}

Json account_args(const near::AccountId& id) {
    return Json::object().set("account_id", Json::string(id.text()));
}

}  // namespace

std::optional<near::YoctoNear> GateFees::of(std::uint64_t calls) const {
    for (const auto& [cap, fee] : tiers) {
        if (calls <= cap) return fee;
    }
    return std::nullopt;
}

ChainFacts::ChainFacts(
    const CoordinatorOptions& options, near::AccountId relayer, near::AccountId approver,
    chain::NearClient& chain, chain::NearClient* archive_or_null, const base::Clock& clock)
    : options_(options),
      relayer_(std::move(relayer)),
      approver_(std::move(approver)),
      chain_(chain),
      archive_or_null_(archive_or_null),
      clock_(clock) {}

Task<Result<chain::NearBlock>> ChainFacts::final_block() {
    return FreshValue<chain::NearBlock>::get(
        block_, clock_, options_.poll_interval / 2, [this] { return chain_.final_block(); });
}

Task<Result<chain::NearHeights>> ChainFacts::final_heights() {
    return FreshValue<chain::NearHeights>::get(
        final_heights_, clock_, options_.poll_interval / 2,
        [this] { return chain_.final_heights(); });
}

ChainFacts::Remembered& ChainFacts::remembered(const near::AccountId& gate_id) {
    const std::lock_guard lock(mutex_);
    auto& value = gates_[gate_id];
    if (value == nullptr) value = std::make_unique<Remembered>();
    return *value;
}

void ChainFacts::forget_gate(const near::AccountId& gate_id) {
    Remembered& known = remembered(gate_id);
    known.facts.forget();
    known.fees.forget();
}

Task<Result<GateFacts>> ChainFacts::gate(near::AccountId gate_id) {
    Remembered& known = remembered(gate_id);
    auto getting = FreshValue<GateFacts>::get(
        known.facts, clock_, options_.facts_keep, [this, gate_id] { return read_gate(gate_id); });
    auto out = co_await std::move(getting);
    const std::lock_guard lock(mutex_);
    known.unreadable_since.reset();
    if (!out) known.unreadable_since = clock_.steady_now();
    co_return out;
}

bool ChainFacts::is_unreadable(const near::AccountId& gate_id) {
    Remembered& known = remembered(gate_id);
    const std::lock_guard lock(mutex_);
    return known.unreadable_since &&
           clock_.steady_now() - *known.unreadable_since < options_.facts_keep;
}

Task<Result<GateFees>> ChainFacts::fees(near::AccountId gate_id) {
    FreshValue<GateFees>& value = remembered(gate_id).fees;
    auto getting = FreshValue<GateFees>::get(
        value, clock_, kFeesKeep, [this, gate_id] { return read_fees(gate_id); });
    co_return co_await std::move(getting);
}

Task<Result<GateFees>> ChainFacts::read_fees(near::AccountId gate_id) {
    const std::string method = "get_fee_tiers";
    auto calling = chain_.call_agreed_function(std::move(gate_id), method, bytes_of("{}"));
    CO_TRY(const auto answer, co_await std::move(calling));
    CO_TRY(const Json tiers, read_view(answer, method));
    GateFees out;
    CO_TRY(out.tiers, read_tiers(tiers));
    out.block_height = answer.block_height;
    co_return out;
}

Task<Result<Json>> ChainFacts::view(
    near::AccountId contract, std::string method, std::string args) {
    auto calling = chain_.call_function(std::move(contract), method, bytes_of(args));
    CO_TRY(const auto answer, co_await std::move(calling));
    co_return read_view(answer, method);
}

Task<Result<Json>> ChainFacts::agreed_view(
    near::AccountId contract, std::string method, std::string args) {
    auto calling = chain_.call_agreed_function(std::move(contract), method, bytes_of(args));
    CO_TRY(const auto answer, co_await std::move(calling));
    co_return read_view(answer, method);
}

Task<Result<GateFacts>> ChainFacts::read_gate(near::AccountId gate_id) {
    auto owning = agreed_view(gate_id, "get_owner", "{}");
    CO_TRY(const Json owner, co_await std::move(owning));
    auto approving = agreed_view(gate_id, "get_approver", "{}");
    CO_TRY(const Json approver, co_await std::move(approving));
    auto listing = agreed_view(gate_id, "is_relayer", account_args(relayer_).dump());
    CO_TRY(const Json listed, co_await std::move(listing));
    auto pricing = read_fees(gate_id);
    CO_TRY(auto its_fees, co_await std::move(pricing));
    auto tailing = agreed_view(gate_id, "get_batch_tail", "{}");
    CO_TRY(const Json tail, co_await std::move(tailing));
    CO_TRY(auto owner_id, read_account(owner, "get_owner"));
    CO_TRY(auto approver_id, read_account(approver, "get_approver"));
    if (!listed.is_boolean()) co_return unreadable("is_relayer");
    GateFacts out{
        std::move(owner_id),
        std::move(approver_id),
        listed.boolean_value(),
        std::move(its_fees),
        {}};
    CO_TRY(out.batch_tail, read_ids(tail, "get_batch_tail"));
    auto noting = note_tail(gate_id, out.batch_tail);
    co_await std::move(noting);
    co_return out;
}

Task<Result<std::vector<std::string>>> ChainFacts::batch_tail(near::AccountId gate_id) {
    auto asking = agreed_view(gate_id, "get_batch_tail", "{}");
    CO_TRY(const Json answer, co_await std::move(asking));
    CO_TRY(auto tail, read_ids(answer, "get_batch_tail"));
    auto noting = note_tail(std::move(gate_id), tail);
    co_await std::move(noting);
    co_return tail;
}

Task<void> ChainFacts::note_tail(near::AccountId gate_id, std::vector<std::string> tail) {
    if (tail.empty()) {
        const std::lock_guard lock(mutex_);
        standing_.erase(gate_id);
        co_return;
    }
    {
        const std::lock_guard lock(mutex_);
        const auto found = standing_.find(gate_id);
        const bool known = found != standing_.end();
        if (known && found->second.first.intent_id == tail.front()) co_return;
    }
    // After the look, so that it stands no longer than is said.
    auto counting = final_heights();
    const auto heights = co_await std::move(counting);
    const std::lock_guard lock(mutex_);
    standing_.erase(gate_id);
    if (!heights) co_return;
    const GateStandstill seen{tail.front(), heights->reached};
    standing_.emplace(std::move(gate_id), std::pair(seen, clock_.steady_now()));
}

void ChainFacts::recall(const near::AccountId& gate_id, GateStandstill seen) {
    const std::lock_guard lock(mutex_);
    const base::SteadyTime long_ago = clock_.steady_now() - options_.facts_keep;
    standing_.emplace(gate_id, std::pair(std::move(seen), long_ago));
}

Task<Result<std::optional<GateStandstill>>> ChainFacts::standstill(near::AccountId gate_id) {
    const auto seen = [&]() -> std::optional<GateStandstill> {
        const std::lock_guard lock(mutex_);
        const auto found = standing_.find(gate_id);
        // Blocks never come so fast outside of tests that this hides a standstill.
        const bool old = found != standing_.end() &&
                         clock_.steady_now() - found->second.second >= options_.facts_keep;
        if (!old) return std::nullopt;
        return found->second.first;
    };
    const auto before = seen();
    if (!before) co_return before;
    auto counting = final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    if (heights.reached < before->since_block + options_.yield_blocks / 4 * 3) {
        co_return std::optional<GateStandstill>();
    }
    auto looking = batch_tail(gate_id);
    CO_TRY_VOID(co_await std::move(looking));
    const auto now = seen();
    if (!now || now->intent_id != before->intent_id) co_return std::optional<GateStandstill>();
    co_return now;
}

Task<Result<bool>> ChainFacts::holds_delegate(
    near::AccountId gate_id, std::string sender, std::uint64_t nonce) {
    auto listing = agreed_view(gate_id, "list_pending", "{}");
    CO_TRY(const Json list, co_await std::move(listing));
    CO_TRY(const std::vector<std::string> ids, read_ids(list, "list_pending"));
    if (ids.size() > kPendingLooksMax) {
        co_return Error::unavailable("too many intents wait at the gate to look at each");
    }
    for (const std::string& id : ids) {
        const Json args = Json::object().set("intent_id", Json::string(id));
        auto asking = agreed_view(gate_id, "get_pending", args.dump());
        CO_TRY(const Json intent, co_await std::move(asking));
        if (intent.is_null()) continue;  // not any more
        const Json* const whose = intent.find("sender");
        const Json* const which = intent.find("nonce");
        const bool known = whose != nullptr && which != nullptr && whose->is_string();
        if (!known || !which->is_string()) co_return unreadable("get_pending");
        if (whose->string_value() != sender) continue;
        if (which->string_value() == std::to_string(nonce)) co_return true;
    }
    co_return false;
}

std::string fee_drift_text(
    std::size_t calls, near::YoctoNear expected, const std::optional<near::YoctoNear>& fee) {
    const char* const tier = calls <= 3 ? "1-3" : calls <= 6 ? "4-6" : "7-12";
    return fmt::format(
        "{} call gate fee drift: expected {}, got {}", tier, expected.to_string(),
        fee ? fee->to_string() : "none");
}

std::string standstill_text(const near::AccountId& gate_id, const GateStandstill& standstill) {
    return fmt::format(
        "the batch at {} has not moved since block {}: nothing is submitted there until it moves, "
        "or the gate's owner resets it",
        gate_id.text(), standstill.since_block);
}

Task<Result<std::vector<std::string>>> ChainFacts::drifts(
    near::AccountId gate_id, std::uint64_t calls) {
    auto asking = gate(gate_id);
    CO_TRY(const GateFacts facts, co_await std::move(asking));
    std::vector<std::string> out;
    if (!facts.relayer_listed) {
        out.push_back(fmt::format("relayer {} is not confirmed whitelisted", relayer_.text()));
    }
    if (facts.approver != approver_) {
        out.push_back(fmt::format(
            "gate approver drift: expected {}, got {}", approver_.text(), facts.approver.text()));
    }
    const auto fee = facts.fees.of(calls);
    if (!fee || *fee > options_.fee_max(calls)) {
        out.push_back(fee_drift_text(calls, options_.fee_max(calls), fee));
    }
    if (options_.gate_code_hash.empty()) co_return out;
    auto finding = chain_.find_agreed_account(gate_id);
    const auto account = co_await std::move(finding);
    if (!account && out.empty()) co_return account.error();
    if (!account) {
        out.push_back("the gate's code cannot be read: " + account.error().message());
    } else if (!*account || (*account)->code_hash.to_string() != options_.gate_code_hash) {
        out.emplace_back("gate code hash changed");
    }
    co_return out;
}

Task<Result<void>> ChainFacts::check_gate(near::AccountId gate_id, std::uint64_t calls) {
    auto asking = drifts(std::move(gate_id), calls);
    CO_TRY(const auto found, co_await std::move(asking));
    if (!found.empty()) co_return Error::unprocessable(found.front(), "gate_drift");
    co_return Result<void>();
}

Task<Result<std::optional<near::IntentsSalt>>> ChainFacts::salt() {
    using Salt = std::optional<near::IntentsSalt>;
    constexpr auto kFetch = [](ChainFacts* self) -> Task<Result<Salt>> {
        auto asking = self->agreed_view(self->options_.intents_contract, "current_salt", "{}");
        const auto json = co_await std::move(asking);
        if (!json && json.error().code() == ErrorCode::Unprocessable) co_return Salt();
        if (!json) co_return json.error();
        if (!json->is_string()) co_return Error::corrupt_data("current_salt cannot be read");
        CO_TRY(const auto salt, near::IntentsSalt::parse(json->string_value()));
        co_return Salt(salt);
    };
    return FreshValue<Salt>::get(
        salt_, clock_, options_.salt_keep, [this, kFetch] { return kFetch(this); });
}

Task<Result<std::uint64_t>> ChainFacts::height_of(near::BlockHash hash) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = heights_.find(hash);
        if (found != heights_.end()) co_return found->second;
    }
    auto asking = chain_.find_block(hash);
    auto block = co_await std::move(asking);
    if (!block && archive_or_null_ != nullptr) {
        auto again = archive_or_null_->find_block(hash);
        auto archived = co_await std::move(again);
        if (archived) block = std::move(archived);
    }
    if (!block) co_return block.error();
    const std::lock_guard lock(mutex_);
    if (heights_.size() >= kHeightsMax) heights_.clear();
    heights_.emplace(hash, block->height);
    // Told by the same nodes: a target runs in the block after its dispatch.
    if (block->previous) heights_.emplace(block->previous->hash, block->previous->height);
    co_return block->height;
}

Task<Result<ChainFacts::Balances>> ChainFacts::intents_balances(
    std::string account, std::vector<std::string> token_ids) {
    Json ids = Json::array();
    for (const std::string& id : token_ids) ids.push_back(Json::string(id));
    const Json args = Json::object()
                          .set("account_id", Json::string(std::move(account)))
                          .set("token_ids", std::move(ids));
    auto calling = chain_.call_agreed_function(
        options_.intents_contract, "mt_batch_balance_of", bytes_of(args.dump()));
    CO_TRY(const auto answer, co_await std::move(calling));
    const Error bad = Error::corrupt_data("mt_batch_balance_of cannot be read");
    const auto json = Json::parse(base::as_text(answer.result));
    if (!json || !json->is_array() || json->size() != token_ids.size()) co_return bad;
    Balances out;
    out.block_height = answer.block_height;
    for (std::size_t i = 0; i < token_ids.size(); ++i) {
        const Json& item = json->items()[i];
        const auto amount = near::parse_u128(item.is_string() ? item.string_value() : "-");
        if (!amount) co_return bad;
        out.amounts.emplace(token_ids[i], *amount);
    }
    co_return out;
}

Task<Result<std::optional<chain::NearTransaction>>> ChainFacts::find_transaction(
    near::TransactionHash hash, near::AccountId sender) {
    auto asking = chain_.find_transaction(hash, sender);
    auto found = co_await std::move(asking);
    if (!found || *found || archive_or_null_ == nullptr) co_return found;
    auto again = archive_or_null_->find_transaction(hash, std::move(sender));
    co_return co_await std::move(again);
}

Task<Result<std::optional<chain::NearTransaction>>> ChainFacts::find_agreed(
    near::TransactionHash hash, near::AccountId sender, chain::NearStory story) {
    auto asking = chain_.find_agreed_transaction(hash, sender, story);
    auto found = co_await std::move(asking);
    if (!found || *found || archive_or_null_ == nullptr) co_return found;
    auto again = archive_or_null_->find_agreed_transaction(hash, std::move(sender), story);
    co_return co_await std::move(again);
}

}  // namespace adyton::coordinator
