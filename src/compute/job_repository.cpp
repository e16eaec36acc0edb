#include "compute/job_repository.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/json_array.h"

namespace adyton::compute {
namespace {

using storage::Fragment;
using storage::Transaction;

constexpr std::array<std::pair<JobPhase, std::string_view>, 7> kPhases = {{
    {JobPhase::Queued, "queued"},
    {JobPhase::Running, "running"},
    {JobPhase::Completed, "completed"},
    {JobPhase::Failed, "failed"},
    {JobPhase::Cancelled, "cancelled"},
    {JobPhase::TimedOut, "timed_out"},
    {JobPhase::Interrupted, "interrupted"},
}};

constexpr const char* kColumns =
    "job_id, user_id, phase, instance, epoch, rerun, attempts, cancel_requested, request, answer, "
    "created_at, started_at, finished_at ";

// The same without what was sent, and without what came of it.
constexpr const char* kListColumns =
    "job_id, user_id, phase, instance, epoch, rerun, attempts, cancel_requested, NULL, answer, "
    "created_at, started_at, finished_at ";
constexpr const char* kSummaryColumns =
    "job_id, user_id, phase, instance, epoch, rerun, attempts, cancel_requested, NULL, NULL, "
    "created_at, started_at, finished_at ";

storage::Value blob(const std::optional<base::Bytes>& bytes) {
    if (!bytes) return std::monostate();
    return *bytes;
}

Result<std::optional<base::Bytes>> optional_bytes(
    const storage::Rows& rows, std::size_t row, std::size_t column) {
    if (rows.is_null(row, column)) return std::optional<base::Bytes>();
    TRY(auto bytes, rows.bytes(row, column));
    return std::optional<base::Bytes>(std::move(bytes));
}

Result<JobRow> read_job(const storage::Rows& rows, std::size_t row) {
    JobRow out;
    TRY(out.job_id, rows.text(row, 0));
    TRY(out.user, rows.text(row, 1));
    TRY(const auto phase, rows.text(row, 2));
    TRY(out.phase, parse_job_phase(phase));
    TRY(const auto instance, rows.optional_text(row, 3));
    out.owner.instance = instance.value_or("");
    if (!rows.is_null(row, 4)) {
        TRY(out.owner.epoch, rows.integer(row, 4));
    }
    TRY(const auto rerun, rows.integer(row, 5));
    out.rerun = rerun != 0;
    TRY(out.attempts, rows.integer(row, 6));
    TRY(const auto cancel, rows.integer(row, 7));
    out.cancel_requested = cancel != 0;
    TRY(out.request, optional_bytes(rows, row, 8));
    TRY(out.answer, optional_bytes(rows, row, 9));
    TRY(out.created_at, rows.timestamp(row, 10));
    TRY(out.started_at, rows.optional_timestamp(row, 11));
    TRY(out.finished_at, rows.optional_timestamp(row, 12));
    return out;
}

Result<std::vector<JobRow>> read_jobs(const storage::Rows& rows) {
    std::vector<JobRow> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto job, read_job(rows, i));
        out.push_back(std::move(job));
    }
    return out;
}

Result<void> give_slot_back(Transaction& tx, const std::string& user) {
    TRY(const auto changed,
        tx.execute("UPDATE compute_users SET running = running - 1 WHERE user_id = $1", {user}));
    if (changed != 1) return Error::corrupt_data("a running job's user is not counted");
    return {};
}

Result<storage::Rows> select_page(
    Transaction& tx, const char* columns, const jobs::Page& page, std::int64_t limit) {
    TRY(const auto now, tx.now());
    if (!page.before) {
        return tx.query(
            std::string("SELECT ") + columns +
                "FROM compute_jobs WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2) "
                "ORDER BY created_at DESC, job_id DESC LIMIT $3",
            {page.user, now, limit});
    }
    return tx.query(
        std::string("SELECT ") + columns +
            "FROM compute_jobs WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2) "
            "AND (created_at < $4 OR (created_at = $4 AND job_id < $5)) "
            "ORDER BY created_at DESC, job_id DESC LIMIT $3",
        {page.user, now, limit, page.before->first, page.before->second});
}

Error job_lost() {
    return Error::conflict("the job is not this process's any more", "job_lost");
}

Result<void> compare_master_key(
    Transaction& tx, const InstanceClaim& claim, std::string_view lock) {
    TRY(const auto rows,
        tx.query(
            "SELECT value FROM compute_meta WHERE name = 'master_key' " + std::string(lock), {}));
    if (!rows.empty()) {
        TRY(const auto known, rows.text(0, 0));
        if (known == claim.master_key_id) return {};
    }
    return jobs::master_key_changed();
}

