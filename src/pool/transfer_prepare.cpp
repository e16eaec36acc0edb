#include <array>
#include <limits>
#include <utility>

#include "crypto/secret.h"
#include "crypto/uuid.h"
#include "neo/address.h"
#include "neo/explain.h"
#include "neo/token.h"
#include "neo/verification_script.h"
#include "policy/neo_facts.h"
#include "policy/service_verdict.h"
#include "pool/internal/transfer_core.h"
#include "pool/lock_check.h"

// From a request to signed bytes in the database.
namespace adyton::pool {
namespace {

using policy::Operation;

LockClaim claim_of(const CallContext& call, const TransferPlan& plan) {
    return {call.service, plan.request.lock_id, plan.request.fencing};
}

enum class Rows { Read, Lock };

Result<std::optional<SigningRecord>> find_account(
    storage::Transaction& tx, const std::string& id, const std::string& service, Rows rows) {
    return rows == Rows::Lock ? accounts::find_for_signing(tx, id, service)
                              : accounts::peek_for_signing(tx, id, service);
}

// The lock of the account as claimed, and of the payer by the same service.
Result<void> check_locks(
    storage::Transaction& tx, const CallContext& call, const TransferPlan& plan, Rows rows,
    std::optional<SigningRecord>& from, std::optional<SigningRecord>& payer) {
    TRY(const base::Timestamp now, tx.now());
    TRY(from, find_account(tx, plan.account_id, call.service, rows));
    if (!from) return unknown_account();
    TRY_VOID(check_lock(from->lock, claim_of(call, plan), now));
    if (!plan.sponsored()) return {};
    TRY(payer, find_account(tx, plan.payer_id, call.service, rows));
    if (!payer) return unknown_account();
    auto checked = check_lock(payer->lock, {call.service, "", {}}, now);
    if (!checked) return std::move(checked).error().with_context("fee_account_id");
    return {};
}

Result<TransferParty> make_party(const Signer& signer, KeyRecord key) {
    TRY(const auto public_key, signer.public_key(key));
    return TransferParty{std::move(key), public_key, neo::account_script_hash(public_key)};
}

std::string stored_body(const std::string& id) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object().member("transfer_id", std::string_view(id)).end_object();
    return body;
}

Result<std::string> stored_id(const std::string& body) {
    auto json = base::Json::parse(body);
    const base::Json* const id = json ? json->find("transfer_id") : nullptr;
    if (id == nullptr || !id->is_string()) {
        return Error::corrupt_data("the answer stored under an Idempotency-Key is malformed");
    }
    return id->string_value();
}

std::uint32_t draw_nonce(base::RandomSource& random) {
    std::array<std::uint8_t, 4> bytes{};
    random.fill(bytes);
    std::uint32_t nonce = 0;
    for (const std::uint8_t byte : bytes) nonce = nonce << 8 | byte;
    return nonce;
}

// What the account can still spend must cover the transfer (neo.md 6.4). `spent` is what its other
// transfers may take beyond the balance that was read.
Result<void> check_funds(
    base::Amount balance, base::Amount spent, base::Amount wanted, std::string_view what) {
    const auto needed = spent.plus(wanted);
    if (needed && *needed <= balance) return {};
    if (wanted <= balance) {
        return Error::conflict(
            "unfinished transfers of the account may take the " + std::string(what) +
                "; try again when they are final",
            "balance_reserved");
    }
    return Error::conflict(
        "the account holds too little for the " + std::string(what), "insufficient_balance");
}

// `outgoing`: of an account id, what its other transfers may take.
template <typename F>
Result<void> check_all_funds(const TransferPlan& plan, const TransferDraft& draft, F outgoing) {
    const neo::ScriptHash& gas = neo::gas_token().contract;
    base::Amount fees(
        static_cast<std::uint64_t>(draft.transaction.system_fee + draft.transaction.network_fee));
    const bool gas_from_payer = plan.token == gas && !plan.sponsored();
    TRY(const transfers::Outgoing spent, outgoing(plan.payer_id));
    base::Amount from_gas = fees;
    if (gas_from_payer) {
        const auto sum = fees.plus(plan.request.amount);
        if (!sum) return Error::unprocessable("amount is out of range", "amount_out_of_range");
        from_gas = *sum;
    }
    TRY_VOID(check_funds(
        draft.payer_gas, spent.gas, from_gas, gas_from_payer ? "amount and the fees" : "fees"));
    if (gas_from_payer) return {};
    if (!plan.sponsored()) {
        return check_funds(draft.from_token, spent.token, plan.request.amount, "amount");
    }
    TRY(const transfers::Outgoing from_spent, outgoing(plan.account_id));
    return check_funds(draft.from_token, from_spent.token, plan.request.amount, "amount");
}

// As if the accounts had no other transfers.
Result<void> check_funds_alone(const TransferPlan& plan, const TransferDraft& draft) {
    return check_all_funds(plan, draft, [](const std::string&) -> Result<transfers::Outgoing> {
        return transfers::Outgoing{};
    });
}

// A sponsor does nothing but pay the fees of this one transfer (scope None), out of an account of
// the same service: they are judged with it, so that it is one operation whoever pays.
policy::ActionFacts facts_of(
    const TransferDraft& draft, const TransferParties& parties, neo::NetworkMagic network) {
    const auto magic = static_cast<std::uint32_t>(network);
    const neo::Explanation explanation = neo::explain(draft.transaction);
    policy::ActionFacts facts = policy::facts_of(explanation, parties.from.account, magic);
    if (parties.payer) {
        facts.fees = policy::facts_of(explanation, parties.payer->account, magic).fees;
    }
    return facts;
}

Result<policy::Verdict> allowed_by_rules(
    const PoolContext& pool, const CallContext& call, const policy::ActionFacts& facts,
    base::Timestamp now) {
    policy::Verdict verdict =
        policy::evaluate(pool.policy, call.service, Operation::Transfer, facts, now);
    if (verdict.outcome != policy::Verdict::Outcome::Allowed) return verdict.to_error();
    return verdict;
}

// The rules on what the bytes really do, and their reservation.
struct PolicyOutcome {
    std::string rule;
    bool reserved = false;
};

Result<PolicyOutcome> apply_policy(
    storage::Transaction& tx, const PoolContext& pool, CallContext& call,
    const policy::ActionFacts& facts, const std::string& id) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const policy::Verdict verdict, allowed_by_rules(pool, call, facts, now));
    if (verdict.charges.empty()) return PolicyOutcome{verdict.rule, false};
    TRY(const auto refusal, policy::reserve(tx, "transfer:" + id, verdict.charges));
    if (refusal) return refused_by(*refusal, call);
    return PolicyOutcome{verdict.rule, true};
}

