#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/secret.h"

#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace adyton::crypto {
namespace {

constexpr std::size_t kSizeClasses = 4;
constexpr std::array<std::size_t, kSizeClasses> kSlotBytes = {64, 256, 1024, 4096};
constexpr std::array<std::size_t, kSizeClasses> kRegionBytes = {65536, 65536, 65536, 131072};
// A thread keeps up to this many free slots of a class, and trades them by the half.
constexpr std::size_t kCachedSlots = 16;
constexpr std::size_t kTradedSlots = kCachedSlots / 2;

std::size_t size_class_of(std::size_t bytes) {
    CHECK(bytes > 0 && bytes <= SecretArena::kSlotBytesMax);
    std::size_t size_class = 0;
    while (kSlotBytes[size_class] < bytes) ++size_class;
    return size_class;
}

// The free slots of the whole process. Free lists hold addresses outside the slots, so that a free
// slot is all zero and the lists survive MADV_WIPEONFORK.
class CentralArena {
public:
    // Never destroyed: secrets with static or thread lifetime give their slots back at any time.
    static CentralArena& instance() {
        static CentralArena& arena = *new CentralArena;
        return arena;
    }

    std::size_t take(std::size_t size_class, std::span<std::uint8_t*> out) {
        const std::lock_guard lock(mutex_);
        auto& free = free_[size_class];
        if (free.empty()) grow(size_class);
        const std::size_t count = std::min(out.size(), free.size());
        for (std::size_t i = 0; i < count; ++i) {
            out[i] = free.back();
            free.pop_back();
        }
        return count;
    }

    void give(std::size_t size_class, std::span<std::uint8_t* const> slots) noexcept {
        const std::lock_guard lock(mutex_);
        auto& free = free_[size_class];  // has capacity for every slot there is: no allocation
        free.insert(free.end(), slots.begin(), slots.end());
    }

    SecretArenaStatus status() {
        const std::lock_guard lock(mutex_);
        return status_;
    }

private:
    void note_problem(const char* call) {
        if (status_.problem.empty()) {
            status_.problem = std::string(call) + ": " + std::strerror(errno);
        }
    }

