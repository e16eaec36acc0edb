#include "attest/key_release.h"

#include <gtest/gtest.h>

#include "attest/refusal.h"
#include "attest/test_quote_pki.h"
#include "base/random.h"
#include "base/sim_executor.h"

namespace adyton::attest {
namespace {

crypto::SecretBuffer buffer(std::string_view text) {
    return crypto::SecretBuffer::copy_of(base::as_bytes(text)).value();
}

std::map<std::string, ReleaseGrant> grants(bool allow_simulated) {
    std::map<std::string, ReleaseGrant> out;
    ReleaseGrant& pool = out["accountpool"];
    pool.policy.allow_simulated = allow_simulated;
    pool.env.emplace("POOL_MASTER_KEY", buffer("the pool's master key, 32 bytes+"));
    ReleaseGrant& compute = out["confidential"];
    compute.policy.allow_simulated = allow_simulated;
    compute.env.emplace("COMPUTE_MASTER_KEY", buffer("the master key of compute"));
    return out;
}

class KeyReleaseTest : public testing::Test {
protected:
    ReleaseRequest request(
        const std::string& type, base::Bytes challenge, EvidenceProvider* provider = nullptr) {
        return ReleaseRequest::create(
                   type, std::move(challenge), "1", provider == nullptr ? *simulated_ : *provider,
                   random_, sim_.now())
            .value();
    }

