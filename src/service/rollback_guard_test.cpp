#include "service/rollback_guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attest/peer_identity.h"
#include "audit/audit_log.h"
#include "base/random.h"
#include "service/memory_logger_test_support.h"
#include "storage/migrator.h"
#include "storage/test_database.h"

namespace adyton::service {
namespace {

class RollbackGuardTest : public storage::DatabaseTest {
protected:
    void SetUp() override {
        storage::DatabaseTest::SetUp();
        if (IsSkipped()) return;
        std::string pattern = testing::TempDir() + "adyton-witness-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        std::vector<storage::Migration> all(audit::migrations().begin(), audit::migrations().end());
        all.insert(all.end(), rollback_migrations().begin(), rollback_migrations().end());
        ASSERT_TRUE(run(storage::migrate(database(), all)));
        auto opened = run(audit::AuditLog::open(database(), "instance"));
        ASSERT_TRUE(opened);
        audit_ = std::move(*opened);
    }
    void TearDown() override {
        audit_.reset();
        if (!directory_.empty()) std::filesystem::remove_all(directory_);
        storage::DatabaseTest::TearDown();
    }

    std::string path() const { return directory_ + "/witness"; }
    void record() {
        auto done = run(database().write([this](storage::Transaction& tx) {
            return audit_->append(tx, {"test.event", "tester", "{}"});
        }));
        ASSERT_TRUE(done) << done.error().message();
    }
    std::unique_ptr<RollbackGuard> guard(RollbackGuard::Options options = {}) {
        std::vector<std::unique_ptr<RollbackWitness>> witnesses;
        witnesses.push_back(file_witness(path()));
        return std::make_unique<RollbackGuard>(database(), std::move(witnesses), options);
    }
    Result<void> check(RollbackGuard& one) { return run(one.check()); }
    Result<void> advance(RollbackGuard& one) { return run(one.advance()); }
    Anchor remembered() const {
        std::ifstream in(path());
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        auto anchor = parse_anchor(text);
        EXPECT_TRUE(anchor) << text;
        return anchor ? *anchor : Anchor();
    }
    // What a restore of an older copy leaves, seen from the witness: it remembers more.
    void remember_more(std::int64_t records) const {
        Anchor anchor = remembered();
        anchor[0].sequence += records;
        std::ofstream(path()) << to_text(anchor);
    }

