#include "apps/attested_keys.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "attest/attestation_bundle.h"
#include "attest/refusal.h"

namespace adyton::apps {
namespace {

class AttestedKeysTest : public testing::Test {
protected:
    AttestedKeysTest() {
        // Tests of one binary run side by side, each in a process.
        options_.file = testing::TempDir() + "adyton-attested." + std::to_string(::getpid());
        attest::AttestationBundle bundle;
        bundle.claims.service_id = "neoaccounts";
        bundle.claims.purpose = "pool-master";
        bundle.claims.public_key = base::Bytes(33, 2);
        bundle.claims.algorithm = "p256";
        bundle.claims.version = "1";
        bundle.claims.signing_keys = {{"audit-ed25519", std::string(64, 'a')}};
        bundle.evidence.type = attest::EvidenceType::Simulated;
        bundle.evidence.bytes = attest::simulated_evidence_bytes(bundle.claims.report_data());
        json_ = bundle.to_json();
        write(json_.dump());
    }
    ~AttestedKeysTest() override { std::filesystem::remove(options_.file); }
    void write(const std::string& text) const { std::ofstream(options_.file) << text; }

    AttestedKeyOptions options_;
    base::Json json_;
};

TEST_F(AttestedKeysTest, SimulationIsTakenOnlyWhenAskedForAndSaysSo) {
    const auto refused = verify_attested_keys(options_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), attest::kUnsupported);
    options_.allow_simulated = true;
    const auto taken = verify_attested_keys(options_);
    ASSERT_TRUE(taken) << taken.error().message();
    EXPECT_EQ(taken->acceptance, attest::Acceptance::Simulated);
    EXPECT_NE(taken->to_string().find("no hardware vouches"), std::string::npos);
}

TEST_F(AttestedKeysTest, OnlyTheAttestedKeyIsTheSigner) {
    options_.allow_simulated = true;
    const auto keys = verify_attested_keys(options_);
    ASSERT_TRUE(keys);
    EXPECT_TRUE(require_signing_key(*keys, "audit-ed25519", std::string(64, 'a')));
    const auto other = require_signing_key(*keys, "audit-ed25519", std::string(64, 'b'));
    EXPECT_EQ(other.error().reason(), attest::kBindingMismatch);
    const auto absent = require_signing_key(*keys, "receipt-ed25519", std::string(64, 'a'));
    EXPECT_EQ(absent.error().reason(), attest::kBindingMismatch);
}

TEST_F(AttestedKeysTest, AChangedClaimBreaksTheEvidence) {
    options_.allow_simulated = true;
    std::string text = json_.dump();
    const std::size_t at = text.find(std::string(64, 'a'));
    text[at] = 'b';
    write(text);
    EXPECT_FALSE(verify_attested_keys(options_));
    write("{}");
    EXPECT_FALSE(verify_attested_keys(options_));
    options_.file += ".absent";
    EXPECT_EQ(verify_attested_keys(options_).error().code(), ErrorCode::NotFound);
}

}  // namespace
}  // namespace adyton::apps
