// Loses power in the middle of disk operations, thousands of times: what was answered is there
// afterwards, what was refused is not, and nothing is half there. ADYTON_CRASH_SEEDS sets how many
// seeds, ADYTON_CRASH_SEED the first.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/sim_executor.h"
#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::storage {
namespace {

constexpr std::int64_t kRowsOfUnit = 3;

// What callers know of a unit.
enum class Known { Asked, Answered, AnsweredRelaxed, Refused, Unknown };

struct Trouble {
    bool io_errors = false;
    bool full_disk = false;
    bool process_dies = false;  // at times, instead of losing power
};

class Run {
public:
    Run(std::uint64_t seed, Trouble trouble)
        : executor_(seed), disk_(seed), random_(seed ^ 0x5eed), trouble_(trouble) {}
    ~Run() {
        executor_.drop_all();
        database_.reset();
    }

    void setup() {
        open();
        ASSERT_TRUE(execute(
            "CREATE TABLE facts (unit INTEGER, part INTEGER, padding BLOB, PRIMARY KEY (unit, "
            "part)); CREATE TABLE total (id INTEGER PRIMARY KEY, units INTEGER NOT NULL);"
            "INSERT INTO total VALUES (1, 0)"));
    }

    // Works under load until the power goes in the middle of something, and starts again.
    void live_and_crash() {
        for (int i = 0; i < 6; ++i) base::spawn(executor_, caller());
        disk_.power_off_after(1 + random_.below(150));
        if (trouble_.io_errors) {
            disk_.set_failure_rate(SimDisk::Operation::Write, 10'000);
            disk_.set_failure_rate(SimDisk::Operation::Sync, 100'000);
            disk_.set_failure_rate(SimDisk::Operation::Read, 3'000);
        }
        while (disk_.powered()) {
            if (trouble_.full_disk && random_.below(50) == 0) disk_.set_full(random_.below(2) == 0);
            ASSERT_TRUE(executor_.step());
        }
        // The step in which it happened may have let answers out of a process that is dead.
        executor_.drop_all();
        for (const auto operation :
             {SimDisk::Operation::Write, SimDisk::Operation::Sync, SimDisk::Operation::Read}) {
            disk_.set_failure_rate(operation, 0);
        }
        disk_.set_full(false);
        disk_.restart();
        const auto before = disk_.contents();
        database_.reset();
        ASSERT_EQ(disk_.contents(), before) << "a dead process wrote";
        open();
    }

    void die_and_restart() {
        const std::uint64_t steps = 1 + random_.below(80);
        for (int i = 0; i < 6; ++i) base::spawn(executor_, caller());
        for (std::uint64_t i = 0; i < steps; ++i) ASSERT_TRUE(executor_.step());
        executor_.drop_all();
        disk_.kill_process();
        database_.reset();
        open();
    }

    void live() {
        if (trouble_.process_dies && random_.below(2) == 0) {
            die_and_restart();
        } else {
            live_and_crash();
        }
    }

    void check() {
        auto look = [this](Transaction& tx) { return compare(tx); };
        auto read = database_->read(look);
        const auto done = executor_.run_until_done(std::move(read));
        ASSERT_TRUE(done) << done.error().message();
    }

    std::size_t answered() const { return answered_; }
    std::size_t refused() const { return refused_; }

private:
    void open() {
        SqliteOptions options;
        options.path = "crash.db";
        options.vfs = disk_.vfs();
        options.batch_limit = 4;
        options.checkpoint_pages = 12;
        options.cache_kib = 64;
        auto opened = create_sqlite_database(options, executor_, base::null_logger());
        ASSERT_TRUE(opened) << opened.error().message();
        database_ = std::move(*opened);
    }

    Result<void> execute(const char* script) {
        auto write =
            database_->write([script](Transaction& tx) { return tx.execute_script(script); });
        return executor_.run_until_done(std::move(write));
    }

    static Result<void> insert(Transaction& tx, std::int64_t unit, bool fails) {
        for (std::int64_t part = 0; part < kRowsOfUnit; ++part) {
            TRY_VOID(tx.execute(
                "INSERT INTO facts (unit, part, padding) VALUES ($1, $2, $3)",
                {unit, part, base::Bytes(static_cast<std::size_t>(200 + part * 700), 0xab)}));
        }
        TRY_VOID(tx.execute("UPDATE total SET units = units + 1 WHERE id = 1", {}));
        if (fails) return Error::not_found("on purpose");
        return {};
    }

    Task<void> caller() {
        for (;;) {
            const std::int64_t unit = next_unit_++;
            known_[unit] = Known::Asked;
            const bool fails = random_.below(10) == 0;
            const bool relaxed = random_.below(4) == 0;
            auto work = [unit, fails](Transaction& tx) { return insert(tx, unit, fails); };
            auto write =
                database_->write(work, relaxed ? Durability::Relaxed : Durability::Durable);
            const Result<void> result = co_await std::move(write);
            if (result) {
                known_[unit] = relaxed ? Known::AnsweredRelaxed : Known::Answered;
                ++answered_;
            } else if (result.error().code() == ErrorCode::OutcomeUnknown) {
                known_[unit] = Known::Unknown;
            } else {
                known_[unit] = Known::Refused;
                ++refused_;
            }
            if (random_.below(3) == 0) {
                co_await base::sleep_for(executor_, std::chrono::microseconds(random_.below(5000)));
            }
        }
    }

    Result<void> compare(Transaction& tx) {
        TRY(const Rows integrity, tx.query("PRAGMA integrity_check", {}));
        EXPECT_EQ(integrity.text(0, 0).value(), "ok");
        TRY(const Rows rows, tx.query("SELECT unit, count(*) FROM facts GROUP BY unit", {}));
        std::map<std::int64_t, std::int64_t> found;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            TRY(const std::int64_t unit, rows.integer(i, 0));
            TRY(const std::int64_t parts, rows.integer(i, 1));
            EXPECT_EQ(parts, kRowsOfUnit) << "unit " << unit << " is half there";
            found.emplace(unit, parts);
        }
        TRY(const Rows total, tx.query("SELECT units FROM total", {}));
        EXPECT_EQ(total.integer(0, 0).value(), static_cast<std::int64_t>(found.size()));
        for (auto& [unit, known] : known_) {
            const bool there = found.contains(unit);
            EXPECT_TRUE(there || known != Known::Answered) << "unit " << unit << " is lost";
            EXPECT_FALSE(there && known == Known::Refused) << "unit " << unit << " was refused";
            // From here on it is known, and has to stay so.
            known = there ? Known::Answered : Known::Refused;
        }
        return {};
    }

    base::SimExecutor executor_;
    SimDisk disk_;
    base::SeededRandom random_;
    Trouble trouble_;
    std::unique_ptr<Database> database_;
    std::map<std::int64_t, Known> known_;
    std::int64_t next_unit_ = 1;
    std::size_t answered_ = 0;
    std::size_t refused_ = 0;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void crash_often(Trouble trouble) {
    const std::uint64_t first = from_environment("ADYTON_CRASH_SEED", 1);
    const std::uint64_t seeds = from_environment("ADYTON_CRASH_SEEDS", 30);
    std::size_t answered = 0;
    std::size_t refused = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        SCOPED_TRACE("ADYTON_CRASH_SEED=" + std::to_string(seed));
        Run run(seed, trouble);
        run.setup();
        for (int life = 0; life < 10; ++life) {
            run.live();
            if (::testing::Test::HasFatalFailure()) return;
            run.check();
            if (::testing::Test::HasFailure()) return;
        }
        answered += run.answered();
        refused += run.refused();
    }
    // Otherwise the runs showed nothing.
    EXPECT_GT(answered, 20 * seeds);
    EXPECT_GT(refused, seeds);
}

TEST(SqliteCrashTest, LossOfPowerLosesNothingThatWasAnswered) {
    crash_often({});
}
TEST(SqliteCrashTest, DeathOfTheProcessLosesNothingThatWasAnswered) {
    crash_often({.process_dies = true});
}
TEST(SqliteCrashTest, DiskErrorsAndLossOfPowerLoseNothingThatWasAnswered) {
    crash_often({.io_errors = true});
}
TEST(SqliteCrashTest, AFullDiskAndLossOfPowerLoseNothingThatWasAnswered) {
    crash_often({.full_disk = true});
}

}  // namespace
}  // namespace adyton::storage