    std::string directory_;
    std::unique_ptr<audit::AuditLog> audit_;
};

TEST_P(RollbackGuardTest, TheWitnessFollowsTheDatabase) {
    const auto one = guard();
    EXPECT_TRUE(one->guarded());
    ASSERT_TRUE(check(*one)) << "a new database, a new witness";
    record();
    record();
    ASSERT_TRUE(advance(*one));
    EXPECT_EQ(remembered()[0].sequence, 2);
    record();
    ASSERT_TRUE(check(*guard())) << "the database may be ahead";
    ASSERT_TRUE(advance(*one));
    EXPECT_EQ(remembered()[0].sequence, 3);
}

TEST_P(RollbackGuardTest, AnOlderDatabaseIsNoticedBeforeAnythingIsSigned) {
    const auto one = guard();
    record();
    ASSERT_TRUE(advance(*one));
    remember_more(1);
    const auto refused = check(*guard());
    EXPECT_EQ(refused.error().reason(), "database_rolled_back");
    EXPECT_NE(refused.error().message().find(path()), std::string::npos);
    EXPECT_EQ(advance(*guard()).error().reason(), "database_rolled_back");
    EXPECT_EQ(remembered()[0].sequence, 2) << "the witness never goes back";
}

TEST_P(RollbackGuardTest, AnotherHistoryOfTheSameLengthIsNoticed) {
    record();
    ASSERT_TRUE(advance(*guard()));
    Anchor anchor = remembered();
    anchor[0].hash.bytes[31] ^= 1U;
    std::ofstream(path()) << to_text(anchor);
    EXPECT_EQ(check(*guard()).error().reason(), "database_rolled_back");
    EXPECT_EQ(advance(*guard()).error().reason(), "database_rolled_back");
}

TEST_P(RollbackGuardTest, AChainThatIsGoneIsNoticed) {
    record();
    ASSERT_TRUE(advance(*guard()));
    Anchor anchor = remembered();
    audit::ChainHead other = anchor[0];
    other.chain += 1;
    anchor.push_back(other);
    std::ofstream(path()) << to_text(anchor);
    EXPECT_EQ(check(*guard()).error().reason(), "database_rolled_back");
}

TEST_P(RollbackGuardTest, AnEmptiedWitnessIsRefusedUnlessItIsSaidToBeNew) {
    record();
    EXPECT_EQ(check(*guard()).error().reason(), "witness_empty");
    RollbackGuard::Options options;
    options.adopt = true;
    EXPECT_TRUE(check(*guard(options)));
}

TEST_P(RollbackGuardTest, AWitnessThatCannotBeReadIsNotTakenForGranted) {
    record();
    std::ofstream(path()) << "not an anchor";
    EXPECT_EQ(check(*guard()).error().code(), ErrorCode::CorruptData);
    std::filesystem::remove(path());
    std::filesystem::create_directory(path());
    EXPECT_FALSE(check(*guard()));
}

TEST_P(RollbackGuardTest, WithRelaxedDurabilityItStaysOnePeriodBehind) {
    RollbackGuard::Options options;
    options.lag = true;
    const auto one = guard(options);
    record();
    ASSERT_TRUE(advance(*one));
    EXPECT_FALSE(std::filesystem::exists(path()));
    record();
    ASSERT_TRUE(advance(*one));
    EXPECT_EQ(remembered()[0].sequence, 1);
}

TEST_P(RollbackGuardTest, WithoutWitnessItSaysSo) {
    RollbackGuard none(database(), {}, {});
    EXPECT_FALSE(none.guarded());
    EXPECT_TRUE(check(none));
    EXPECT_FALSE(none.info().find("guarded")->boolean_value());
}

// A peer on a database of its own: here the same one, where only its table matters.
TEST_P(RollbackGuardTest, APeerRemembersForEachServiceAndNeverGoesBack) {
    attest::IdentityOptions identity;
    identity.mode = attest::IdentityMode::Development;
    const auto resolver =
        attest::create_identity_resolver(attest::CertificateIdentifier::create(identity).value());
    MetricsRegistry metrics;
    ServiceFrame frame({}, *resolver, executor(), metrics, base::null_logger());
    add_witness_routes(frame, database());
    base::SeededRandom random(3);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:4000";
    http::RouterTransport transport(frame.router(), peer, random);
    const auto witness = peer_witness(transport, "http://peer.test", "neoaccounts");
    const auto other = peer_witness(transport, "http://peer.test", "keystore");
    const auto read = [&](RollbackWitness& one) { return run(one.read()); };
    EXPECT_FALSE(read(*witness)->has_value());
    record();
    const Anchor first =
        run(database().read([](storage::Transaction& tx) { return read_anchor(tx); })).value();
    record();
    const Anchor second =
        run(database().read([](storage::Transaction& tx) { return read_anchor(tx); })).value();
    ASSERT_TRUE(run(witness->advance(first)));
    ASSERT_TRUE(run(witness->advance(second)));
    EXPECT_EQ(**read(*witness), second);
    EXPECT_FALSE(read(*other)->has_value()) << "by service";
    EXPECT_EQ(run(witness->advance(first)).error().reason(), "database_rolled_back");
    EXPECT_EQ(run(witness->advance({})).error().reason(), "database_rolled_back");
    Anchor forged = second;
    forged[0].hash.bytes[0] ^= 1U;
    EXPECT_EQ(run(witness->advance(forged)).error().reason(), "database_rolled_back");
    EXPECT_EQ(**read(*witness), second);
    const auto nobody = peer_witness(transport, "http://peer.test", "");
    EXPECT_FALSE(read(*nobody));
}

ADYTON_ON_ALL_DATABASES(RollbackGuardTest);

TEST(RollbackAnchorTest, ItsTextHasOneForm) {
    audit::ChainHead head;
    head.chain = 1;
    head.sequence = 7;
    head.hash = crypto::sha256(base::as_bytes("x"));
    audit::ChainHead later = head;
    later.chain = 9;
    const Anchor anchor = {head, later};
    EXPECT_EQ(*parse_anchor(to_text(anchor)), anchor);
    EXPECT_FALSE(parse_anchor(to_text({later, head}))) << "chains ascend";
    EXPECT_FALSE(parse_anchor(to_text({head, head})));
    for (const char* const text :
         {"", "{}", "[]", R"({"format":"adyton/witness/v2","heads":[]})",
          R"({"format":"adyton/witness/v1","heads":[{}]})",
          R"({"format":"adyton/witness/v1","heads":[{"chain":0,"sequence":1,"hash":""}]})",
          R"({"format":"adyton/witness/v1","heads":[],"more":1})"}) {
        EXPECT_FALSE(parse_anchor(text)) << text;
    }
}

}  // namespace
}  // namespace adyton::service
