#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "attest/evidence.h"
#include "attest/snp_report.h"

namespace adyton::attest {
namespace {

constexpr std::size_t kReportAt = 32;

// What the firmware answers: status 0, the size, a report of version 2 that binds `report_data`.
base::Bytes answer_for(const ReportData& report_data) {
    base::Bytes out(4000);
    out[4] = 0xa0;
    out[5] = 0x04;
    out[kReportAt] = 2;
    out[kReportAt + 0x34] = 1;
    std::copy(report_data.begin(), report_data.end(), out.begin() + kReportAt + 0x50);
    return out;
}

class FakeDevice final : public SevGuestDevice {
public:
    struct Script {
        int calls = 0;
        Result<base::Bytes> answer = Error::unavailable("not scripted");
        bool echo = true;
    };
    explicit FakeDevice(Script& script) : script_(script) {}
    Result<base::Bytes> get_report(const ReportData& report_data) override {
        ++script_.calls;
        if (script_.echo) return answer_for(report_data);
        return script_.answer;
    }

private:
    Script& script_;
};

ReportData report_data() {
    ReportData out{};
    out.fill(7);
    return out;
}

TEST(SevGuestTest, TheReportIsTakenOutOfTheFirmwaresAnswer) {
    FakeDevice::Script script;
    const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
    EXPECT_EQ(provider->mode(), PlatformMode::SevGuest);
    const auto evidence = provider->collect(report_data());
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(evidence->type, EvidenceType::SevSnp);
    EXPECT_EQ(evidence->bytes.size(), SnpReport::kSize);
    EXPECT_EQ(parse_snp_report(evidence->bytes)->report_data, report_data());
}

TEST(SevGuestTest, AReportForSomebodyElseIsRefused) {
    ReportData other = report_data();
    other[63] ^= 1U;
    FakeDevice::Script script{0, answer_for(other), false};
    const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
    EXPECT_EQ(provider->collect(report_data()).error().code(), ErrorCode::CorruptData);
}

TEST(SevGuestTest, AnswersThatHoldNoReportAreRefused) {
    const base::Bytes good = answer_for(report_data());
    for (const std::size_t at : {0U, 4U, 5U, 32U, 84U}) {
        base::Bytes bad = good;
        bad[at] ^= 0x40U;
        FakeDevice::Script script{0, bad, false};
        const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
        EXPECT_EQ(provider->collect(report_data()).error().code(), ErrorCode::Unavailable) << at;
    }
    FakeDevice::Script script{0, base::Bytes(good.begin(), good.begin() + 1215), false};
    const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
    EXPECT_EQ(provider->collect(report_data()).error().code(), ErrorCode::Unavailable);
}

// The kernel gives its key up after a failed exchange: hammering the device cannot help.
TEST(SevGuestTest, AfterAFailedExchangeTheDeviceIsLeftAlone) {
    FakeDevice::Script script{0, Error::unavailable("EIO"), false};
    const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
    EXPECT_FALSE(provider->collect(report_data()));
    script.echo = true;
    EXPECT_FALSE(provider->collect(report_data()));
    EXPECT_EQ(script.calls, 1);
}

TEST(SevGuestTest, ABusyHostIsAskedAgain) {
    FakeDevice::Script script{0, Error::unavailable("busy", "busy"), false};
    const auto provider = sev_guest_evidence(std::make_unique<FakeDevice>(script));
    EXPECT_FALSE(provider->collect(report_data()));
    script.echo = true;
    EXPECT_TRUE(provider->collect(report_data()));
    EXPECT_EQ(script.calls, 2);
}

TEST(SevGuestTest, AMachineWithoutTheDeviceIsNotThatPlatform) {
    EXPECT_EQ(
        system_sev_guest_device("/nonexistent/sev-guest").error().code(), ErrorCode::Unavailable);
}

}  // namespace
}  // namespace adyton::attest
