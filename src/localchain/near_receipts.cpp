#include <algorithm>

#include "base/check.h"
#include "localchain/internal/near_host.h"
#include "near/delegate.h"

// Receipts: from transactions, one by one, and what they make.
namespace adyton::localchain {
namespace {

using base::Json;
using internal::AccountRow;
using internal::ActionFees;
using internal::fees_of;
using internal::Parcel;
using internal::ReceiptRun;

// Nothing: done. Otherwise the `kind` of an ActionError.
using Failure = std::optional<Json>;

const near::AccountId& system_account() {
    static const near::AccountId system = near::AccountId::parse("system").value();
    return system;
}

Json object(std::string name, Json value) {
    return Json::object().set(std::move(name), std::move(value));
}
Json text(std::string value) {
    return Json::string(std::move(value));
}

Json account_missing(const near::AccountId& id) {
    return object("AccountDoesNotExist", object("account_id", text(id.text())));
}

base::Amount plus(base::Amount a, base::Amount b) {
    const auto sum = a.plus(b);
    CHECK(sum.has_value());  // the supply fits, so any part of it does
    return *sum;
}

// 64 hex digits, or one of the newer forms that exist without registration.
bool is_created_by_transfer(const near::AccountId& id) {
    const std::string& name = id.text();
    const bool ethereum = name.size() == 42 && (name.starts_with("0x") || name.starts_with("0s"));
    return id.is_implicit() || (ethereum && name.find('.') == std::string::npos);
}

// What the actions of one receipt do.
class ActionRunner {
public:
    explicit ActionRunner(ReceiptRun& run)
        : run_(run),
          core_(run.core),
          receipt_(run.parcel.receipt),
          id_(receipt_.receiver),
          actor_(receipt_.predecessor) {}

    Failure run(const near::Action& action) {
        const bool exists = run_.change.account(id_).has_value();
        const bool makes = std::holds_alternative<near::CreateAccount>(action) ||
                           (std::holds_alternative<near::Transfer>(action) &&
                            receipt_.actions.size() == 1 && is_created_by_transfer(id_));
        if (!exists && !makes) return account_missing(id_);
        return std::visit([this](const auto& one) { return apply(one); }, action);
    }

private:
    Failure check_actor() const {
        if (actor_ == id_) return std::nullopt;
        return object(
            "ActorNoPermission", Json::object()
                                     .set("account_id", text(id_.text()))
                                     .set("actor_id", text(actor_.text())));
    }

    void credit(near::YoctoNear amount) {
        AccountRow row = run_.change.account(id_).value_or(AccountRow{});
        row.amount = plus(row.amount, amount.amount());
        run_.change.set_account(id_, std::move(row));
    }

    NearKeyState fresh_key(near::AccessKeyPermission permission) const {
        return {(core_.height - 1) * internal::kNonceRange, std::move(permission)};
    }

    Failure apply(const near::CreateAccount&) {
        if (run_.change.account(id_).has_value()) {
            return object("AccountAlreadyExists", object("account_id", text(id_.text())));
        }
        const std::string& name = id_.text();
        const std::string parent = "." + receipt_.predecessor.text();
        const bool direct = name.size() > parent.size() && name.ends_with(parent) &&
                            name.find('.') == name.size() - parent.size();
        if (!direct) {
            return object(
                "CreateAccountNotAllowed",
                Json::object()
                    .set("account_id", text(name))
                    .set("predecessor_id", text(receipt_.predecessor.text())));
        }
        AccountRow row;
        row.storage_bytes = 100;
        run_.change.set_account(id_, std::move(row));
        actor_ = id_;
        return std::nullopt;
    }

    Failure apply(const near::Transfer& transfer) {
        if (!run_.change.account(id_).has_value()) {
            AccountRow row;
            row.storage_bytes = 182;
            run_.change.set_account(id_, std::move(row));
            if (const auto key = id_.implicit_key()) {
                run_.change.set_key(id_, near::PublicKey(*key), fresh_key(near::FullAccess{}));
            }
        }
        credit(transfer.deposit);
        if (run_.parcel.is_refund) refund_allowance(transfer.deposit);
        return std::nullopt;
    }

