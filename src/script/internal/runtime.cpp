#include "script/internal/runtime.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaltstack and siginfo_t are POSIX
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "script/internal/memory_slot.h"

extern "C" {
// Read by every function of the engine. Without an activation nothing may enter it.
__thread uintptr_t adyton_script_stack_limit = UINTPTR_MAX;
}

namespace adyton::script::internal {
namespace {

#if defined(ADYTON_SCRIPT_MASKED)
// Masked addresses end at the slot; the widest access reaches 7 bytes further.
constexpr std::size_t kReservedBytes = std::size_t{ADYTON_SCRIPT_SLOT_BYTES} + kPageBytes;
#else
// The largest index plus the largest offset plus the widest access: below 2^33 + 8.
constexpr std::size_t kReservedBytes = (std::size_t{1} << 33U) + kPageBytes;
#endif

constexpr std::size_t kSignalStackBytes = std::size_t{64} << 10U;
// What host functions and signal handling need below the deepest frame of the engine.
constexpr std::size_t kStackReserveBytes = std::size_t{384} << 10U;
constexpr std::size_t kStackUsableMin = std::size_t{1} << 20U;
constexpr std::size_t kStackUsableMax = std::size_t{48} << 20U;

// Ignored by default, and used by nobody here.
constexpr int kInterruptSignal = SIGURG;
static_assert(std::atomic<Stop>::is_always_lock_free);

struct Active {
    sigjmp_buf jump;
    Region* region = nullptr;
    const std::atomic<Stop>* request = nullptr;
    // Read by the signal handlers of the same thread.
    volatile sig_atomic_t in_guest = 0;
};
thread_local Active* t_active = nullptr;

class ThreadState {
public:
    ThreadState() = default;
    ~ThreadState() {
        if (!signal_stack_) return;
        stack_t off{};
        off.ss_flags = SS_DISABLE;
        ::sigaltstack(&off, nullptr);
    }
    ThreadState(const ThreadState&) = delete;
    ThreadState& operator=(const ThreadState&) = delete;

    bool prepare() {
        if (prepared_) return usable_;
        prepared_ = true;
        usable_ = find_stack() && give_signal_stack();
        return usable_;
    }
    std::uintptr_t stack_low() const { return stack_low_; }

private:
    bool find_stack() {
        pthread_attr_t attributes;
        if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return false;
        void* low = nullptr;
        std::size_t size = 0;
        const int status = ::pthread_attr_getstack(&attributes, &low, &size);
        ::pthread_attr_destroy(&attributes);
        if (status != 0) return false;
        stack_low_ = reinterpret_cast<std::uintptr_t>(low);
        return true;
    }
    bool give_signal_stack() {
        stack_t current{};
        if (::sigaltstack(nullptr, &current) != 0) return false;
        if ((current.ss_flags & SS_DISABLE) == 0) return true;  // a sanitizer's, say
        signal_stack_ = std::make_unique<std::uint8_t[]>(kSignalStackBytes);
        stack_t ours{};
        ours.ss_sp = signal_stack_.get();
        ours.ss_size = kSignalStackBytes;
        return ::sigaltstack(&ours, nullptr) == 0;
    }

    bool prepared_ = false;
    bool usable_ = false;
    std::uintptr_t stack_low_ = 0;
    std::unique_ptr<std::uint8_t[]> signal_stack_;
};
thread_local ThreadState t_thread;

struct sigaction g_previous_segv;
struct sigaction g_previous_bus;

// Faults that are not the engine's go where they would have gone without us.
void pass_on(int signal, siginfo_t* info, void* context) {
    const struct sigaction& previous = signal == SIGBUS ? g_previous_bus : g_previous_segv;
    if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
        previous.sa_sigaction(signal, info, context);
        return;
    }
    if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
        return;
    }
    // Back to the default: the same instruction faults again and the process ends.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(signal, &standard, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    Active* const active = t_active;
    // si_code > 0: the kernel saw a fault; anything else was sent by somebody.
    if (active != nullptr && info->si_code > 0 && active->region->let_write(info->si_addr)) return;
    if (active != nullptr && active->in_guest != 0 && info->si_code > 0 &&
        active->region->contains(info->si_addr)) {
        stop_now(Stop::OutOfBounds);
    }
    pass_on(signal, info, context);
}

void on_interrupt(int /*signal*/) {
    const Active* const active = t_active;
    if (active == nullptr || active->in_guest == 0 || active->request == nullptr) return;
    const Stop stop = active->request->load(std::memory_order_relaxed);
    if (stop != Stop::None) stop_now(stop);
}

