#pragma once

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

// Answers a Fork. With pid > 0 the packet carries the socket of the new executor, and its pidfd
// where the kernel has them.
struct ZygoteAnswer {
    std::int32_t pid = -1;
    std::uint32_t descriptors = 0;
};

}  // namespace adyton::script::internal