Result<void> be_alive(Transaction& tx, const jobs::Owner& owner) {
    TRY_VOID(jobs::check_master_key(tx, owner.claim));
    TRY(const auto now, tx.now());
    TRY(const auto rows, tx.query(
                             "SELECT 1 FROM compute_instances WHERE instance = $1 AND epoch = $2 "
                             "AND alive_until > $3",
                             {owner.claim.instance, owner.claim.epoch, now}));
    if (!rows.empty()) return {};
    return jobs::renew_instance(tx, owner.claim, owner.lease);
}

}  // namespace

std::string_view to_string(JobPhase phase) {
    for (const auto& [known, text] : kPhases) {
        if (known == phase) return text;
    }
    CHECK(false);
    return {};
}

Result<JobPhase> parse_job_phase(std::string_view text) {
    for (const auto& [phase, known] : kPhases) {
        if (known == text) return phase;
    }
    return Error::corrupt_data("a job has no such phase");
}

std::string_view status_word(JobPhase phase) {
    if (!is_final(phase)) return "running";
    return phase == JobPhase::Completed ? "completed" : "failed";
}

namespace jobs {

// ----- instances --------------------------------------------------------------------------------

Result<InstanceClaim> register_instance(
    Transaction& tx, const std::string& instance, base::Duration lease) {
    TRY(const auto now, tx.now());
    const auto until = now + std::chrono::duration_cast<std::chrono::microseconds>(lease);
    TRY_VOID(tx.execute(
        "INSERT INTO compute_instances (instance, epoch, alive_until) VALUES ($1, 1, $2) "
        "ON CONFLICT (instance) DO UPDATE SET epoch = compute_instances.epoch + 1, "
        "alive_until = excluded.alive_until",
        {instance, until}));
    TRY(const auto rows,
        tx.query("SELECT epoch FROM compute_instances WHERE instance = $1", {instance}));
    InstanceClaim claim{instance, 0, {}};
    TRY(claim.epoch, rows.integer(0, 0));
    return claim;
}

Result<void> renew_instance(Transaction& tx, const InstanceClaim& claim, base::Duration lease) {
    TRY(const auto now, tx.now());
    const auto until = now + std::chrono::duration_cast<std::chrono::microseconds>(lease);
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_instances SET alive_until = $3 WHERE instance = $1 AND epoch = $2",
            {claim.instance, claim.epoch, until}));
    if (changed == 0) {
        return Error::conflict("another process has the name of this one", "instance_lost");
    }
    return {};
}

Result<void> retire_instance(Transaction& tx, const InstanceClaim& claim) {
    TRY(const auto now, tx.now());
    TRY_VOID(tx.execute(
        "UPDATE compute_instances SET alive_until = $3 WHERE instance = $1 AND epoch = $2",
        {claim.instance, claim.epoch, now}));
    return {};
}

Error master_key_changed() {
    return Error::unavailable(
        "another instance has changed the master key; start this one again with it",
        "master_key_changed");
}

Result<void> check_master_key(Transaction& tx, const InstanceClaim& claim) {
    return compare_master_key(tx, claim, {});
}

Result<void> hold_master_key(Transaction& tx, const InstanceClaim& claim) {
    return compare_master_key(tx, claim, tx.fragment(Fragment::ForUpdate));
}

Result<bool> is_alone(Transaction& tx, const InstanceClaim& claim) {
    TRY(const auto now, tx.now());
    TRY(const auto rows,
        tx.query(
            "SELECT 1 FROM compute_instances WHERE instance <> $1 AND alive_until > $2 LIMIT 1",
            {claim.instance, now}));
    return rows.empty();
}

// ----- acceptance -------------------------------------------------------------------------------