void install_handlers() {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    // NODEFER: the handler leaves by a jump that restores no signal mask.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigemptyset(&action.sa_mask);
    CHECK(::sigaction(SIGSEGV, &action, &g_previous_segv) == 0);
    CHECK(::sigaction(SIGBUS, &action, &g_previous_bus) == 0);
    struct sigaction interrupt {};
    interrupt.sa_handler = on_interrupt;
    interrupt.sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESTART;
    ::sigemptyset(&interrupt.sa_mask);
    CHECK(::sigaction(kInterruptSignal, &interrupt, nullptr) == 0);
}

Stop stop_of(wasm_rt_trap_t trap) {
    switch (trap) {
        case WASM_RT_TRAP_OOB:
            return Stop::OutOfBounds;
        case WASM_RT_TRAP_INT_OVERFLOW:
        case WASM_RT_TRAP_DIV_BY_ZERO:
        case WASM_RT_TRAP_INVALID_CONVERSION:
            return Stop::Arithmetic;
        case WASM_RT_TRAP_CALL_INDIRECT:
            return Stop::BadCall;
        case WASM_RT_TRAP_EXHAUSTION:
            return Stop::StackExhausted;
        case WASM_RT_TRAP_NONE:
        case WASM_RT_TRAP_UNREACHABLE:
            break;
    }
    return Stop::Unreachable;
}

// The types of the module's functions: number n + 1 is entry n.
struct FunctionType {
    std::vector<int> parameters_and_results;
    std::uint32_t results = 0;
    bool operator==(const FunctionType&) const = default;
};
std::vector<FunctionType>& function_types() {
    static std::vector<FunctionType> types;
    return types;
}

bool g_initialized = false;

}  // namespace

const char* to_string(Stop stop) {
    switch (stop) {
        case Stop::None:
            return "none";
        case Stop::Deadline:
            return "deadline";
        case Stop::Gas:
            return "gas";
        case Stop::Cancelled:
            return "cancelled";
        case Stop::Output:
            return "output";
        case Stop::OutOfBounds:
            return "out_of_bounds";
        case Stop::Arithmetic:
            return "arithmetic";
        case Stop::Unreachable:
            return "unreachable";
        case Stop::BadCall:
            return "bad_call";
        case Stop::StackExhausted:
            return "stack_exhausted";
    }
    return "unknown";
}

Result<std::unique_ptr<Region>> Region::reserve() {
    void* const at = ::mmap(
        nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return Error::unavailable("no address space for a script's memory");
    // Not into core files, and no pages of 2 MiB: a reset gives pages back one by one.
    ::madvise(at, kReservedBytes, MADV_DONTDUMP);
    ::madvise(at, kReservedBytes, MADV_NOHUGEPAGE);
    auto region =
        std::unique_ptr<Region>(new Region(static_cast<std::uint8_t*>(at), kReservedBytes));
#if defined(ADYTON_SCRIPT_MASKED)
    if (!region->commit(kReservedBytes)) return Error::unavailable("no memory for a script");
#endif
    return region;
}

Region::~Region() {
    ::munmap(data_, reserved_);
}

bool Region::commit(std::size_t bytes) {
    CHECK(bytes % kPageBytes == 0 && bytes <= reserved_);
    if (bytes <= committed_) return true;
    if (::mprotect(data_ + committed_, bytes - committed_, PROT_READ | PROT_WRITE) != 0)
        return false;
    committed_ = bytes;
    return true;
}

void Region::zero(std::size_t from, std::size_t to) {
    CHECK(from <= to && to <= committed_);
    if (from == to) return;
    // Private anonymous pages come back as zeros (madvise(2)); where that fails, write them.
    if (::madvise(data_ + from, to - from, MADV_DONTNEED) == 0) return;
    std::fill(data_ + from, data_ + to, std::uint8_t{0});
}

bool Region::contains(const void* address) const {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const auto low = reinterpret_cast<std::uintptr_t>(data_);
    return at >= low && at - low < reserved_;
}

bool Region::keep_quiet(std::size_t from, std::size_t to) {
#if defined(ADYTON_SCRIPT_MASKED)
    static_cast<void>(from);
    static_cast<void>(to);
    return false;
#else
    CHECK(from < to && to <= committed_);
    const auto free = std::find_if(
        quiet_.begin(), quiet_.end(), [](const Quiet& one) { return one.from == one.to; });
    if (free == quiet_.end() || ::mprotect(data_ + from, to - from, PROT_READ) != 0) return false;
    *free = {from, to};
    return true;
#endif
}

bool Region::is_quiet(std::size_t from) const {
    return std::any_of(quiet_.begin(), quiet_.end(), [from](const Quiet& one) {
        return one.from == from && one.to > from;
    });
}

void Region::forget_quiet() {
    for (Quiet& one : quiet_) {
        if (one.from == one.to) continue;
        CHECK(::mprotect(data_ + one.from, one.to - one.from, PROT_READ | PROT_WRITE) == 0);
        one = Quiet{};
    }
}

bool Region::let_write(const void* address) {
    if (!contains(address)) return false;
    const auto at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(address) - data_);
    for (Quiet& one : quiet_) {
        if (at < one.from || at >= one.to) continue;
        const int kept = errno;
        const bool open =
            ::mprotect(data_ + one.from, one.to - one.from, PROT_READ | PROT_WRITE) == 0;
        errno = kept;
        if (open) one = Quiet{};
        return open;
    }
    return false;
}

