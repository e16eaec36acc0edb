#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"

// Header of the generated engine and of its runtime (C, found in the build tree).
#include <quickjs.h>

// The ground that the translated engine stands on: memory, traps and faults. Security-critical:
// isolation between jobs rests on this file, rules.h and the host functions, and on nothing of the
// 72,000 lines of engine.
namespace adyton::script::internal {

inline constexpr std::size_t kPageBytes = 65'536;

// Why a run ended without coming back by itself.
enum class Stop : std::uint8_t {
    None,
    Deadline,
    Gas,
    Cancelled,
    Output,       // a host function had to end the run: its counterpart is gone
    OutOfBounds,  // the rest are traps: the engine went wrong
    Arithmetic,
    Unreachable,
    BadCall,
    StackExhausted,
};
const char* to_string(Stop stop);

// One reserved range of addresses for one linear memory. Guard form: 8 GiB and a page, of which the
// committed part is readable and writable and the rest faults. Masked form: the slot and one page,
// all of it mapped.
class Region {
public:
    // Unavailable: the address space cannot be had.
    static Result<std::unique_ptr<Region>> reserve();
    ~Region();
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    std::uint8_t* data() const { return data_; }
    // Makes the first `bytes` (a multiple of kPageBytes) usable; new ones read as zero. False: the
    // kernel refused.
    bool commit(std::size_t bytes);
    std::size_t committed() const { return committed_; }
    // All of [from, to) reads as zero afterwards; both multiples of 4096.
    void zero(std::size_t from, std::size_t to);
    bool contains(const void* address) const;

    // Guard form: makes [from, to), multiples of 4096, read-only until the first write to it, by
    // the engine or by host code, which then goes through as if nothing had been. So what is still
    // quiet has not changed. At most kQuietMax at once; false: not made, as always in the masked
    // form. Only inside an activation of this region can a write be let through.
    bool keep_quiet(std::size_t from, std::size_t to);
    // Whether the quiet range that starts there is still that.
    bool is_quiet(std::size_t from) const;
    // Everything is writable again.
    void forget_quiet();
    // In the handler of a fault: true when the write may be tried again.
    bool let_write(const void* address);

private:
    static constexpr std::size_t kQuietMax = 4;
    struct Quiet {
        std::size_t from = 0;
        std::size_t to = 0;  // `from`: none
    };
    Region(std::uint8_t* data, std::size_t reserved) : data_(data), reserved_(reserved) {}
    std::uint8_t* data_;
    std::size_t reserved_;
    std::size_t committed_ = 0;
    std::array<Quiet, kQuietMax> quiet_{};  // of a thread and of its own signal handler
};

// One entry into the engine on this thread. While it is active, stop_now(), faults inside `region`
// and interrupt_thread() come back out of enter().
//
// Between enter() and its return nothing with a destructor may live in a frame that a stop would
// jump over: guest code is entered and left by plain functions only, and strings, vectors and the
// like belong to whoever called enter().
class Activation {
public:
    // Runs body(argument). None: it returned; otherwise why it was left. The native stack is
    // bounded to what this thread has, at most 48 MiB. `request`, if any, is read when the thread
    // is interrupted: a Stop other than None ends the run there and then.
    static Stop enter(
        Region& region, void (*body)(void*), void* argument,
        const std::atomic<Stop>* request = nullptr);
};

// Leaves the engine at once. Only inside Activation::enter, with no destructor in the way.
[[noreturn]] void stop_now(Stop stop);

// Says whether the engine's own code runs. Only then do faults and interruptions end the run: it
// holds nothing of the host. Host code, which may hold a lock of the allocator, is never jumped out
// of; an activation begins as host code.
void set_in_guest(bool in_guest);

// Makes that thread look at its activation's request, wherever the engine is: for native work that
// does not poll. The thread must be alive. It may be in host code and miss it: repeat.
void interrupt_thread(pthread_t thread);

// The handler for faults and this process's tables; idempotent, thread safe.
void start_runtime();
// An alternate signal stack for this thread, and its stack's bounds. Called by enter(); call it by
// hand where the system calls of it will not be allowed later. False: the stack is too small.
bool prepare_thread();

}  // namespace adyton::script::internal
