#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace adyton::attest::internal {

// For buffers that hold secrets on their way into the arena: every block is wiped before it goes
// back, growth included.
template <typename T>
struct WipingAllocator {
    using value_type = T;
    WipingAllocator() = default;
    template <typename U>
    explicit WipingAllocator(const WipingAllocator<U>& /*other*/) {}
    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T))); }
    void deallocate(T* block, std::size_t count) noexcept {
        crypto::wipe({reinterpret_cast<std::uint8_t*>(block), count * sizeof(T)});
        ::operator delete(block);
    }
    template <typename U>
    bool operator==(const WipingAllocator<U>& /*other*/) const {
        return true;
    }
};

using WipingBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

}  // namespace adyton::attest::internal
