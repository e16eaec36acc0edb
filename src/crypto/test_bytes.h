#pragma once

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "crypto/secret.h"

// Literals for tests. Bad hex in a test is a bug of the test.
namespace adyton::crypto {

inline base::Bytes from_hex(std::string_view text) {
    auto bytes = base::hex_decode(text);
    CHECK(bytes.has_value());
    return std::move(*bytes);
}

inline SecretBytes<32> secret32(base::ByteView bytes) {
    CHECK(bytes.size() == 32);
    return SecretBytes<32>::copy_of(std::span<const std::uint8_t, 32>(bytes.data(), 32));
}

inline SecretBuffer secret_text(std::string_view text) {
    auto secret = SecretBuffer::copy_of(base::as_bytes(text));
    CHECK(secret.has_value());
    return std::move(*secret);
}

inline SecretBuffer secret_bytes(base::ByteView bytes) {
    auto secret = SecretBuffer::copy_of(bytes);
    CHECK(secret.has_value());
    return std::move(*secret);
}

}  // namespace adyton::crypto