Result<bool> insert_running(
    Transaction& tx, const NewJob& job, const Owner& owner, std::int64_t running_max) {
    CHECK(running_max > 0);
    // The count and the limit in one statement: two instances cannot both take the last slot.
    TRY(const auto taken,
        tx.execute(
            "INSERT INTO compute_users (user_id, running, waiting, last_started_at) "
            "VALUES ($1, 1, 0, $3) ON CONFLICT (user_id) DO UPDATE SET "
            "running = compute_users.running + 1, last_started_at = excluded.last_started_at "
            "WHERE compute_users.running < $2",
            {job.user, running_max, job.created_at}));
    if (taken == 0) return false;
    TRY_VOID(be_alive(tx, owner));
    TRY_VOID(tx.execute(
        "INSERT INTO compute_jobs (job_id, user_id, phase, instance, epoch, rerun, attempts, "
        "cancel_requested, request, created_at, started_at) "
        "VALUES ($1, $2, 'running', $3, $4, $5, 1, 0, $6, $7, $7)",
        {job.job_id, job.user, owner.claim.instance, owner.claim.epoch, job.rerun ? 1 : 0,
         blob(job.request), job.created_at}));
    return true;
}

Result<bool> insert_queued(Transaction& tx, const NewJob& job, std::int64_t queued_max) {
    CHECK(queued_max > 0 && job.request.has_value());
    TRY(const auto taken,
        tx.execute(
            "INSERT INTO compute_users (user_id, running, waiting, last_started_at) "
            "VALUES ($1, 0, 1, $3) ON CONFLICT (user_id) DO UPDATE SET "
            "waiting = compute_users.waiting + 1 WHERE compute_users.waiting < $2",
            {job.user, queued_max, job.created_at}));
    if (taken == 0) return false;
    TRY_VOID(tx.execute(
        "INSERT INTO compute_jobs (job_id, user_id, phase, rerun, attempts, cancel_requested, "
        "request, created_at) VALUES ($1, $2, 'queued', $3, 0, 0, $4, $5)",
        {job.job_id, job.user, job.rerun ? 1 : 0, *job.request, job.created_at}));
    return true;
}

Result<void> insert_final(Transaction& tx, const NewJob& job, const FinalJob& end) {
    CHECK(is_final(end.phase));
    TRY_VOID(tx.execute(
        "INSERT INTO compute_jobs (job_id, user_id, phase, rerun, attempts, cancel_requested, "
        "answer, created_at, finished_at, expires_at) "
        "VALUES ($1, $2, $3, 0, 0, 0, $4, $5, $6, $7)",
        {job.job_id, job.user, to_string(end.phase), end.answer, job.created_at, end.finished_at,
         end.expires_at}));
    return {};
}

Result<bool> insert_ended(
    Transaction& tx, const NewJob& job, const FinalJob& end, std::int64_t running_max) {
    CHECK(is_final(end.phase) && running_max > 0);
    // The limit and the row in one statement, as insert_running() has it.
    TRY(const auto inserted,
        tx.execute(
            "INSERT INTO compute_jobs (job_id, user_id, phase, rerun, attempts, cancel_requested, "
            "answer, recording, created_at, started_at, finished_at, expires_at) "
            "SELECT $1, $2, $3, 0, 1, 0, $4, $5, $6, $6, $7, $8 WHERE NOT EXISTS "
            "(SELECT 1 FROM compute_users WHERE user_id = $2 AND running >= $9)",
            {job.job_id, job.user, to_string(end.phase), end.answer, blob(end.recording),
             job.created_at, end.finished_at, end.expires_at, running_max}));
    return inserted == 1;
}

// ----- running ----------------------------------------------------------------------------------

Result<std::vector<std::string>> list_queued_users(
    Transaction& tx, std::int64_t running_max, std::int64_t limit) {
    TRY(auto rows, tx.query(
                       "SELECT user_id FROM compute_users WHERE running < $1 AND user_id IN "
                       "(SELECT user_id FROM compute_jobs WHERE phase = 'queued') "
                       "ORDER BY running, last_started_at, user_id LIMIT $2",
                       {running_max, limit}));
    std::vector<std::string> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto user, rows.take_text(i, 0));
        out.push_back(std::move(user));
    }
    return out;
}

