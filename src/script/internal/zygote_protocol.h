#pragma once

#include <cstddef>
#include <cstdint>

namespace adyton::script::internal {

// The control socket between the service and its zygote: SOCK_SEQPACKET, one struct a packet, both
// ends the same binary.
inline constexpr int kZygoteSocket = 3;

struct ZygoteRequest {
    enum class Kind : std::uint32_t { Fork = 1, Kill = 2 };
    Kind kind = Kind::Fork;
    std::int32_t pid = 0;  // Kill: a child of the zygote that has not been waited for
};

// Answers a Fork. With pid > 0 the packet carries the socket of the new executor, then its pidfd
// where the kernel has them, then its gas meter where one could be made.
struct ZygoteAnswer {
    std::int32_t pid = -1;
    std::uint32_t descriptors = 0;
    std::uint32_t has_pid_fd = 0;
};

// The gas meter: one page of shared memory that starts with the gas (8 bytes, native order) that
// the job at hand has used; 0 between jobs. The executor writes it, the service reads it when it
// has killed the job.
inline constexpr std::size_t kMeterBytes = 4096;

}  // namespace adyton::script::internal
