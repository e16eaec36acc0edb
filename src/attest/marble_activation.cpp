#include "attest/marble_activation.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "attest/internal/grpc_call.h"
#include "attest/internal/marble_tls.h"
#include "attest/marble_secrets.h"
#include "attest/refusal.h"
#include "attest/service_id.h"
#include "base/file_descriptor.h"
#include "crypto/uuid.h"

namespace adyton::attest {
namespace {

using base::FileDescriptor;

using internal::GrpcAnswer;
using internal::MarbleRequestKey;

constexpr std::size_t kUuidSize = 36;

// gRPC status codes that mean something here.
constexpr int kOk = 0;
constexpr int kInvalidArgument = 3;
constexpr int kPermissionDenied = 7;
constexpr int kFailedPrecondition = 9;
constexpr int kUnavailable = 14;
constexpr int kUnauthenticated = 16;

Error file_error(const std::string& path, int cause) {
    const std::string message = "\"" + path + "\": " + std::strerror(cause);
    if (cause == EACCES || cause == EPERM || cause == ELOOP) {
        return Error::permission_denied(message);
    }
    return Error::unavailable(message);
}

Result<std::string> read_uuid(int fd, const std::string& path) {
    std::array<char, kUuidSize + 2> text{};
    const ssize_t size = ::read(fd, text.data(), text.size());
    if (size < 0) return file_error(path, errno);
    std::string_view id(text.data(), static_cast<std::size_t>(size));
    if (id.ends_with('\n')) id.remove_suffix(1);
    if (!crypto::is_canonical_uuid(id)) {
        return Error::invalid_argument("\"" + path + "\": does not hold a UUID");
    }
    return std::string(id);
}

// What the Coordinator holds against the package: a quote over the TLS certificate, in the blob of
// Open Enclave (version 1, remote report).
Result<base::Bytes> quote_for(const MarbleRequestKey& key, EvidenceProvider* evidence) {
    if (evidence == nullptr || evidence->mode() == PlatformMode::Simulation) return base::Bytes();
    if (evidence->mode() != PlatformMode::Gramine) {
        return Error::invalid_argument("MarbleRun activates SGX enclaves only");
    }
    const crypto::Sha256Digest digest = crypto::sha256(key.certificate);
    ReportData report_data{};
    std::copy(digest.bytes.begin(), digest.bytes.end(), report_data.begin());
    TRY(const Evidence made, evidence->collect(report_data));
    base::Bytes out = {1, 0, 0, 0, 2, 0, 0, 0};
    for (unsigned shift = 0; shift < 64; shift += 8) {
        out.push_back(static_cast<std::uint8_t>(std::uint64_t{made.bytes.size()} >> shift));
    }
    out.insert(out.end(), made.bytes.begin(), made.bytes.end());
    return out;
}

Error error_of(const GrpcAnswer& answer) {
    const std::string said = answer.message.empty() ? "" : ": " + answer.message;
    switch (answer.status) {
        case kFailedPrecondition:
        case kUnavailable:
            return Error::unavailable(
                "the Coordinator is not ready" + said, "coordinator_not_ready");
        case kPermissionDenied:
        case kUnauthenticated:
        case kInvalidArgument:
            return Error::permission_denied(
                "the Coordinator refuses this marble" + said, "activation_refused");
        default:
            return Error::unavailable(
                "the Coordinator failed (gRPC status " + std::to_string(answer.status) + ")" + said,
                "coordinator_failed");
    }
}

std::string_view text_in(const ActivationParameters& parameters, const char* name) {
    const auto found = parameters.env.find(name);
    if (found == parameters.env.end()) return {};
    return base::as_text(found->second.expose());
}

// Where it counts: MARBLE_SECRETS goes before a variable of that name.
const crypto::SecretBuffer* secret_in(
    const ActivationParameters& parameters, const std::string& name) {
    const auto injected = parameters.secrets.find(name);
    if (injected != parameters.secrets.end()) return &injected->second;
    const auto found = parameters.env.find(name);
    return found == parameters.env.end() ? nullptr : &found->second;
}

Result<MarbleActivation> accept(
    const MarbleOptions& options, const GrpcAnswer& answer, std::string uuid) {
    MarbleActivation out;
    TRY(out.parameters, ActivationParameters::parse(answer.body));
    TRY_VOID(unpack_marble_secrets(out.parameters));
    for (const char* const name : {kMarbleChain, kMarbleKey, kMarbleRoot, kCoordinatorRoot}) {
        if (text_in(out.parameters, name).empty()) {
            return Error::corrupt_data(
                std::string("the Coordinator's answer lacks ") + name +
                " (MarbleRun 1.6 or newer is needed)");
        }
    }
    const internal::CoordinatorAnswer checked{
        text_in(out.parameters, kMarbleChain),
        base::as_bytes(text_in(out.parameters, kMarbleKey)),
        text_in(out.parameters, kMarbleRoot),
        text_in(out.parameters, kCoordinatorRoot),
        answer.certificate,
        options.marble_type,
        uuid};
    const crypto::Sha256Digest* const pin =
        options.coordinator_root ? &*options.coordinator_root : nullptr;
    TRY(out.coordinator_root, internal::check_coordinator(checked, pin));
    out.uuid = std::move(uuid);
    return out;
}

Result<MarbleActivation> activate_once(
    const MarbleOptions& options, EvidenceProvider* evidence, const std::string& uuid) {
    TRY(const auto key, MarbleRequestKey::create(options.dns_names));
    ActivationRequest request;
    TRY(request.quote, quote_for(key, evidence));
    request.csr = key.csr;
    request.marble_type = options.marble_type;
    request.uuid = uuid;
    const base::Bytes message = request.encode();
    internal::GrpcCall call;
    call.address = options.coordinator;
    call.path = "/rpc.Marble/Activate";
    call.request = message;
    call.identity = &key;
    call.timeout = options.timeout;
    call.response_bytes_max = ActivationParameters::kBytesMax;
    TRY(const GrpcAnswer answer, internal::call_grpc(call));
    if (answer.status != kOk) return error_of(answer);
    return accept(options, answer, uuid);
}

// Whether asking later may help: nobody there yet, no manifest yet, recovery under way.
bool worth_waiting(const Error& error) {
    return error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::DeadlineExceeded;
}

void pause(const MarbleOptions& options, std::chrono::milliseconds span) {
    if (options.pause) {
        options.pause(span);
    } else {
        ::poll(nullptr, 0, static_cast<int>(span.count()));
    }
}

}  // namespace

Result<std::string> load_or_create_uuid(const std::string& path, base::RandomSource& random) {
    const FileDescriptor old(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (old.get() >= 0) return read_uuid(old.get(), path);
    if (errno != ENOENT) return file_error(path, errno);
    const std::string made = crypto::uuid_v4(random);
    const FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return file_error(path, errno);
    const ssize_t written = ::write(file.get(), made.data(), made.size());
    if (written != static_cast<ssize_t>(made.size()) || ::fsync(file.get()) != 0) {
        return file_error(path, errno);
    }
    return made;
}

Result<MarbleActivation> activate_marble(
    const MarbleOptions& options, EvidenceProvider* evidence, base::RandomSource& random) {
    if (!ServiceId::parse(options.marble_type)) {
        return Error::invalid_argument("EDG_MARBLE_TYPE wants 1 to 64 characters of a-z, 0-9, -");
    }
    TRY(const std::string uuid, load_or_create_uuid(options.uuid_file, random));
    std::chrono::milliseconds span = options.pause_min;
    for (int attempt = 1;; ++attempt) {
        auto done = activate_once(options, evidence, uuid);
        if (done || !worth_waiting(done.error())) return done;
        if (attempt >= options.attempts_max) {
            return Error::unavailable(
                "no activation after " + std::to_string(attempt) +
                    " attempts: " + done.error().message(),
                "coordinator_not_ready");
        }
        pause(options, span);
        span = std::min(span * 2, options.pause_max);
    }
}

ActivationMemory::ActivationMemory(base::RandomSource& random) {
    random.fill(salt_.expose_mutable());
}

crypto::Sha256Digest ActivationMemory::fingerprint(const crypto::SecretBuffer& value) const {
    crypto::Sha256 hash;
    hash.update(salt_.expose()).update(value.expose());
    return hash.finish();
}

void ActivationMemory::remember(
    const ActivationParameters& parameters, const std::vector<std::string>& names) {
    known_.clear();
    for (const std::string& name : names) {
        const crypto::SecretBuffer* const found = secret_in(parameters, name);
        known_[name] = found == nullptr ? std::nullopt
                                        : std::optional<crypto::Sha256Digest>(fingerprint(*found));
    }
}

Result<void> ActivationMemory::check(const ActivationParameters& parameters) const {
    for (const auto& [name, known] : known_) {
        const crypto::SecretBuffer* const found = secret_in(parameters, name);
        const bool there = found != nullptr;
        const bool same =
            there == known.has_value() &&
            (!there || crypto::constant_time_equal(fingerprint(*found).bytes, known->bytes));
        if (!same) {
            return Error::conflict(
                "the Coordinator brings another " + name +
                    " than before: its accounts would be other accounts",
                "activation_secret_changed");
        }
    }
    return {};
}

}  // namespace adyton::attest