Result<std::optional<JobRow>> claim_queued(
    Transaction& tx, const Owner& owner, const std::string& user,
    const std::set<std::string>& left_out, std::int64_t running_max) {
    TRY(const auto now, tx.now());
    const bool postgres = tx.dialect() == storage::Dialect::Postgres;
    // Only what is taken is locked: other instances look for the rest.
    const std::string select =
        "SELECT job_id FROM compute_jobs WHERE phase = 'queued' AND user_id = $1 "
        "AND job_id NOT IN (SELECT value FROM " +
        std::string(postgres ? "json_array_elements_text(CAST($2 AS json))" : "json_each($2)") +
        ") ORDER BY created_at, job_id LIMIT 1 " +
        std::string(tx.fragment(Fragment::ForUpdateSkipLocked));
    TRY(const auto first, tx.query(select, {user, base::json_array(left_out)}));
    if (first.empty()) return std::optional<JobRow>();
    TRY(const auto job_id, first.text(0, 0));
    TRY_VOID(be_alive(tx, owner));
    TRY(const auto taken,
        tx.execute(
            "UPDATE compute_users SET running = running + 1, waiting = waiting - 1, "
            "last_started_at = $3 WHERE user_id = $1 AND running < $2",
            {user, running_max, now}));
    if (taken == 0) return std::optional<JobRow>();
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_jobs SET phase = 'running', instance = $2, epoch = $3, "
            "attempts = attempts + 1, started_at = NULL "
            "WHERE job_id = $1 AND phase = 'queued'",
            {job_id, owner.claim.instance, owner.claim.epoch}));
    if (changed != 1) return Error::unavailable("a queued job was taken meanwhile");
    return find(tx, user, job_id);
}

Result<void> put_back(
    Transaction& tx, const std::string& job_id, const std::string& user,
    const InstanceClaim& owner) {
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_jobs SET phase = 'queued', instance = NULL, epoch = NULL, "
            "started_at = NULL, attempts = attempts - 1 WHERE job_id = $1 AND phase = 'running' "
            "AND instance = $2 AND epoch = $3 AND user_id = $4 AND request IS NOT NULL "
            "AND cancel_requested = 0",
            {job_id, owner.instance, owner.epoch, user}));
    if (changed == 0) return job_lost();
    TRY_VOID(tx.execute(
        "UPDATE compute_users SET running = running - 1, waiting = waiting + 1 "
        "WHERE user_id = $1",
        {user}));
    return {};
}

Result<void> note_started(
    Transaction& tx, const std::string& job_id, const InstanceClaim& owner,
    base::Timestamp started_at) {
    TRY(const auto changed, tx.execute(
                                "UPDATE compute_jobs SET started_at = $2 WHERE job_id = $1 "
                                "AND phase = 'running' AND instance = $3 AND epoch = $4",
                                {job_id, started_at, owner.instance, owner.epoch}));
    if (changed == 0) return job_lost();
    return {};
}

Result<void> finish(
    Transaction& tx, const std::string& job_id, const std::string& user, const InstanceClaim& owner,
    const FinalJob& end) {
    CHECK(is_final(end.phase));
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_jobs SET phase = $4, answer = $5, recording = $6, finished_at = $7, "
            "expires_at = $8, instance = NULL, epoch = NULL, request = NULL "
            "WHERE job_id = $1 AND phase = 'running' AND instance = $2 AND epoch = $3 "
            "AND user_id = $9",
            {job_id, owner.instance, owner.epoch, to_string(end.phase), end.answer,
             blob(end.recording), end.finished_at, end.expires_at, user}));
    if (changed == 0) return job_lost();
    return give_slot_back(tx, user);
}

Result<bool> has_answer(
    Transaction& tx, const std::string& job_id, const std::string& user,
    const base::Bytes& answer) {
    TRY(const auto rows, tx.query(
                             "SELECT 1 FROM compute_jobs WHERE job_id = $1 AND user_id = $2 "
                             "AND answer = $3",
                             {job_id, user, answer}));
    return !rows.empty();
}

Result<void> append_logs(Transaction& tx, const std::vector<LogRow>& lines) {
    for (const LogRow& line : lines) {
        TRY_VOID(tx.execute(
            "INSERT INTO compute_job_logs (job_id, sequence, line) VALUES ($1, $2, $3) "
            "ON CONFLICT DO NOTHING",
            {line.job_id, line.sequence, line.line}));
    }
    return {};
}

Result<std::vector<LogRow>> list_logs(Transaction& tx, const std::string& job_id) {
    TRY(const auto rows,
        tx.query(
            "SELECT sequence, line FROM compute_job_logs WHERE job_id = $1 ORDER BY sequence",
            {job_id}));
    std::vector<LogRow> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        LogRow line;
        line.job_id = job_id;
        TRY(line.sequence, rows.integer(i, 0));
        TRY(line.line, rows.bytes(i, 1));
        out.push_back(std::move(line));
    }
    return out;
}

// ----- cancelling -------------------------------------------------------------------------------

