#include "localchain/internal/near_host.h"

namespace adyton::localchain::internal {
namespace {

using base::Json;

constexpr std::size_t kLogsMax = 100;
constexpr std::size_t kLogBytesMax = 16 * 1024;
constexpr std::string_view kProhibited = "ProhibitedInView";

near::Action call_action(NearCall::Call call) {
    const base::ByteView args = base::as_bytes(call.args);
    return near::FunctionCall{
        std::move(call.method), {args.begin(), args.end()}, call.gas, call.deposit};
}

}  // namespace

Parcel ReceiptRun::make(
    const near::AccountId& predecessor, const near::AccountId& receiver,
    std::vector<near::Action> actions) {
    Parcel out{
        NearReceipt{
            next_id(), predecessor, receiver, parcel.receipt.signer, parcel.receipt.signer_key,
            core.options.gas_price_yocto, std::move(actions)},
        parcel.transaction};
    out.receipt.made_at = core.height;
    return out;
}

NearHost::NearHost(const Frame& frame, StateChange& change, ReceiptRun* run)
    : change_(change), run_(run), gas_(frame.gas.units()) {
    method_ = frame.method;
    args_ = frame.args;
    current_ = &frame.current;
    predecessor_ = &frame.predecessor;
    signer_ = &frame.signer;
    deposit_ = frame.deposit;
    block_height_ = frame.block_height;
    block_timestamp_ns_ = frame.block_timestamp_ns;
    is_view_ = run == nullptr;
    promise_results_ = frame.promise_results;
}

void NearHost::log(std::string line) {
    if (logs_.size() >= kLogsMax) return;
    if (line.size() > kLogBytesMax) line.resize(kLogBytesMax);
    logs_.push_back(std::move(line));
}

Result<void> NearHost::take_gas(std::uint64_t burn, std::uint64_t reserve) {
    const std::uint64_t left = gas_ - used_;
    if (burn > left || reserve > left - burn) {
        burnt_ += std::min(burn, left);
        used_ += std::min(burn, left);
        return Error::resource_exhausted("Exceeded the prepaid gas.");
    }
    burnt_ += burn;
    used_ += burn + reserve;
    return {};
}

Result<void> NearHost::burn(near::Gas gas) {
    return take_gas(gas.units(), 0);
}

near::Gas NearHost::gas_left() const {
    return near::Gas(gas_ - used_);
}

Result<void> NearHost::take_deposit(near::YoctoNear amount) {
    if (amount.is_zero()) return {};
    auto row = change_.account(*current_);
    const auto left = row.has_value() ? row->amount.minus(amount.amount()) : std::nullopt;
    if (!left.has_value()) return Error::conflict("Exceeded the account balance.");
    row->amount = *left;
    change_.set_account(*current_, std::move(row));
    return {};
}

Result<NearCall::Promise> NearHost::add(
    const near::AccountId& receiver, near::Action action, bool is_yield) {
    if (run_ == nullptr) return Error::unprocessable(std::string(kProhibited), "view");
    std::vector<near::Action> actions;
    actions.push_back(std::move(action));
    const ActionFees fees = fees_of(actions);
    TRY_VOID(take_gas(fees.send, fees.execute));
    TRY_VOID(take_gas(0, fees.attached));
    const near::YoctoNear deposit = near::deposit_of(actions.front());
    TRY_VOID(take_deposit(deposit));
    Made made{run_->make(*current_, receiver, std::move(actions))};
    made.parcel.gas = fees.execute + fees.attached;
    made.parcel.deposit = deposit.amount();
    made.is_yield = is_yield;
    made_.push_back(std::move(made));
    return made_.size() - 1;
}

Result<NearCall::Promise> NearHost::call(Call call) {
    const near::AccountId receiver = call.receiver;
    return add(receiver, call_action(std::move(call)), false);
}

Result<NearCall::Promise> NearHost::then(Promise before, Call call) {
    CHECK(before < made_.size());
    const near::AccountId receiver = call.receiver;
    TRY(const Promise after, add(receiver, call_action(std::move(call)), false));
    const near::ReceiptId data_id = run_->next_id();
    made_[before].parcel.receipt.output_data_receivers.push_back({data_id, receiver});
    made_[after].parcel.receipt.input_data_ids.push_back(data_id);
    return after;
}

Result<NearCall::Promise> NearHost::transfer(
    const near::AccountId& receiver, near::YoctoNear amount) {
    return add(receiver, near::Transfer{amount}, false);
}

Result<std::pair<NearCall::Promise, near::ReceiptId>> NearHost::yield(Yield yield) {
    Call call{*current_, std::move(yield.method), std::move(yield.args), {}, yield.gas};
    TRY(const Promise promise, add(*current_, call_action(std::move(call)), true));
    const near::ReceiptId data_id = run_->next_id();
    made_[promise].takes_unused_gas = yield.takes_unused_gas;
    made_[promise].parcel.receipt.is_promise_yield = true;
    made_[promise].parcel.receipt.input_data_ids.push_back(data_id);
    return std::pair(promise, data_id);
}

bool NearHost::resume(const near::ReceiptId& data_id, base::Bytes payload) {
    if (run_ == nullptr) return false;
    const auto found = run_->core.yields.find(data_id);
    if (found == run_->core.yields.end() || found->second.resumed ||
        found->second.account != *current_) {
        return false;
    }
    for (const auto& [id, other] : resumes_) {
        if (id == data_id) return false;
    }
    resumes_.emplace_back(data_id, std::move(payload));
    return true;
}

void NearHost::finish() {
    CHECK(run_ != nullptr);
    for (Made& made : made_) {
        if (!made.takes_unused_gas) continue;
        auto& call = std::get<near::FunctionCall>(made.parcel.receipt.actions.front());
        const std::uint64_t unused = gas_ - used_;
        call.gas = near::Gas(call.gas.units() + unused);
        made.parcel.gas += unused;
        used_ += unused;
    }
    if (returned_.has_value()) {
        CHECK(*returned_ < made_.size());
        NearReceipt& heir = made_[*returned_].parcel.receipt;
        run_->returned = heir.id;
        for (const auto& receiver : run_->parcel.receipt.output_data_receivers) {
            heir.output_data_receivers.push_back(receiver);
        }
    }
    for (Made& made : made_) {
        run_->made_ids.push_back(made.parcel.receipt.id);
        if (made.is_yield) {
            const near::ReceiptId data_id = made.parcel.receipt.input_data_ids.front();
            run_->yields.emplace_back(data_id, std::move(made.parcel));
        } else {
            run_->made.push_back(std::move(made.parcel));
        }
    }
    for (auto& resume : resumes_) run_->resumes.push_back(std::move(resume));
}

std::optional<std::string> NearHost::get(const std::string& key) const {
    return change_.stored(state_key(*current_, key));
}
void NearHost::set(const std::string& key, std::string value) {
    change_.store(state_key(*current_, key), std::move(value));
}
void NearHost::remove(const std::string& key) {
    change_.store(state_key(*current_, key), std::nullopt);
}
std::vector<std::string> NearHost::keys(const std::string& prefix, std::size_t most) const {
    std::vector<std::string> out = change_.stored_keys(state_key(*current_, prefix), most);
    const std::size_t skipped = current_->text().size() + 1;
    for (std::string& key : out) key.erase(0, skipped);
    return out;
}

Json call_error(const Error& panic) {
    Json inner = Json::object();
    switch (panic.code()) {
        case ErrorCode::ResourceExhausted:
        case ErrorCode::Conflict:
            inner.set("ExecutionError", Json::string(panic.message()));
            break;
        case ErrorCode::NotFound:
            inner.set("MethodResolveError", Json::string("MethodNotFound"));
            break;
        default:
            inner.set(
                "ExecutionError", Json::string("Smart contract panicked: " + panic.message()));
            break;
    }
    return Json::object().set("FunctionCallError", std::move(inner));
}

std::string view_error(const Error& panic) {
    const std::string prefix = "wasm execution failed with error: ";
    if (panic.code() == ErrorCode::NotFound) return prefix + "MethodResolveError(MethodNotFound)";
    if (panic.code() == ErrorCode::ResourceExhausted) return prefix + "HostError(GasExceeded)";
    if (panic.reason() == "view") {
        return prefix + "HostError(ProhibitedInView { method_name: \"promise\" })";
    }
    return prefix + "HostError(GuestPanic { panic_msg: " + Json::string(panic.message()).dump() +
           " })";
}

}  // namespace adyton::localchain::internal
