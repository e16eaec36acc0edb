#include "policy/approval.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/base58.h"
#include "policy/policy_test_support.h"
#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

using storage::Transaction;

crypto::Ed25519KeyPair key_of(std::uint8_t number) {
    crypto::SecretBytes<32> seed;
    seed.expose_mutable()[0] = number;
    return crypto::Ed25519KeyPair(std::move(seed));
}

Approver approver(const std::string& id, std::uint8_t number) {
    return {id, ApproverKey(key_of(number).public_key())};
}

// Two of three: ann, ben and cat; dan has no key.
ApprovalTerms terms_of(std::int64_t required = 2) {
    ApprovalTerms terms;
    terms.required = required;
    terms.approvers = {
        approver("ann", 1), approver("ben", 2), approver("cat", 3), {"dan", std::nullopt}};
    return terms;
}

class ApprovalTest : public PolicyDatabaseTest {
protected:
    void SetUp() override {
        PolicyDatabaseTest::SetUp();
        if (IsSkipped()) return;
        audit_ = run(audit::AuditLog::open(database(), "test")).value();
    }
    ApprovalRequest open(const std::string& id, std::int64_t required = 2) {
        return try_open(new_approval(id, required)).value();
    }
    NewApproval new_approval(const std::string& id, std::int64_t required = 2) {
        NewApproval request;
        request.id = id;
        request.subject = "wallet:w";
        request.operation = operation_;
        request.required = required;
        request.summary = R"({"kind":"transfer"})";
        return request;
    }
    Result<ApprovalRequest> try_open(const NewApproval& request) {
        return write([&](Transaction& tx) { return open_approval(tx, *audit_, request); });
    }
    SignedVote vote_of(
        const ApprovalRequest& request, const std::string& id, std::uint8_t key,
        ApprovalDecision decision = ApprovalDecision::Approve) {
        const auto digest = request.statement(id, decision).digest();
        const auto signature = key_of(key).sign(digest.view());
        return {request.id, id, decision, {signature.bytes.begin(), signature.bytes.end()}};
    }
    Result<ApprovalRequest> vote(const SignedVote& vote, const ApprovalTerms& terms = terms_of()) {
        return write([&](Transaction& tx) { return add_vote(tx, *audit_, terms, vote); });
    }
    Result<void> use(
        const std::string& id, std::int64_t required = 2, const ApprovalTerms& terms = terms_of()) {
        return use(ApprovalUse{id, "wallet:w", operation_, required}, terms);
    }
    Result<void> use(const ApprovalUse& use, const ApprovalTerms& terms) {
        return write([&](Transaction& tx) { return consume_approval(tx, *audit_, terms, use); });
    }
    ApprovalRequest find(const std::string& id) {
        return write([&](Transaction& tx) { return find_approval(tx, id); }).value();
    }

    crypto::Sha256Digest operation_ = crypto::sha256(base::as_bytes("operation"));
    std::unique_ptr<audit::AuditLog> audit_;
};

TEST_P(ApprovalTest, TheQuorumAllowsTheOperationOnce) {
    const ApprovalRequest request = open("one");
    EXPECT_EQ(request.state, ApprovalState::Open);
    EXPECT_EQ(use("one").error().reason(), "policy_approval");
    EXPECT_EQ(vote(vote_of(request, "ann", 1))->state, ApprovalState::Open);
    const auto too_few = use("one");
    EXPECT_EQ(too_few.error().message(), "requires 2 approvals, has 1");
    EXPECT_EQ(vote(vote_of(request, "cat", 3))->state, ApprovalState::Approved);
    EXPECT_TRUE(use("one"));
    EXPECT_EQ(use("one").error().reason(), "approval_consumed");
    EXPECT_EQ(find("one").state, ApprovalState::Consumed);
    EXPECT_EQ(vote(vote_of(request, "ben", 2)).error().reason(), "approval_closed");
    EXPECT_EQ(count("audit_records"), 4);
}

TEST_P(ApprovalTest, AnApprovalThatIsUsedInAFailedUnitIsNotUsedUp) {
    const ApprovalRequest request = open("one", 1);
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    const auto failed = write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(consume_approval(tx, *audit_, terms_of(), {"one", "wallet:w", operation_, 1}));
        return Error::conflict("the signature could not be recorded");
    });
    EXPECT_FALSE(failed);
    EXPECT_TRUE(use("one", 1));
    EXPECT_FALSE(use("one", 1));
}

TEST_P(ApprovalTest, TheSameApproverCountsOnce) {
    const ApprovalRequest request = open("one");
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    EXPECT_EQ(vote(vote_of(request, "ann", 1)).error().reason(), "approval_duplicate");
    EXPECT_EQ(
        vote(vote_of(request, "ann", 1, ApprovalDecision::Reject)).error().reason(),
        "approval_duplicate");
    EXPECT_EQ(use("one").error().reason(), "policy_approval");
}

