#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "compute/options.h"
#include "storage/database.h"

// Jobs from their acceptance to their expiry. All functions run inside the caller's unit of work;
// errors of storage::Transaction and CorruptData for rows that do not read back are not repeated.
// Blobs are sealed by the caller (keys.h).
namespace adyton::compute {

enum class JobPhase {
    Queued,
    Running,
    Completed,  // this and all below are final
    Failed,
    Cancelled,
    TimedOut,
    Interrupted,
};
std::string_view to_string(JobPhase phase);  // "timed_out"
Result<JobPhase> parse_job_phase(std::string_view text);
constexpr bool is_final(JobPhase phase) {
    return phase != JobPhase::Queued && phase != JobPhase::Running;
}
// The seed's three words (decisions.md 7).
std::string_view status_word(JobPhase phase);

// One life of one process, as owner of running jobs.
struct InstanceClaim {
    std::string instance;
    std::int64_t epoch = 0;
    std::string master_key_id;  // under which this process seals
};

struct JobRow {
    std::string job_id;
    std::string user;
    JobPhase phase = JobPhase::Queued;
    InstanceClaim owner;  // running only
    bool rerun = false;
    std::int64_t attempts = 0;
    bool cancel_requested = false;
    std::optional<base::Bytes> request;
    std::optional<base::Bytes> answer;
    base::Timestamp created_at;
    std::optional<base::Timestamp> started_at;
    std::optional<base::Timestamp> finished_at;
};

// A log line that waits to be stored; sealed.
struct LogRow {
    std::string job_id;
    std::int64_t sequence = 0;
    base::Bytes line;
};

namespace jobs {

// --- instances ---

// The next life of this instance. Its jobs of earlier lives are cut off from now on.
Result<InstanceClaim> register_instance(
    storage::Transaction& tx, const std::string& instance, base::Duration lease);
// Also when it is late: then jobs may have been taken from it meanwhile, and it owns those that
// were not. Conflict, reason "instance_lost": another process has taken the name.
Result<void> renew_instance(
    storage::Transaction& tx, const InstanceClaim& claim, base::Duration lease);
// Its jobs are cut off from now on.
Result<void> retire_instance(storage::Transaction& tx, const InstanceClaim& claim);
// Unavailable, reason "master_key_changed".
Error master_key_changed();
// master_key_changed(): another instance was started with a newer master key, so
// what this one would seal is not what the others read.
Result<void> check_master_key(storage::Transaction& tx, const InstanceClaim& claim);
// The same, and nobody changes the key until the unit ends; one unit after the other, so not for
// what every job does.
Result<void> hold_master_key(storage::Transaction& tx, const InstanceClaim& claim);
// Whether no other instance is alive.
Result<bool> is_alone(storage::Transaction& tx, const InstanceClaim& claim);

// --- acceptance ---

struct NewJob {
    std::string job_id;
    std::string user;
    bool rerun = false;
    std::optional<base::Bytes> request;  // must be there for jobs that may be queued or run again
    base::Timestamp created_at;
};
// What an owner takes on is its own: an owner whose lease is over is renewed, or refused as
// renew_instance() and check_master_key() say.
struct Owner {
    const InstanceClaim& claim;
    base::Duration lease;
};
// True: inserted as running, with a slot of the user. False: the user has no slot free; nothing was
// changed.
Result<bool> insert_running(
    storage::Transaction& tx, const NewJob& job, const Owner& owner, std::int64_t running_max);
// True: inserted as queued. False: the user has `queued_max` waiting; nothing was changed.
Result<bool> insert_queued(storage::Transaction& tx, const NewJob& job, std::int64_t queued_max);
// A job that was over before it began: without a slot, with its answer.
struct FinalJob {
    JobPhase phase = JobPhase::Failed;
    base::Bytes answer;
    std::optional<base::Bytes> recording;
    base::Timestamp finished_at;
    base::Timestamp expires_at;
};
Result<void> insert_final(storage::Transaction& tx, const NewJob& job, const FinalJob& end);
// A job that ran before it had a record. False: the user has `running_max` others running; nothing
// was changed.
Result<bool> insert_ended(
    storage::Transaction& tx, const NewJob& job, const FinalJob& end, std::int64_t running_max);

// --- running ---

// Up to `limit` users with a queued job and a free slot: those with the fewest running first, then
// those who waited longest for a start.
Result<std::vector<std::string>> list_queued_users(
    storage::Transaction& tx, std::int64_t running_max, std::int64_t limit);
// Takes the first queued job of a user, with a slot of that user; none of `left_out`. Null: there
// is none, or no slot.
Result<std::optional<JobRow>> claim_queued(
    storage::Transaction& tx, const Owner& owner, const std::string& user,
    const std::set<std::string>& left_out, std::int64_t running_max);
// Back to the queue: a job of this owner that did not begin after all. Conflict, reason "job_lost":
// it is not this owner's any more.
Result<void> put_back(
    storage::Transaction& tx, const std::string& job_id, const std::string& user,
    const InstanceClaim& owner);
// Conflict, reason "job_lost": it is not this owner's any more.
Result<void> note_started(
    storage::Transaction& tx, const std::string& job_id, const InstanceClaim& owner,
    base::Timestamp started_at);
// Conflict, reason "job_lost": it is not this owner's any more.
Result<void> finish(
    storage::Transaction& tx, const std::string& job_id, const std::string& user,
    const InstanceClaim& owner, const FinalJob& end);
// Whether the job ended with these very bytes, which are those of one sealing.
Result<bool> has_answer(
    storage::Transaction& tx, const std::string& job_id, const std::string& user,
    const base::Bytes& answer);
Result<void> append_logs(storage::Transaction& tx, const std::vector<LogRow>& lines);
Result<std::vector<LogRow>> list_logs(storage::Transaction& tx, const std::string& job_id);

// --- cancelling ---

// Running: remembers the wish. Queued: the caller answers it, and true is returned.
enum class CancelState { WasQueued, Asked, Final };
Result<CancelState> request_cancel(
    storage::Transaction& tx, const std::string& job_id, const FinalJob& if_queued);
// Running jobs of this owner, and whether their cancelling was asked for.
Result<std::map<std::string, bool>> list_owned(
    storage::Transaction& tx, const InstanceClaim& owner);

// --- jobs that nobody runs ---

// Those whose owner is gone.
Result<std::vector<JobRow>> find_orphans(storage::Transaction& tx, std::int64_t limit);
// Null: it is not this owner's any more. Locked for the unit.
Result<std::optional<JobRow>> find_owned(
    storage::Transaction& tx, const std::string& job_id, const InstanceClaim& owner);
// Back to the queue; true unless it was run `attempts_max` times or may not be run again. Then the
// caller ends it with end_orphan().
Result<bool> requeue_orphan(
    storage::Transaction& tx, const JobRow& orphan, std::int64_t attempts_max);
Result<void> end_orphan(storage::Transaction& tx, const JobRow& orphan, const FinalJob& end);

// --- reading and forgetting ---

// Null: there is none, it has expired, or it is another user's.
Result<std::optional<JobRow>> find(
    storage::Transaction& tx, const std::string& user, const std::string& job_id);
struct Page {
    std::string user;
    std::optional<std::pair<base::Timestamp, std::string>> before;  // created_at and id; exclusive
    std::int64_t limit = 100;
    bool answers = true;  // false: rows without them
    // Of sealed answers; a first one that is larger comes all the same.
    std::int64_t answer_bytes_max = std::int64_t{8} << 20;
};
struct Listed {
    std::vector<JobRow> jobs;  // newest first; without what was sent
    bool more = false;         // there may be others after them
};
Result<Listed> list(storage::Transaction& tx, const Page& page);
Result<std::optional<base::Bytes>> find_recording(
    storage::Transaction& tx, const std::string& user, const std::string& job_id);

struct Counts {
    std::int64_t running = 0;
    std::int64_t queued = 0;
};
Result<Counts> count_open(storage::Transaction& tx);       // by an index of open jobs
Result<std::int64_t> count_all(storage::Transaction& tx);  // reads every row

// Up to `limit` expired ones; how many went.
Result<std::int64_t> remove_expired(storage::Transaction& tx, std::int64_t limit);
// What is kept of finished jobs: of one user, and of all users together. Bytes are those of sealed
// answers, requests and recordings.
struct KeptMax {
    std::int64_t jobs = 0;
    std::int64_t bytes = 0;
    std::int64_t bytes_of_all = 0;
};
// Up to `limit` finished ones beyond that, the oldest first; how many went. Reads every row.
Result<std::int64_t> remove_excess(
    storage::Transaction& tx, const KeptMax& kept, std::int64_t limit);

}  // namespace jobs
}  // namespace adyton::compute