void write_audit(
    base::JsonWriter& out, const TransferRecord& record, const SigningRecord& from,
    const std::string& rule, const CallContext& call) {
    out.member("transfer_id", std::string_view(record.id));
    out.member("account_id", std::string_view(record.account_id));
    if (record.sponsored()) out.member("fee_account_id", std::string_view(record.payer_id));
    out.member("token", std::string_view(record.token.to_string()));
    out.member("to", std::string_view(neo::Address(record.to).to_string()));
    out.member("amount", std::string_view(record.amount.to_string()));
    out.member("tx_hash", std::string_view(record.hash.to_string()));
    out.member("network_magic", static_cast<std::int64_t>(record.magic));
    out.member("system_fee", record.system_fee).member("network_fee", record.network_fee);
    out.member("valid_until_block", static_cast<std::int64_t>(record.valid_until_block));
    out.member("lock_id", std::string_view(from.lock.lock_id));
    out.member("fencing", from.lock.fencing);
    out.member("rule", std::string_view(rule));
    out.member("trace_id", std::string_view(call.trace_id));
}

TransferRecord make_record(
    const std::string& id, const CallContext& call, const TransferPlan& plan,
    const TransferParties& parties, const TransferDraft& draft, neo::NetworkMagic magic) {
    TransferRecord record;
    record.id = id;
    record.service = call.service;
    record.account_id = plan.account_id;
    record.payer_id = plan.payer_id;
    record.to_address = plan.request.to_address;
    record.from = parties.from.account;
    record.to = plan.to;
    record.token = plan.token;
    record.amount = plan.request.amount;
    record.form = plan.request.form;
    record.data = plan.request.data;
    record.magic = magic;
    record.hash = draft.hash;
    record.valid_until_block = draft.transaction.valid_until_block;
    record.system_fee = draft.transaction.system_fee;
    record.network_fee = draft.transaction.network_fee;
    return record;
}

