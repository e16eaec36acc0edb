#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace adyton::http::internal {

// An IPv4 or IPv6 address with its port, as the system's calls take it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    // A numeric IPv4 or IPv6 address, without brackets; nothing for other text.
    static std::optional<SocketAddress> parse(const std::string& host, std::uint16_t port);

    const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* generic() { return reinterpret_cast<sockaddr*>(&storage); }
    std::uint16_t port() const;
    // 4 or 16 bytes in network order; empty for another family.
    base::ByteView address_bytes() const;
    std::string to_string() const;  // "IP:PORT" or "[IP]:PORT"
};

}  // namespace adyton::http::internal
