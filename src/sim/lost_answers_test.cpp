#include <gtest/gtest.h>

#include <utility>

#include "sim/lane_books.h"
#include "sim/routes_test_support.h"

// A database that keeps a request and whose answer to that is lost.
namespace adyton::sim {
namespace {

using storage::Transaction;

class ForgetfulDatabase final : public storage::Database {
public:
    explicit ForgetfulDatabase(storage::Database& inner) : inner_(inner) {}

    storage::Dialect dialect() const override { return inner_.dialect(); }
    Task<Result<void>> read_unit(storage::UnitOfWork unit) override {
        return inner_.read_unit(std::move(unit));
    }
    Task<Result<void>> write_unit(
        storage::UnitOfWork unit, storage::Durability durability) override {
        bool inserts = false;
        auto watched = [&](Transaction& tx) -> Result<void> {
            TRY(const std::int64_t before, records(tx));
            TRY_VOID(unit(tx));
            TRY(const std::int64_t after, records(tx));
            inserts = after > before;
            return {};
        };
        auto writing = inner_.write_unit(watched, durability);
        CO_TRY_VOID(co_await std::move(writing));
        if (inserts && lose_after > 0 && --lose_after == 0) {
            co_return Error::outcome_unknown("the connection broke during the commit");
        }
        co_return Result<void>();
    }

    int lose_after = 0;  // the answer to the nth unit from now that keeps a record; 0: none

private:
    static Result<std::int64_t> records(Transaction& tx) {
        TRY(const auto rows, tx.query("SELECT count(*) FROM wallet_workflow_records", {}));
        return rows.integer(0, 0);
    }

    storage::Database& inner_;
};

class LostAnswersTest : public RoutesTest {
protected:
    void open_forgetful(WorldOptions options = {}) {
        options.change_database = [this](storage::Database& its) -> storage::Database& {
            forgetful_ = std::make_unique<ForgetfulDatabase>(its);
            return *forgetful_;
        };
        open(std::move(options));
    }
    WorldAnswer ask(const World::Wish& wish) {
        return world().post(wish.path, wish.wallet, wish.body);
    }
    // The request is asked for once more, and carried out.
    void expect_success(World::Wish& wish) {
        const WorldAnswer again = ask(wish);
        EXPECT_TRUE(again.status == 200 || again.status == 202) << again.text;
        wish.request_id = again.string("request_id");
        wish.answered = true;
        EXPECT_EQ(until(wish.request_id, "done").string("status"), "succeeded");
        world().check_books();
    }

    std::unique_ptr<ForgetfulDatabase> forgetful_;
};

TEST_F(LostAnswersTest, ARequestThatWasKeptUnheardIsCarriedOut) {
    open_forgetful();
    auto& wish = world().wish(0, 3);
    forgetful_->lose_after = 1;
    EXPECT_GE(ask(wish).status, 500);
    expect_success(wish);
}

TEST_F(LostAnswersTest, ABatchOfAWorkflowThatWasBegunUnheardIsCarriedOut) {
    WorldOptions options;
    switch_lanes_on(options);
    open_forgetful(std::move(options));
    using Kind = LaneStep::Kind;
    auto& wish = wish_lanes(world(), 0, {Kind::Balance, Kind::Transfer, Kind::Transfer});
    forgetful_->lose_after = 2;
    expect_success(wish);
}

}  // namespace
}  // namespace adyton::sim