Error chain_error(Error error) {
    // Whatever a node does wrong, it is not the caller's fault.
    if (error.code() == ErrorCode::CorruptData || error.code() == ErrorCode::PermissionDenied) {
        return Error::unavailable("the chain cannot be asked now: " + error.message(), "chain");
    }
    return error;
}

// What a draft rests on, read at the same moment.
struct DraftReads {
    std::vector<chain::BalanceReading> balances;
    Result<chain::Invocation> simulated = Error::internal("not asked");
};

Task<bool> read_balances(
    chain::NeoClient& chain, std::vector<chain::BalanceQuery> queries, DraftReads* out) {
    auto asking = chain.balances(std::move(queries), 1);
    out->balances = co_await std::move(asking);
    co_return true;
}

// The payer's GAS is the first, the account's token the last of them.
Result<void> note_balances(
    const std::vector<chain::BalanceReading>& readings, TransferDraft& draft) {
    draft.height = std::numeric_limits<std::uint32_t>::max();
    for (const auto& reading : readings) {
        if (reading.kind != chain::BalanceReading::Kind::Agreed) {
            return Error::unavailable(
                "the account's balance is not known now: " + reading.reason, "chain");
        }
        draft.height = std::min(draft.height, reading.height);
    }
    draft.payer_gas = readings.front().amount;
    draft.from_token = readings.back().amount;
    return {};
}

Task<bool> simulate(
    chain::NeoClient& chain, base::Bytes script, std::vector<neo::Signer> signers,
    DraftReads* out) {
    auto asking = chain.invoke_script(std::move(script), std::move(signers));
    out->simulated = co_await std::move(asking);
    co_return true;
}

}  // namespace

// Replays, unknown accounts and foreign locks end here, before a node is asked.
Task<Result<Transfers::Core::Preview>> Transfers::Core::preview(
    CallContext& call, const TransferPlan& plan) {
    std::optional<SigningRecord> from;
    std::optional<SigningRecord> payer;
    std::optional<workflow::StoredAnswer> stored;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        if (call.idempotent) {
            TRY(stored,
                pool.idempotency.peek(tx, call.idempotent->key, call.idempotent->request_digest));
            if (stored) return {};
        }
        return check_locks(tx, call, plan, Rows::Read, from, payer);
    };
    auto read = pool.database.read(unit);
    CO_TRY_VOID(co_await std::move(read));
    Preview preview;
    if (stored) {
        CO_TRY(preview.replayed_id, stored_id(stored->body));
        co_return preview;
    }
    CO_TRY(auto from_party, make_party(pool.signer, std::move(from->key)));
    preview.parties = TransferParties{std::move(from_party), {}};
    if (payer) {
        CO_TRY(preview.parties->payer, make_party(pool.signer, std::move(payer->key)));
    }
    co_return preview;
}

std::optional<std::int64_t> NetworkFees::find(
    std::size_t bytes, std::size_t signers, base::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find({bytes, signers});
    if (found == entries_.end() || found->second.until <= now) return std::nullopt;
    return found->second.fee;
}

void NetworkFees::add(
    std::size_t bytes, std::size_t signers, std::int64_t fee, base::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= kEntriesMax) entries_.clear();
    entries_[{bytes, signers}] = {fee, now + kKeep};
}

