#include "compute/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "compute/job_repository.h"
#include "compute/test_compute.h"
#include "storage/migrator.h"

namespace adyton::compute {
namespace {

class SchemaTest : public storage::DatabaseTest {
protected:
    // Brings the schema up to this migration.
    void migrate_to(int last) {
        const auto ran = migrate_below(all_migrations(), last + 1);
        ASSERT_TRUE(ran) << ran.error().message();
    }
    static jobs::NewJob job(const std::string& id) {
        jobs::NewJob out;
        out.job_id = id;
        out.user = "alice";
        out.request = base::Bytes{1, 2};
        return out;
    }
};

TEST_P(SchemaTest, RowsOfTheFirstLayoutAreKept) {
    migrate_to(50);
    const auto filled = write([&](storage::Transaction& tx) -> Result<void> {
        constexpr auto kLease = std::chrono::hours(1);
        TRY(auto claim, jobs::register_instance(tx, "one", kLease));
        claim.master_key_id = "key";
        TRY_VOID(tx.execute(
            "INSERT INTO compute_meta (name, value) VALUES ('master_key', $1)",
            {claim.master_key_id}));
        TRY_VOID(jobs::insert_running(tx, job("b"), {claim, kLease}, 5));
        TRY_VOID(jobs::insert_queued(tx, job("a"), 5));
        jobs::FinalJob end;
        end.answer = base::Bytes(5000, 7);
        end.expires_at = base::Timestamp(std::chrono::hours(24 * 36'500));
        return jobs::insert_final(tx, job("c"), end);
    });
    ASSERT_TRUE(filled) << filled.error().message();
    migrate_to(51);
    const auto read = write([&](storage::Transaction& tx) -> Result<std::vector<JobRow>> {
        std::vector<JobRow> out;
        for (const char* const id : {"a", "b", "c"}) {
            TRY(auto row, jobs::find(tx, "alice", id));
            if (row) out.push_back(*std::move(row));
        }
        return out;
    });
    ASSERT_TRUE(read) << read.error().message();
    ASSERT_EQ(read->size(), 3U);
    EXPECT_EQ((*read)[0].phase, JobPhase::Queued);
    EXPECT_EQ((*read)[0].request, (base::Bytes{1, 2}));
    EXPECT_EQ((*read)[1].phase, JobPhase::Running);
    EXPECT_EQ((*read)[1].owner.instance, "one");
    EXPECT_EQ((*read)[2].phase, JobPhase::Failed);
    EXPECT_EQ((*read)[2].answer, base::Bytes(5000, 7));
}

TEST_P(SchemaTest, ARowHasOneOfTheKnownPhasesAndItsIdOnce) {
    migrate_to(51);
    const auto insert = [&](const char* phase) {
        return write([&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(
                "INSERT INTO compute_jobs (job_id, user_id, phase, rerun, attempts, "
                "cancel_requested, created_at) VALUES ('a', 'alice', $1, 0, 0, 0, $2)",
                {phase, base::Timestamp()}));
            return {};
        });
    };
    EXPECT_FALSE(insert("forgotten"));
    EXPECT_TRUE(insert("queued"));
    EXPECT_FALSE(insert("queued"));
}

ADYTON_ON_ALL_DATABASES(SchemaTest);

}  // namespace
}  // namespace adyton::compute
