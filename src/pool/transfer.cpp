#include "pool/transfer.h"

#include <algorithm>
#include <utility>

#include "crypto/uuid.h"
#include "pool/internal/transfer_core.h"

namespace adyton::pool {
namespace {

// Another process may drive the transfer: the database is looked at in between.
constexpr base::Duration kLookPeriod = std::chrono::seconds(1);

Error unknown_transfer() {
    return Error::not_found("transfer not found", "transfer_not_found");
}

std::uint64_t nanoseconds(base::Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

}  // namespace

// ----- the board --------------------------------------------------------------------------------

void TransferBoard::put(const TransferRecord& record, std::int64_t fencing) {
    const std::lock_guard lock(mutex_);
    if (records_.size() >= kRecordsMax && !records_.contains(record.id)) return;
    records_.insert_or_assign(record.id, Entry{record, fencing});
}

std::optional<TransferRecord> TransferBoard::find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(id);
    if (found == records_.end()) return std::nullopt;
    return found->second.record;
}

std::optional<TransferRecord> TransferBoard::find_driven(
    const std::string& id, std::int64_t fencing) const {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(id);
    if (found == records_.end() || found->second.fencing != fencing) return std::nullopt;
    return found->second.record;
}

void TransferBoard::changed(const TransferRecord& record) {
    std::vector<Waiter> woken;
    {
        const std::lock_guard lock(mutex_);
        const auto found = records_.find(record.id);
        if (found != records_.end()) {
            if (is_final(record.status)) {
                records_.erase(found);
            } else {
                found->second.record = record;
            }
        }
        const auto [first, last] = waiters_.equal_range(record.id);
        for (auto waiter = first; waiter != last; ++waiter) woken.push_back(waiter->second);
        waiters_.erase(first, last);
    }
    for (const auto& waiter : woken) waiter->set(true);
}

void TransferBoard::forget(const std::string& id) {
    const std::lock_guard lock(mutex_);
    records_.erase(id);
}

Task<bool> TransferBoard::wait(
    std::shared_ptr<TransferBoard> board, TransferRecord known, base::Duration timeout) {
    const std::string id = known.id;
    base::Completion<bool> completion;
    const Waiter waiter = completion.completer();
    {
        const std::lock_guard lock(board->mutex_);
        const auto found = board->records_.find(id);
        if (found != board->records_.end()) {
            const TransferRecord& now = found->second.record;
            if (now.status != known.status || now.reason != known.reason) co_return true;
        }
        board->waiters_.emplace(id, waiter);
    }
    base::Executor& executor = *base::Executor::current();
    const auto timer = executor.post_after(timeout, [board, id, waiter] {
        {
            const std::lock_guard lock(board->mutex_);
            const auto [first, last] = board->waiters_.equal_range(id);
            const auto found = std::find_if(
                first, last, [&](const auto& entry) { return entry.second == waiter; });
            if (found == last) return;  // woken already
            board->waiters_.erase(found);
        }
        waiter->set(false);
    });
    const bool changed = co_await completion;
    if (changed) executor.cancel(timer);
    co_return changed;
}

// ----- the transfers ----------------------------------------------------------------------------

Transfers::Core::Core(
    const PoolContext& pool_context, chain::NeoClient& neo_client,
    workflow::StepRunner::Options runner_options, TransferOptions transfer_options)
    : pool(pool_context),
      chain(neo_client),
      executor(runner_options.executor),
      options(transfer_options),
      runner(std::move(runner_options)),
      board(std::make_shared<TransferBoard>()),
      tokens(neo_client, options.tokens) {
    workflow::RunKind kind;
    kind.name = kTransferRunKind;
    kind.step = [this](workflow::StepContext& context) { return step(context); };
    runner.add(std::move(kind));
}

// Waits until there is something to say: what came of sending it, or with `wait_seconds` its end.
Task<Result<TransferAnswer>> Transfers::Core::answer_when_known(
    std::string id, std::int64_t wait_seconds) {
    base::Executor& here = *base::Executor::current();
    const base::Duration patience =
        std::max<base::Duration>(options.broadcast_wait, std::chrono::seconds(wait_seconds));
    const base::SteadyTime until = here.steady_now() + patience;
    for (;;) {
        auto loading = load(id);
        CO_TRY(TransferRecord record, co_await std::move(loading));
        const bool sent = record.status != api::TransferStatus::Prepared;
        const bool known = wait_seconds > 0 ? is_final(record.status) : sent;
        const base::Duration left = until - here.steady_now();
        if (known || left <= base::Duration::zero()) {
            const bool there = sent && record.status != api::TransferStatus::Unknown;
            co_return TransferAnswer{record.to_info(), there};
        }
        auto waiting = TransferBoard::wait(board, std::move(record), std::min(left, kLookPeriod));
        const bool changed = co_await std::move(waiting);
        if (!changed) board->forget(id);  // whoever drives it writes to the database
    }
}

Transfers::Transfers(
    const PoolContext& pool, chain::NeoClient& chain, workflow::StepRunner::Options runner,
    TransferOptions options)
    : core_(std::make_unique<Core>(pool, chain, std::move(runner), options)) {}
Transfers::~Transfers() = default;

void Transfers::start() {
    core_->runner.start();
}

Task<void> Transfers::stop() {
    return core_->runner.stop();
}

Task<Result<TransferAnswer>> Transfers::transfer(CallContext& call, api::TransferRequest request) {
    Core& core = *core_;
    CO_TRY_VOID(core.pool.policy.check(call.service, policy::Operation::Transfer));
    const std::int64_t wait_seconds = request.wait_seconds;
    CO_TRY(TransferPlan plan, plan_transfer(std::move(request)));
    const base::Executor& here = *base::Executor::current();
    const auto began = here.steady_now();
    auto previewing = core.preview(call, plan);
    CO_TRY(const Core::Preview preview, co_await std::move(previewing));
    if (preview.replayed_id) {
        call.replayed = true;
        auto answering = core.answer_when_known(*preview.replayed_id, wait_seconds);
        co_return co_await std::move(answering);
    }
    if (plan.symbol) {
        auto finding = core.tokens.find(*plan.symbol);
        CO_TRY(plan.token, co_await std::move(finding));
    }
    const auto looked_up = here.steady_now();
    auto drafting = core.draft(plan, *preview.parties);
    CO_TRY(const TransferDraft draft, co_await std::move(drafting));
    core.times.look_up += nanoseconds(looked_up - began);
    core.times.chain += nanoseconds(here.steady_now() - looked_up);
    auto preparing = core.prepare(call, plan, *preview.parties, draft);
    CO_TRY(const Core::Prepared prepared, co_await std::move(preparing));
    if (prepared.record) {
        ++core.times.prepared;
        core.board->put(*prepared.record, prepared.run->fencing);
        core.runner.adopt(*prepared.run);
    }
    auto answering = core.answer_when_known(prepared.id, wait_seconds);
    co_return co_await std::move(answering);
}

Task<Result<api::TransferInfo>> Transfers::find(std::string service, std::string id) {
    const auto canonical = crypto::canonical_uuid(id);
    if (!canonical) co_return unknown_transfer();
    auto unit = [&](storage::Transaction& tx) { return transfers::find(tx, *canonical); };
    auto read = core_->pool.database.read(unit);
    CO_TRY(const auto record, co_await std::move(read));
    if (!record || record->service != service) co_return unknown_transfer();
    co_return record->to_info();
}

Task<Result<api::TransfersResponse>> Transfers::list(
    std::string service, api::TransfersQuery query) {
    auto unit = [&](storage::Transaction& tx) { return transfers::list(tx, service, query); };
    auto read = core_->pool.database.read(unit);
    co_return co_await std::move(read);
}

chain::NeoClient& Transfers::chain() {
    return core_->chain;
}

workflow::RunnerStatus Transfers::runner_status() const {
    return core_->runner.status();
}

TransferStages Transfers::stages() const {
    const Core::Times& times = core_->times;
    return {times.look_up,  times.chain, times.sign,      times.record, times.send,   times.note,
            times.prepared, times.sent,  times.confirmed, times.failed, times.expired};
}

void Transfers::set_probe(TransferProbe* probe) {
    core_->probe = probe;
}

}  // namespace adyton::pool
