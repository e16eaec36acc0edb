#include "attest/attestation_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "attest/refusal.h"

namespace adyton::attest {
namespace {

using base::Json;

const std::string kEnclave(64, 'a');
const std::string kSigner(64, 'b');
const std::string kMrTd(96, 'c');
const std::string kRtmr1(96, '1');
const std::string kRtmr2(96, '2');
const std::string kGuest(96, 'd');

Result<AttestationPolicy> parse(const std::string& text) {
    return AttestationPolicy::parse(Json::parse(text).value());
}
AttestationPolicy policy(const std::string& rule, const std::string& more = "") {
    auto parsed = parse(R"({"accept":[)" + rule + "]" + more + "}");
    EXPECT_TRUE(parsed) << parsed.error().message();
    return std::move(parsed).value();
}

EvidenceFacts sgx() {
    EvidenceFacts out;
    out.type = EvidenceType::SgxDcap;
    out.mr_enclave = kEnclave;
    out.mr_signer = kSigner;
    out.isv_prod_id = 2;
    out.isv_svn = 3;
    out.status = TcbStatus::UpToDate;
    out.advisories = {"INTEL-SA-00615"};
    out.tcb_evaluation_data_number = 17;
    return out;
}
EvidenceFacts tdx() {
    EvidenceFacts out;
    out.type = EvidenceType::TdxDcap;
    out.mr_td = kMrTd;
    out.mr_config_id = std::string(96, '0');
    out.rtmr = {std::string(96, '0'), kRtmr1, kRtmr2, std::string(96, '3')};
    out.status = TcbStatus::UpToDate;
    return out;
}
EvidenceFacts snp() {
    EvidenceFacts out;
    out.type = EvidenceType::SevSnp;
    out.measurement = kGuest;
    out.host_data = std::string(64, '0');
    out.snp_tcb = SnpTcb{0, 4, 0, 23, 213};
    return out;
}

const std::string kByEnclave = R"({"type":"sgx-dcap","mrenclave":")" + kEnclave + R"("})";
const std::string kBySigner =
    R"({"type":"sgx-dcap","mrsigner":")" + kSigner + R"(","isv_prod_id":2,"min_isv_svn":3})";
const std::string kByTd = R"({"type":"tdx-dcap","mrtd":[")" + kMrTd + R"("],"rtmr":{"1":[")" +
                          kRtmr1 + R"("],"2":[")" + kRtmr2 + R"("]}})";
const std::string kByGuest = R"({"type":"sev-snp","measurement":[")" + kGuest +
                             R"("],"min_tcb":{"bootloader":4,"snp":23,"microcode":213}})";

std::string reason(const Result<Acceptance>& result) {
    return result ? "accepted" : result.error().reason();
}

TEST(AttestationPolicyTest, EachKindIsAcceptedByItsRule) {
    EXPECT_EQ(evaluate(policy(kByEnclave), sgx()).value(), Acceptance::Ok);
    EXPECT_EQ(evaluate(policy(kBySigner), sgx()).value(), Acceptance::Ok);
    EXPECT_EQ(evaluate(policy(kByTd), tdx()).value(), Acceptance::Ok);
    EXPECT_EQ(evaluate(policy(kByGuest), snp()).value(), Acceptance::Ok);
    EXPECT_EQ(evaluate(policy(kByGuest + "," + kByEnclave), sgx()).value(), Acceptance::Ok);
}

TEST(AttestationPolicyTest, EveryMeasurementThatIsAskedForMustBeTheSame) {
    const auto mismatch = [](const std::string& rule, EvidenceFacts facts) {
        EXPECT_EQ(reason(evaluate(policy(rule), facts)), kMeasurementMismatch);
    };
    EvidenceFacts facts = sgx();
    facts.mr_enclave[5] = '0';
    mismatch(kByEnclave, facts);
    facts = sgx();
    facts.mr_signer[5] = '0';
    mismatch(kBySigner, facts);
    facts = sgx();
    facts.isv_prod_id = 1;
    mismatch(kBySigner, facts);
    facts = sgx();
    facts.isv_svn = 2;
    mismatch(kBySigner, facts);
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
        facts = tdx();
        facts.rtmr.at(i)[0] = 'f';
        mismatch(kByTd, facts);
    }
    facts = tdx();
    facts.mr_td[0] = 'f';
    mismatch(kByTd, facts);
    facts = snp();
    facts.measurement[0] = 'f';
    mismatch(kByGuest, facts);
    mismatch(kByGuest, sgx());  // another kind
}

