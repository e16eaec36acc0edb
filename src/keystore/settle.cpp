#include "keystore/settle.h"

#include <chrono>
#include <optional>

#include "keystore/order.h"
#include "keystore/records.h"
#include "near/delegate.h"
#include "near/intents.h"
#include "near/nep413.h"
#include "near/transaction.h"
#include "policy/reservation.h"

namespace adyton::keystore {
namespace {

using records::SignatureRecord;
using records::SignatureState;

constexpr std::int64_t kAtOnce = 500;
constexpr auto kDeadlineMargin = std::chrono::minutes(2);
constexpr std::string_view kActor = "system:keystore.settle";

enum class Fate { Unknown, Landed, Dead };

bool is_message(const SignatureRecord& record) {
    return record.operation == to_string(Operation::Nep413);
}

records::Over over_at(const FinalBlock& block) {
    const base::Timestamp time = block.time - kDeadlineMargin;
    return {
        std::string(to_string(Operation::Nep413)), time.time_since_epoch().count(),
        static_cast<std::int64_t>(block.height)};
}

Task<Result<Fate>> fate_of_message(const KeystoreContext& keystore, const SignatureRecord& record) {
    CO_TRY(const auto payload, near::parse_message_payload(record.payload));
    CO_TRY(const auto message, near::parse_intents_message(payload.message));
    near::AccountId contract = keystore.options.network.intents;
    near::AccountId signer = message.signer_id;
    auto asking = keystore.chain_or_null->payload_fate(
        std::move(contract), std::move(signer), payload.nonce, message.deadline);
    CO_TRY(const PayloadFate fate, co_await std::move(asking));
    if (fate == PayloadFate::Open) co_return Fate::Unknown;
    co_return fate == PayloadFate::Consumed ? Fate::Landed : Fate::Dead;
}

Task<Result<Fate>> fate_of_transaction(
    const KeystoreContext& keystore, const SignatureRecord& record) {
    CO_TRY(const auto transaction, near::parse_transaction(record.payload));
    near::AccountId account = transaction.signer_id;
    near::PublicKey key = transaction.public_key;
    auto asking = keystore.chain_or_null->access_key(std::move(account), std::move(key));
    const auto view = co_await std::move(asking);
    if (!view) {
        // A key that is gone may have been deleted after it was used.
        if (view.error().code() == ErrorCode::NotFound) co_return Fate::Landed;
        co_return view.error();
    }
    if (static_cast<std::int64_t>(view->block_height) <= *record.valid_until) {
        co_return Fate::Unknown;  // a node that is behind
    }
    co_return view->nonce >= transaction.nonce ? Fate::Landed : Fate::Dead;
}

bool is_delegate(const SignatureRecord& record) {
    return record.operation == to_string(Operation::Delegate);
}

Task<Result<Fate>> fate_of_delegate(
    const KeystoreContext& keystore, const SignatureRecord& record) {
    // Signed under another setting than today's: nothing can be proven of it.
    if (keystore.options.delegates_use != DelegatesUse::NativeOnly) co_return Fate::Landed;
    CO_TRY(const auto delegate, near::parse_delegate_action(record.payload));
    near::AccountId signer = delegate.sender_id;
    near::PublicKey key = delegate.public_key;
    auto asking = keystore.chain_or_null->delegate_fate(
        std::move(signer), std::move(key), delegate.nonce, delegate.max_block_height);
    CO_TRY(const PayloadFate fate, co_await std::move(asking));
    if (fate == PayloadFate::Open) co_return Fate::Unknown;
    co_return fate == PayloadFate::Consumed ? Fate::Landed : Fate::Dead;
}

Task<Result<Fate>> fate_of(const KeystoreContext& keystore, const SignatureRecord& record) {
    if (is_message(record)) return fate_of_message(keystore, record);
    if (is_delegate(record)) return fate_of_delegate(keystore, record);
    return fate_of_transaction(keystore, record);
}

Result<void> apply(
    storage::Transaction& tx, const KeystoreContext& keystore, workflow::JobContext& job,
    const SignatureRecord& record, Fate fate) {
    TRY_VOID(job.check(tx));
    if (fate == Fate::Landed) {
        if (record.reservation_id) {
            TRY_VOID(policy::commit_reservation(tx, *record.reservation_id));
        }
        return records::set_state(tx, record, SignatureState::Landed);
    }
    if (record.reservation_id) {
        TRY_VOID(policy::give_back_reservation(tx, *record.reservation_id));
    }
    TRY_VOID(records::set_state(tx, record, SignatureState::GivenBack));
    return keystore::record(tx, keystore, "keystore.give_back", kActor, [&](base::JsonWriter& out) {
        out.member("wallet_id", std::string_view(record.wallet_id));
        out.member("operation", std::string_view(record.operation));
        out.member("payload_hash", std::string_view(record.payload_hash.to_hex()));
    });
}

}  // namespace

Task<Result<std::int64_t>> settle(
    const KeystoreContext& keystore, DeadDelegates& dead_before, workflow::JobContext& job) {
    if (keystore.chain_or_null == nullptr) co_return 0;
    auto asking = keystore.chain_or_null->final_block();
    CO_TRY(const FinalBlock block, co_await std::move(asking));
    auto list = [over = over_at(block)](storage::Transaction& tx) {
        return records::list_over(tx, over, kAtOnce);
    };
    auto read = keystore.database.read(std::move(list));
    CO_TRY(const auto open, co_await std::move(read));
    std::int64_t decided = 0;
    DeadDelegates dead_now;
    for (const SignatureRecord& record : open) {
        if (job.should_stop()) break;
        auto judging = fate_of(keystore, record);
        const auto fate = co_await std::move(judging);
        if (!fate) {
            keystore.logger.warning(
                "the fate of a signed payload could not be learnt; it stays reserved",
                {{"payload_hash", record.payload_hash.to_hex()},
                 {"cause", fate.error().message()}});
            continue;
        }
        if (*fate == Fate::Unknown) continue;
        if (*fate == Fate::Dead && is_delegate(record)) {
            const std::string name = record.payload_hash.to_hex();
            if (!dead_before.contains(name)) {
                dead_now.insert(name);
                continue;
            }
        }
        auto unit = [&](storage::Transaction& tx) {
            return apply(tx, keystore, job, record, *fate);
        };
        auto write = keystore.database.write(std::move(unit));
        CO_TRY_VOID(co_await std::move(write));
        if (*fate == Fate::Dead) keystore.metrics.given_back.add();
        ++decided;
    }
    dead_before = std::move(dead_now);
    co_return decided;
}

}  // namespace adyton::keystore