Result<CancelState> request_cancel(
    Transaction& tx, const std::string& job_id, const FinalJob& if_queued) {
    TRY(const auto asked,
        tx.execute(
            "UPDATE compute_jobs SET cancel_requested = 1 WHERE job_id = $1 AND phase = 'running'",
            {job_id}));
    if (asked > 0) return CancelState::Asked;
    TRY(const auto ended,
        tx.execute(
            "UPDATE compute_jobs SET phase = 'cancelled', answer = $2, finished_at = $3, "
            "expires_at = $4, request = NULL WHERE job_id = $1 AND phase = 'queued'",
            {job_id, if_queued.answer, if_queued.finished_at, if_queued.expires_at}));
    if (ended == 0) return CancelState::Final;
    TRY_VOID(tx.execute(
        "UPDATE compute_users SET waiting = waiting - 1 "
        "WHERE user_id = (SELECT user_id FROM compute_jobs WHERE job_id = $1)",
        {job_id}));
    return CancelState::WasQueued;
}

Result<std::map<std::string, bool>> list_owned(Transaction& tx, const InstanceClaim& owner) {
    TRY(const auto rows,
        tx.query(
            "SELECT job_id, cancel_requested FROM compute_jobs WHERE phase = 'running' "
            "AND instance = $1 AND epoch = $2",
            {owner.instance, owner.epoch}));
    std::map<std::string, bool> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto id, rows.text(i, 0));
        TRY(const auto cancel, rows.integer(i, 1));
        out.emplace(std::move(id), cancel != 0);
    }
    return out;
}

// ----- orphans ----------------------------------------------------------------------------------

Result<std::vector<JobRow>> find_orphans(Transaction& tx, std::int64_t limit) {
    TRY(const auto now, tx.now());
    const std::string select =
        std::string("SELECT ") + kColumns +
        "FROM compute_jobs WHERE phase = 'running' AND NOT EXISTS (SELECT 1 FROM "
        "compute_instances i WHERE i.instance = compute_jobs.instance "
        "AND i.epoch = compute_jobs.epoch AND i.alive_until > $1) ORDER BY job_id LIMIT $2 " +
        std::string(tx.fragment(Fragment::ForUpdateSkipLocked));
    TRY(const auto rows, tx.query(select, {now, limit}));
    return read_jobs(rows);
}

Result<std::optional<JobRow>> find_owned(
    Transaction& tx, const std::string& job_id, const InstanceClaim& owner) {
    const std::string select = std::string("SELECT ") + kColumns +
                               "FROM compute_jobs WHERE job_id = $1 AND phase = 'running' "
                               "AND instance = $2 AND epoch = $3 " +
                               std::string(tx.fragment(Fragment::ForUpdate));
    TRY(const auto rows, tx.query(select, {job_id, owner.instance, owner.epoch}));
    if (rows.empty()) return std::optional<JobRow>();
    TRY(auto job, read_job(rows, 0));
    return std::optional<JobRow>(std::move(job));
}

Result<bool> requeue_orphan(Transaction& tx, const JobRow& orphan, std::int64_t attempts_max) {
    // What was claimed and never began may begin, whatever its caller allows.
    const bool never_began = !orphan.started_at.has_value();
    const bool may = orphan.request.has_value() && !orphan.cancel_requested &&
                     orphan.attempts < attempts_max && (orphan.rerun || never_began);
    if (!may) return false;
    TRY(const auto changed,
        tx.execute(
            "UPDATE compute_jobs SET phase = 'queued', instance = NULL, epoch = NULL, "
            "started_at = NULL WHERE job_id = $1 AND phase = 'running' AND instance = $2 "
            "AND epoch = $3",
            {orphan.job_id, orphan.owner.instance, orphan.owner.epoch}));
    if (changed == 0) return job_lost();
    TRY_VOID(tx.execute("DELETE FROM compute_job_logs WHERE job_id = $1", {orphan.job_id}));
    TRY_VOID(tx.execute(
        "UPDATE compute_users SET running = running - 1, waiting = waiting + 1 "
        "WHERE user_id = $1",
        {orphan.user}));
    return true;
}

Result<void> end_orphan(Transaction& tx, const JobRow& orphan, const FinalJob& end) {
    return finish(tx, orphan.job_id, orphan.user, orphan.owner, end);
}

// ----- reading and forgetting -------------------------------------------------------------------

Result<std::optional<JobRow>> find(
    Transaction& tx, const std::string& user, const std::string& job_id) {
    TRY(const auto now, tx.now());
    TRY(const auto rows, tx.query(
                             std::string("SELECT ") + kColumns +
                                 "FROM compute_jobs WHERE job_id = $1 AND user_id = $2 "
                                 "AND (expires_at IS NULL OR expires_at > $3)",
                             {job_id, user, now}));
    if (rows.empty()) return std::optional<JobRow>();
    TRY(auto job, read_job(rows, 0));
    return std::optional<JobRow>(std::move(job));
}

