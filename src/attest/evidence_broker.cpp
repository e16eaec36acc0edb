#include "attest/evidence_broker.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "attest/internal/evidence_check.h"
#include "base/file_descriptor.h"

namespace adyton::attest {
namespace {

using base::FileDescriptor;

constexpr std::size_t kBlobBytesMax = 32 * 1024;
constexpr std::size_t kAnswerBytesMax = 2 + 2 * (4 + kBlobBytesMax);
constexpr std::size_t kReasonBytesMax = 256;
constexpr std::size_t kUsersMax = 1024;
constexpr int kBacklog = 16;
constexpr mode_t kSocketMode = 0660;

using Steady = std::chrono::steady_clock;

Error system_error(std::string_view what, int cause) {
    return Error::unavailable(std::string(what) + ": " + std::strerror(cause));
}

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(out.sun_path)) {
        return Error::invalid_argument("the broker's socket: a path of 1 to 107 bytes");
    }
    std::memcpy(static_cast<void*>(out.sun_path), path.c_str(), path.size() + 1);
    return out;
}

// Waits until the socket can be read or written, or the deadline has passed.
bool wait_for(int fd, short events, Steady::time_point deadline) {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
        if (left <= 0) return false;
        pollfd one{fd, events, 0};
        const int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

// To the end of what the other side sends, which must be no more than `size_max`.
Result<base::Bytes> receive_all(int fd, std::size_t size_max, Steady::time_point deadline) {
    base::Bytes out;
    std::array<std::uint8_t, 4096> piece{};
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline)) return Error::deadline_exceeded("too slow");
        const ssize_t got = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return system_error("recv", errno);
        if (got == 0) return out;
        if (out.size() + static_cast<std::size_t>(got) > size_max) {
            return Error::too_large("too many bytes");
        }
        out.insert(out.end(), piece.begin(), piece.begin() + got);
    }
}

Result<void> send_all(int fd, base::ByteView bytes, Steady::time_point deadline) {
    while (!bytes.empty()) {
        if (!wait_for(fd, POLLOUT, deadline)) return Error::deadline_exceeded("too slow");
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (sent < 0) return system_error("send", errno);
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return {};
}

Result<int> connect_to(const std::string& path) {
    TRY(const sockaddr_un address, address_of(path));
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) return system_error("socket", errno);
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(fd.get(), where, sizeof(address)) != 0) {
        return system_error("the evidence broker at " + path, errno);
    }
    return fd.release();
}

void append_blob(base::Bytes& out, const base::Bytes& blob) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(blob.size() >> static_cast<unsigned>(shift)));
    }
    out.insert(out.end(), blob.begin(), blob.end());
}

std::string printable(std::string_view text) {
    std::string out(text.substr(0, kReasonBytesMax));
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return out;
}

class BrokeredEvidence final : public EvidenceProvider {
public:
    BrokeredEvidence(PlatformMode mode, std::string socket, std::chrono::milliseconds timeout)
        : mode_(mode), socket_(std::move(socket)), timeout_(timeout) {}

    PlatformMode mode() const override { return mode_; }

    Result<Evidence> collect(const ReportData& report_data) override {
        const Steady::time_point deadline = Steady::now() + timeout_;
        TRY(const int number, connect_to(socket_));
        const FileDescriptor fd(number);
        const auto bytes = exchange(fd.get(), report_data, deadline);
        if (!bytes) return Error::unavailable("evidence broker: " + bytes.error().message());
        TRY(auto evidence, parse_broker_answer(*bytes));
        if (mode_ == PlatformMode::SevGuest && evidence.type != EvidenceType::SevSnp) {
            return Error::unavailable("the evidence broker's platform is another");
        }
        TRY_VOID(internal::check_evidence(evidence, report_data));
        return evidence;
    }

private:
    static Result<base::Bytes> exchange(
        int fd, const ReportData& report_data, Steady::time_point deadline) {
        TRY_VOID(send_all(fd, report_data, deadline));
        if (::shutdown(fd, SHUT_WR) != 0) return system_error("shutdown", errno);
        return receive_all(fd, kAnswerBytesMax, deadline);
    }

    const PlatformMode mode_;
    const std::string socket_;
    const std::chrono::milliseconds timeout_;
};

// A socket that nobody listens on is what a dead broker left.
Result<void> clear_place(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>() : system_error(path, errno);
    }
    if (!S_ISSOCK(status.st_mode)) return Error::invalid_argument(path + ": is no socket");
    if (const auto alive = connect_to(path)) {
        ::close(*alive);
        return Error::conflict(path + ": a broker listens there");
    }
    if (::unlink(path.c_str()) != 0) return system_error(path, errno);
    return {};
}

}  // namespace

base::Bytes encode_broker_answer(const Result<Evidence>& answer) {
    base::Bytes out;
    if (!answer) {
        const std::string reason = printable(answer.error().message());
        out.push_back(0);
        out.insert(out.end(), reason.begin(), reason.end());
        return out;
    }
    out.push_back(1);
    out.push_back(answer->type == EvidenceType::SevSnp ? 's' : 't');
    append_blob(out, answer->bytes);
    append_blob(out, answer->snp_certificates);
    return out;
}

