#include "attest/attestation_service.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/sim_executor.h"

namespace adyton::attest {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

AttestationClaims base_claims() {
    AttestationClaims out;
    out.service_id = "neoaccounts";
    out.version = "0.1.0";
    out.build_id = "00ff";
    return out;
}

// Hardware as seen from above: it blocks, counts, and may fail.
class FakeHardware final : public EvidenceProvider {
public:
    struct Script {
        int calls = 0;
        std::optional<Error> failure;
        ReportData last{};
    };
    explicit FakeHardware(Script& script) : script_(script) {}
    PlatformMode mode() const override { return PlatformMode::Tsm; }
    Result<Evidence> collect(const ReportData& report_data) override {
        ++script_.calls;
        script_.last = report_data;
        if (script_.failure) return *script_.failure;
        return Evidence{
            EvidenceType::TdxDcap, base::Bytes(report_data.begin(), report_data.end()), {}};
    }

private:
    Script& script_;
};

class AttestationServiceTest : public testing::Test {
protected:
    std::unique_ptr<AttestationService> hardware(AttestationLimits limits = {}) {
        auto out = std::make_unique<AttestationService>(
            sim_, std::make_unique<FakeHardware>(script_), base_claims(), limits);
        out->set_key("pool-master", base::Bytes(33, 2), "p256");
        return out;
    }
    Result<AttestationService::ServedPtr> cached(AttestationService& service) {
        return sim_.run_until_done(service.cached());
    }
    Result<AttestationService::ServedPtr> fresh(
        AttestationService& service, base::Bytes nonce, std::string_view peer = "192.0.2.1:1000") {
        return sim_.run_until_done(service.fresh(std::move(nonce), peer));
    }