// All witnesses are of single signatures, so that size and number of signers decide.
Task<Result<std::int64_t>> Transfers::Core::network_fee(const neo::Transaction& transaction) {
    const std::size_t bytes = neo::serialize(transaction).size();
    const std::size_t signers = transaction.signers.size();
    const auto known = network_fees.find(bytes, signers, executor.steady_now());
    if (known) co_return *known;
    auto asking = chain.network_fee(transaction);
    const auto fee = co_await std::move(asking);
    if (!fee) co_return chain_error(fee.error());
    network_fees.add(bytes, signers, *fee, executor.steady_now());
    co_return *fee;
}

// Asks the chain what the transfer would do, cost and leave (neo.md 6.2, steps 1 to 4).
Task<Result<TransferDraft>> Transfers::Core::draft(
    const TransferPlan& plan, const TransferParties& parties) {
    TransferDraft draft;
    neo::Transaction& transaction = draft.transaction;
    transaction.signers = transfer_signers(parties);
    transaction.script = transfer_script(plan, parties);
    auto ask_network = chain.network();
    const auto network = co_await std::move(ask_network);
    if (!network) co_return chain_error(network.error());
    auto ask_count = chain.block_count();
    const auto count = co_await std::move(ask_count);
    if (!count) co_return chain_error(count.error());

    std::vector<chain::BalanceQuery> queries;
    queries.push_back({neo::gas_token().contract, parties.fee_payer().account});
    queries.push_back({plan.token, parties.from.account});
    if (queries[0].token == queries[1].token && queries[0].account == queries[1].account) {
        queries.pop_back();
    }
    const std::size_t asked = queries.size();
    DraftReads reads;
    std::vector<Task<bool>> asking;
    asking.push_back(read_balances(chain, std::move(queries), &reads));
    asking.push_back(simulate(chain, transaction.script, transaction.signers, &reads));
    auto all = base::when_all(std::move(asking));
    co_await std::move(all);
    CHECK(reads.balances.size() == asked);
    const Result<chain::Invocation>& simulated = reads.simulated;
    if (!simulated) co_return chain_error(simulated.error());
    const Result<void> balances = note_balances(reads.balances, draft);
    if (simulated->state != chain::VmState::Halt) {
        // Where it is plain that the tokens are not there, that is why.
        if (balances) {
            CO_TRY_VOID(check_funds_alone(plan, draft));
        }
        co_return Error::unprocessable(
            "the transfer would fail: " + cut(simulated->exception, 300), "transfer_would_fail");
    }
    CO_TRY_VOID(balances);
    transaction.system_fee = simulated->gas_consumed;
    if (transaction.system_fee < 0 || transaction.system_fee > options.system_fee_max) {
        co_return Error::unprocessable(
            "the token's contract asks " + std::to_string(transaction.system_fee) +
                " datoshi for a transfer",
            "fee_too_high");
    }
    transaction.nonce = draw_nonce(pool.random);
    transaction.valid_until_block = last_block(*count, *network, options);
    transaction.witnesses = unsigned_witnesses(parties);
    auto ask_fee = network_fee(transaction);
    CO_TRY(transaction.network_fee, co_await std::move(ask_fee));
    const auto checked = neo::check(transaction);
    if (!checked) co_return Error::internal(checked.error().message());
    draft.hash = neo::hash(transaction);
    co_return draft;
}

// Signs before the unit of work that decides and records, where all others would wait for it. Until
// that unit is on disk the bytes stay here, and they are wiped when it refuses. An error, and no
// signature: the balances or the rules forbid it whatever that unit finds.
Result<void> Transfers::Core::sign_ahead(
    const CallContext& call, const TransferPlan& plan, const TransferParties& parties,
    const TransferDraft& draft, const policy::ActionFacts& facts, base::Bytes& bytes) {
    TRY_VOID(check_funds_alone(plan, draft));
    TRY_VOID(allowed_by_rules(pool, call, facts, executor.now()));
    const auto before = executor.steady_now();
    at(TransferPoint::BeforeSign);
    TRY(bytes, sign_transfer(pool.signer, chain.magic(), draft, parties));
    at(TransferPoint::AfterSign);
    times.sign += static_cast<std::uint64_t>((executor.steady_now() - before).count());
    return {};
}

