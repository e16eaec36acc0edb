#include "attest/evidence.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "attest/evidence_broker.h"
#include "attest/internal/evidence_check.h"
#include "attest/quote.h"
#include "attest/snp_report.h"
#include "base/check.h"
#include "base/file_descriptor.h"

namespace adyton::attest {
namespace {

using base::FileDescriptor;

constexpr std::size_t kGramineQuoteBytesMax = 8192;
constexpr std::size_t kTsmBlobBytesMax = 32 * 1024;
constexpr std::string_view kSimulatedMark = "SIMULATED-EVIDENCE-DO-NOT-TRUST";
constexpr int kEntryNamesTried = 8;

Error error_of(int number, const std::string& path) {
    const std::string message = path + ": " + std::strerror(number);
    if (number == ENOENT) return Error::not_found(message);
    if (number == EEXIST) return Error::conflict(message);
    return Error::unavailable(message);
}

class SystemFiles final : public FileOperations {
public:
    Result<void> make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) != 0) return error_of(errno, path);
        return {};
    }
    Result<void> remove_directory(const std::string& path) override {
        if (::rmdir(path.c_str()) != 0) return error_of(errno, path);
        return {};
    }
    Result<void> write_once(const std::string& path, base::ByteView bytes) override {
        FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (file.get() < 0) return error_of(errno, path);
        const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
        if (written < 0) return error_of(errno, path);
        if (static_cast<std::size_t>(written) != bytes.size()) {
            return Error::unavailable(path + ": a write was cut short");
        }
        if (::close(file.release()) != 0) return error_of(errno, path);
        return {};
    }
    Result<base::Bytes> read_all(const std::string& path, std::size_t size_max) override {
        const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (file.get() < 0) return error_of(errno, path);
        base::Bytes out;
        std::array<std::uint8_t, 4096> piece{};
        for (;;) {
            const ssize_t got = ::read(file.get(), piece.data(), piece.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return error_of(errno, path);
            if (got == 0) return out;
            if (out.size() + static_cast<std::size_t>(got) > size_max) {
                return Error::too_large(path + ": more than expected");
            }
            out.insert(out.end(), piece.begin(), piece.begin() + got);
        }
    }
};

std::string trimmed(const base::Bytes& bytes) {
    std::string text(bytes.begin(), bytes.end());
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

Error bound_to_something_else() {
    return Error::corrupt_data("the platform's evidence binds other report data than asked for");
}

class SimulatedEvidence final : public EvidenceProvider {
public:
    PlatformMode mode() const override { return PlatformMode::Simulation; }
    Result<Evidence> collect(const ReportData& report_data) override {
        return Evidence{EvidenceType::Simulated, simulated_evidence_bytes(report_data), {}};
    }
};

// State of the device is one buffer for the whole process: the mutex covers write and read.
class GramineEvidence final : public EvidenceProvider {
public:
    GramineEvidence(std::unique_ptr<FileOperations> files, std::string directory)
        : files_(std::move(files)), directory_(std::move(directory)) {}

    PlatformMode mode() const override { return PlatformMode::Gramine; }
    Result<Evidence> collect(const ReportData& report_data) override {
        const std::lock_guard lock(mutex_);
        TRY_VOID(files_->write_once(directory_ + "/user_report_data", report_data));
        Evidence out;
        out.type = EvidenceType::SgxDcap;
        TRY(out.bytes, files_->read_all(directory_ + "/quote", kGramineQuoteBytesMax));
        TRY_VOID(internal::check_evidence(out, report_data));
        return out;
    }

private:
    std::unique_ptr<FileOperations> files_;
    std::string directory_;
    std::mutex mutex_;
};

class TsmEvidence final : public EvidenceProvider {
public:
    TsmEvidence(std::unique_ptr<FileOperations> files, base::RandomSource& random, std::string root)
        : files_(std::move(files)), random_(random), root_(std::move(root)) {}

    PlatformMode mode() const override { return PlatformMode::Tsm; }

    Result<Evidence> collect(const ReportData& report_data) override {
        const std::lock_guard lock(mutex_);
        TRY(const std::string entry, make_entry());
        auto evidence = collect_from(entry, report_data);
        const auto removed = files_->remove_directory(entry);  // a leaked entry pins driver state
        if (evidence && !removed) return removed.error();
        return evidence;
    }

    // Which TEE this is, from an entry of its own.
    Result<std::string> provider() {
        const std::lock_guard lock(mutex_);
        TRY(const std::string entry, make_entry());
        const auto name = files_->read_all(entry + "/provider", 64);
        const auto removed = files_->remove_directory(entry);
        if (!name) return name.error();
        if (!removed) return removed.error();
        return trimmed(*name);
    }

private:
    Result<std::string> make_entry() {
        for (int i = 0; i < kEntryNamesTried; ++i) {
            std::array<std::uint8_t, 8> suffix{};
            random_.fill(suffix);
            std::string path = root_ + "/report/adyton-" + base::hex_encode(suffix);
            const auto made = files_->make_directory(path);
            if (made) return path;
            if (made.error().code() != ErrorCode::Conflict) return made.error();
        }
        return Error::unavailable("configfs-tsm: every entry name is taken");
    }

    Result<std::string> generation(const std::string& entry) {
        TRY(const base::Bytes text, files_->read_all(entry + "/generation", 64));
        return trimmed(text);
    }

    // The kernel takes the bytes when the file is closed and keeps the driver's refusal to itself:
    // only the generation tells that they arrived, and that nobody else wrote meanwhile.
    Result<Evidence> collect_from(const std::string& entry, const ReportData& report_data) {
        TRY(const std::string before, generation(entry));
        TRY_VOID(files_->write_once(entry + "/inblob", report_data));
        Evidence out;
        TRY(out.bytes, files_->read_all(entry + "/outblob", kTsmBlobBytesMax));
        const auto aux = files_->read_all(entry + "/auxblob", kTsmBlobBytesMax);
        TRY(const std::string after, generation(entry));
        if (before != "0" || after != "1") return bound_to_something_else();
        TRY(const base::Bytes name, files_->read_all(entry + "/provider", 64));
        const bool tdx = trimmed(name) == "tdx_guest";
        if (!tdx && trimmed(name) != "sev_guest") {
            return Error::unavailable("configfs-tsm: unknown provider");
        }
        out.type = tdx ? EvidenceType::TdxDcap : EvidenceType::SevSnp;
        TRY_VOID(internal::check_evidence(out, report_data));
        if (aux && !tdx) out.snp_certificates = *aux;
        return out;
    }

    std::unique_ptr<FileOperations> files_;
    base::RandomSource& random_;
    std::string root_;
    std::mutex mutex_;
};

// Who has no rights to the platform's files asks the broker, where there is one.
bool has_broker() {
    return ::access(kEvidenceSocket, F_OK) == 0;
}

}  // namespace

