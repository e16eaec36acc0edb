#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/result.h"

namespace adyton::crypto {

// What the process really got for its secrets; printed at start-up.
struct SecretArenaStatus {
    std::size_t region_count = 0;
    std::size_t total_bytes = 0;      // slots of all regions, guard pages not counted
    std::size_t locked_bytes = 0;     // of these, held in RAM by mlock
    bool all_locked = true;           // false: a limit (RLIMIT_MEMLOCK) or the host refused mlock
    bool excluded_from_dumps = true;  // MADV_DONTDUMP on every region
    bool wiped_on_fork = true;        // MADV_WIPEONFORK on every region
    std::string problem;  // the first refusal, "mlock: Cannot allocate memory", or empty
};

// Memory for key material: mapped apart from the heap between two inaccessible guard pages, locked
// against swapping, left out of core dumps, and all zero in a forked child. It grows by further
// regions and never shrinks. When the system refuses mlock or an madvise, secrets still work and
// status() says what is missing. (Gramine accepts mlock and does nothing: enclave memory is not
// swapped in the clear.)
//
// Free slots are always zero. Thread safe: each thread keeps a few free slots, so that taking one
// costs some nanoseconds. A child forked while another thread takes slots must exec before it uses
// secrets.
class SecretArena {
public:
    static constexpr std::size_t kSlotBytesMax = 4096;

    // The sole owner of one slot. Move-only; gives the slot back wiped.
    class Slot {
    public:
        Slot() = default;
        // A zeroed slot of at least `bytes`, 1 to kSlotBytesMax; alignment 64.
        explicit Slot(std::size_t bytes);
        Slot(Slot&& other) noexcept : data_(other.data_), size_class_(other.size_class_) {
            other.data_ = nullptr;
        }
        Slot& operator=(Slot&& other) noexcept;
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        ~Slot() { reset(); }

        void reset() noexcept;
        bool empty() const { return data_ == nullptr; }
        std::uint8_t* data() const {
            CHECK(data_ != nullptr);  // a moved-from secret is used
            return data_;
        }

    private:
        std::uint8_t* data_ = nullptr;
        std::size_t size_class_ = 0;
    };

    static SecretArenaStatus status();
};

// N bytes of key material in the arena. Move-only: a copy is one more place to leak from. Wiped
// when destroyed; a moved-from value holds nothing and may only be destroyed or assigned. No
// operator== (see equal), no stream output. Not synchronised: reading from several threads is fine.
template <std::size_t N>
class SecretBytes {
    static_assert(N > 0 && N <= SecretArena::kSlotBytesMax);

public:
    static constexpr std::size_t kSize = N;

    SecretBytes() : slot_(N) {}  // all zero

    // The only ways to the bytes: audits grep for `expose`.
    std::span<const std::uint8_t, N> expose() const {
        return std::span<const std::uint8_t, N>(slot_.data(), N);
    }
    std::span<std::uint8_t, N> expose_mutable() {
        return std::span<std::uint8_t, N>(slot_.data(), N);
    }

    // A copy of bytes that the caller holds and wipes.
    static SecretBytes copy_of(std::span<const std::uint8_t, N> bytes) {
        SecretBytes out;
        for (std::size_t i = 0; i < N; ++i) out.slot_.data()[i] = bytes[i];
        return out;
    }

private:
    SecretArena::Slot slot_;
};

// Key material whose length is known at run time: configured secrets, master keys of 32 bytes and
// more. The same rules as SecretBytes.
class SecretBuffer {
public:
    static constexpr std::size_t kSizeMax = SecretArena::kSlotBytesMax;

    SecretBuffer() = default;  // empty
    // TooLarge: over kSizeMax. All zero.
    static Result<SecretBuffer> create(std::size_t size);
    // TooLarge: over kSizeMax. Copies; the caller wipes its own bytes.
    static Result<SecretBuffer> copy_of(base::ByteView bytes);

    SecretBuffer(SecretBuffer&& other) noexcept
        : slot_(std::move(other.slot_)), size_(other.size_) {
        other.size_ = 0;
    }
    SecretBuffer& operator=(SecretBuffer&& other) noexcept;
    ~SecretBuffer() = default;

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    base::ByteView expose() const;
    std::span<std::uint8_t> expose_mutable();
    // Drops bytes from the end, wiped. CHECK: size <= size().
    void shrink(std::size_t size);

private:
    SecretArena::Slot slot_;
    std::size_t size_ = 0;
};

// Whether two byte strings are equal; the time depends on the lengths alone.
bool constant_time_equal(base::ByteView a, base::ByteView b);

template <std::size_t N>
bool equal(const SecretBytes<N>& a, const SecretBytes<N>& b) {
    return constant_time_equal(a.expose(), b.expose());
}
inline bool equal(const SecretBuffer& a, const SecretBuffer& b) {
    return constant_time_equal(a.expose(), b.expose());
}

// Zeroes bytes in a way that the compiler keeps.
void wipe(std::span<std::uint8_t> bytes) noexcept;

// Zeroes the stack below the caller, where library functions that have returned left their locals.
void wipe_dead_stack() noexcept;

}  // namespace adyton::crypto