    base::SimExecutor sim_{1};
    base::SeededRandom random_{5};
    std::unique_ptr<EvidenceProvider> simulated_ = simulated_evidence();
    KeyReleaser releaser_{sim_, random_, grants(true)};
};

TEST_F(KeyReleaseTest, AProgramGetsWhatItsTypeMaySeeAndNothingElse) {
    const ReleaseRequest asked = request("accountpool", releaser_.challenge());
    const auto released = releaser_.release(asked.bundle());
    ASSERT_TRUE(released) << released.error().message();
    EXPECT_EQ(released->acceptance, Acceptance::Simulated);
    const auto sent =
        SealedRelease::parse(base::Json::parse(released->answer.to_json().dump()).value());
    ASSERT_TRUE(sent);
    const auto got = asked.open(*sent);
    ASSERT_TRUE(got) << got.error().message();
    ASSERT_EQ(got->env.size(), 1U);
    EXPECT_EQ(
        base::as_text(got->env.at("POOL_MASTER_KEY").expose()), "the pool's master key, 32 bytes+");
}

TEST_F(KeyReleaseTest, SimulationGetsNothingUnlessThePolicySaysSo) {
    KeyReleaser strict(sim_, random_, grants(false));
    const auto refused = strict.release(request("accountpool", strict.challenge()).bundle());
    EXPECT_EQ(refused.error().reason(), kUnsupported);
}

TEST_F(KeyReleaseTest, AChallengeIsGoodForOneReleaseAndOneMinute) {
    const ReleaseRequest asked = request("accountpool", releaser_.challenge());
    ASSERT_TRUE(releaser_.release(asked.bundle()));
    EXPECT_EQ(releaser_.release(asked.bundle()).error().reason(), "release_challenge");
    const ReleaseRequest own = request("accountpool", base::Bytes(32, 9));
    EXPECT_EQ(releaser_.release(own.bundle()).error().reason(), "release_challenge");
    const ReleaseRequest slow = request("accountpool", releaser_.challenge());
    sim_.run_for(std::chrono::seconds(61));
    EXPECT_EQ(releaser_.release(slow.bundle()).error().reason(), "release_challenge");
}

TEST_F(KeyReleaseTest, ChallengesAreBounded) {
    const ReleaseRequest first = request("accountpool", releaser_.challenge());
    for (int i = 0; i < 1024; ++i) releaser_.challenge();
    EXPECT_EQ(releaser_.release(first.bundle()).error().reason(), "release_challenge");
}

TEST_F(KeyReleaseTest, WhoeverCarriesTheAnswerCannotOpenIt) {
    const ReleaseRequest asked = request("accountpool", releaser_.challenge());
    const ReleaseRequest thief = request("accountpool", releaser_.challenge());
    const auto released = releaser_.release(asked.bundle());
    ASSERT_TRUE(released);
    EXPECT_EQ(thief.open(released->answer).error().reason(), kBadSignature);
    SealedRelease bad = released->answer;
    for (std::size_t i = 0; i < bad.sealed.size(); ++i) {
        bad.sealed[i] ^= 1U;
        EXPECT_FALSE(asked.open(bad)) << i;
        bad.sealed[i] ^= 1U;
    }
    bad.key.bytes.fill(0);
    EXPECT_FALSE(asked.open(bad)) << "a point of small order";
}

// A man in the middle puts his own key into the bundle: the evidence binds another.
TEST_F(KeyReleaseTest, EveryClaimIsBound) {
    const auto refused = [&](auto change) {
        AttestationBundle bundle = request("accountpool", releaser_.challenge()).bundle();
        change(bundle.claims);
        const auto done = releaser_.release(bundle);
        return done ? std::string("released") : done.error().reason();
    };
    EXPECT_EQ(refused([](auto& c) { c.public_key[0] ^= 1U; }), kBindingMismatch);
    EXPECT_EQ(refused([](auto& c) { c.service_id = "confidential"; }), kBindingMismatch);
    EXPECT_EQ(refused([](auto& c) { c.version = "2"; }), kBindingMismatch);
    EXPECT_EQ(refused([](auto& c) { c.purpose = "pool-master"; }), kBindingMismatch);
    EXPECT_EQ(refused([](auto& c) { c.algorithm = "p256"; }), kBindingMismatch);
    EXPECT_EQ(refused([](auto& c) { c.service_id = "nobody"; }), "release_unknown_type");
}

// The same exchange with a quote, whose program the policy names.
class MintedTdx final : public EvidenceProvider {
public:
    PlatformMode mode() const override { return PlatformMode::Tsm; }
    Result<Evidence> collect(const ReportData& report_data) override {
        QuotePlan plan;
        plan.version = 4;
        plan.change_body = [report_data](base::Bytes& body) {
            body[123] |= 0x10U;  // SEPT_VE_DISABLE
            std::copy(report_data.begin(), report_data.end(), body.begin() + 520);
        };
        minted = mint_quote(plan);
        return Evidence{EvidenceType::TdxDcap, minted.quote, {}};
    }
    MintedQuote minted;
};

TEST_F(KeyReleaseTest, AQuoteUnderAnotherRootThanTheVendorsGetsNothing) {
    MintedTdx platform;
    AttestationBundle bundle = request("accountpool", releaser_.challenge(), &platform).bundle();
    EXPECT_EQ(releaser_.release(bundle).error().code(), ErrorCode::InvalidArgument)
        << "no collateral";
    bundle = request("accountpool", releaser_.challenge(), &platform).bundle();
    bundle.collateral = platform.minted.collateral;
    EXPECT_EQ(releaser_.release(bundle).error().reason(), kUntrusted);
}

TEST_F(KeyReleaseTest, OnlyTheProgramThatThePolicyNamesGetsItsSecrets) {
    const auto release = [&](const std::string& measured) {
        // Each minted quote has a root of its own, so the challenge is foreseen before the grant.
        base::SeededRandom foreseen(77);
        base::Bytes challenge(KeyReleaser::kChallengeSize);
        foreseen.fill(challenge);
        MintedTdx platform;
        const ReleaseRequest asked = request("accountpool", challenge, &platform);
        sim_.shift_clock(platform.minted.at - sim_.now());
        auto granted = grants(false);
        ReleaseGrant& pool = granted["accountpool"];
        AcceptRule rule;
        rule.type = EvidenceType::TdxDcap;
        rule.mr_td = {measured};
        pool.policy.accept = {rule};
        pool.root = platform.minted.root;
        pool.collateral = platform.minted.collateral;
        base::SeededRandom seeded(77);
        KeyReleaser releaser(sim_, seeded, std::move(granted));
        EXPECT_EQ(releaser.challenge(), challenge);
        const auto done = releaser.release(asked.bundle());
        if (!done) return done.error().reason();
        const auto got = asked.open(done->answer);
        return got ? std::string(to_string(done->acceptance)) : got.error().reason();
    };
    EXPECT_EQ(release(std::string(96, '0')), "ok");
    EXPECT_EQ(release(std::string(96, '1')), kMeasurementMismatch);
}

TEST(SealedReleaseTest, AnythingElseIsMalformed) {
    for (const char* const text :
         {"{}", "[]", R"({"key":"00","sealed":""})", R"({"key":1,"sealed":""})",
          R"({"key":"00","sealed":"","more":1})"}) {
        EXPECT_FALSE(SealedRelease::parse(base::Json::parse(text).value())) << text;
    }
}

}  // namespace
}  // namespace adyton::attest
