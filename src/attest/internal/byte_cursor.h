#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace adyton::attest::internal {

// Reads little-endian fields one after the other. Reading past the end gives zeros and sets
// failed(), which the caller asks before it believes anything.
class ByteCursor {
public:
    explicit ByteCursor(base::ByteView bytes) : rest_(bytes) {}

    base::ByteView take(std::size_t count) {
        if (count > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const base::ByteView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }
    void skip(std::size_t count) { take(count); }
    template <std::size_t N>
    void copy(std::array<std::uint8_t, N>& out) {
        const base::ByteView bytes = take(N);
        std::copy(bytes.begin(), bytes.end(), out.begin());
    }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

    std::size_t remaining() const { return rest_.size(); }
    bool failed() const { return failed_; }

private:
    std::uint64_t number(std::size_t count) {
        std::uint64_t out = 0;
        const base::ByteView bytes = take(count);
        for (std::size_t i = bytes.size(); i > 0; --i) out = (out << 8) | bytes[i - 1];
        return out;
    }

    base::ByteView rest_;
    bool failed_ = false;
};

}  // namespace adyton::attest::internal
