#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "http/client.h"
#include "service/frame.h"
#include "storage/database.h"
#include "storage/migration.h"

// A host can put an older database back: locks, nonces, reservations and spending limits would be
// forgotten, and signatures given twice. Every effect has its audit record in the same transaction,
// so the heads of the audit chains say how far a database has come; a witness that the host cannot
// put back at the same time remembers them (enclave.md 5.3).
namespace adyton::service {

// Migrations 70 to 79: rollback_anchors, what this process keeps for others as their witness.
std::span<const storage::Migration> rollback_migrations();

// The heads of all chains that have records, ascending.
using Anchor = std::vector<audit::ChainHead>;
Result<Anchor> read_anchor(storage::Transaction& tx);
// {"format":"adyton/witness/v1","heads":[{"chain","sequence","hash"}]}. InvalidArgument otherwise,
// also for chains that do not ascend.
std::string to_text(const Anchor& anchor);
Result<Anchor> parse_anchor(std::string_view text);
// Whether `next` continues `known`: no chain is gone, shorter, or of another hash at the same
// place. Conflict, reason "database_rolled_back".
Result<void> check_continues(const Anchor& known, const Anchor& next);

class RollbackWitness {
public:
    virtual ~RollbackWitness() = default;
    virtual std::string name() const = 0;  // for logs: "file /mnt/witness/pool"
    // Nothing: it remembers nothing yet. Unavailable: it cannot be asked. CorruptData.
    virtual Task<Result<std::optional<Anchor>>> read() = 0;
    // Never goes back: Conflict "database_rolled_back" when it remembers more.
    virtual Task<Result<void>> advance(const Anchor& anchor) = 0;
};

// A file, of which the host must not have a copy to put back: on another machine's disk. Replaced
// whole and synced.
std::unique_ptr<RollbackWitness> file_witness(std::string path);
// Another service of the suite that serves /witness. References must outlive it; `service_id` is
// sent where development identity believes it.
std::unique_ptr<RollbackWitness> peer_witness(
    http::Transport& transport, std::string base_url, std::string service_id);

// GET and POST /witness: what this process remembers for its callers, by their service id.
void add_witness_routes(ServiceFrame& frame, storage::Database& database);

class RollbackGuard {
public:
    struct Options {
        base::Duration period = std::chrono::seconds(10);
        // The database has records and a witness remembers nothing: it is new, and takes the
        // database as it is. Otherwise that is refused, for emptying a witness is an attack too.
        bool adopt = false;
        // Anchors one period behind: with relaxed durability a power cut may lose the last commits.
        bool lag = false;
    };
    // No witness: nothing is guarded, and info() says so. `database` must outlive it.
    RollbackGuard(
        storage::Database& database, std::vector<std::unique_ptr<RollbackWitness>> witnesses,
        Options options);
    ~RollbackGuard();
    RollbackGuard(const RollbackGuard&) = delete;
    RollbackGuard& operator=(const RollbackGuard&) = delete;

    bool guarded() const;
    // Before anything is signed. Conflict "database_rolled_back": the database is older than a
    // witness remembers, or another; Conflict "witness_empty"; errors of the witness: who cannot
    // be asked is not taken for granted.
    Task<Result<void>> check();
    // Tells the witnesses how far the database has come.
    Task<Result<void>> advance();

    // Advances each period on `executor` until stop(); `on_rolled_back` when a witness knows more.
    // A witness that cannot be reached is told later. start(), stop() on the executor.
    void start(base::Executor& executor, std::function<void(const Error&)> on_rolled_back);
    Task<void> stop();

    // {"guarded", "witnesses": [name], "last_advanced_at", "problem"}.
    base::Json info() const;

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with a tick that is under way
};

}  // namespace adyton::service