TEST_P(ApprovalTest, AVoteForOneRequestIsNoVoteForAnother) {
    const ApprovalRequest one = open("one");
    const ApprovalRequest two = open("two");
    SignedVote replayed = vote_of(one, "ann", 1);
    replayed.request_id = "two";
    EXPECT_EQ(vote(replayed).error().reason(), "approval_signature");
    // Nor for another decision, approver, subject, operation or time.
    SignedVote turned = vote_of(two, "ann", 1, ApprovalDecision::Reject);
    turned.decision = ApprovalDecision::Approve;
    EXPECT_EQ(vote(turned).error().reason(), "approval_signature");
    SignedVote lent = vote_of(two, "ann", 1);
    lent.approver_id = "ben";
    EXPECT_EQ(vote(lent).error().reason(), "approval_signature");
    for (int i = 0; i < 3; ++i) {
        ApprovalRequest other = two;
        if (i == 0) other.subject = "wallet:x";
        if (i == 1) other.operation = crypto::sha256(base::as_bytes("another"));
        if (i == 2) other.expires_at += std::chrono::microseconds(1);
        EXPECT_EQ(vote(vote_of(other, "ann", 1)).error().reason(), "approval_signature") << i;
    }
    EXPECT_EQ(vote(vote_of(two, "ann", 2)).error().reason(), "approval_signature");
    SignedVote cut = vote_of(two, "ann", 1);
    cut.signature.pop_back();
    EXPECT_EQ(vote(cut).error().reason(), "approval_signature");
    EXPECT_EQ(find("two").votes.size(), 0U);
}

TEST_P(ApprovalTest, OnlyNamedApproversWithKeysMayVote) {
    const ApprovalRequest request = open("one");
    EXPECT_EQ(vote(vote_of(request, "eve", 1)).error().reason(), "approval_unknown_approver");
    EXPECT_EQ(vote(vote_of(request, "dan", 1)).error().reason(), "approval_unknown_approver");
    SignedVote nowhere = vote_of(request, "ann", 1);
    nowhere.request_id = "none";
    EXPECT_EQ(vote(nowhere).error().code(), ErrorCode::NotFound);
}

TEST_P(ApprovalTest, RejectionsEndItWhenTheQuorumIsOutOfReach) {
    const ApprovalRequest request = open("one");
    EXPECT_EQ(
        vote(vote_of(request, "ann", 1, ApprovalDecision::Reject))->state, ApprovalState::Open);
    EXPECT_EQ(
        vote(vote_of(request, "ben", 2, ApprovalDecision::Reject))->state, ApprovalState::Rejected);
    EXPECT_EQ(vote(vote_of(request, "cat", 3)).error().reason(), "approval_closed");
    EXPECT_EQ(use("one", 1).error().reason(), "approval_closed");
}

TEST_P(ApprovalTest, UsingItCountsUnderTheTermsOfNow) {
    const ApprovalRequest request = open("one");
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    ASSERT_TRUE(vote(vote_of(request, "ben", 2)));
    ApprovalTerms without = terms_of();
    without.approvers.erase(without.approvers.begin());
    EXPECT_EQ(use("one", 2, without).error().reason(), "policy_approval");
    ApprovalTerms rekeyed = terms_of();
    rekeyed.approvers[1] = approver("ben", 9);
    EXPECT_EQ(use("one", 2, rekeyed).error().reason(), "policy_approval");
    EXPECT_EQ(use("one", 3).error().reason(), "policy_approval");
    // A lower demand of now does not undercut the request's.
    EXPECT_EQ(use("one", 1, without).error().reason(), "policy_approval");
    EXPECT_TRUE(use("one", 1));
}

TEST_P(ApprovalTest, ItIsForOneOperationOfOneSubject) {
    const ApprovalRequest request = open("one", 1);
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    EXPECT_EQ(
        use({"one", "wallet:x", operation_, 1}, terms_of()).error().reason(), "approval_operation");
    const auto other = crypto::sha256(base::as_bytes("another"));
    EXPECT_EQ(
        use({"one", "wallet:w", other, 1}, terms_of()).error().reason(), "approval_operation");
    EXPECT_EQ(use("none").error().code(), ErrorCode::NotFound);
    EXPECT_TRUE(use("one", 1));
}

TEST_P(ApprovalTest, OpeningAgainGivesWhatStands) {
    const ApprovalRequest request = open("one");
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    EXPECT_EQ(open("one").votes.size(), 1U);
    NewApproval other = new_approval("one");
    other.operation = crypto::sha256(base::as_bytes("another"));
    EXPECT_EQ(try_open(other).error().reason(), "approval_reused");
    other = new_approval("one");
    other.subject = "wallet:x";
    EXPECT_EQ(try_open(other).error().reason(), "approval_reused");
    for (int i = 0; i < 5; ++i) {
        NewApproval bad = new_approval("two");
        if (i == 0) bad.id = "";
        if (i == 1) bad.required = 0;
        if (i == 2) bad.expires_after = {};
        if (i == 3) bad.expires_after = std::chrono::hours(721);
        if (i == 4) bad.subject = "a\nb";
        EXPECT_EQ(try_open(bad).error().code(), ErrorCode::InvalidArgument) << i;
    }
    open("three");
    const auto listed = write([](Transaction& tx) { return list_approvals(tx, "wallet:w", 10); });
    ASSERT_TRUE(listed);
    EXPECT_EQ(listed->size(), 2U);
    EXPECT_TRUE(write([](Transaction& tx) { return list_approvals(tx, "x", 10); })->empty());
    EXPECT_EQ(to_json(request).find("summary")->dump(), R"({"kind":"transfer"})");
}

