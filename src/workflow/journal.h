#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/database.h"

// The durable journal of step-by-step work: what is under way, at which step, until when, who
// drives it, and everything that happened to it. All functions run inside the caller's unit of
// work, so a run changes exactly if the effect recorded beside it does. Errors of
// storage::Transaction and CorruptData for rows that do not read back are not repeated below.
namespace adyton::workflow {

enum class RunState {
    Running,    // due at next_attempt_at
    Paused,     // until resume_run()
    Succeeded,  // this and the two below are final
    Failed,
    Cancelled,
};
std::string_view to_string(RunState state);  // "running"
Result<RunState> parse_run_state(std::string_view text);
constexpr bool is_final(RunState state) {
    return state != RunState::Running && state != RunState::Paused;
}

inline constexpr std::size_t kRunIdBytesMax = 128;
inline constexpr std::size_t kRunWordBytesMax = 128;  // kind, subject, step, event kind
inline constexpr std::size_t kRunPayloadBytesMax = 1024 * 1024;
inline constexpr std::size_t kRunReasonBytesMax = 1024;

struct Run {
    std::string id;
    std::string kind;     // whose steps: "pool.transfer"
    std::string subject;  // what it is about: an account id. Picking is fair among subjects
    RunState state = RunState::Running;
    std::string step;                          // the kind's own word
    std::string payload;                       // the kind's own JSON
    std::string reason;                        // why it ended, when it did not succeed
    std::int64_t attempts = 0;                 // failed attempts since the last advance
    std::optional<std::int64_t> attempts_max;  // none: any number
    std::optional<base::Timestamp> deadline;
    base::Timestamp next_attempt_at;
    bool cancel_requested = false;
    std::string driver;        // empty: nobody
    std::int64_t fencing = 0;  // rises whenever it changes hands
    std::int64_t events = 0;
    base::Timestamp created_at;
    base::Timestamp updated_at;
};

struct RunEvent {
    std::int64_t sequence = 0;  // from 1, without gaps
    base::Timestamp recorded_at;
    std::string kind;
    std::string body;  // JSON
};

// An event to add. Views must live for the call.
struct NewEvent {
    std::string_view kind;         // "advanced"; 1 to kRunWordBytesMax bytes
    std::string_view body = "{}";  // JSON, up to kRunPayloadBytesMax
};

struct NewRun {
    std::string id;  // unique
    std::string kind;
    std::string subject;
    std::string step;
    std::string payload = "{}";
    std::optional<std::int64_t> attempts_max;
    std::optional<base::Timestamp> deadline;
    std::optional<base::Timestamp> next_attempt_at;  // none: now
};

// --- runs ---

// The right to drive one run, as held. Every change of a driven run proves it.
struct RunClaim {
    std::string id;
    std::string driver;
    std::int64_t fencing = 0;
};

// Adds a run with its first event, "created". With a driver (StepRunner::driver()) that still
// lives, the run is that driver's at once and nobody else picks it up: hand it to
// StepRunner::adopt() after the commit. A driver that does not live any more is ignored. Conflict
// "unique": the id is taken.
Result<Run> insert_run(storage::Transaction& tx, const NewRun& run, const std::string& driver = {});
Result<std::optional<Run>> find_run(storage::Transaction& tx, const std::string& id);

struct RunQuery {
    std::string kind;               // empty: all
    std::string subject;            // empty: all
    std::optional<RunState> state;  // none: all
    std::string after_id;           // exclusive; empty: from the start
    std::int64_t limit = 100;       // 1 to 1000
};
// By id.
Result<std::vector<Run>> list_runs(storage::Transaction& tx, const RunQuery& query);
Result<std::vector<RunEvent>> list_events(
    storage::Transaction& tx, const std::string& run_id, std::int64_t after_sequence,
    std::int64_t limit);

// Each of these is refused with Conflict, reason "run_lost", when the claim does not hold any more:
// the run is paused, final, or another driver's. The row stays locked until the unit commits.

Result<void> check_run(storage::Transaction& tx, const RunClaim& claim);
struct Advance {
    std::string step;
    std::optional<std::string> payload;              // none: as it was
    std::optional<base::Timestamp> next_attempt_at;  // none: now
    std::optional<base::Timestamp> deadline;         // none: as it was
};
// Next step; failed attempts start from zero.
Result<void> advance_run(
    storage::Transaction& tx, const RunClaim& claim, const Advance& advance, const NewEvent& event);
// A failed attempt; how many there are now.
Result<std::int64_t> retry_run(
    storage::Transaction& tx, const RunClaim& claim, base::Timestamp next_attempt_at,
    const NewEvent& event);
// Something worth keeping that changes nothing.
Result<void> note_event(storage::Transaction& tx, const RunClaim& claim, const NewEvent& event);
// CHECKs that the state is final.
Result<void> finish_run(
    storage::Transaction& tx, const RunClaim& claim, RunState state, const std::string& reason,
    const NewEvent& event);

// --- what operators and owners do; no claim needed ---

// True: paused now; its driver can change nothing any more. False: it was paused. NotFound.
// Conflict "run_final".
Result<bool> pause_run(storage::Transaction& tx, const std::string& id, const std::string& actor);
// True: running again, due now, retries counted afresh. NotFound. Conflict "run_final".
Result<bool> resume_run(storage::Transaction& tx, const std::string& id, const std::string& actor);
// Asks the run to end; what that means at its step is the kind's to say (Run::cancel_requested).
// True: asked now. False: it had been. A paused run runs again. NotFound. Conflict "run_final".
Result<bool> request_cancel(
    storage::Transaction& tx, const std::string& id, const std::string& actor);
// Forgets up to `limit` final runs of a kind (empty: all) last changed before `before`, with their
// events; how many.
Result<std::int64_t> remove_final_runs(
    storage::Transaction& tx, std::string_view kind, base::Timestamp before, std::int64_t limit);

// --- drivers: one a process and life ---

// Registers a driver that lives for `lease` unless renewed. Drivers of the same holder from before
// are dead from now on. CHECKs the names (1 to 128 bytes).
Result<void> register_driver(
    storage::Transaction& tx, const std::string& driver, const std::string& holder,
    base::Duration lease);
// Conflict, reason "driver_lost": its time ran out, so its runs may be another's.
Result<void> renew_driver(
    storage::Transaction& tx, const std::string& driver, base::Duration lease);
// Gives up to `limit` runs of drivers that are dead back to whoever picks them; how many runs.
Result<std::int64_t> free_orphans(storage::Transaction& tx, std::int64_t limit);
// Makes a driver dead now.
Result<void> retire_driver(storage::Transaction& tx, const std::string& driver);

struct ClaimQuery {
    std::string kind;
    std::string driver;
    std::int64_t limit = 64;  // 1 to 1000
};
// Picks due runs that nobody drives: one of each subject before a second of any, the longest due
// first, among the 1024 longest due. Conflict "driver_lost".
Result<std::vector<Run>> claim_due_runs(storage::Transaction& tx, const ClaimQuery& query);
// Hands claimed runs back, due as they were.
Result<std::int64_t> release_runs(storage::Transaction& tx, const std::string& driver);

}  // namespace adyton::workflow
