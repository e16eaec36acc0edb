#include "sim/lane_books.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "localchain/near_network.h"
#include "near/transaction.h"

namespace adyton::sim {
namespace {

using base::Amount;
using base::Json;
using localchain::NearTransactionRecord;
using Kind = LaneStep::Kind;

const Amount kTwoRegistrations = near::parse_u128("2500000000000000000000").value();

near::AccountId account(std::string_view name) {
    return near::AccountId::parse(name).value();
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

std::uint64_t number_of(const Json& json, std::string_view name, std::uint64_t otherwise) {
    const Json* const found = json.find(name);
    if (found == nullptr) return otherwise;
    const auto number = found->as_uint64();
    return number ? *number : otherwise;
}

const near::FunctionCall* call_of(const NearTransactionRecord& tx) {
    return std::get_if<near::FunctionCall>(&tx.transaction.transaction.actions.front());
}

std::string step_json(const LaneStep& step) {
    const std::string digits = std::to_string(step.amount);
    const auto funding = [&](std::string_view kind, bool token) {
        return fmt::format(
            R"({{"kind":"funding.{}","amount":"{}"{}}})", kind, digits,
            token ? R"(,"token":"nep141:wrap.near")" : "");
    };
    switch (step.kind) {
        case Kind::Wrap:
            return funding("wrap_near", false);
        case Kind::Register:
            return R"({"kind":"funding.storage_deposit","receiver_id":"wrap.near"})";
        case Kind::Deposit:
            return funding("intents_deposit", true);
        case Kind::Withdraw:
            return funding("intents_withdraw", true);
        case Kind::Unwrap:
            return funding("unwrap_near", false);
        case Kind::Balance:
            return fmt::format(
                R"({{"kind":"funding.balance_check","token":"wrap.near","source":"intents",)"
                R"("account_id":"{}"}})",
                step.receiver);
        case Kind::UserCall:
            return R"({"kind":"near.function_call","predecessor_requirement":"user_required",)"
                   R"("user_id":"mike.near","receiver_id":"count.mike.near","actions":[)"
                   R"({"method_name":"increase","gas":"30000000000000","deposit":"0",)"
                   R"("args_json":{"n":)" +
                   digits + "}}]}";
        case Kind::Transfer:
            break;
    }
    return fmt::format(
        R"({{"kind":"intents.transfer","token":"{}","amount":"{}","receiver_id":"{}"}})",
        kWrapToken, digits, step.receiver);
}

// Whether this is the transaction of that step of a wallet.
bool is_of(const NearTransactionRecord& tx, const LaneStep& step) {
    const auto* const call = call_of(tx);
    if (call == nullptr) return false;
    const std::string args(base::as_text(call->args));
    const std::string digits = std::to_string(step.amount);
    const bool names = args.find("\"amount\":\"" + digits + "\"") != std::string::npos;
    switch (step.kind) {
        case Kind::Wrap:
            return call->method_name == "near_deposit" && call->deposit.to_string() == digits;
        case Kind::Deposit:
            return call->method_name == "ft_transfer_call" && names;
        case Kind::Withdraw:
            return call->method_name == "ft_withdraw" && names;
        case Kind::Unwrap:
            return call->method_name == "near_withdraw" && names;
        case Kind::UserCall:
            return call->method_name == "increase" &&
                   args.find("\"n\":" + digits + "}") != std::string::npos;
        default:
            return false;
    }
}

std::string_view word_of(Kind kind) {
    constexpr std::string_view kWords[] = {"wrap",   "register", "deposit",   "withdraw",
                                           "unwrap", "balance",  "user call", "transfer"};
    return kWords[static_cast<std::size_t>(kind)];
}

struct Effect {
    std::size_t landed = 0;
    std::size_t whole = 0;
    std::uint64_t height = 0;
};

// What the record says of each step: "success", "skipped", "failed", "pending", "not_begun"; empty:
// nothing.
std::vector<std::string> told_of(const WorldAnswer& record, std::size_t steps) {
    std::vector<std::string> out(steps);
    const auto take = [&](std::string_view list, std::string_view step, std::string_view status) {
        const Json* const rows = record.body.find(list);
        if (rows == nullptr || !rows->is_array()) return;
        for (const Json& row : rows->items()) {
            const std::uint64_t from = number_of(row, step, steps);
            const std::uint64_t n = number_of(row, "steps", 1);
            for (std::uint64_t i = from; i < std::min<std::uint64_t>(from + n, steps); ++i) {
                out[i] = text_of(row, status);
            }
        }
    };
    take("segments", "first_step", "status");
    take("funding_evidence", "step", "status");
    take("direct_user_evidence", "step", "final_status");
    return out;
}

}  // namespace

void switch_lanes_on(WorldOptions& options) {
    options.made_once = true;
    options.configure = [before = options.configure](coordinator::CoordinatorOptions& its) {
        if (before) before(its);
        its.enable_funding_lane = true;
        its.enable_direct_user_lane = true;
    };
}

void answer_at_once(WorldOptions& options) {
    options.configure = [before = options.configure](coordinator::CoordinatorOptions& its) {
        if (before) before(its);
        its.execute_wait = base::Duration::zero();
    };
}

namespace {

// Steps with amounts and receivers of their own, by the number of wishes there are.
std::vector<LaneStep> lane_steps(World& world, const std::vector<Kind>& kinds) {
    const std::uint64_t wish = world.wishes().size() + 1;
    // Of each kind a range of its own: what one step brings in is more than any other takes.
    const std::map<Kind, std::uint64_t> ranges = {
        {Kind::Wrap, 9'000'000},   {Kind::Deposit, 1'000'000}, {Kind::Withdraw, 300'000},
        {Kind::Unwrap, 2'000'000}, {Kind::UserCall, 0},        {Kind::Transfer, 1'000}};
    const std::string untouched =
        world.account_of(world.wallet(world.options().wallets - 1)).text();
    std::vector<LaneStep> out;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        LaneStep step;
        step.kind = kinds[i];
        const auto range = ranges.find(step.kind);
        if (range != ranges.end()) step.amount = range->second + wish * 20 + i;
        if (step.kind == Kind::Transfer) step.receiver = fmt::format("l{}-{}.near", wish, i);
        if (step.kind == Kind::Balance) step.receiver = untouched;
        out.push_back(std::move(step));
    }
    return out;
}

}  // namespace

std::vector<Kind> random_kinds(base::SeededRandom& random) {
    constexpr Kind kAny[] = {Kind::Wrap,    Kind::Wrap,     Kind::Register,
                             Kind::Deposit, Kind::Unwrap,   Kind::Withdraw,
                             Kind::Balance, Kind::UserCall, Kind::Transfer};
    std::vector<Kind> out;
    // Most begin with what the others need.
    if (random.below(3) != 0) out.push_back(Kind::Wrap);
    const std::uint64_t count = 1 + random.below(4);
    for (std::uint64_t i = 0; i < count; ++i) out.push_back(kAny[random.below(std::size(kAny))]);
    // A workflow of gate steps alone is no matter of lanes.
    const bool gate_alone =
        std::all_of(out.begin(), out.end(), [](Kind kind) { return kind == Kind::Transfer; });
    if (gate_alone) out.push_back(Kind::Balance);
    return out;
}

std::vector<Kind> all_kinds() {
    return {Kind::Register, Kind::Wrap,     Kind::Deposit,  Kind::Balance, Kind::UserCall,
            Kind::Transfer, Kind::Transfer, Kind::Withdraw, Kind::Unwrap};
}

World::Wish& wish_lanes(World& world, std::size_t wallet_index, const std::vector<Kind>& kinds) {
    World::Wish out;
    out.wallet = world.wallet(wallet_index);
    out.key = fmt::format("lanes-{}", world.wishes().size() + 1);
    out.steps = lane_steps(world, kinds);
    std::string list;
    for (const LaneStep& step : out.steps) list += (list.empty() ? "" : ",") + step_json(step);
    out.body = R"({"idempotency_key":")" + out.key + R"(","steps":[)" + list + "]}";
    world.wishes().push_back(std::move(out));
    return world.wishes().back();
}

void install_user_key(World& world, const std::string& wallet, bool with_allowance) {
    const WorldAnswer prepared = world.post(
        "/wallet/v1/direct-user/function-call-key/prepare", wallet,
        R"({"user_id":"mike.near","registry_id":"mike.sequential.near",)"
        R"("receiver_id":"count.mike.near","method_names":["increase"]})");
    const auto key = near::PublicKey::parse(prepared.string("public_key"));
    ASSERT_TRUE(key) << prepared.text;
    const auto owner = localchain::near_network_key(base::as_bytes("public"), "mike.near");
    const auto user = account("mike.near");
    const auto own = near::PublicKey(owner.public_key());
    auto& chain = world.chain();
    near::FunctionCallPermission permission{std::nullopt, account("count.mike.near"), {"increase"}};
    if (with_allowance) {
        permission.allowance = near::YoctoNear::parse("50000000000000000000000").value();
    }
    near::Transaction tx{
        user,
        own,
        chain.access_key_at(user, own, chain.height())->nonce + 1,
        user,
        chain.head().hash,
        {near::AddKey{*key, {0, permission}}}};
    const auto made = near::sign(std::move(tx), owner);
    ASSERT_TRUE(made);
    ASSERT_TRUE(chain.submit(near::serialize(*made)).accepted());
    world.pass(world.options().block_time * 6);
}

std::vector<const NearTransactionRecord*> landed(World& world, const near::AccountId& signer) {
    std::vector<const NearTransactionRecord*> out;
    auto& chain = world.chain();
    for (auto height = chain.options().genesis_height; height <= chain.height(); ++height) {
        const auto* const block = chain.find_block(height);
        if (block == nullptr) continue;
        for (const auto& hash : block->transactions) {
            const auto* const tx = chain.find_transaction(hash);
            if (tx != nullptr && tx->transaction.transaction.signer_id == signer) out.push_back(tx);
        }
    }
    return out;
}

std::string method_of(const NearTransactionRecord& tx) {
    const auto* const call = call_of(tx);
    return call == nullptr ? "other" : call->method_name;
}

bool is_whole(const NearTransactionRecord& tx) {
    return std::none_of(tx.outcomes.begin(), tx.outcomes.end(), [](const auto& outcome) {
        return !outcome.is_refund && outcome.kind == localchain::NearOutcome::Kind::Failure;
    });
}

// ----- the books --------------------------------------------------------------------------------

namespace {

// What became of each step on the chain.
std::vector<Effect> effects_of(World& world, const World::Wish& wish) {
    const auto own = landed(world, world.account_of(wish.wallet));
    const auto users = landed(world, account("mike.near"));
    std::vector<Effect> out;
    for (const LaneStep& step : wish.steps) {
        Effect effect;
        if (step.kind == Kind::Transfer) {
            const Amount got = world.intents_balance(step.receiver);
            effect.landed = effect.whole = got == Amount() ? 0 : 1;
            if (got != Amount() && got != Amount(step.amount)) effect.landed = 2;
        }
        for (const auto* const tx : step.kind == Kind::UserCall ? users : own) {
            if (!is_of(*tx, step)) continue;
            ++effect.landed;
            if (is_whole(*tx)) ++effect.whole;
            effect.height = tx->height;
        }
        out.push_back(effect);
    }
    return out;
}

bool has_effect(const LaneStep& step) {
    return step.kind != Kind::Register && step.kind != Kind::Balance;
}

}  // namespace

// The batches of a workflow are requests of their own.
void World::check_batches(const Wish& wish, const WorldAnswer& record) {
    const Json* const segments = record.body.find("segments");
    if (segments == nullptr || !segments->is_array()) return;
    for (const Json& segment : segments->items()) {
        const std::string id = text_of(segment, "request_id");
        if (id.empty()) continue;
        const WorldAnswer batch = get("/wallet/v1/workflows/" + id, wish.wallet);
        if (batch.string("phase") != "done") violate(wish.key + ": a batch of it never ended");
        check_intents(wish, batch);
        check_bundle(wish, id);
    }
}

void World::check_lane_wish(const Wish& wish) {
    const std::vector<Effect> effects = effects_of(*this, wish);
    const WorldAnswer record = wish.request_id.empty()
                                   ? WorldAnswer{}
                                   : get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
    const std::string status = record.string("status");
    const std::string error = record.string("user_visible_error");
    const std::vector<std::string> told = told_of(record, wish.steps.size());
    const auto fail = [&](std::size_t step, std::string_view what) {
        violate(fmt::format(
            "{} ({}), step {}: {}; {} on the chain {} times, whole {} times, told as \"{}\"; {}: "
            "{}",
            wish.key, wish.request_id, step, what, word_of(wish.steps[step].kind),
            effects[step].landed, effects[step].whole, told[step], status, error));
    };
    if (status == "processing" || status == "planned") {
        return violate(wish.key + ": its record never ended");
    }
    const bool late = error.find("yet it landed and succeeded") != std::string::npos;
    bool all = true;
    bool stopped = false;
    std::uint64_t height = 0;
    for (std::size_t i = 0; i < wish.steps.size(); ++i) {
        const LaneStep& step = wish.steps[i];
        const Effect& effect = effects[i];
        const bool gate = step.kind == Kind::Transfer;
        const bool said = told[i] == "success" || told[i] == "skipped";
        const bool same_batch = gate && i > 0 && wish.steps[i - 1].kind == Kind::Transfer;
        all = all && said;
        if (effect.landed > 1) fail(i, "carried out twice");
        if (told[i] == "pending") fail(i, "a final record with a pending step");
        if (stopped && !same_batch && (effect.landed > 0 || said)) {
            fail(i, "carried out after a step that failed");
        }
        if (!said && !same_batch) stopped = true;
        if (!has_effect(step)) {
            check_balance(wish, record, i, said);
            continue;
        }
        const bool done = effect.whole == 1;
        if (said && !done) fail(i, "told as done, and it is not");
        // A batch that failed may have carried out some of its calls.
        if (done && !said && !gate && !late) fail(i, "done, and not told");
        if (gate || !done) continue;
        if (effect.height <= height) fail(i, "not in the order of the steps");
        height = effect.height;
    }
    if (!wish.request_id.empty() && (status == "succeeded") != all) {
        violate(fmt::format("{}: says {} and steps say otherwise: {}", wish.key, status, error));
    }
    if (wish.request_id.empty()) return;
    check_transfers(wish, record);
    check_batches(wish, record);
    check_bundle(wish, wish.request_id);
}

// What nobody changes is what every look must find.
void World::check_balance(
    const Wish& wish, const WorldAnswer& record, std::size_t step, bool said) {
    if (!said || wish.steps[step].kind != Kind::Balance) return;
    const std::string there = intents_balance(wish.steps[step].receiver).to_string();
    for (const Json& row : record.at("funding_evidence").items()) {
        const Json* const result = row.find("result");
        if (number_of(row, "step", ~0ULL) != step || result == nullptr) continue;
        if (text_of(*result, "balance") == there) continue;
        violate(fmt::format(
            "{}, step {}: tells a balance of {}, it is {}", wish.key, step,
            text_of(*result, "balance"), there));
    }
}

// As many calls are told as done as moved tokens.
void World::check_transfers(const Wish& wish, const WorldAnswer& record) {
    std::size_t moved = 0;
    for (const LaneStep& step : wish.steps) {
        if (step.kind == Kind::Transfer && intents_balance(step.receiver) != Amount()) ++moved;
    }
    const Json* const rows = record.body.find("dispatch_receipts");
    std::size_t told = 0;
    for (std::size_t i = 0; rows != nullptr && i < rows->size(); ++i) {
        if (text_of(rows->items()[i], "status") == "success") ++told;
    }
    if (moved != told) {
        violate(fmt::format("{}: {} transfers moved tokens, {} are told", wish.key, moved, told));
    }
}

// What users' keys did is what was counted.
void World::check_count() {
    std::size_t calls = 0;
    for (const auto* const tx : landed(*this, account("mike.near"))) {
        if (method_of(*tx) == "increase" && is_whole(*tx)) ++calls;
    }
    const auto count = chain_->view(account("count.mike.near"), "get_count", "{}");
    if (count->dump() != std::to_string(calls)) violate("the count is not that of users' calls");
}

void World::bound(const std::string& wallet, std::uint64_t amount) {
    bounds_[wallet] = amount;
    const Amount native = *kTwoRegistrations.plus(Amount(amount));
    put_policy(
        wallet, fmt::format(
                    R"({{"version":1,"default":"allow","limits":{{"total":{{"native":"{}",)"
                    R"("nep141:wrap.near":"{}"}}}}}})",
                    native.to_string(), amount));
}

// By a workflow for the gate alone.
std::uint64_t World::moved_by(const Wish& wish) const {
    std::uint64_t out = 0;
    for (const auto& [receiver, amount] : wish.moves) {
        if (intents_balance(receiver) == amount) out += near::parse_u64(amount.to_string()).value();
    }
    return out;
}

// Nothing was spent past a limit, whatever became of it.
void World::check_bounds() {
    for (const auto& [name, amount] : bounds_) {
        Amount native;
        for (const auto* const tx : landed(*this, account_of(name))) {
            if (const auto* const call = call_of(*tx)) {
                native = *native.plus(call->deposit.amount());
            }
        }
        std::uint64_t token = 0;
        for (const Wish& wish : wishes_) {
            if (wish.wallet != name) continue;
            token += moved_by(wish);
            const std::vector<Effect> effects = effects_of(*this, wish);
            for (std::size_t i = 0; i < effects.size(); ++i) {
                const Kind kind = wish.steps[i].kind;
                const bool counts =
                    kind == Kind::Deposit || kind == Kind::Withdraw || kind == Kind::Transfer;
                if (counts) token += wish.steps[i].amount * effects[i].landed;
            }
        }
        if (native > *kTwoRegistrations.plus(Amount(amount))) {
            violate(name + " spent more NEAR than its limit: " + native.to_string());
        }
        if (token > amount) {
            violate(fmt::format("{} spent more wNEAR than its limit: {}", name, token));
        }
    }
}

// What each wallet holds is what its steps brought and took.
void World::check_holdings() {
    for (std::size_t w = 0; w < options_.wallets; ++w) {
        const std::string name = wallet(w);
        std::int64_t wrapped = 0;
        std::int64_t inside = 0;
        bool concerned = false;
        for (const Wish& wish : wishes_) {
            if (wish.wallet != name) continue;
            concerned = true;
            inside -= static_cast<std::int64_t>(moved_by(wish));
            const std::vector<Effect> effects = effects_of(*this, wish);
            for (std::size_t i = 0; i < effects.size(); ++i) {
                if (effects[i].whole == 0) continue;
                const LaneStep& step = wish.steps[i];
                const auto amount = static_cast<std::int64_t>(step.amount * effects[i].whole);
                const bool in = step.kind == Kind::Deposit;
                const bool out = step.kind == Kind::Withdraw;
                if (step.kind == Kind::Wrap || out) wrapped += amount;
                if (step.kind == Kind::Unwrap || in) wrapped -= amount;
                if (in) inside += amount;
                if (out || step.kind == Kind::Transfer) inside -= amount;
            }
        }
        if (!concerned) continue;
        const std::string id = account_of(name).text();
        const auto held = chain_->view(
            account("wrap.near"), "ft_balance_of", R"({"account_id":")" + id + R"("})");
        if (held->string_value() != std::to_string(wrapped)) {
            violate(fmt::format(
                "{} holds {} wNEAR, its steps made {}", name, held->string_value(), wrapped));
        }
        const Amount start = near::parse_u128("50000000000000000000000000").value();
        const Amount more(static_cast<std::uint64_t>(inside < 0 ? -inside : inside));
        const Amount wanted = inside < 0 ? *start.minus(more) : *start.plus(more);
        if (intents_balance(id) != wanted) {
            violate(fmt::format(
                "{} has {} inside the intents contract, its steps made {}", name,
                intents_balance(id).to_string(), wanted.to_string()));
        }
    }
}

}  // namespace adyton::sim
