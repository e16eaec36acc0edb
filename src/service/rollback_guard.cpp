#include "service/rollback_guard.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace adyton::service {
namespace {

using base::Json;

constexpr std::string_view kFormat = "adyton/witness/v1";
constexpr std::size_t kChainsMax = 10'000;

constexpr storage::Migration kMigrations[] = {
    {70, "rollback_anchors",
     R"(CREATE TABLE rollback_anchors (
    owner TEXT NOT NULL,
    chain BIGINT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    hash TEXT NOT NULL,
    PRIMARY KEY (owner, chain)
);)",
     R"(CREATE TABLE rollback_anchors (
    owner TEXT NOT NULL,
    chain BIGINT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    hash TEXT NOT NULL,
    PRIMARY KEY (owner, chain)
);)"}};

Error bad(std::string_view what) {
    return Error::invalid_argument("witness: " + std::string(what), "malformed");
}

Error rolled_back(const audit::ChainHead& known) {
    return Error::conflict(
        "the database is older than its witness remembers, or another: chain " +
            std::to_string(known.chain) + " had reached record " + std::to_string(known.sequence),
        "database_rolled_back");
}

Result<audit::ChainHead> parse_head(const Json& json) {
    if (!json.is_object() || json.members().size() != 3) return bad("a head");
    const Json* const chain = json.find("chain");
    const Json* const sequence = json.find("sequence");
    const Json* const hash = json.find("hash");
    if (chain == nullptr || sequence == nullptr || hash == nullptr || !hash->is_string()) {
        return bad("a head");
    }
    audit::ChainHead out;
    TRY(out.chain, chain->as_int64());
    TRY(out.sequence, sequence->as_int64());
    TRY(const auto bytes, base::hex_decode(hash->string_value()));
    TRY(out.hash, crypto::Sha256Digest::parse(bytes));
    if (out.chain < 1 || out.sequence < 1) return bad("a head");
    return out;
}

// The database's record at the place that a witness remembers must be the same one.
Result<void> check_head(storage::Transaction& tx, const audit::ChainHead& known) {
    TRY(const auto rows, tx.query(
                             "SELECT hash FROM audit_records WHERE chain = $1 AND sequence = $2",
                             {known.chain, known.sequence}));
    if (rows.empty()) return rolled_back(known);
    TRY(const auto hash, rows.bytes(0, 0));
    if (base::Bytes(hash.begin(), hash.end()) !=
        base::Bytes(known.hash.bytes.begin(), known.hash.bytes.end())) {
        return rolled_back(known);
    }
    return {};
}

}  // namespace

std::span<const storage::Migration> rollback_migrations() {
    return kMigrations;
}

Result<Anchor> read_anchor(storage::Transaction& tx) {
    TRY(const auto chains, tx.query("SELECT chain FROM audit_chains ORDER BY chain", {}));
    Anchor out;
    for (std::size_t i = 0; i < chains.size(); ++i) {
        audit::ChainHead head;
        TRY(head.chain, chains.integer(i, 0));
        TRY(const auto last, tx.query(
                                 "SELECT sequence, hash FROM audit_records WHERE chain = $1 "
                                 "ORDER BY sequence DESC LIMIT 1",
                                 {head.chain}));
        if (last.empty()) continue;
        TRY(head.sequence, last.integer(0, 0));
        TRY(const auto hash, last.bytes(0, 1));
        TRY(head.hash, crypto::Sha256Digest::parse(hash));
        out.push_back(head);
    }
    return out;
}

std::string to_text(const Anchor& anchor) {
    Json heads = Json::array();
    for (const audit::ChainHead& head : anchor) {
        heads.push_back(Json::object()
                            .set("chain", Json::integer(head.chain))
                            .set("sequence", Json::integer(head.sequence))
                            .set("hash", Json::string(head.hash.to_hex())));
    }
    Json out = Json::object();
    out.set("format", Json::string(std::string(kFormat)));
    out.set("heads", std::move(heads));
    return out.dump() + "\n";
}

Result<Anchor> parse_anchor(std::string_view text) {
    const auto json = Json::parse(text);
    if (!json || !json->is_object() || json->members().size() != 2) return bad("no anchor");
    const Json* const format = json->find("format");
    const Json* const heads = json->find("heads");
    if (format == nullptr || !format->is_string() || format->string_value() != kFormat) {
        return bad("another format");
    }
    if (heads == nullptr || !heads->is_array() || heads->size() > kChainsMax) return bad("heads");
    Anchor out;
    for (const Json& item : heads->items()) {
        TRY(const auto head, parse_head(item));
        if (!out.empty() && out.back().chain >= head.chain) return bad("chains do not ascend");
        out.push_back(head);
    }
    return out;
}

Result<void> check_continues(const Anchor& known, const Anchor& next) {
    for (const audit::ChainHead& head : known) {
        const auto found = std::find_if(
            next.begin(), next.end(), [&](const auto& one) { return one.chain == head.chain; });
        if (found == next.end() || found->sequence < head.sequence) return rolled_back(head);
        if (found->sequence == head.sequence && found->hash != head.hash) return rolled_back(head);
    }
    return {};
}

struct RollbackGuard::State {
    storage::Database& database;
    const std::vector<std::unique_ptr<RollbackWitness>> witnesses;
    const Options options;

    mutable std::mutex mutex;  // of what info() reads
    std::optional<base::Timestamp> advanced_at;
    std::string problem;
    Anchor noted;  // one period ago, with lag