TEST_P(ApprovalTest, OfManyCallersAtOnceOneUsesIt) {
    const ApprovalRequest request = open("one", 1);
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    const auto other = test().open_another();
    const ApprovalTerms terms = terms_of();
    const ApprovalUse use{"one", "wallet:w", operation_, 1};
    // Two processes have two audit logs.
    const auto log = run(audit::AuditLog::open(*other, "other")).value();
    std::vector<Task<Result<void>>> tasks;
    for (int i = 0; i < 20; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        audit::AuditLog& audit = i % 2 == 0 ? *audit_ : *log;
        tasks.push_back(at.write([&use, &terms, &audit](Transaction& tx) {
            return consume_approval(tx, audit, terms, use);
        }));
    }
    int used = 0;
    for (const auto& done : test().run_all(std::move(tasks))) {
        if (done) ++used;
    }
    EXPECT_EQ(used, 1);
}

ADYTON_ON_ALL_DATABASES(ApprovalTest);

class ApprovalExpiryTest : public ApprovalTest {};

TEST_P(ApprovalExpiryTest, AfterItsTimeItIsWorthNothing) {
    const ApprovalRequest request = open("one", 1);
    ASSERT_TRUE(vote(vote_of(request, "ann", 1)));
    const ApprovalRequest late = open("late", 1);
    test().sim()->run_for(std::chrono::hours(24) + std::chrono::seconds(1));
    EXPECT_EQ(find("one").state, ApprovalState::Expired);
    EXPECT_EQ(use("one", 1).error().reason(), "approval_expired");
    EXPECT_EQ(vote(vote_of(late, "ann", 1)).error().reason(), "approval_expired");
    EXPECT_EQ(open("one", 1).state, ApprovalState::Expired);
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, ApprovalExpiryTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

// --- What is signed ---

std::map<std::string, std::string> golden() {
    std::map<std::string, std::string> out;
    std::ifstream in("tests/golden/policy/approval.txt");
    std::string name;
    std::string value;
    while (in >> name >> value) out[name] = value;
    return out;
}

TEST(ApprovalGoldenTest, TheStatementsAreThoseOfTheOtherImplementation) {
    auto lines = golden();
    ASSERT_EQ(lines.size(), 8U);
    ActionFacts facts;
    facts.chain = "near:mainnet";
    facts.account = "alice.near";
    Action action = call_action("wrap.near", "ft_transfer", 1);
    action.call->gas = 30'000'000'000'000;
    action.movements.push_back(
        {"nep141:wrap.near", "alice.near", "bob.near",
         Amount::from_halves(std::uint64_t{1} << 63, 5)});
    facts.actions = {action};
    facts.fees = {{"g", Amount(7)}};
    EXPECT_EQ(digest_of(facts).to_hex(), lines["facts"]);
    ApprovalStatement statement;
    statement.request_id = "request-1";
    statement.subject = "wallet:w-1";
    statement.operation =
        operation_digest("wallet:w-1", facts, crypto::sha256(base::as_bytes("payload")));
    EXPECT_EQ(statement.operation.to_hex(), lines["operation"]);
    statement.expires_at = base::Timestamp(std::chrono::microseconds(1'795'255'800'000'000));
    statement.approver_id = "ann";
    EXPECT_EQ(statement.digest().to_hex(), lines["approval.approve"]);
    for (const std::string curve : {"ed25519", "p256"}) {
        const base::Bytes bytes = base::hex_decode(lines[curve + ".key"]).value();
        const auto key = ApproverKey::parse(curve + ":" + base::base58_encode(bytes));
        ASSERT_TRUE(key) << key.error().message();
        EXPECT_EQ(ApproverKey::parse(key->to_string()).value(), *key);
        base::Bytes signature = base::hex_decode(lines[curve + ".signature"]).value();
        EXPECT_TRUE(key->verify(statement.digest(), signature)) << curve;
        signature[5] ^= 1U;
        EXPECT_FALSE(key->verify(statement.digest(), signature)) << curve;
    }
    statement.decision = ApprovalDecision::Reject;
    EXPECT_EQ(statement.digest().to_hex(), lines["approval.reject"]);
}

TEST(ApproverKeyTest, OtherFormsAreRefused) {
    const std::string hex(64, 'a');
    EXPECT_TRUE(ApproverKey::parse("ed25519:" + hex));
    for (const std::string text :
         {"", "ed25519:", "ed25519:abc", "secp256k1:abc", "p256:", "p256:1111", "ED25519:11"}) {
        EXPECT_FALSE(ApproverKey::parse(text)) << text;
    }
}

}  // namespace
}  // namespace adyton::policy
