#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "attest/evidence.h"
#include "attest/internal/evidence_check.h"
#include "attest/snp_report.h"

namespace adyton::attest {
namespace {

constexpr std::size_t kResponseSize = 4000;
constexpr std::size_t kReportAt = 32;

// include/uapi/linux/sev-guest.h. The last member was named fw_err before Linux 6.3.
struct ReportRequest {
    std::uint8_t user_data[64];
    std::uint32_t vmpl;
    std::uint8_t reserved[28];
};
static_assert(sizeof(ReportRequest) == 96);
struct GuestRequest {
    std::uint8_t message_version;
    std::uint64_t request;
    std::uint64_t response;
    std::uint64_t error;  // low half: the firmware's, high half: the hypervisor's
};
static_assert(sizeof(GuestRequest) == 32);
constexpr unsigned long kGetReport = _IOWR('S', 0, GuestRequest);
constexpr std::uint32_t kHypervisorBusy = 2;

class SystemDevice final : public SevGuestDevice {
public:
    SystemDevice(int fd, DeviceCall call) : fd_(fd), call_(std::move(call)) {}
    SystemDevice(const SystemDevice&) = delete;
    SystemDevice& operator=(const SystemDevice&) = delete;
    ~SystemDevice() override { ::close(fd_); }

    Result<base::Bytes> get_report(const ReportData& report_data) override {
        ReportRequest request{};
        std::memcpy(request.user_data, report_data.data(), report_data.size());
        base::Bytes response(kResponseSize);
        GuestRequest call{};
        call.message_version = 1;
        call.request = reinterpret_cast<std::uintptr_t>(&request);
        call.response = reinterpret_cast<std::uintptr_t>(response.data());
        if (call_(fd_, kGetReport, &call) == 0) return response;
        const int cause = errno;
        const std::string message = std::string("/dev/sev-guest: ") + std::strerror(cause);
        const auto host = static_cast<std::uint32_t>(call.error >> 32U);
        const bool again = cause == EINTR || cause == EAGAIN || host == kHypervisorBusy;
        return Error::unavailable(message, again ? "busy" : "");
    }

private:
    int fd_;
    DeviceCall call_;
};

int device_call(int fd, unsigned long request, void* argument) {
    return ::ioctl(fd, request, argument);
}

std::uint32_t number_at(const base::Bytes& bytes, std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i-- > 0;) out = (out << 8U) | bytes[at + i];
    return out;
}

// Status, size, 24 reserved bytes, the report (AMD 56860, table 23).
Result<base::Bytes> report_of(const base::Bytes& response) {
    if (response.size() < kReportAt + SnpReport::kSize) {
        return Error::unavailable("the firmware's answer is too short");
    }
    if (number_at(response, 0) != 0) {
        return Error::unavailable("the firmware refuses to make a report");
    }
    if (number_at(response, 4) != SnpReport::kSize) {
        return Error::unavailable("the firmware's report has another size");
    }
    const auto from = response.begin() + kReportAt;
    return base::Bytes(from, from + SnpReport::kSize);
}

class SevGuestEvidence final : public EvidenceProvider {
public:
    explicit SevGuestEvidence(std::unique_ptr<SevGuestDevice> device)
        : device_(std::move(device)) {}

    PlatformMode mode() const override { return PlatformMode::SevGuest; }

    Result<Evidence> collect(const ReportData& report_data) override {
        const std::lock_guard lock(mutex_);
        if (broken_) {
            return Error::unavailable(
                "an earlier exchange with the SNP firmware failed; the guest must be restarted");
        }
        const auto response = device_->get_report(report_data);
        if (!response) {
            broken_ = response.error().reason() != "busy";
            return response.error();
        }
        Evidence out;
        out.type = EvidenceType::SevSnp;
        TRY(out.bytes, report_of(*response));
        TRY_VOID(internal::check_evidence(out, report_data));
        return out;
    }

private:
    std::unique_ptr<SevGuestDevice> device_;
    std::mutex mutex_;
    bool broken_ = false;
};

}  // namespace

Result<std::unique_ptr<SevGuestDevice>> system_sev_guest_device(
    const std::string& path, DeviceCall call) {
    if (!call) call = &device_call;
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return Error::unavailable(path + ": " + std::strerror(errno));
    return std::unique_ptr<SevGuestDevice>(std::make_unique<SystemDevice>(fd, std::move(call)));
}

std::unique_ptr<EvidenceProvider> sev_guest_evidence(std::unique_ptr<SevGuestDevice> device) {
    return std::make_unique<SevGuestEvidence>(std::move(device));
}

}  // namespace adyton::attest