Result<Listed> list(Transaction& tx, const Page& page) {
    CHECK(page.limit >= 1 && page.limit <= 1000);
    std::int64_t limit = page.limit;
    if (page.answers) {
        // Their sizes first: what does not fit is not read.
        TRY(const auto sizes, select_page(tx, "COALESCE(LENGTH(answer), 0) ", page, limit));
        std::int64_t total = 0;
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            TRY(const auto size, sizes.integer(i, 0));
            total += size;
            if (i == 0 || total <= page.answer_bytes_max) continue;
            limit = static_cast<std::int64_t>(i);
            break;
        }
    }
    TRY(const auto rows,
        select_page(tx, page.answers ? kListColumns : kSummaryColumns, page, limit));
    Listed out;
    TRY(out.jobs, read_jobs(rows));
    out.more = rows.size() == static_cast<std::size_t>(limit);
    return out;
}

Result<std::optional<base::Bytes>> find_recording(
    Transaction& tx, const std::string& user, const std::string& job_id) {
    TRY(const auto now, tx.now());
    TRY(const auto rows,
        tx.query(
            "SELECT recording FROM compute_jobs WHERE job_id = $1 AND user_id = $2 "
            "AND (expires_at IS NULL OR expires_at > $3)",
            {job_id, user, now}));
    if (rows.empty()) return std::optional<base::Bytes>();
    return optional_bytes(rows, 0, 0);
}

Result<Counts> count_open(Transaction& tx) {
    TRY(const auto rows, tx.query(
                             "SELECT COUNT(CASE WHEN phase = 'running' THEN 1 END), "
                             "COUNT(CASE WHEN phase = 'queued' THEN 1 END) FROM compute_jobs "
                             "WHERE phase IN ('queued', 'running')",
                             {}));
    Counts out;
    TRY(out.running, rows.integer(0, 0));
    TRY(out.queued, rows.integer(0, 1));
    return out;
}

Result<std::int64_t> count_all(Transaction& tx) {
    TRY(const auto rows, tx.query("SELECT COUNT(*) FROM compute_jobs", {}));
    return rows.integer(0, 0);
}

Result<std::int64_t> remove_expired(Transaction& tx, std::int64_t limit) {
    TRY(const auto now, tx.now());
    TRY_VOID(tx.execute(
        "DELETE FROM compute_job_logs WHERE job_id IN (SELECT job_id FROM compute_jobs "
        "WHERE answer IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        {now, limit}));
    return tx.execute(
        "DELETE FROM compute_jobs WHERE job_id IN (SELECT job_id FROM compute_jobs "
        "WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        {now, limit});
}

Result<std::int64_t> remove_excess(Transaction& tx, const KeptMax& kept, std::int64_t limit) {
    // Sums are of a job and of all that are newer; what its user's limits remove fills no other's.
    return tx.execute(
        "WITH sized AS (SELECT job_id, user_id, created_at, LENGTH(answer) + "
        "COALESCE(LENGTH(request), 0) + COALESCE(LENGTH(recording), 0) AS bytes "
        "FROM compute_jobs WHERE answer IS NOT NULL), "
        "ranked AS (SELECT job_id, created_at, bytes, ROW_NUMBER() OVER of_user AS place, "
        "SUM(bytes) OVER of_user AS user_bytes FROM sized "
        "WINDOW of_user AS (PARTITION BY user_id ORDER BY created_at DESC, job_id DESC)), "
        "judged AS (SELECT job_id, created_at, bytes, "
        "CASE WHEN place > $1 OR user_bytes > $2 THEN 1 ELSE 0 END AS goes FROM ranked), "
        "summed AS (SELECT job_id, created_at, goes, SUM(CASE WHEN goes = 1 THEN 0 ELSE bytes END) "
        "OVER (ORDER BY created_at DESC, job_id DESC) AS all_bytes FROM judged) "
        "DELETE FROM compute_jobs WHERE job_id IN (SELECT job_id FROM summed "
        "WHERE goes = 1 OR all_bytes > $3 ORDER BY created_at, job_id LIMIT $4)",
        {kept.jobs, kept.bytes, kept.bytes_of_all, limit});
}

}  // namespace jobs
}  // namespace adyton::compute