Stop Activation::enter(
    Region& region, void (*body)(void*), void* argument, const std::atomic<Stop>* request) {
    CHECK(t_active == nullptr);  // no script runs another one
    if (!prepare_thread()) return Stop::StackExhausted;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::uintptr_t floor = t_thread.stack_low() + kStackReserveBytes;
    if (here < floor + kStackUsableMin) return Stop::StackExhausted;

    Active active;
    active.region = &region;
    active.request = request;
    t_active = &active;
    adyton_script_stack_limit =
        std::max(floor, here > kStackUsableMax ? here - kStackUsableMax : floor);
    const int left = sigsetjmp(active.jump, 0);
    if (left == 0) body(argument);
    adyton_script_stack_limit = UINTPTR_MAX;
    t_active = nullptr;
    return static_cast<Stop>(left);
}

void stop_now(Stop stop) {
    Active* const active = t_active;
    if (active == nullptr || stop == Stop::None) std::abort();
    active->in_guest = 0;
    siglongjmp(active->jump, static_cast<int>(stop));
}

void set_in_guest(bool in_guest) {
    if (t_active != nullptr) t_active->in_guest = in_guest ? 1 : 0;
}

void interrupt_thread(pthread_t thread) {
    ::pthread_kill(thread, kInterruptSignal);
}

void start_runtime() {
    static std::once_flag once;
    std::call_once(once, [] {
        install_handlers();
        g_initialized = true;
        Z_quickjs_init_module();
    });
}

bool prepare_thread() {
    return t_thread.prepare();
}

}  // namespace adyton::script::internal

using adyton::script::internal::function_types;
using adyton::script::internal::MemorySlot;

extern "C" {

bool wasm_rt_is_initialized(void) {
    return adyton::script::internal::g_initialized;
}

void wasm_rt_trap(wasm_rt_trap_t trap) {
    adyton::script::internal::stop_now(adyton::script::internal::stop_of(trap));
}

// NOLINTNEXTLINE(cert-dcl50-cpp): the signature is fixed by the generated code
uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
    adyton::script::internal::FunctionType type;
    type.results = results;
    va_list list;
    va_start(list, results);
    for (uint32_t i = 0; i < params + results; ++i) {
        type.parameters_and_results.push_back(va_arg(list, int));
    }
    va_end(list);
    auto& types = function_types();
    const auto found = std::find(types.begin(), types.end(), type);
    if (found != types.end()) return static_cast<uint32_t>(found - types.begin()) + 1;
    types.push_back(std::move(type));
    return static_cast<uint32_t>(types.size());
}

void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t initial_pages, uint32_t) {
    MemorySlot::of(memory).start_memory(initial_pages);
}
uint32_t wasm_rt_grow_memory(wasm_rt_memory_t* memory, uint32_t pages) {
    adyton::script::internal::set_in_guest(false);
    const uint32_t before = MemorySlot::of(memory).grow_memory(pages);
    adyton::script::internal::set_in_guest(true);
    return before;
}
void wasm_rt_free_memory(wasm_rt_memory_t*) {}

void wasm_rt_allocate_funcref_table(
    wasm_rt_funcref_table_t* table, uint32_t elements, uint32_t max_elements) {
    // calloc: entries that nothing fills stay null, and calls through them are refused.
    table->data = static_cast<wasm_rt_funcref_t*>(std::calloc(elements, sizeof(wasm_rt_funcref_t)));
    CHECK(table->data != nullptr);
    table->size = elements;
    table->max_size = max_elements;
}
void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t* table) {
    std::free(table->data);
    table->data = nullptr;
    table->size = 0;
}

}  // extern "C"