    // On the executor of start().
    base::Executor* executor = nullptr;
    std::function<void(const Error&)> on_rolled_back;
    base::Executor::TimerId timer = 0;
    bool stopping = false;

    Task<Result<void>> check_one(RollbackWitness& witness, const Anchor& now);
    Task<Result<void>> check();
    Task<Result<void>> advance();
    void note(const Result<void>& done);
};

Task<Result<void>> RollbackGuard::State::check_one(RollbackWitness& witness, const Anchor& now) {
    auto reading = witness.read();
    auto known = co_await std::move(reading);
    if (!known) co_return std::move(known).error().with_context(witness.name());
    if (!known->has_value()) {
        if (now.empty() || options.adopt) co_return Result<void>();
        co_return Error::conflict(
            witness.name() +
                ": remembers nothing, but the database has records; if the witness is new, say "
                "rollback.adopt = true once",
            "witness_empty");
    }
    const Anchor& heads = **known;
    auto unit = [&heads](storage::Transaction& tx) -> Result<void> {
        for (const audit::ChainHead& head : heads) {
            TRY_VOID(check_head(tx, head));
        }
        return {};
    };
    auto looking = database.read(std::move(unit));
    auto done = co_await std::move(looking);
    if (!done) co_return std::move(done).error().with_context(witness.name());
    co_return Result<void>();
}

Task<Result<void>> RollbackGuard::State::check() {
    auto reading = database.read([](storage::Transaction& tx) { return read_anchor(tx); });
    CO_TRY(const Anchor now, co_await std::move(reading));
    for (const auto& witness : witnesses) {
        auto checking = check_one(*witness, now);
        CO_TRY_VOID(co_await std::move(checking));
    }
    co_return Result<void>();
}

Task<Result<void>> RollbackGuard::State::advance() {
    if (witnesses.empty()) co_return Result<void>();
    auto reading = database.read([](storage::Transaction& tx) { return read_anchor(tx); });
    CO_TRY(Anchor now, co_await std::move(reading));
    if (options.lag) {
        const std::lock_guard lock(mutex);
        std::swap(now, noted);
    }
    // All are told; the first that knows more decides.
    Result<void> out;
    for (const auto& witness : witnesses) {
        if (now.empty()) break;
        auto telling = witness->advance(now);
        auto told = co_await std::move(telling);
        if (told) continue;
        const bool first = out.has_value() || out.error().code() != ErrorCode::Conflict;
        if (first) out = std::move(told).error().with_context(witness->name());
    }
    co_return out;
}

void RollbackGuard::State::note(const Result<void>& done) {
    const std::lock_guard lock(mutex);
    problem = done ? std::string() : done.error().message();
    if (done && executor != nullptr) advanced_at = executor->now();
}

namespace {

// One tick; then the next is due a period later.
template <typename StatePtr>
Task<void> tick(StatePtr state);

template <typename StatePtr>
void schedule(StatePtr state) {
    if (state->stopping) return;
    state->timer = state->executor->post_after(
        state->options.period, [state] { base::spawn(*state->executor, tick(state)); });
}

template <typename StatePtr>
Task<void> tick(StatePtr state) {
    if (state->stopping) co_return;
    auto advancing = state->advance();
    const auto done = co_await std::move(advancing);
    state->note(done);
    if (!done && done.error().reason() == "database_rolled_back") {
        state->stopping = true;
        if (state->on_rolled_back) state->on_rolled_back(done.error());
        co_return;
    }
    schedule(state);
}

}  // namespace

RollbackGuard::RollbackGuard(
    storage::Database& database, std::vector<std::unique_ptr<RollbackWitness>> witnesses,
    Options options)
    : state_(new State{
          database, std::move(witnesses), options, {}, {}, {}, {}, nullptr, {}, 0, false}) {}

RollbackGuard::~RollbackGuard() = default;

bool RollbackGuard::guarded() const {
    return !state_->witnesses.empty();
}

Task<Result<void>> RollbackGuard::check() {
    return state_->check();
}

Task<Result<void>> RollbackGuard::advance() {
    return state_->advance();
}

void RollbackGuard::start(
    base::Executor& executor, std::function<void(const Error&)> on_rolled_back) {
    if (!guarded()) return;
    CHECK(state_->executor == nullptr);
    state_->executor = &executor;
    state_->on_rolled_back = std::move(on_rolled_back);
    base::spawn(executor, tick(state_));
}

Task<void> RollbackGuard::stop() {
    const std::shared_ptr<State> state = state_;
    if (state->executor == nullptr) co_return;
    const bool ended = state->stopping;
    state->stopping = true;
    state->executor->cancel(state->timer);
    if (ended) co_return;
    auto advancing = state->advance();
    const auto done = co_await std::move(advancing);
    state->note(done);
}

Json RollbackGuard::info() const {
    Json names = Json::array();
    for (const auto& witness : state_->witnesses) names.push_back(Json::string(witness->name()));
    const std::lock_guard lock(state_->mutex);
    Json out = Json::object();
    out.set("guarded", Json::boolean(guarded()));
    out.set("witnesses", std::move(names));
    if (state_->advanced_at) {
        out.set("last_advanced_at", Json::string(base::to_rfc3339_seconds(*state_->advanced_at)));
    }
    if (!state_->problem.empty()) out.set("problem", Json::string(state_->problem));
    return out;
}

}  // namespace adyton::service
