#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "script/internal/machine.h"
#include "script/job.h"
#include "script/sensitive_bytes.h"

// What the service and an executor say to each other over their socket: frames of a length (4
// bytes, of what follows), a type (1 byte) and a payload. Numbers are little-endian; texts have a
// 4-byte length in front. The service takes every frame from an executor for hostile: whoever broke
// out of the engine speaks here.
namespace adyton::script::internal {

enum class FrameType : std::uint8_t {
    Job = 1,        // service to executor
    HostReply = 2,  // service to executor
    Hello = 16,     // executor to service, once: its layers
    Log = 17,
    HostRequest = 18,
    Result = 19,
    Refused = 20,    // the job was not run: a message
    Violation = 21,  // tests only: the number of a system call outside the list
};
inline constexpr std::size_t kFrameHeaderBytes = 5;
inline constexpr std::size_t kFrameBytesMax = std::size_t{4} << 20U;

struct Frame {
    FrameType type{};
    base::ByteView payload;
};

// The frame at the start of `bytes`; nothing when it is not all there yet. Sets `size` to what the
// frame takes. CorruptData: a length of 0 or over kFrameBytesMax.
Result<std::optional<Frame>> read_frame(base::ByteView bytes, std::size_t& size);

// Whether the executor sends each console entry at once, beside those in the result.
struct JobFlags {
    bool live_logs = false;
    bool has_host = false;
    bool last = false;  // this process is killed after it
};
// A whole frame, secrets included.
SensitiveBytes encode_job(const Job& job, std::span<const Secret> secrets);
// Views of `payload`. CorruptData: not what encode_job writes.
Result<Work> decode_job(base::ByteView payload, JobFlags& flags);

SensitiveBytes encode_reply(const HostReply& reply);
Result<HostReply> decode_reply(base::ByteView payload);

std::string encode_hello(Layers layers);
Result<Layers> decode_hello(base::ByteView payload);
std::string encode_log(const LogEntry& entry);
Result<LogEntry> decode_log(base::ByteView payload);
std::string encode_request(const HostRequest& request);
Result<HostRequest> decode_request(base::ByteView payload);
// Without layers: they are the service's knowledge.
std::string encode_result(const RunResult& result);
// CorruptData: truncated or over, a size past its limit, an unknown number, or text that is not
// UTF-8.
Result<RunResult> decode_result(base::ByteView payload);
std::string encode_refused(std::string_view message);
Result<std::string> decode_refused(base::ByteView payload);

}  // namespace adyton::script::internal
