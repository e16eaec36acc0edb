#include "audit/export.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "audit/internal/format.h"
#include "audit/internal/rows.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace adyton::audit {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

// One snapshot of what the export will contain.
struct Scope {
    std::vector<internal::ChainLine> chains;
    std::vector<ChainHead> heads;
    std::int64_t last_checkpoint = 0;
};

Result<Scope> read_scope(storage::Transaction& tx) {
    Scope scope;
    TRY(const storage::Rows chains,
        tx.query("SELECT chain, instance_id FROM audit_chains ORDER BY chain", {}));
    for (std::size_t i = 0; i < chains.size(); ++i) {
        internal::ChainLine line;
        TRY(line.chain, chains.integer(i, 0));
        TRY(line.instance_id, chains.text(i, 1));
        line.genesis_hash = genesis_hash(line.chain, line.instance_id);
        scope.chains.push_back(std::move(line));
    }
    TRY(const storage::Rows last,
        tx.query("SELECT COALESCE(MAX(number), 0) FROM audit_checkpoints", {}));
    TRY(scope.last_checkpoint, last.integer(0, 0));
    TRY(scope.heads, internal::read_heads(tx));
    return scope;
}

struct PageRequest {
    std::int64_t chain = 0;
    std::int64_t after = 0;
    std::int64_t up_to = 0;
    std::int64_t limit = 0;
};

Result<std::vector<AuditRecord>> read_page(storage::Transaction& tx, const PageRequest& page) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT chain, sequence, recorded_at, kind, actor, body, previous_hash, hash "
            "FROM audit_records WHERE chain = $1 AND sequence > $2 AND sequence <= $3 "
            "ORDER BY sequence LIMIT $4",
            {page.chain, page.after, page.up_to, page.limit}));
    std::vector<AuditRecord> records;
    records.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(AuditRecord record, internal::read_record(rows, i));
        records.push_back(std::move(record));
    }
    return records;
}

}  // namespace

struct AuditExport::State {
    State(storage::Database& from, ExportOptions with) : database(from), options(with) {}

    storage::Database& database;
    ExportOptions options;
    Scope scope;

    std::map<std::int64_t, std::int64_t> written;  // chain -> last sequence in the file
    // What the records are being written up to: a checkpoint's heads, in the end the scope's.
    std::vector<ChainHead> target;
    std::size_t target_index = 0;
    std::optional<Checkpoint> checkpoint;  // stands after the target's records
    std::int64_t checkpoint_number = 0;    // last one taken as target
    internal::TrailerLine trailer;
    crypto::Sha256 digest;
    bool begun = false;
    bool ended = false;

    void begin(std::string& out);
    void end(std::string& out);
    Task<Result<void>> next_target();
    Task<Result<bool>> next_page(std::string& out);
};

void AuditExport::State::begin(std::string& out) {
    internal::append_line(out, internal::HeaderLine{options.exported_at});
    for (const internal::ChainLine& chain : scope.chains) {
        internal::append_line(out, chain);
        ++trailer.chains;
    }
    begun = true;
}

// Takes the next checkpoint that exists as the target, or the scope's heads after the last one.
Task<Result<void>> AuditExport::State::next_target() {
    target_index = 0;
    checkpoint.reset();
    while (checkpoint_number < scope.last_checkpoint && !checkpoint) {
        const std::int64_t number = ++checkpoint_number;
        auto unit = [number](storage::Transaction& tx) {
            return internal::read_checkpoint(tx, number);
        };
        auto task = database.read(unit);
        CO_TRY(checkpoint, co_await std::move(task));
    }
    if (checkpoint) {
        target = checkpoint->heads;
    } else {
        target = scope.heads;
    }
    co_return Result<void>();
}

// Writes one page of records. False: the target is reached. A record that is missing from the
// table is missing from the file: finding that is the checker's work.
Task<Result<bool>> AuditExport::State::next_page(std::string& out) {
    while (target_index < target.size()) {
        const ChainHead& head = target[target_index];
        const PageRequest page{
            head.chain, written[head.chain], head.sequence,
            static_cast<std::int64_t>(options.page_records)};
        if (page.after >= page.up_to) {
            ++target_index;
            continue;
        }
        auto unit = [&page](storage::Transaction& tx) { return read_page(tx, page); };
        auto task = database.read(unit);
        CO_TRY(const std::vector<AuditRecord> records, co_await std::move(task));
        if (records.empty()) {
            ++target_index;
            continue;
        }
        for (const AuditRecord& record : records) internal::append_line(out, record);
        written[head.chain] = records.back().sequence;
        trailer.records += static_cast<std::int64_t>(records.size());
        co_return true;
    }
    co_return false;
}

void AuditExport::State::end(std::string& out) {
    digest.update(base::as_bytes(out));
    trailer.sha256 = digest.finish();
    if (options.key != nullptr) {
        trailer.public_key = options.key->public_key();
        trailer.signature = options.key->sign(trailer.signed_bytes());
    }
    internal::append_line(out, trailer);
    ended = true;
}

AuditExport::AuditExport(std::unique_ptr<State> state) : state_(std::move(state)) {}
AuditExport::~AuditExport() = default;

Task<Result<std::unique_ptr<AuditExport>>> AuditExport::open(
    storage::Database& database, ExportOptions options) {
    CHECK(options.page_records > 0);
    auto state = std::make_unique<State>(database, options);
    auto unit = [](storage::Transaction& tx) { return read_scope(tx); };
    auto task = database.read(unit);
    CO_TRY(state->scope, co_await std::move(task));
    auto target = state->next_target();
    CO_TRY_VOID(co_await std::move(target));
    std::unique_ptr<AuditExport> out(new AuditExport(std::move(state)));
    co_return out;
}

Task<Result<std::string>> AuditExport::next() {
    State& state = *state_;
    std::string out;
    if (state.ended) co_return out;
    if (!state.begun) state.begin(out);
    while (out.size() < kChunkBytes) {
        auto page = state.next_page(out);
        CO_TRY(const bool wrote, co_await std::move(page));
        if (wrote) continue;
        if (state.checkpoint) {
            internal::append_line(out, *state.checkpoint);
            ++state.trailer.checkpoints;
        } else {
            state.end(out);
            co_return out;
        }
        auto target = state.next_target();
        CO_TRY_VOID(co_await std::move(target));
    }
    state.digest.update(base::as_bytes(out));
    co_return out;
}

}  // namespace adyton::audit
