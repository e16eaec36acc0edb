#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

// The kernel's side of the call, by include/uapi/linux/sev-guest.h, written apart from ours.
struct KernelView {
    unsigned long request = 0;
    std::uint64_t message_version = 0;
    base::Bytes body;
    int failure = 0;          // errno instead of an answer
    std::uint64_t error = 0;  // exitinfo2
    bool answers = true;

    int operator()(int fd, unsigned long number, void* argument) {
        EXPECT_GE(fd, 0);
        request = number;
        std::uint64_t words[4];
        std::memcpy(words, argument, sizeof(words));
        message_version = words[0] & 0xffU;
        // NOLINTBEGIN(performance-no-int-to-ptr): the kernel's structure has addresses as numbers
        const auto* const from = reinterpret_cast<const std::uint8_t*>(words[1]);
        auto* const to = reinterpret_cast<std::uint8_t*>(words[2]);
        // NOLINTEND(performance-no-int-to-ptr)
        body.assign(from, from + 96);
        std::memcpy(static_cast<std::uint8_t*>(argument) + 24, &error, sizeof(error));
        if (failure != 0) {
            errno = failure;
            return -1;
        }
        ReportData bound{};
        std::copy_n(body.begin(), bound.size(), bound.begin());
        const base::Bytes out = answer_for(bound);
        if (answers) std::copy(out.begin(), out.end(), to);
        return 0;
    }
};

std::unique_ptr<EvidenceProvider> provider_on(KernelView& kernel) {
    auto device = system_sev_guest_device(
        "/dev/null", [&kernel](int fd, unsigned long number, void* argument) {
            return kernel(fd, number, argument);
        });
    EXPECT_TRUE(device);
    return sev_guest_evidence(*std::move(device));
}

TEST(SevGuestTest, TheCallIsTheOneThatTheKernelKnows) {
    KernelView kernel;
    const auto evidence = provider_on(kernel)->collect(report_data());
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(kernel.request, 0xc0205300U);  // _IOWR('S', 0, 32 bytes): SNP_GET_REPORT
    EXPECT_EQ(kernel.message_version, 1U);
    EXPECT_TRUE(std::equal(kernel.body.begin(), kernel.body.begin() + 64, report_data().begin()));
    EXPECT_TRUE(std::all_of(kernel.body.begin() + 64, kernel.body.end(), [](auto byte) {
        return byte == 0;  // VMPL 0 and the reserved bytes
    }));
}

TEST(SevGuestTest, OnlyWhatTheKernelCallsPassingMayBeTriedAgain) {
    struct Case {
        int failure;
        std::uint64_t error;
        bool again;
    };
    for (const Case& one :
         {Case{EIO, 0, false}, Case{EIO, std::uint64_t{2} << 32U, true},
          Case{EIO, std::uint64_t{1} << 32U, false}, Case{EIO, 2, false}, Case{EINTR, 0, true},
          Case{EAGAIN, 0, true}, Case{ENOTTY, 0, false}, Case{EINVAL, 0x16, false}}) {
        KernelView kernel;
        kernel.failure = one.failure;
        kernel.error = one.error;
        const auto provider = provider_on(kernel);
        EXPECT_EQ(provider->collect(report_data()).error().code(), ErrorCode::Unavailable);
        kernel.failure = 0;
        kernel.error = 0;
        EXPECT_EQ(provider->collect(report_data()).has_value(), one.again)
            << one.failure << " " << one.error;
    }
}

TEST(SevGuestTest, AnAnswerThatTheKernelLeftEmptyIsNoReport) {
    KernelView kernel;
    kernel.answers = false;
    EXPECT_EQ(provider_on(kernel)->collect(report_data()).error().code(), ErrorCode::Unavailable);
}

TEST(SevGuestTest, AMachineWithoutTheDeviceIsNotThatPlatform) {
    EXPECT_EQ(
        system_sev_guest_device("/nonexistent/sev-guest").error().code(), ErrorCode::Unavailable);
}

}  // namespace
}  // namespace adyton::attest