    FakeHardware::Script script_;
    base::SimExecutor sim_{1};
};

TEST_F(AttestationServiceTest, WithoutNonceThePlatformIsAskedOncePerPeriod) {
    const auto service = hardware();
    const auto first = cached(*service);
    ASSERT_TRUE(first);
    sim_.run_for(minutes(9));
    EXPECT_EQ((*cached(*service))->json, (*first)->json);
    EXPECT_EQ(script_.calls, 1);
    sim_.run_for(minutes(2));
    EXPECT_NE((*cached(*service))->json, (*first)->json);
    EXPECT_EQ(script_.calls, 2);
}

TEST_F(AttestationServiceTest, TheEvidenceBindsEveryKeyTheNonceAndTheBuild) {
    const auto service = hardware();
    service->set_tls_spki(crypto::sha256(base::as_bytes("tls")));
    service->set_policy_digest(crypto::sha256(base::as_bytes("policy")));
    service->add_signing_key("audit-ed25519", std::string(64, 'a'));
    const auto served = fresh(*service, {1, 2, 3});
    ASSERT_TRUE(served);
    const AttestationClaims good = (*served)->bundle.claims;
    EXPECT_EQ(good.report_data(), script_.last);
    EXPECT_EQ(good.nonce, (base::Bytes{1, 2, 3}));
    EXPECT_EQ(good.build_id, "00ff");
    const auto differs = [&](auto change) {
        AttestationClaims bad = good;
        change(bad);
        return bad.report_data() != script_.last;
    };
    EXPECT_TRUE(differs([](auto& c) { c.public_key[32] ^= 1U; }));
    EXPECT_TRUE(differs([](auto& c) { c.tls_spki->bytes[0] ^= 1U; }));
    EXPECT_TRUE(differs([](auto& c) { c.policy_digest.reset(); }));
    EXPECT_TRUE(differs([](auto& c) { c.signing_keys["audit-ed25519"][0] = 'b'; }));
    EXPECT_TRUE(differs([](auto& c) { c.signing_keys["x"] = "00"; }));
    EXPECT_TRUE(differs([](auto& c) { c.build_id = "00fe"; }));
    EXPECT_TRUE(differs([](auto& c) { c.nonce.push_back(4); }));
}

TEST_F(AttestationServiceTest, AChangedKeyMakesANewBundle) {
    const auto service = hardware();
    const auto first = cached(*service);
    service->set_tls_spki(crypto::sha256(base::as_bytes("renewed")));
    const auto second = cached(*service);
    EXPECT_NE((*first)->json, (*second)->json);
    EXPECT_EQ((*second)->bundle.claims.tls_spki, crypto::sha256(base::as_bytes("renewed")));
}

TEST_F(AttestationServiceTest, HardwareThatFailsIsAnErrorNeverSimulation) {
    const auto service = hardware();
    script_.failure = Error::unavailable("no quote");
    EXPECT_EQ(cached(*service).error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(fresh(*service, {1}).error().code(), ErrorCode::Unavailable);
    script_.failure.reset();
    EXPECT_TRUE(cached(*service)) << "a failure is not remembered";
}

TEST_F(AttestationServiceTest, NoncesAreRateLimitedForOneAddressBeforeThePlatform) {
    const auto service = hardware();
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(fresh(*service, {1}, "192.0.2.1:" + std::to_string(1000 + i)));
    }
    const auto refused = fresh(*service, {1}, "192.0.2.1:9999");
    EXPECT_EQ(refused.error().reason(), "attestation_rate");
    EXPECT_EQ(script_.calls, 4);
    EXPECT_TRUE(fresh(*service, {1}, "192.0.2.2:1"));
    sim_.run_for(seconds(11));
    EXPECT_TRUE(fresh(*service, {1}, "192.0.2.1:9999"));
}

TEST_F(AttestationServiceTest, NoncesAreRateLimitedForAllTogether) {
    const auto service = hardware();
    int served = 0;
    for (int i = 0; i < 100; ++i) {
        if (fresh(*service, {1}, "192.0.2." + std::to_string(i) + ":1")) ++served;
    }
    EXPECT_GE(served, 16);
    EXPECT_LE(served, 20);  // virtual time passes a little
}

TEST_F(AttestationServiceTest, AddressesBeyondTheMemoryShareOneBucket) {
    AttestationLimits limits;
    limits.peers_max = 2;
    limits.burst = 1000;
    limits.burst_per_peer = 1;
    limits.period_per_peer = std::chrono::hours(1);
    const auto service = hardware(limits);
    EXPECT_TRUE(fresh(*service, {1}, "192.0.2.1:1"));
    EXPECT_TRUE(fresh(*service, {1}, "192.0.2.2:1"));
    EXPECT_TRUE(fresh(*service, {1}, "192.0.2.3:1"));
    EXPECT_FALSE(fresh(*service, {1}, "192.0.2.4:1"));
}

TEST_F(AttestationServiceTest, ANonceOverSixtyFourBytesIsRefused) {
    const auto service = hardware();
    EXPECT_EQ(fresh(*service, base::Bytes(65)).error().code(), ErrorCode::InvalidArgument);
    EXPECT_TRUE(fresh(*service, base::Bytes(64)));
}

// One at a time reaches the platform; whoever would queue behind too many is told at once.
TEST_F(AttestationServiceTest, CallsThatWaitForThePlatformAreBounded) {
    AttestationLimits limits;
    limits.waiting_max = 2;
    const auto service = hardware(limits);
    std::vector<Task<Result<AttestationService::ServedPtr>>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(service->cached());
    const auto run = [&]() -> Task<std::vector<Result<AttestationService::ServedPtr>>> {
        return base::when_all(std::move(tasks));
    };
    const auto answers = sim_.run_until_done(run());
    int busy = 0;
    for (const auto& one : answers) {
        if (!one && one.error().reason() == "attestation_busy") ++busy;
    }
    EXPECT_EQ(busy, 1);
    EXPECT_EQ(script_.calls, 1) << "who waited takes what the first one got";
}

TEST_F(AttestationServiceTest, SimulationSaysSoEverywhere) {
    AttestationService service(sim_, simulated_evidence(), base_claims());
    service.set_key("pool-master", base::Bytes(33, 2), "p256");
    EXPECT_TRUE(service.simulated());
    EXPECT_EQ(service.info().find("mode")->string_value(), "simulation");
    const auto served = cached(service);
    ASSERT_TRUE(served);
    EXPECT_NE((*served)->json.find("\"type\":\"simulated\""), std::string::npos);
    const auto parsed = AttestationBundle::parse_answer((*served)->json);
    ASSERT_TRUE(parsed) << parsed.error().message();
    BundleOptions options;
    options.at = sim_.now();
    const auto verdict = verify_bundle(*parsed, options);
    ASSERT_TRUE(verdict);
    EXPECT_EQ(evaluate_platform({}, verdict->facts).error().reason(), "unsupported");
}

TEST(BuildIdTest, TheRunningProgramKnowsItsBuild) {
    const std::string id = running_build_id();
    EXPECT_EQ(id.size(), 40U) << id;
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace adyton::attest