    void grow(std::size_t size_class) {
        const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t bytes =
            (kRegionBytes[size_class] + page_bytes - 1) / page_bytes * page_bytes;
        void* const mapping =
            ::mmap(nullptr, bytes + 2 * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(mapping != MAP_FAILED);  // out of address space or memory: as for operator new
        auto* const begin = static_cast<std::uint8_t*>(mapping) + page_bytes;
        CHECK(::mprotect(begin, bytes, PROT_READ | PROT_WRITE) == 0);
        protect(begin, bytes);

        const std::size_t slot_bytes = kSlotBytes[size_class];
        slot_count_[size_class] += bytes / slot_bytes;
        auto& free = free_[size_class];
        free.reserve(slot_count_[size_class]);
        for (std::size_t at = bytes; at >= slot_bytes; at -= slot_bytes) {
            free.push_back(begin + at - slot_bytes);
        }
    }

    void protect(std::uint8_t* begin, std::size_t bytes) {
        ++status_.region_count;
        status_.total_bytes += bytes;
        if (::madvise(begin, bytes, MADV_DONTDUMP) != 0) {
            note_problem("madvise(MADV_DONTDUMP)");
            status_.excluded_from_dumps = false;
        }
        if (::madvise(begin, bytes, MADV_WIPEONFORK) != 0) {
            note_problem("madvise(MADV_WIPEONFORK)");
            status_.wiped_on_fork = false;
        }
        if (::mlock(begin, bytes) == 0) {
            status_.locked_bytes += bytes;
        } else {
            note_problem("mlock");
            status_.all_locked = false;
        }
    }

    std::mutex mutex_;
    std::array<std::vector<std::uint8_t*>, kSizeClasses> free_;
    std::array<std::size_t, kSizeClasses> slot_count_{};
    SecretArenaStatus status_;
};

struct CachedSlots {
    std::array<std::uint8_t*, kCachedSlots> slots;
    std::size_t count;
};

// Plain data with static thread storage: usable before and after the guard below.
thread_local std::array<CachedSlots, kSizeClasses> cache;
enum class CacheState { Untouched, Guarded, Closed };
thread_local CacheState cache_state = CacheState::Untouched;

// Gives the thread's slots back when it ends. Secrets destroyed later in the thread's end go to the
// central arena directly.
struct CacheGuard {
    ~CacheGuard() {
        cache_state = CacheState::Closed;
        for (std::size_t i = 0; i < kSizeClasses; ++i) {
            CentralArena::instance().give(i, std::span(cache[i].slots).first(cache[i].count));
            cache[i].count = 0;
        }
    }
    void touch() { cache_state = CacheState::Guarded; }
};

bool cache_usable() {
    if (cache_state == CacheState::Guarded) [[likely]]
        return true;
    if (cache_state == CacheState::Closed) return false;
    thread_local CacheGuard guard;
    guard.touch();
    return true;
}

std::uint8_t* take_slot(std::size_t size_class) {
    if (!cache_usable()) {
        std::uint8_t* slot = nullptr;
        CentralArena::instance().take(size_class, std::span(&slot, 1));
        return slot;
    }
    CachedSlots& cached = cache[size_class];
    if (cached.count == 0) {
        cached.count =
            CentralArena::instance().take(size_class, std::span(cached.slots).first(kTradedSlots));
    }
    return cached.slots[--cached.count];
}

void give_slot(std::size_t size_class, std::uint8_t* slot) noexcept {
    if (!cache_usable()) {
        CentralArena::instance().give(size_class, std::span(&slot, 1));
        return;
    }
    CachedSlots& cached = cache[size_class];
    if (cached.count == kCachedSlots) {
        CentralArena::instance().give(size_class, std::span(cached.slots).last(kTradedSlots));
        cached.count -= kTradedSlots;
    }
    cached.slots[cached.count++] = slot;
}

}  // namespace

SecretArena::Slot::Slot(std::size_t bytes) : size_class_(size_class_of(bytes)) {
    data_ = take_slot(size_class_);
}

SecretArena::Slot& SecretArena::Slot::operator=(Slot&& other) noexcept {
    if (this == &other) return *this;
    reset();
    data_ = std::exchange(other.data_, nullptr);
    size_class_ = other.size_class_;
    return *this;
}

void SecretArena::Slot::reset() noexcept {
    if (data_ == nullptr) return;
    wipe({data_, kSlotBytes[size_class_]});
    give_slot(size_class_, std::exchange(data_, nullptr));
}

SecretArenaStatus SecretArena::status() {
    return CentralArena::instance().status();
}

Result<SecretBuffer> SecretBuffer::create(std::size_t size) {
    if (size > kSizeMax) return Error::too_large("a secret may have at most 4096 bytes");
    SecretBuffer out;
    if (size > 0) out.slot_ = SecretArena::Slot(size);
    out.size_ = size;
    return out;
}

Result<SecretBuffer> SecretBuffer::copy_of(base::ByteView bytes) {
    TRY(auto out, create(bytes.size()));
    if (!bytes.empty()) std::memcpy(out.slot_.data(), bytes.data(), bytes.size());
    return out;
}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
    if (this == &other) return *this;
    slot_ = std::move(other.slot_);
    size_ = std::exchange(other.size_, 0);
    return *this;
}

base::ByteView SecretBuffer::expose() const {
    return size_ == 0 ? base::ByteView{} : base::ByteView(slot_.data(), size_);
}

std::span<std::uint8_t> SecretBuffer::expose_mutable() {
    return size_ == 0 ? std::span<std::uint8_t>{} : std::span(slot_.data(), size_);
}

void SecretBuffer::shrink(std::size_t size) {
    CHECK(size <= size_);
    wipe(expose_mutable().subspan(size));
    size_ = size;
}

bool constant_time_equal(base::ByteView a, base::ByteView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::span<std::uint8_t> bytes) noexcept {
    if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

__attribute__((noinline)) void wipe_dead_stack() noexcept {
    // k*G in libcrypto keeps its scalar and table entries within 2 KiB of stack.
    std::array<std::uint8_t, 4096> dead;
    ::explicit_bzero(dead.data(), dead.size());
}

}  // namespace adyton::crypto