    // What a limited key did not use up is its own again.
    void refund_allowance(near::YoctoNear amount) {
        auto key = run_.change.key(receipt_.signer, receipt_.signer_key);
        if (receipt_.signer != id_ || !key.has_value()) return;
        auto* const limited = std::get_if<near::FunctionCallPermission>(&key->permission);
        if (limited == nullptr || !limited->allowance.has_value()) return;
        limited->allowance = near::YoctoNear(plus(limited->allowance->amount(), amount.amount()));
        run_.change.set_key(receipt_.signer, receipt_.signer_key, std::move(key));
    }

    Failure apply(const near::DeployContract& deploy) {
        if (auto failure = check_actor()) return failure;
        AccountRow row = *run_.change.account(id_);
        row.code_hash = near::CodeHash{crypto::sha256(deploy.code)};
        row.storage_bytes += deploy.code.size();
        row.contract = nullptr;
        run_.change.set_account(id_, std::move(row));
        return std::nullopt;
    }

    Failure apply(const near::AddKey& add) {
        if (auto failure = check_actor()) return failure;
        if (run_.change.key(id_, add.public_key).has_value()) {
            return object(
                "AddKeyAlreadyExists", Json::object()
                                           .set("account_id", text(id_.text()))
                                           .set("public_key", text(add.public_key.to_string())));
        }
        run_.change.set_key(id_, add.public_key, fresh_key(add.access_key.permission));
        return std::nullopt;
    }

    Failure apply(const near::DeleteKey& remove) {
        if (auto failure = check_actor()) return failure;
        if (!run_.change.key(id_, remove.public_key).has_value()) {
            return object(
                "DeleteKeyDoesNotExist",
                Json::object()
                    .set("account_id", text(id_.text()))
                    .set("public_key", text(remove.public_key.to_string())));
        }
        run_.change.set_key(id_, remove.public_key, std::nullopt);
        return std::nullopt;
    }

    Failure apply(const near::DeleteAccount& remove) {
        if (auto failure = check_actor()) return failure;
        const base::Amount left = run_.change.account(id_)->amount;
        run_.change.remove_account(id_);
        if (left == base::Amount()) return std::nullopt;
        std::vector<near::Action> actions;
        actions.emplace_back(near::Transfer{near::YoctoNear(left)});
        Parcel payment = run_.make(system_account(), remove.beneficiary_id, std::move(actions));
        payment.deposit = left;
        payment.is_refund = true;
        payment.receipt.gas_price = 0;
        run_.made_ids.push_back(payment.receipt.id);
        run_.made.push_back(std::move(payment));
        return std::nullopt;
    }

    Failure apply(const near::FunctionCall& call) {
        credit(call.deposit);
        if (auto ordered = ordered_fault(call)) return ordered;
        const AccountRow row = *run_.change.account(id_);
        if (row.contract == nullptr) return no_code(row);
        internal::NearHost::Frame frame{id_,
                                        receipt_.predecessor,
                                        receipt_.signer,
                                        call.method_name,
                                        call.args,
                                        call.deposit,
                                        call.gas,
                                        core_.height,
                                        core_.timestamp_ns};
        for (const near::ReceiptId& data_id : receipt_.input_data_ids) {
            const auto found = run_.parcel.data.find(data_id);
            if (found != run_.parcel.data.end()) frame.promise_results.push_back(found->second);
        }
        internal::NearHost host(frame, run_.change, &run_);
        Result<std::string> done = row.contract->run(host);
        for (std::string& line : host.logs()) run_.logs.push_back(std::move(line));
        if (done) {
            host.finish();
            const base::ByteView bytes = base::as_bytes(*done);
            run_.value.assign(bytes.begin(), bytes.end());
        }
        run_.burnt += host.gas_burnt();
        run_.used += host.gas_used();
        if (done) return std::nullopt;
        return internal::call_error(done.error());
    }

