#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "attest/evidence.h"
#include "base/bytes.h"
#include "base/executor.h"
#include "base/result.h"

// Evidence for services that have no rights to the platform's files: configfs-tsm and
// /dev/sev-guest belong to root, and who holds keys should not be root. A process of its own with
// these rights answers on a Unix socket. It sees no secret, and nobody need trust it: who asks
// compares what the evidence binds with what was asked.
//
// One exchange a connection: 64 bytes of report data and the end of the sending side; then one byte
// 1, one byte type ('t' TDX quote, 's' SNP report), u32be size and the evidence, u32be size and the
// host's certificate table; or one byte 0 and a reason in printable ASCII.
namespace adyton::attest {

inline constexpr const char* kEvidenceSocket = "/run/adyton-evidence/evidence.sock";

base::Bytes encode_broker_answer(const Result<Evidence>& answer);
// Unavailable: a refusal, with its reason. CorruptData: anything that is no answer.
Result<Evidence> parse_broker_answer(base::ByteView bytes);

// Asks the broker at `socket`. collect() as of the platform itself: Unavailable when there is
// nobody, it refuses or takes longer than `timeout`; CorruptData when the evidence binds something
// else. Unavailable: nobody listens. InvalidArgument: a mode that has no broker.
Result<std::unique_ptr<EvidenceProvider>> brokered_evidence(
    PlatformMode mode, std::string socket,
    std::chrono::milliseconds timeout = std::chrono::minutes(2));

struct BrokerOptions {
    std::string socket = kEvidenceSocket;
    // Which users may ask; empty: whom the socket's mode (0660) lets in.
    std::set<uid_t> users;
    std::chrono::milliseconds timeout{2000};  // for the 64 bytes, and for taking the answer
    // A user's requests: this many at once, then one a period. The hardware's channel can be closed
    // for good by one exchange too many.
    unsigned burst = 16;
    base::Duration period = std::chrono::seconds(1);
};

// Answers one caller after the other, on the thread that calls serve().
class EvidenceBroker {
public:
    // Takes the socket's place if a dead broker left it. InvalidArgument: the path is too long, or
    // something else is there. Conflict: a broker listens there. Unavailable: the system refuses.
    // References must outlive it.
    static Result<std::unique_ptr<EvidenceBroker>> listen(
        BrokerOptions options, EvidenceProvider& provider, const base::Clock& clock);
    ~EvidenceBroker();
    EvidenceBroker(const EvidenceBroker&) = delete;
    EvidenceBroker& operator=(const EvidenceBroker&) = delete;

    struct Served {
        uid_t user = 0;
        std::string problem;  // empty: evidence was given
    };
    // Waits for a caller, at most `wait`, and answers it; nothing when none came.
    std::optional<Served> serve(std::chrono::milliseconds wait);

private:
    struct Bucket {
        double tokens = 0;
        base::SteadyTime at{};
    };

    EvidenceBroker(
        int listener, BrokerOptions options, EvidenceProvider& provider, const base::Clock& clock)
        : listener_(listener), options_(std::move(options)), provider_(provider), clock_(clock) {}
    Result<Evidence> answer(int caller, uid_t user);
    bool take_token(uid_t user);

    const int listener_;
    const BrokerOptions options_;
    EvidenceProvider& provider_;
    const base::Clock& clock_;
    std::map<uid_t, Bucket> buckets_;
};

}  // namespace adyton::attest