Result<void> internal::check_evidence(const Evidence& evidence, const ReportData& report_data) {
    if (evidence.type == EvidenceType::SevSnp) {
        const auto report = parse_snp_report(evidence.bytes);
        if (!report) {
            return Error::unavailable("the platform's report: " + report.error().message());
        }
        if (report->report_data != report_data) return bound_to_something_else();
        return {};
    }
    const auto quote = parse_quote(evidence.bytes);
    if (!quote) {
        return Error::unavailable("the platform's quote: " + quote.error().message());
    }
    const TeeType tee = evidence.type == EvidenceType::SgxDcap ? TeeType::Sgx : TeeType::Tdx;
    if (quote->tee != tee) return Error::unavailable("the platform's quote is of another TEE");
    if (quote->report_data() != report_data) return bound_to_something_else();
    return {};
}

std::string_view to_string(PlatformMode mode) {
    switch (mode) {
        case PlatformMode::Simulation:
            return "simulation";
        case PlatformMode::Gramine:
            return "gramine";
        case PlatformMode::Tsm:
            return "tsm";
        case PlatformMode::SevGuest:
            return "sev-guest";
    }
    CHECK(false);
    return {};
}

Result<PlatformMode> parse_platform_mode(std::string_view text) {
    for (const PlatformMode one :
         {PlatformMode::Simulation, PlatformMode::Gramine, PlatformMode::Tsm,
          PlatformMode::SevGuest}) {
        if (to_string(one) == text) return one;
    }
    return Error::invalid_argument("platform is not simulation, gramine, tsm or sev-guest");
}

std::unique_ptr<FileOperations> system_file_operations() {
    return std::make_unique<SystemFiles>();
}

base::Bytes simulated_evidence_bytes(const ReportData& report_data) {
    base::Bytes out(kSimulatedMark.begin(), kSimulatedMark.end());
    out.push_back(0);
    out.insert(out.end(), report_data.begin(), report_data.end());
    return out;
}

std::unique_ptr<EvidenceProvider> simulated_evidence() {
    return std::make_unique<SimulatedEvidence>();
}

Result<std::unique_ptr<EvidenceProvider>> gramine_evidence(
    std::unique_ptr<FileOperations> files, std::string directory) {
    const auto type = files->read_all(directory + "/attestation_type", 64);
    if (!type) return Error::unavailable("this is no Gramine enclave: " + type.error().message());
    if (trimmed(*type) != "dcap") {
        return Error::unavailable("Gramine's manifest does not turn on DCAP attestation");
    }
    return std::unique_ptr<EvidenceProvider>(
        std::make_unique<GramineEvidence>(std::move(files), std::move(directory)));
}

Result<std::unique_ptr<EvidenceProvider>> tsm_evidence(
    std::unique_ptr<FileOperations> files, base::RandomSource& random, std::string root) {
    auto out = std::make_unique<TsmEvidence>(std::move(files), random, std::move(root));
    const auto provider = out->provider();
    if (!provider) {
        return Error::unavailable("no configfs-tsm here: " + provider.error().message());
    }
    if (*provider != "tdx_guest" && *provider != "sev_guest") {
        return Error::unavailable("configfs-tsm: provider is neither tdx_guest nor sev_guest");
    }
    return std::unique_ptr<EvidenceProvider>(std::move(out));
}

Result<std::unique_ptr<EvidenceProvider>> open_evidence(
    PlatformMode mode, base::RandomSource& random) {
    switch (mode) {
        case PlatformMode::Simulation:
            return simulated_evidence();
        case PlatformMode::Gramine:
            return gramine_evidence(system_file_operations());
        case PlatformMode::Tsm:
            if (has_broker()) return brokered_evidence(mode, kEvidenceSocket);
            return tsm_evidence(system_file_operations(), random);
        case PlatformMode::SevGuest: {
            if (has_broker()) return brokered_evidence(mode, kEvidenceSocket);
            TRY(auto device, system_sev_guest_device());
            return sev_guest_evidence(std::move(device));
        }
    }
    return Error::internal("unknown platform mode");
}

}  // namespace adyton::attest