// The one unit of work. May run twice: everything it sets but the rows is set anew.
Result<std::string> Transfers::Core::prepare_in(
    storage::Transaction& tx, CallContext& call, const TransferPlan& plan,
    const TransferDraft& draft, const policy::ActionFacts& facts, const Result<void>& signed_ahead,
    TransferRecord& record, std::optional<workflow::Run>& run) {
    // The rows of the accounts first, in order: transfers of one account go one after another.
    const bool payer_first = plan.payer_id < plan.account_id;
    const std::int64_t most = options.unfinished_per_account_max;
    if (payer_first) {
        TRY_VOID(transfers::begin_on_account(tx, plan.payer_id, most, false));
    }
    TRY_VOID(transfers::begin_on_account(tx, plan.account_id, most, true));
    if (plan.sponsored() && !payer_first) {
        TRY_VOID(transfers::begin_on_account(tx, plan.payer_id, most, false));
    }
    std::optional<SigningRecord> from;
    std::optional<SigningRecord> payer;
    TRY_VOID(check_locks(tx, call, plan, Rows::Lock, from, payer));
    TRY_VOID(check_all_funds(plan, draft, [&](const std::string& account) {
        return transfers::outgoing(tx, account, plan.token, draft.height);
    }));
    TRY(const PolicyOutcome outcome, apply_policy(tx, pool, call, facts, record.id));
    TRY_VOID(signed_ahead);

    record.reserved = outcome.reserved;
    TRY(record.created_at, tx.now());
    record.updated_at = record.created_at;
    TRY_VOID(transfers::insert(tx, record));
    workflow::NewRun fresh;
    fresh.id = record.id;
    fresh.kind = kTransferRunKind;
    fresh.subject = record.account_id;
    fresh.step = kSendStep;
    TRY(run, workflow::insert_run(tx, fresh, runner.driver()));
    TRY_VOID(pool::record(tx, pool, "pool.transfer", call.service, [&](base::JsonWriter& writer) {
        write_audit(writer, record, *from, outcome.rule, call);
    }));
    return stored_body(record.id);
}

Task<Result<Transfers::Core::Prepared>> Transfers::Core::prepare(
    CallContext& call, const TransferPlan& plan, const TransferParties& parties,
    const TransferDraft& draft) {
    Prepared prepared;
    prepared.id = crypto::uuid_v7(pool.random, executor.now());
    TransferRecord record = make_record(prepared.id, call, plan, parties, draft, chain.magic());
    const policy::ActionFacts facts = facts_of(draft, parties, chain.magic());
    const Result<void> signed_ahead = sign_ahead(call, plan, parties, draft, facts, record.bytes);
    const auto before = executor.steady_now();
    auto unit = [&](storage::Transaction& tx) -> Result<Decided> {
        prepared.run.reset();
        return once(tx, pool, call, Remember::Successes, [&] {
            return prepare_in(tx, call, plan, draft, facts, signed_ahead, record, prepared.run);
        });
    };
    auto write = pool.database.write(std::move(unit));
    auto written = co_await std::move(write);
    if (!written) {
        // It may stand there under this process's name, where nobody else would drive it.
        const bool unknown = written.error().code() == ErrorCode::OutcomeUnknown;
        if (unknown && prepared.run) runner.adopt_if_kept(*prepared.run);
        crypto::wipe(record.bytes);
        co_return written.error();
    }
    times.record += static_cast<std::uint64_t>((executor.steady_now() - before).count());
    Decided decided = *std::move(written);
    CO_TRY(const std::string body, std::move(decided).take());
    CO_TRY(prepared.id, stored_id(body));
    if (call.replayed) {
        crypto::wipe(record.bytes);
    } else {
        prepared.record = std::move(record);
    }
    co_return prepared;
}

}  // namespace adyton::pool
