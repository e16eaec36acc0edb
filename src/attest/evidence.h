#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "attest/attestation_policy.h"
#include "attest/claims.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"

// Where evidence comes from. The mode is configured, never guessed: a service that was told to run
// on hardware does not fall back to simulation.
namespace adyton::attest {

enum class PlatformMode : std::uint8_t {
    Simulation,
    Gramine,   // SGX: /dev/attestation
    Tsm,       // TDX or SEV-SNP: configfs-tsm
    SevGuest,  // SEV-SNP where the kernel (5.19 to 6.6) has no configfs-tsm: /dev/sev-guest
};
// "simulation", "gramine", "tsm", "sev-guest"
std::string_view to_string(PlatformMode mode);
Result<PlatformMode> parse_platform_mode(std::string_view text);

struct Evidence {
    EvidenceType type = EvidenceType::Simulated;
    base::Bytes bytes;
    base::Bytes snp_certificates;  // the host's GHCB table, a hint; may be empty
};

// The file operations that the platforms need, so that tests can stand in for a kernel. Errors:
// NotFound (ENOENT), Conflict (EEXIST), Unavailable for everything else with the errno's name.
class FileOperations {
public:
    virtual ~FileOperations() = default;
    virtual Result<void> make_directory(const std::string& path) = 0;
    virtual Result<void> remove_directory(const std::string& path) = 0;
    // Opens for writing, writes all in one call, closes.
    virtual Result<void> write_once(const std::string& path, base::ByteView bytes) = 0;
    // Reads to the end. TooLarge beyond `size_max`. May block for long. Retries EINTR.
    virtual Result<base::Bytes> read_all(const std::string& path, std::size_t size_max) = 0;
};
std::unique_ptr<FileOperations> system_file_operations();

// collect() blocks (hardware takes up to a minute): call it where blocking is allowed. One call at
// a time reaches the hardware, whatever the number of threads. Unavailable: the platform gave
// nothing; CorruptData: it gave evidence that binds something else, so somebody else asked in
// between.
class EvidenceProvider {
public:
    virtual ~EvidenceProvider() = default;
    virtual PlatformMode mode() const = 0;
    virtual Result<Evidence> collect(const ReportData& report_data) = 0;
};

// "SIMULATED-EVIDENCE-DO-NOT-TRUST", a zero byte, the report data: no parser takes it for a quote.
std::unique_ptr<EvidenceProvider> simulated_evidence();
base::Bytes simulated_evidence_bytes(const ReportData& report_data);

// Unavailable: `directory`/attestation_type is not readable or not "dcap".
Result<std::unique_ptr<EvidenceProvider>> gramine_evidence(
    std::unique_ptr<FileOperations> files, std::string directory = "/dev/attestation");

// Unavailable: there is no `root`/report, or its provider is not tdx_guest or sev_guest. References
// must outlive it.
Result<std::unique_ptr<EvidenceProvider>> tsm_evidence(
    std::unique_ptr<FileOperations> files, base::RandomSource& random,
    std::string root = "/sys/kernel/config/tsm");

// The guest's channel to the SNP firmware, so that tests can stand in for it. get_report() gives
// the firmware's answer as it is: status, size and report. Unavailable, reason "busy": the host
// asked to come back later and nothing is lost. Unavailable: the exchange failed.
class SevGuestDevice {
public:
    virtual ~SevGuestDevice() = default;
    virtual Result<base::Bytes> get_report(const ReportData& report_data) = 0;
};
// As ioctl(2): 0, or -1 and errno.
using DeviceCall = std::function<int(int fd, unsigned long request, void* argument)>;
// Unavailable: the device cannot be opened. `call` stands in for the kernel; empty: ioctl.
Result<std::unique_ptr<SevGuestDevice>> system_sev_guest_device(
    const std::string& path = "/dev/sev-guest", DeviceCall call = {});

// After an exchange that failed the kernel gives up its key to the firmware, and asking again only
// fails again: from then on collect() is Unavailable without touching the device.
std::unique_ptr<EvidenceProvider> sev_guest_evidence(std::unique_ptr<SevGuestDevice> device);

// The provider of the configured mode; for tsm and sev-guest the broker, where one listens
// (evidence_broker.h). Unavailable: this machine is not that platform.
Result<std::unique_ptr<EvidenceProvider>> open_evidence(
    PlatformMode mode, base::RandomSource& random);

}  // namespace adyton::attest