Result<Evidence> parse_broker_answer(base::ByteView bytes) {
    const auto bad = [] { return Error::corrupt_data("the evidence broker's answer is none"); };
    if (bytes.empty() || bytes.size() > kAnswerBytesMax) return bad();
    if (bytes[0] == 0) {
        return Error::unavailable(
            "the evidence broker refuses: " + printable(base::as_text(bytes.subspan(1))));
    }
    if (bytes[0] != 1 || bytes.size() < 2 || (bytes[1] != 't' && bytes[1] != 's')) return bad();
    Evidence out;
    out.type = bytes[1] == 's' ? EvidenceType::SevSnp : EvidenceType::TdxDcap;
    base::ByteView rest = bytes.subspan(2);
    for (base::Bytes* const blob : {&out.bytes, &out.snp_certificates}) {
        if (rest.size() < 4) return bad();
        std::size_t size = 0;
        for (std::size_t i = 0; i < 4; ++i) size = size << 8U | rest[i];
        rest = rest.subspan(4);
        if (size > rest.size() || size > kBlobBytesMax) return bad();
        blob->assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
        rest = rest.subspan(size);
    }
    if (!rest.empty() || out.bytes.empty()) return bad();
    return out;
}

Result<std::unique_ptr<EvidenceProvider>> brokered_evidence(
    PlatformMode mode, std::string socket, std::chrono::milliseconds timeout) {
    if (mode != PlatformMode::Tsm && mode != PlatformMode::SevGuest) {
        return Error::invalid_argument("only tsm and sev-guest have an evidence broker");
    }
    TRY(const int probe, connect_to(socket));
    ::close(probe);
    return std::unique_ptr<EvidenceProvider>(
        std::make_unique<BrokeredEvidence>(mode, std::move(socket), timeout));
}

Result<std::unique_ptr<EvidenceBroker>> EvidenceBroker::listen(
    BrokerOptions options, EvidenceProvider& provider, const base::Clock& clock) {
    TRY(const sockaddr_un address, address_of(options.socket));
    TRY_VOID(clear_place(options.socket));
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) return system_error("socket", errno);
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(fd.get(), where, sizeof(address)) != 0) return system_error(options.socket, errno);
    if (::chmod(options.socket.c_str(), kSocketMode) != 0 || ::listen(fd.get(), kBacklog) != 0) {
        return system_error(options.socket, errno);
    }
    return std::unique_ptr<EvidenceBroker>(
        new EvidenceBroker(fd.release(), std::move(options), provider, clock));
}

EvidenceBroker::~EvidenceBroker() {
    ::close(listener_);
    ::unlink(options_.socket.c_str());
}

bool EvidenceBroker::take_token(uid_t user) {
    const base::SteadyTime now = clock_.steady_now();
    if (!buckets_.contains(user) && buckets_.size() >= kUsersMax) return false;
    Bucket& own =
        buckets_.try_emplace(user, Bucket{static_cast<double>(options_.burst), now}).first->second;
    const std::chrono::duration<double> passed = now - own.at;
    const std::chrono::duration<double> each = options_.period;
    own.tokens = std::min<double>(options_.burst, own.tokens + passed.count() / each.count());
    own.at = now;
    if (own.tokens < 1) return false;
    own.tokens -= 1;
    return true;
}

Result<Evidence> EvidenceBroker::answer(int caller, uid_t user) {
    TRY(const base::Bytes asked, receive_all(caller, 64, Steady::now() + options_.timeout));
    if (!options_.users.empty() && !options_.users.contains(user)) {
        return Error::permission_denied("this user may not ask");
    }
    ReportData report_data{};
    if (asked.size() != report_data.size()) {
        return Error::invalid_argument("a request has 64 bytes");
    }
    if (!take_token(user)) return Error::unavailable("asked too often");
    std::copy(asked.begin(), asked.end(), report_data.begin());
    return provider_.collect(report_data);
}

std::optional<EvidenceBroker::Served> EvidenceBroker::serve(std::chrono::milliseconds wait) {
    if (!wait_for(listener_, POLLIN, Steady::now() + wait)) return std::nullopt;
    const FileDescriptor caller(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (caller.get() < 0) return std::nullopt;
    ucred who{};
    socklen_t size = sizeof(who);
    if (::getsockopt(caller.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
    const auto evidence = answer(caller.get(), who.uid);
    const auto sent =
        send_all(caller.get(), encode_broker_answer(evidence), Steady::now() + options_.timeout);
    Served out{who.uid, {}};
    if (!evidence) {
        out.problem = evidence.error().message();
    } else if (!sent) {
        out.problem = "the answer was not taken: " + sent.error().message();
    }
    return out;
}

}  // namespace adyton::attest