    Failure no_code(const AccountRow& row) const {
        if (row.code_hash == near::CodeHash{}) {
            return object(
                "FunctionCallError",
                object(
                    "CompilationError",
                    object("CodeDoesNotExist", object("account_id", text(id_.text())))));
        }
        return object(
            "FunctionCallError",
            object("ExecutionError", text("this is a SIMULATOR: it runs no WebAssembly")));
    }

    Failure ordered_fault(const near::FunctionCall& call) {
        for (auto& ordered : core_.faults) {
            const NearReceiptFault& fault = ordered.fault;
            if (fault.receiver.has_value() && *fault.receiver != id_) continue;
            if (!fault.method.empty() && fault.method != call.method_name) continue;
            if (ordered.seen++ < fault.skip || ordered.acted >= fault.count) continue;
            ++ordered.acted;
            ++core_.failed_by_order;
            return object("FunctionCallError", object("ExecutionError", text(fault.error)));
        }
        return std::nullopt;
    }

    // NEP-366: the sender's actions, paid for by the signer of the transaction.
    Failure apply(const near::SignedDelegate& signed_delegate) {
        const near::DelegateAction& action = signed_delegate.delegate_action;
        if (!near::verify(signed_delegate)) return text("DelegateActionInvalidSignature");
        if (core_.height > action.max_block_height) return text("DelegateActionExpired");
        if (action.sender_id != id_) {
            return object(
                "DelegateActionSenderDoesNotMatchTxReceiver",
                Json::object()
                    .set("sender_id", text(action.sender_id.text()))
                    .set("receiver_id", text(id_.text())));
        }
        if (auto failure = use_delegate_key(action)) return failure;
        std::vector<near::Action> actions;
        for (const near::PlainAction& one : action.actions) actions.push_back(near::to_action(one));
        const ActionFees fees = fees_of(actions);
        const auto deposits = internal::deposits_of(actions);
        CHECK(deposits.has_value());  // the transaction's were more
        Parcel inner = run_.make(id_, action.receiver_id, std::move(actions));
        inner.gas = fees.execute + fees.attached;
        inner.deposit = *deposits;
        run_.used += inner.gas;
        run_.returned = inner.receipt.id;
        inner.receipt.output_data_receivers = receipt_.output_data_receivers;
        run_.made_ids.push_back(inner.receipt.id);
        run_.made.push_back(std::move(inner));
        return std::nullopt;
    }

    Failure use_delegate_key(const near::DelegateAction& action) {
        auto key = run_.change.key(id_, action.public_key);
        if (!key.has_value()) {
            return object(
                "DelegateActionAccessKeyError",
                object(
                    "AccessKeyNotFound",
                    Json::object()
                        .set("account_id", text(id_.text()))
                        .set("public_key", text(action.public_key.to_string()))));
        }
        if (action.nonce <= key->nonce) {
            return object(
                "DelegateActionInvalidNonce",
                Json::object()
                    .set("delegate_nonce", Json::unsigned_integer(action.nonce))
                    .set("ak_nonce", Json::unsigned_integer(key->nonce)));
        }
        const std::uint64_t bound = core_.height * internal::kNonceRange;
        if (action.nonce >= bound) {
            return object(
                "DelegateActionNonceTooLarge",
                Json::object()
                    .set("delegate_nonce", Json::unsigned_integer(action.nonce))
                    .set("upper_bound", Json::unsigned_integer(bound)));
        }
        if (const auto* limited = std::get_if<near::FunctionCallPermission>(&key->permission)) {
            const auto error =
                internal::limited_key_error(*limited, action.receiver_id, action.actions);
            if (error.has_value()) {
                return object(
                    "DelegateActionAccessKeyError", *error->find("InvalidAccessKeyError"));
            }
        }
        key->nonce = action.nonce;
        run_.change.set_key(id_, action.public_key, std::move(key));
        return std::nullopt;
    }