TEST(AttestationPolicyTest, SnpVersionsAreComparedPartByPart) {
    for (const auto part : {&SnpTcb::boot_loader, &SnpTcb::snp, &SnpTcb::microcode}) {
        EvidenceFacts facts = snp();
        (*facts.snp_tcb).*part = static_cast<std::uint8_t>((*facts.snp_tcb).*part - 1);
        facts.snp_tcb->tee = 255;  // a higher part elsewhere does not make up for it
        EXPECT_EQ(reason(evaluate(policy(kByGuest), facts)), kMeasurementMismatch);
    }
}

TEST(AttestationPolicyTest, OnlyListedStatusesPass) {
    EvidenceFacts facts = sgx();
    facts.status = TcbStatus::OutOfDate;
    EXPECT_EQ(reason(evaluate(policy(kByEnclave), facts)), kTcbNotAccepted);
    EXPECT_TRUE(evaluate(policy(kByEnclave, R"(,"tcb_status":["OutOfDate"])"), facts));
    facts.status = TcbStatus::SwHardeningNeeded;
    EXPECT_TRUE(evaluate(policy(kByEnclave), facts));
}

TEST(AttestationPolicyTest, AnUnlistedAdvisoryOrAnOlderEvaluationIsRefused) {
    EXPECT_TRUE(evaluate(policy(kByEnclave, R"(,"advisories_allowed":["INTEL-SA-00615"])"), sgx()));
    EXPECT_EQ(
        reason(evaluate(policy(kByEnclave, R"(,"advisories_allowed":[])"), sgx())),
        kTcbNotAccepted);
    EXPECT_TRUE(evaluate(policy(kByEnclave, R"(,"min_tcb_evaluation_data_number":17)"), sgx()));
    EXPECT_EQ(
        reason(evaluate(policy(kByEnclave, R"(,"min_tcb_evaluation_data_number":18)"), sgx())),
        kTcbNotAccepted);
}

TEST(AttestationPolicyTest, DebugAndSimulationAreNamedAndNeverPlainlyOk) {
    EvidenceFacts facts = sgx();
    facts.debug = true;
    EXPECT_EQ(reason(evaluate(policy(kByEnclave), facts)), kTcbNotAccepted);
    EXPECT_EQ(
        evaluate(policy(kByEnclave, R"(,"allow_debug":true)"), facts).value(), Acceptance::OkDebug);
    EvidenceFacts simulated;
    EXPECT_EQ(reason(evaluate(policy(kByEnclave), simulated)), kUnsupported);
    EXPECT_EQ(
        evaluate(policy(kByEnclave, R"(,"allow_simulated":true)"), simulated).value(),
        Acceptance::Simulated);
}

TEST(AttestationPolicyTest, AGuestThatMayMigrateIsRefused) {
    EvidenceFacts facts = snp();
    facts.migration_agent = true;
    EXPECT_EQ(reason(evaluate(policy(kByGuest), facts)), kTcbNotAccepted);
}

TEST(AttestationPolicyTest, PoliciesThatAcceptTooMuchAreRefused) {
    const std::vector<std::string> bad = {
        R"({})",
        R"({"accept":[]})",
        R"({"accept":[{"type":"sgx-dcap"}]})",
        R"({"accept":[{"type":"sgx-dcap","mrsigner":")" + kSigner + R"("}]})",
        R"({"accept":[{"type":"sgx-dcap","mrsigner":")" + kSigner + R"(","isv_prod_id":2}]})",
        R"({"accept":[{"type":"tdx-dcap","mrtd":[")" + kMrTd + R"("]}]})",
        R"({"accept":[{"type":"sev-snp","measurement":[]}]})",
        R"({"accept":[{"type":"simulated"}]})",
        R"({"accept":[{"type":"sgx-dcap","mrenclave":"00"}]})",
        R"({"accept":[{"type":"sgx-dcap","mrenclave":")" + kEnclave + R"(","debug":true}]})",
        R"({"accept":[)" + kByEnclave + R"(],"acept":[]})",
        R"({"accept":[)" + kByEnclave + R"(],"tcb_status":["Revoked"]})",
        R"({"accept":[)" + kByEnclave + R"(],"tcb_status":["Fine"]})",
        R"({"accept":[)" + kByEnclave + R"(],"allow_debug":"yes"})"};
    for (const std::string& text : bad) EXPECT_FALSE(parse(text)) << text;
}

}  // namespace
}  // namespace adyton::attest
