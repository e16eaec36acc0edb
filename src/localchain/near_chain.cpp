#include "localchain/near_chain.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "localchain/internal/near_host.h"

namespace adyton::localchain {
namespace internal {

near::ReceiptId make_id(
    const crypto::Sha256Digest& base, std::uint64_t height, std::uint64_t index) {
    near::BorshWriter out;
    out.fixed(base.view()).u64(height).u64(index);
    return near::ReceiptId{crypto::sha256(out.view())};
}

}  // namespace internal

namespace {

using base::Json;
using internal::AccountRow;
using internal::DataParcel;
using internal::Incoming;
using internal::kLatest;
using internal::Parcel;
using internal::StateChange;

// Storage of one account, written through at once: genesis.
class GenesisStorage final : public NearStorage {
public:
    GenesisStorage(StateChange& change, const near::AccountId& account)
        : change_(change), account_(account) {}

    std::optional<std::string> get(const std::string& key) const override {
        return change_.stored(internal::state_key(account_, key));
    }
    void set(const std::string& key, std::string value) override {
        change_.store(internal::state_key(account_, key), std::move(value));
    }
    void remove(const std::string& key) override {
        change_.store(internal::state_key(account_, key), std::nullopt);
    }
    std::vector<std::string> keys(const std::string& prefix, std::size_t most) const override {
        auto out = change_.stored_keys(internal::state_key(account_, prefix), most);
        for (std::string& key : out) key.erase(0, account_.text().size() + 1);
        return out;
    }

private:
    StateChange& change_;
    const near::AccountId& account_;
};

std::uint64_t nanoseconds(base::Timestamp time) {
    const auto count =
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    return count < 0 ? 0 : static_cast<std::uint64_t>(count);
}

}  // namespace

NearChain::Core::Core(NearChainOptions its_options, base::Executor& its_executor)
    : options(std::move(its_options)), executor(its_executor), block_time(options.block_time) {}

Result<void> NearChain::Core::make_genesis() {
    height = options.genesis_height;
    auto block = std::make_unique<NearBlockRecord>();
    block->height = height;
    const bool timed = options.genesis_time_ns != 0;
    timestamp_ns = timed ? options.genesis_time_ns : nanoseconds(executor.now());
    block->timestamp_ns = timestamp_ns;
    trace("genesis", options.seed);
    trace("height", height);
    StateChange change(state, kLatest);
    for (const NearGenesisAccount& account : options.genesis) {
        if (change.account(account.id).has_value()) {
            return Error::invalid_argument("genesis has two accounts named " + account.id.text());
        }
        AccountRow row;
        row.amount = account.balance.amount();
        const auto more = supply.plus(row.amount);
        if (!more.has_value()) return Error::invalid_argument("genesis has too many tokens");
        supply = *more;
        row.storage_bytes = 182;
        if (account.contract != nullptr) {
            row.contract = account.contract;
            row.code_hash =
                near::CodeHash{crypto::sha256(base::as_bytes(account.contract->name()))};
            row.storage_bytes += 200'000;
        }
        change.set_account(account.id, std::move(row));
        for (const NearGenesisKey& key : account.keys) {
            const std::uint64_t nonce = height == 0 ? 0 : (height - 1) * internal::kNonceRange;
            change.set_key(account.id, key.key, NearKeyState{nonce, key.permission});
        }
        if (account.contract != nullptr) {
            GenesisStorage storage(change, account.id);
            account.contract->deploy(account.id, storage);
        }
        trace("account", base::as_bytes(account.id.text()));
    }
    change.commit(height, 0);
    crypto::Sha256 so_far = trace_state;
    block->hash = near::BlockHash{so_far.finish()};
    by_height[height] = 0;
    by_hash[block->hash] = 0;
    blocks.push_back(std::move(block));
    return {};
}

std::uint64_t NearChain::Core::keep_from() const {
    const std::size_t kept = std::size_t{options.history_blocks} + options.final_lag_blocks + 1;
    return blocks.size() <= kept ? 0 : blocks[blocks.size() - 1 - kept]->height;
}

std::uint64_t NearChain::Core::base_height(std::uint64_t at) const {
    return std::max(at, keep_from());
}

void NearChain::Core::trace(std::string_view what, base::ByteView bytes) {
    near::BorshWriter out;
    out.string(what).bytes(bytes);
    trace_state.update(out.view());
}

void NearChain::Core::trace(std::string_view what, std::uint64_t number) {
    near::BorshWriter out;
    out.string(what).u64(number);
    trace_state.update(out.view());
}

void NearChain::Core::trace_outcome(const NearOutcome& outcome) {
    near::BorshWriter out;
    out.string("outcome").fixed(outcome.id.view()).u64(outcome.height);
    out.u8(static_cast<std::uint8_t>(outcome.kind)).u64(outcome.gas_burnt).bytes(outcome.value);
    out.fixed(outcome.receipt.view());
    out.string(outcome.failure.is_null() ? std::string() : outcome.failure.dump());
    for (const std::string& line : outcome.logs) out.string(line);
    for (const near::ReceiptId& id : outcome.receipt_ids) out.fixed(id.view());
    trace_state.update(out.view());
}

// One of each key in turn, in the order in which the keys first showed up; of one key, the lowest
// nonce first.
std::vector<NearChain::Core::Pooled> NearChain::Core::next_transactions() {
    using Lane = std::map<std::uint64_t, std::uint64_t>;  // nonce to place in the pool
    std::vector<Lane> lanes;
    std::map<std::string, std::size_t> lane_of;
    for (const auto& [place, one] : pool) {
        const near::Transaction& transaction = one.transaction.transaction;
        const std::string key = internal::key_row(transaction.signer_id, transaction.public_key);
        const auto [found, fresh] = lane_of.emplace(key, lanes.size());
        if (fresh) lanes.emplace_back();
        lanes[found->second].emplace(transaction.nonce, place);
    }
    std::vector<Pooled> out;
    bool more = true;
    while (more && out.size() < options.block_transactions_max) {
        more = false;
        for (Lane& lane : lanes) {
            if (lane.empty() || out.size() >= options.block_transactions_max) continue;
            const auto found = pool.find(lane.begin()->second);
            pooled.erase(found->second.hash);
            out.push_back(std::move(found->second));
            pool.erase(found);
            lane.erase(lane.begin());
            more = more || !lane.empty();
        }
    }
    // Two transactions with one nonce of one key: only one was in its lane. The other can never
    // land after it, and goes when its turn comes.
    return out;
}

void NearChain::Core::take_pooled(NearBlockRecord& block) {
    for (Pooled& one : next_transactions()) {
        StateChange view(state, kLatest);
        // Invalid by now: nobody is told, as on the real chain.
        if (check_transaction(one.transaction, height, view, true).has_value()) {
            trace("dropped", one.hash.view());
            note_input(InputKind::Dropped, one.hash.view());
            continue;
        }
        if (keep_record) note_input(InputKind::Pooled, near::serialize(one.transaction));
        include(one, block, false);
    }
}

void NearChain::Core::take_injected(NearBlockRecord& block) {
    for (const Injected& one : std::exchange(injected, {})) {
        StateChange view(state, kLatest);
        if (!view.account(one.transaction.transaction.signer_id).has_value()) continue;
        if (keep_record) note_input(InputKind::Injected, near::serialize(one.transaction));
        include({one.transaction, one.hash}, block, true);
    }
}

void NearChain::Core::take_incoming(std::vector<Incoming> incoming) {
    for (Incoming& one : incoming) {
        if (auto* const parcel = std::get_if<Parcel>(&one)) {
            deliver(std::move(*parcel));
        } else {
            deliver(std::get<DataParcel>(std::move(one)));
        }
    }
}

void NearChain::Core::time_out_yields() {
    while (!timeouts.empty() && timeouts.front().first <= height) {
        const near::ReceiptId data_id = timeouts.front().second;
        timeouts.pop_front();
        const auto found = yields.find(data_id);
        if (found == yields.end() || found->second.resumed) continue;
        found->second.resumed = true;
        queue.emplace_back(DataParcel{data_id, {false, {}}});
    }
}

void NearChain::Core::collect_garbage() {
    state.accounts.prune(keep_from());
    state.keys.prune(keep_from());
    state.storage.prune(keep_from());
    if (options.garbage_collect_blocks == 0) return;
    while (!finished.empty() && finished.front().first + options.garbage_collect_blocks < height) {
        const auto found = transactions.find(finished.front().second);
        finished.pop_front();
        if (found == transactions.end()) continue;
        for (const NearReceipt& receipt : found->second->receipts) receipt_owner.erase(receipt.id);
        transactions.erase(found);
    }
}

void NearChain::Core::produce() {
    const NearBlockRecord& last = *blocks.back();
    const std::uint64_t now = std::max(nanoseconds(executor.now()), last.timestamp_ns + 1);
    make_block(last.height + 1 + std::exchange(skip, 0), now, [this](NearBlockRecord& block) {
        take_injected(block);
        take_pooled(block);
    });
}

void NearChain::Core::make_block(
    std::uint64_t at_height, std::uint64_t at_ns,
    const std::function<void(NearBlockRecord&)>& take) {
    const NearBlockRecord& last = *blocks.back();
    auto block = std::make_unique<NearBlockRecord>();
    height = at_height;
    timestamp_ns = at_ns;
    block->height = height;
    block->previous = last.hash;
    block->previous_height = last.height;
    block->timestamp_ns = timestamp_ns;
    making = block.get();
    trace("block", height);
    trace("time", timestamp_ns);
    const bool had_work = has_work();
    std::vector<Incoming> incoming = std::exchange(queue, {});
    take(*block);
    for (Parcel& parcel : std::exchange(local, {})) execute(std::move(parcel));
    take_incoming(std::move(incoming));
    time_out_yields();
    making = nullptr;
    crypto::Sha256 so_far = trace_state;
    block->hash = near::BlockHash{so_far.finish()};
    by_height[height] = blocks.size();
    by_hash[block->hash] = blocks.size();
    blocks.push_back(std::move(block));
    collect_garbage();
    note_head();
    empty_blocks = had_work ? 0 : empty_blocks + 1;
    const NearBlockRecord& made = *blocks.back();
    for (std::size_t i = 0; i < observers.size(); ++i) observers[i](made);
}

bool NearChain::Core::has_work() const {
    return !pool.empty() || !injected.empty() || !queue.empty();
}

// The next block by timer, or soon in instant mode when there is something to do.
void NearChain::Core::schedule() {
    if (scheduled || mode == Mode::ByHand) return;
    const std::weak_ptr<bool> watch = alive;
    auto work = [this, watch] {
        if (!watch.expired()) on_timer();
    };
    if (mode == Mode::Timer) {
        scheduled = true;
        const base::Duration wait = block_time + std::exchange(delay, base::Duration::zero());
        timer = executor.post_after(wait, std::move(work));
    } else if (has_work() || empty_blocks <= options.final_lag_blocks) {
        scheduled = true;
        executor.post(std::move(work));
    }
}

void NearChain::Core::on_timer() {
    scheduled = false;
    if (mode == Mode::ByHand) return;
    if (delay > base::Duration::zero()) return schedule();
    produce();
    schedule();
}

NearChain::NearChain(std::unique_ptr<Core> core) : core_(std::move(core)) {}
NearChain::~NearChain() {
    stop();
}

Result<std::unique_ptr<NearChain>> NearChain::create(
    NearChainOptions options, base::Executor& executor) {
    auto core = std::make_unique<Core>(std::move(options), executor);
    TRY_VOID(core->make_genesis());
    return std::unique_ptr<NearChain>(new NearChain(std::move(core)));
}

const NearChainOptions& NearChain::options() const {
    return core_->options;
}
std::uint64_t NearChain::height() const {
    return head().height;
}
const NearBlockRecord& NearChain::head() const {
    return *core_->blocks.back();
}
std::uint64_t NearChain::final_height() const {
    return block_back(core_->options.final_lag_blocks).height;
}
const NearBlockRecord* NearChain::find_block(std::uint64_t height) const {
    const auto found = core_->by_height.find(height);
    return found == core_->by_height.end() ? nullptr : core_->blocks[found->second].get();
}
const NearBlockRecord* NearChain::find_block(const near::BlockHash& hash) const {
    const auto found = core_->by_hash.find(hash);
    return found == core_->by_hash.end() ? nullptr : core_->blocks[found->second].get();
}
const NearBlockRecord& NearChain::block_at_or_below(std::uint64_t height) const {
    auto found = core_->by_height.upper_bound(height);
    if (found != core_->by_height.begin()) --found;
    return *core_->blocks[found->second];
}
const NearBlockRecord& NearChain::block_back(std::uint64_t blocks) const {
    const std::size_t count = core_->blocks.size();
    return *core_->blocks[blocks >= count ? 0 : count - 1 - blocks];
}

const NearBlockRecord& NearChain::produce_block() {
    core_->produce();
    return head();
}
void NearChain::start() {
    stop();
    core_->mode = Core::Mode::Timer;
    core_->schedule();
}
void NearChain::start_instant() {
    stop();
    core_->mode = Core::Mode::Instant;
    core_->empty_blocks = 0;
    core_->schedule();
}
void NearChain::stop() {
    if (core_->scheduled && core_->mode == Core::Mode::Timer) core_->executor.cancel(core_->timer);
    core_->alive = std::make_shared<bool>(true);  // what is posted finds its owner gone
    core_->scheduled = false;
    core_->mode = Core::Mode::ByHand;
}
void NearChain::set_block_time(base::Duration block_time) {
    core_->block_time = block_time;
}
void NearChain::delay_next_block(base::Duration by) {
    core_->delay += by;
}
void NearChain::skip_heights(std::uint64_t heights) {
    core_->skip += heights;
}
void NearChain::on_block(std::function<void(const NearBlockRecord&)> observer) {
    core_->observers.push_back(std::move(observer));
}

NearSubmitAnswer NearChain::submit(base::ByteView signed_transaction) {
    return submit(signed_transaction, height());
}

NearSubmitAnswer NearChain::submit(base::ByteView signed_transaction, std::uint64_t at_height) {
    NearSubmitAnswer out;
    auto parsed = near::parse_signed_transaction(signed_transaction);
    if (!parsed) {
        out.parse_error = parsed.error().message();
        return out;
    }
    out.hash = near::hash(parsed->transaction);
    if (core_->pooled.contains(*out.hash)) return out;
    out.invalid_tx_error = invalid_tx_error(*parsed, at_height);
    if (out.invalid_tx_error.has_value()) return out;
    if (core_->pool.size() >= core_->options.pool_max) {
        out.invalid_tx_error = Json::object().set(
            "ShardCongested", Json::object()
                                  .set("shard_id", Json::integer(0))
                                  .set("congestion_level", Json::integer(1)));
        return out;
    }
    core_->pooled[*out.hash] = core_->pool_next;
    core_->pool.emplace(core_->pool_next++, Core::Pooled{std::move(*parsed), *out.hash});
    core_->schedule();
    return out;
}

std::optional<Json> NearChain::invalid_tx_error(
    const near::SignedTransaction& transaction, std::uint64_t at_height) const {
    StateChange at(core_->state, core_->base_height(at_height));
    return core_->check_transaction(transaction, at_height, at, false);
}

bool NearChain::drop_from_pool(const near::TransactionHash& hash) {
    const auto found = core_->pooled.find(hash);
    if (found == core_->pooled.end()) return false;
    core_->pool.erase(found->second);
    core_->pooled.erase(found);
    return true;
}
std::size_t NearChain::pool_size() const {
    return core_->pool.size();
}
bool NearChain::is_pooled(const near::TransactionHash& hash) const {
    return core_->pooled.contains(hash);
}

const NearTransactionRecord* NearChain::find_transaction(const near::TransactionHash& hash) const {
    const auto found = core_->transactions.find(hash);
    return found == core_->transactions.end() ? nullptr : found->second.get();
}
const NearTransactionRecord* NearChain::find_transaction_of_receipt(
    const near::ReceiptId& id) const {
    const auto found = core_->receipt_owner.find(id);
    return found == core_->receipt_owner.end() ? nullptr : find_transaction(found->second);
}

std::optional<NearAccountState> NearChain::account(const near::AccountId& id) const {
    return account_at(id, kLatest);
}
std::optional<NearAccountState> NearChain::account_at(
    const near::AccountId& id, std::uint64_t height) const {
    const AccountRow* const row = core_->state.accounts.find(id.text(), core_->base_height(height));
    if (row == nullptr) return std::nullopt;
    return NearAccountState{near::YoctoNear(row->amount), row->code_hash, row->storage_bytes};
}
std::optional<NearKeyState> NearChain::access_key_at(
    const near::AccountId& id, const near::PublicKey& key, std::uint64_t height) const {
    const NearKeyState* const row =
        core_->state.keys.find(internal::key_row(id, key), core_->base_height(height));
    return row == nullptr ? std::nullopt : std::optional<NearKeyState>(*row);
}
std::vector<std::pair<near::PublicKey, NearKeyState>> NearChain::access_keys_at(
    const near::AccountId& id, std::uint64_t height) const {
    std::vector<std::pair<near::PublicKey, NearKeyState>> out;
    const std::string prefix = internal::state_key(id, {});
    core_->state.keys.for_each(
        prefix, core_->base_height(height), [&](const std::string& key, const NearKeyState& row) {
            const base::ByteView raw = base::as_bytes(key).subspan(prefix.size());
            const auto read = near::PublicKey::from_bytes(
                static_cast<near::KeyType>(raw.front()), raw.subspan(1));
            CHECK(read.has_value());
            out.emplace_back(*read, row);
            return true;
        });
    return out;
}

Result<NearViewAnswer> NearChain::view_at(
    const near::AccountId& contract, const std::string& method, base::ByteView args,
    std::uint64_t height) const {
    const std::uint64_t at = core_->base_height(height);
    StateChange change(core_->state, at);
    const auto row = change.account(contract);
    if (!row.has_value()) return Error::not_found("no such account", "account");
    if (row->contract == nullptr) return Error::not_found("no contract there", "contract");
    const NearBlockRecord& block = block_at_or_below(height);
    const internal::NearHost::Frame frame{contract,
                                          contract,
                                          contract,
                                          method,
                                          args,
                                          {},
                                          near::Gas(internal::kPrepaidGasMax),
                                          block.height,
                                          block.timestamp_ns};
    internal::NearHost host(frame, change, nullptr);
    Result<std::string> done = row->contract->run(host);
    NearViewAnswer out;
    out.logs = std::move(host.logs());
    if (done) {
        const base::ByteView bytes = base::as_bytes(*done);
        out.result.assign(bytes.begin(), bytes.end());
    } else {
        out.error = internal::view_error(done.error());
    }
    return out;
}

Result<Json> NearChain::view(
    const near::AccountId& contract, const std::string& method,
    const std::string& args_json) const {
    TRY(const NearViewAnswer answer,
        view_at(contract, method, base::as_bytes(args_json), height()));
    if (answer.error.has_value()) return Error::unprocessable(*answer.error);
    auto parsed = Json::parse(base::as_text(answer.result));
    if (!parsed) return Error::corrupt_data("the contract's answer is no JSON");
    return *std::move(parsed);
}

Result<near::TransactionHash> NearChain::inject(InjectedCall call) {
    if (!account(call.predecessor).has_value()) {
        return Error::not_found("no account " + call.predecessor.text());
    }
    const near::PublicKey nobody{crypto::Ed25519PublicKey{}};
    const base::ByteView args = base::as_bytes(call.args_json);
    near::Transaction transaction{call.predecessor, nobody,      ++core_->injected_count,
                                  call.receiver,    head().hash, {}};
    if (call.method.empty()) {
        transaction.actions.emplace_back(near::Transfer{call.deposit});
    } else {
        transaction.actions.emplace_back(
            near::FunctionCall{call.method, {args.begin(), args.end()}, call.gas, call.deposit});
    }
    const near::TransactionHash hash = near::hash(transaction);
    near::SignedTransaction unsigned_one{
        std::move(transaction), near::Signature(crypto::Ed25519Signature{})};
    core_->injected.push_back({std::move(call), hash, std::move(unsigned_one)});
    core_->schedule();
    return hash;
}

void NearChain::mint(const near::AccountId& id, near::YoctoNear amount) {
    StateChange change(core_->state, kLatest);
    AccountRow row = change.account(id).value_or(AccountRow{});
    const auto more = row.amount.plus(amount.amount());
    const auto total = core_->supply.plus(amount.amount());
    CHECK(more.has_value() && total.has_value());
    row.amount = *more;
    core_->supply = *total;
    change.set_account(id, std::move(row));
    change.commit(core_->height, core_->keep_from());
}

void NearChain::order(NearReceiptFault fault) {
    core_->faults.push_back({std::move(fault)});
}
void NearChain::clear_receipt_faults() {
    core_->faults.clear();
}
std::uint64_t NearChain::receipts_failed_by_order() const {
    return core_->failed_by_order;
}

void NearChain::set_storage(
    const near::AccountId& contract, const std::string& key, std::optional<std::string> value) {
    StateChange change(core_->state, kLatest);
    change.store(internal::state_key(contract, key), std::move(value));
    change.commit(core_->height, core_->keep_from());
    core_->trace("set_storage", base::as_bytes(key));
}

crypto::Sha256Digest NearChain::trace_hash() const {
    crypto::Sha256 so_far = core_->trace_state;
    return so_far.finish();
}

NearChain::Books NearChain::books() const {
    Books out;
    out.supply = core_->supply;
    out.burnt = core_->burnt;
    const auto add = [](base::Amount& to, base::Amount amount) {
        const auto sum = to.plus(amount);
        CHECK(sum.has_value());
        to = *sum;
    };
    core_->state.accounts.for_each({}, kLatest, [&](const std::string&, const AccountRow& row) {
        add(out.held, row.amount);
        return true;
    });
    const auto carry = [&](const Parcel& parcel) {
        add(out.in_flight, parcel.deposit);
        add(out.in_flight, internal::gas_cost(parcel.gas, parcel.receipt.gas_price));
    };
    for (const Incoming& one : core_->queue) {
        if (const auto* const parcel = std::get_if<Parcel>(&one)) carry(*parcel);
    }
    for (const auto& [id, parcel] : core_->postponed) carry(parcel);
    for (const auto& [id, entry] : core_->yields) carry(entry.parcel);
    return out;
}

}  // namespace adyton::localchain