    // Refused before it became a receipt (near_validation.cpp).
    template <typename Other>
    Failure apply(const Other&) {
        return object("FunctionCallError", object("ExecutionError", text("not modelled")));
    }

    ReceiptRun& run_;
    NearChain::Core& core_;
    const NearReceipt& receipt_;
    const near::AccountId& id_;
    near::AccountId actor_;
};

// What a receipt burns by being executed at all: the inner receipts of delegates are paid later.
std::uint64_t own_fee(const std::vector<near::Action>& actions) {
    std::uint64_t fee = fees_of(actions).execute;
    for (const near::Action& action : actions) {
        const auto* const delegate = std::get_if<near::SignedDelegate>(&action);
        if (delegate != nullptr) fee -= fees_of(delegate->delegate_action.actions).execute;
    }
    return fee;
}

Parcel refund(
    ReceiptRun& run, const near::AccountId& to, base::Amount amount, const near::PublicKey& key) {
    std::vector<near::Action> actions;
    actions.emplace_back(near::Transfer{near::YoctoNear(amount)});
    Parcel out = run.make(system_account(), to, std::move(actions));
    out.receipt.gas_price = 0;
    out.receipt.signer_key = key;
    out.deposit = amount;
    out.is_refund = true;
    return out;
}

// Data for those who wait for a receipt that has ended.
void answer_waiters(ReceiptRun& run, bool succeeded) {
    if (run.returned.has_value()) return;
    for (const auto& receiver : run.parcel.receipt.output_data_receivers) {
        internal::DataParcel data{receiver.data_id, {succeeded, {}}};
        if (succeeded) data.result.value = run.value;
        run.core.queue.emplace_back(std::move(data));
    }
}

// Nothing: every action succeeded.
Failure run_actions(ReceiptRun& run) {
    ActionRunner runner(run);
    std::size_t index = 0;
    for (const near::Action& action : run.parcel.receipt.actions) {
        if (Failure kind = runner.run(action)) {
            return object(
                "ActionError", Json::object()
                                   .set("index", Json::unsigned_integer(index))
                                   .set("kind", *std::move(kind)));
        }
        ++index;
    }
    return std::nullopt;
}

// Forgets what a failed receipt would have made. Its logs and the gas it burnt stay.
void undo(ReceiptRun& run) {
    run.made.clear();
    run.made_ids.clear();
    run.yields.clear();
    run.resumes.clear();
    run.returned.reset();
    run.used = run.burnt;
}

void give_deposit_back(ReceiptRun& run, std::vector<Parcel>& refunds) {
    const NearReceipt& receipt = run.parcel.receipt;
    if (run.parcel.deposit == base::Amount()) return;
    if (receipt.predecessor == system_account()) {  // a refund to nobody
        run.core.burnt = plus(run.core.burnt, run.parcel.deposit);
        return;
    }
    const near::PublicKey nobody{crypto::Ed25519PublicKey{}};
    refunds.push_back(refund(run, receipt.predecessor, run.parcel.deposit, nobody));
}

void give_gas_back(ReceiptRun& run, std::vector<Parcel>& refunds) {
    if (run.parcel.is_refund) return;
    const NearReceipt& receipt = run.parcel.receipt;
    const base::Amount tokens = internal::gas_cost(run.parcel.gas - run.used, receipt.gas_price);
    if (tokens == base::Amount()) return;
    refunds.push_back(refund(run, receipt.signer, tokens, receipt.signer_key));
}

}  // namespace

void NearChain::Core::include(const Pooled& pooled_one, NearBlockRecord& block, bool is_injected) {
    const near::Transaction& transaction = pooled_one.transaction.transaction;
    const ActionFees fees = fees_of(transaction.actions);
    const base::Amount deposit =
        internal::deposits_of(transaction.actions).value_or(base::Amount());
    charge(transaction, fees, deposit, is_injected);
    burnt = plus(burnt, internal::gas_cost(fees.send, options.gas_price_yocto));

    Parcel parcel{
        NearReceipt{
            internal::make_id(pooled_one.hash.digest, height, 0), transaction.signer_id,
            transaction.receiver_id, transaction.signer_id, transaction.public_key,
            options.gas_price_yocto, transaction.actions},
        pooled_one.hash};
    parcel.gas = fees.execute + fees.attached;
    parcel.deposit = deposit;
    parcel.receipt.made_at = height;
    auto record = std::make_unique<NearTransactionRecord>(NearTransactionRecord{
        pooled_one.transaction, pooled_one.hash, height,
        NearOutcome{near::ReceiptId{pooled_one.hash.digest}, transaction.signer_id, height}});
    record->outcome.gas_burnt = fees.send;
    record->outcome.tokens_burnt =
        near::YoctoNear(internal::gas_cost(fees.send, options.gas_price_yocto));
    record->outcome.kind = NearOutcome::Kind::Receipt;
    record->outcome.receipt = parcel.receipt.id;
    record->outcome.receipt_ids.push_back(parcel.receipt.id);
    trace("transaction", pooled_one.hash.view());
    trace_outcome(record->outcome);
    block.transactions.push_back(pooled_one.hash);
    block.gas_used += fees.send;
    transactions[pooled_one.hash] = std::move(record);
    announce(parcel);
    if (transaction.signer_id == transaction.receiver_id) {
        local.push_back(std::move(parcel));
    } else {
        queue.emplace_back(std::move(parcel));
    }
}

// Takes the gas and the deposits, and uses up the key's nonce and allowance.
void NearChain::Core::charge(
    const near::Transaction& transaction, const ActionFees& fees, base::Amount deposit,
    bool is_injected) {
    internal::StateChange change(state, internal::kLatest);
    const base::Amount gas = internal::gas_price_of(fees, options.gas_price_yocto);
    const base::Amount cost = plus(gas, deposit);
    AccountRow row = *change.account(transaction.signer_id);
    if (is_injected && row.amount < cost) {  // a stranger's purse is no concern of ours
        supply = plus(supply, cost);
        row.amount = plus(row.amount, cost);
    }
    row.amount = row.amount.minus(cost).value();
    change.set_account(transaction.signer_id, std::move(row));
    if (auto key = change.key(transaction.signer_id, transaction.public_key)) {
        key->nonce = transaction.nonce;
        auto* const limited = std::get_if<near::FunctionCallPermission>(&key->permission);
        if (limited != nullptr && limited->allowance.has_value()) {
            limited->allowance = near::YoctoNear(limited->allowance->amount().minus(gas).value());
        }
        change.set_key(transaction.signer_id, transaction.public_key, std::move(key));
    }
    change.commit(height, keep_from());
}

// Shows the receipt in its transaction's answer.
void NearChain::Core::announce(const Parcel& parcel) {
    const auto found = transactions.find(parcel.transaction);
    if (found == transactions.end()) return;
    found->second->receipts.push_back(parcel.receipt);
    if (!parcel.is_refund) ++found->second->unfinished;
    receipt_owner[parcel.receipt.id] = parcel.transaction;
}

void NearChain::Core::deliver(Parcel parcel) {
    for (const near::ReceiptId& data_id : parcel.receipt.input_data_ids) {
        const auto found = early.find(data_id);
        if (found != early.end()) {
            parcel.data[data_id] = std::move(found->second);
            early.erase(found);
        } else {
            ++parcel.data_missing;
            waiting[data_id] = parcel.receipt.id;
        }
    }
    if (parcel.data_missing == 0) return execute(std::move(parcel));
    const near::ReceiptId id = parcel.receipt.id;
    postponed.emplace(id, std::move(parcel));
}

void NearChain::Core::deliver(internal::DataParcel data) {
    const auto yielded = yields.find(data.data_id);
    if (yielded != yields.end()) {
        Parcel parcel = std::move(yielded->second.parcel);
        yields.erase(yielded);
        parcel.data[data.data_id] = std::move(data.result);
        return execute(std::move(parcel));
    }
    const auto waits = waiting.find(data.data_id);
    if (waits == waiting.end()) {
        early[data.data_id] = std::move(data.result);
        return;
    }
    const auto found = postponed.find(waits->second);
    waiting.erase(waits);
    CHECK(found != postponed.end());
    found->second.data[data.data_id] = std::move(data.result);
    if (--found->second.data_missing > 0) return;
    Parcel parcel = std::move(found->second);
    postponed.erase(found);
    execute(std::move(parcel));
}

void NearChain::Core::execute(Parcel parcel) {
    ReceiptRun run(*this, std::move(parcel));
    const NearReceipt& receipt = run.parcel.receipt;
    run.burnt = run.used = own_fee(receipt.actions);
    NearOutcome outcome{receipt.id, receipt.receiver, height};
    outcome.is_refund = run.parcel.is_refund;
    std::vector<Parcel> refunds;
    if (Failure failure = run_actions(run)) {
        undo(run);
        outcome.kind = NearOutcome::Kind::Failure;
        outcome.failure = *std::move(failure);
        give_deposit_back(run, refunds);
    } else {
        run.change.commit(height, keep_from());
    }
    give_gas_back(run, refunds);
    outcome.logs = std::move(run.logs);
    outcome.gas_burnt = run.burnt;
    outcome.tokens_burnt = near::YoctoNear(internal::gas_cost(run.burnt, receipt.gas_price));
    burnt = plus(burnt, outcome.tokens_burnt.amount());
    if (run.returned.has_value()) {
        outcome.kind = NearOutcome::Kind::Receipt;
        outcome.receipt = *run.returned;
    } else if (outcome.kind == NearOutcome::Kind::Value) {
        outcome.value = run.value;
    }
    outcome.receipt_ids = run.made_ids;
    for (const Parcel& one : refunds) outcome.receipt_ids.push_back(one.receipt.id);
    pass_on(run, outcome.kind != NearOutcome::Kind::Failure, std::move(refunds));
    finish(run.parcel, std::move(outcome));
}

// What a finished receipt sets going.
void NearChain::Core::pass_on(ReceiptRun& run, bool succeeded, std::vector<Parcel> refunds) {
    for (auto& [data_id, payload] : run.resumes) {
        yields.at(data_id).resumed = true;
        queue.emplace_back(internal::DataParcel{data_id, {true, std::move(payload)}});
    }
    answer_waiters(run, succeeded);
    for (auto& [data_id, made] : run.yields) {
        announce(made);
        const std::uint64_t expires_at = height + options.yield_timeout_blocks;
        timeouts.emplace_back(expires_at, data_id);
        const near::AccountId account = made.receipt.receiver;
        yields.emplace(data_id, internal::YieldEntry{std::move(made), account, expires_at, false});
    }
    for (std::vector<Parcel>* const list : {&run.made, &refunds}) {
        for (Parcel& made : *list) {
            announce(made);
            queue.emplace_back(std::move(made));
        }
    }
}

void NearChain::Core::finish(const Parcel& parcel, NearOutcome outcome) {
    making->gas_used += outcome.gas_burnt;
    ++making->receipts_executed;
    trace_outcome(outcome);
    const auto found = transactions.find(parcel.transaction);
    if (found == transactions.end()) return;
    NearTransactionRecord& record = *found->second;
    record.outcomes.push_back(std::move(outcome));
    if (parcel.is_refund || --record.unfinished > 0) return;
    record.finished_at = height;
    if (options.garbage_collect_blocks > 0) finished.emplace_back(height, record.hash);
}

}  // namespace adyton::localchain
