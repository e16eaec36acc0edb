/* The meaning of the generated code: every load, store, indirect call and partial operation of the
 * engine goes through this file, and engine_source.py proves that nothing goes around it.
 *
 * Two memory guards from one code base (WebAssembly core specification 1.0, 4.4.7):
 *   guard pages (default)   an address is a 32-bit index and a 32-bit offset, so below 8 GiB; that
 *                           much is reserved and only the job's pages are mapped. A stray access
 *                           faults and the handler in runtime.cpp ends the run.
 *   ADYTON_SCRIPT_MASKED    the address is masked into the slot (64 MiB and 8 bytes, all mapped).
 *                           A stray access hits the same slot; nothing else can be reached, not
 *                           even speculatively, and no address space or signal is needed.
 *
 * Included once, by the generated file, which is compiled with -ffp-contract=off. */
#pragma once

#include <math.h>
#include <quickjs.h>
#include <stdint.h>
#include <string.h>

/* The memory of the instance at hand in a register of its own (gcc on x86-64), so that no access
 * has to look up first where it is. Every export sets it and restores it, as its caller's code may
 * keep something else there; a jump out of the engine restores it too; and nobody moves a memory.
 * Elsewhere, and for one who reads: ADYTON_BASE(memory) is memory->data. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
register uint8_t* adyton_memory __asm__("r15");
register uintptr_t adyton_native_stack __asm__("rsp");
#define ADYTON_BASE(memory) adyton_memory
#define ADYTON_STACK_NOW adyton_native_stack
#define ENTER_MEMORY                       \
    uint8_t* const outer_ = adyton_memory; \
    adyton_memory = instance->w2c_memory.data
#define LEAVE_MEMORY adyton_memory = outer_
#else
#define ADYTON_BASE(memory) (memory)->data
#define ADYTON_STACK_NOW ((uintptr_t)__builtin_frame_address(0))
#define ENTER_MEMORY ((void)0)
#define LEAVE_MEMORY ((void)0)
#endif
/* The bodies of exports. */
#define ENTER(type, call)      \
    ENTER_MEMORY;              \
    const type result_ = call; \
    LEAVE_MEMORY;              \
    return result_
#define ENTER_VOID(call) \
    ENTER_MEMORY;        \
    call;                \
    LEAVE_MEMORY

/* A jump by an opcode of one byte; all 256 have a label of the function (engine_source.py). */
#define TARGETS(name) static const void* const name[256]
#define GOTO_TARGET(name, opcode) goto* name[(uint8_t)(opcode)]

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TRAP(name) (wasm_rt_trap(WASM_RT_TRAP_##name), 0)
#define UNREACHABLE TRAP(UNREACHABLE)
#define assert(x) ((void)0)

/* The engine checks its own (shadow) stack; this bounds the native one, whatever the engine does.
 */
#define FUNC_PROLOGUE                                               \
    do {                                                            \
        if (UNLIKELY(ADYTON_STACK_NOW < adyton_script_stack_limit)) \
            wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);                  \
    } while (0)
#define FUNC_EPILOGUE

#if defined(ADYTON_SCRIPT_MASKED)
#define ADYTON_ADDRESS(addr) ((addr) & (uint64_t)(ADYTON_SCRIPT_SLOT_BYTES - 1))
_Static_assert((ADYTON_SCRIPT_SLOT_BYTES & (ADYTON_SCRIPT_SLOT_BYTES - 1)) == 0, "a power of two");
#else
#define ADYTON_ADDRESS(addr) (addr)
#endif

#define ADYTON_LOAD(name, stored, widened, value)                                                 \
    static inline value name(const wasm_rt_memory_t* memory, u64 address) {                       \
        stored loaded;                                                                            \
        __builtin_memcpy(&loaded, ADYTON_BASE(memory) + ADYTON_ADDRESS(address), sizeof(loaded)); \
        return (value)(widened)loaded;                                                            \
    }
#define ADYTON_STORE(name, stored, value)                                                     \
    static inline void name(wasm_rt_memory_t* memory, u64 address, value given) {             \
        const stored kept = (stored)given;                                                    \
        __builtin_memcpy(ADYTON_BASE(memory) + ADYTON_ADDRESS(address), &kept, sizeof(kept)); \
    }

ADYTON_LOAD(i32_load, u32, u32, u32)
ADYTON_LOAD(i64_load, u64, u64, u64)
ADYTON_LOAD(f32_load, f32, f32, f32)
ADYTON_LOAD(f64_load, f64, f64, f64)
ADYTON_LOAD(i32_load8_s, s8, s32, u32)
ADYTON_LOAD(i64_load8_s, s8, s64, u64)
ADYTON_LOAD(i32_load8_u, u8, u32, u32)
ADYTON_LOAD(i64_load8_u, u8, u64, u64)
ADYTON_LOAD(i32_load16_s, s16, s32, u32)
ADYTON_LOAD(i64_load16_s, s16, s64, u64)
ADYTON_LOAD(i32_load16_u, u16, u32, u32)
ADYTON_LOAD(i64_load16_u, u16, u64, u64)
ADYTON_LOAD(i64_load32_s, s32, s64, u64)
ADYTON_LOAD(i64_load32_u, u32, u64, u64)
ADYTON_STORE(i32_store, u32, u32)
ADYTON_STORE(i64_store, u64, u64)
ADYTON_STORE(f32_store, f32, f32)
ADYTON_STORE(f64_store, f64, f64)
ADYTON_STORE(i32_store8, u8, u32)
ADYTON_STORE(i32_store16, u16, u32)
ADYTON_STORE(i64_store8, u8, u64)
ADYTON_STORE(i64_store16, u16, u64)
ADYTON_STORE(i64_store32, u32, u64)

/* Bulk operations name a range; it is compared as 64-bit numbers, so it cannot wrap. */
static inline void adyton_check_range(const wasm_rt_memory_t* memory, u64 start, u64 length) {
    if (UNLIKELY(start + length > memory->size)) wasm_rt_trap(WASM_RT_TRAP_OOB);
}
static inline void memory_fill(wasm_rt_memory_t* memory, u32 start, u32 value, u32 length) {
    adyton_check_range(memory, start, length);
    memset(memory->data + start, (int)(value & 0xff), length);
}
static inline void memory_copy(
    wasm_rt_memory_t* to, const wasm_rt_memory_t* from, u32 to_start, u32 from_start, u32 length) {
    adyton_check_range(to, to_start, length);
    adyton_check_range(from, from_start, length);
    memmove(to->data + to_start, from->data + from_start, length);
}
/* Data segments, when the instance is made: constants of the module. */
#define LOAD_DATA(memory, start, segment, length)             \
    do {                                                      \
        adyton_check_range(&(memory), (start), (length));     \
        memcpy((memory).data + (start), (segment), (length)); \
    } while (0)

/* Indirect calls: inside the table, not empty, and of the very type that the call site names. */
#define CALL_INDIRECT(table, type, type_index, index, ...)              \
    ((LIKELY(                                                           \
          (index) < (table).size && (table).data[index].func != NULL && \
          (table).data[index].func_type == func_types[type_index]) ||   \
      TRAP(CALL_INDIRECT)),                                             \
     ((type)(table).data[index].func)(__VA_ARGS__))

typedef struct {
    uint32_t func_type_index;
    wasm_rt_function_ptr_t func;
    size_t module_offset; /* 0: all functions are the module's own (engine_source.py checks) */
} wasm_elem_segment_expr_t;

static inline void funcref_table_init(
    wasm_rt_funcref_table_t* table, const wasm_elem_segment_expr_t* source, u32 source_size, u32 to,
    u32 from, u32 count, void* module_instance, const u32* types) {
    if (from + (uint64_t)count > source_size || to + (uint64_t)count > table->size)
        wasm_rt_trap(WASM_RT_TRAP_OOB);
    for (u32 i = 0; i < count; i++) {
        const wasm_elem_segment_expr_t* entry = &source[from + i];
        table->data[to + i].func_type = types[entry->func_type_index];
        table->data[to + i].func = entry->func;
        table->data[to + i].module_instance = (char*)module_instance + entry->module_offset;
    }
}

/* Numbers (WebAssembly core specification 1.0, 4.3). */
#define I32_CLZ(x) ((x) ? (u32)__builtin_clz(x) : 32u)
#define I64_CLZ(x) ((x) ? (u64)__builtin_clzll(x) : 64u)
#define I32_CTZ(x) ((x) ? (u32)__builtin_ctz(x) : 32u)
#define I64_CTZ(x) ((x) ? (u64)__builtin_ctzll(x) : 64u)
#define I32_POPCNT(x) ((u32)__builtin_popcount(x))
#define I64_POPCNT(x) ((u64)__builtin_popcountll(x))

static inline u32 I32_ROTL(u32 x, u32 n) {
    return (x << (n & 31)) | (x >> ((32 - n) & 31));
}
static inline u32 I32_ROTR(u32 x, u32 n) {
    return (x >> (n & 31)) | (x << ((32 - n) & 31));
}
static inline u64 I64_ROTL(u64 x, u64 n) {
    return (x << (n & 63)) | (x >> ((64 - n) & 63));
}
static inline u64 I64_ROTR(u64 x, u64 n) {
    return (x >> (n & 63)) | (x << ((64 - n) & 63));
}

#define DIV_U(x, y) (UNLIKELY((y) == 0) ? TRAP(DIV_BY_ZERO) : ((x) / (y)))
#define REM_U(x, y) (UNLIKELY((y) == 0) ? TRAP(DIV_BY_ZERO) : ((x) % (y)))
#define ADYTON_SIGNED_DIVISION(div, rem, unsigned_type, signed_type, lowest)                      \
    static inline unsigned_type div(unsigned_type x, unsigned_type y) {                           \
        if (UNLIKELY(y == 0)) wasm_rt_trap(WASM_RT_TRAP_DIV_BY_ZERO);                             \
        if (UNLIKELY((signed_type)x == lowest && (signed_type)y == -1))                           \
            wasm_rt_trap(WASM_RT_TRAP_INT_OVERFLOW);                                              \
        return (unsigned_type)((signed_type)x / (signed_type)y);                                  \
    }                                                                                             \
    static inline unsigned_type rem(unsigned_type x, unsigned_type y) {                           \
        if (UNLIKELY(y == 0)) wasm_rt_trap(WASM_RT_TRAP_DIV_BY_ZERO);                             \
        if (UNLIKELY((signed_type)y == -1)) return 0; /* also lowest % -1, which C leaves open */ \
        return (unsigned_type)((signed_type)x % (signed_type)y);                                  \
    }
ADYTON_SIGNED_DIVISION(I32_DIV_S, I32_REM_S, u32, s32, INT32_MIN)
ADYTON_SIGNED_DIVISION(I64_DIV_S, I64_REM_S, u64, s64, INT64_MIN)

/* Saturating truncation: NaN is 0, what does not fit is the nearest bound. */
#define ADYTON_TRUNCATE(name, from, to, unsigned_type, low, low_value, high, high_value) \
    static inline unsigned_type name(from x) {                                           \
        if (UNLIKELY(x != x)) return 0;                                                  \
        if (UNLIKELY(!(x > low))) return (unsigned_type)(low_value);                     \
        if (UNLIKELY(!(x < high))) return (unsigned_type)(high_value);                   \
        return (unsigned_type)(to)x;                                                     \
    }
ADYTON_TRUNCATE(
    I32_TRUNC_SAT_S_F64, f64, s32, u32, -2147483649.0, INT32_MIN, 2147483648.0, INT32_MAX)
ADYTON_TRUNCATE(I32_TRUNC_SAT_U_F64, f64, u32, u32, -1.0, 0, 4294967296.0, UINT32_MAX)
/* -2^63 itself passes as the low bound's value. */
ADYTON_TRUNCATE(
    I64_TRUNC_SAT_S_F64, f64, s64, u64, -9223372036854775808.0, INT64_MIN, 9223372036854775808.0,
    INT64_MAX)
ADYTON_TRUNCATE(I64_TRUNC_SAT_U_F64, f64, u64, u64, -1.0, 0, 18446744073709551616.0, UINT64_MAX)

/* NaN wins, and -0 is less than +0. */
#define FMIN(x, y)                                               \
    (UNLIKELY((x) != (x))             ? (x)                      \
     : UNLIKELY((y) != (y))           ? (y)                      \
     : UNLIKELY((x) == 0 && (y) == 0) ? (signbit(x) ? (x) : (y)) \
                                      : ((x) < (y) ? (x) : (y)))
#define FMAX(x, y)                                               \
    (UNLIKELY((x) != (x))             ? (x)                      \
     : UNLIKELY((y) != (y))           ? (y)                      \
     : UNLIKELY((x) == 0 && (y) == 0) ? (signbit(x) ? (y) : (x)) \
                                      : ((x) > (y) ? (x) : (y)))

#define ADYTON_REINTERPRET(name, from, to)             \
    static inline to name(from given) {                \
        to seen;                                       \
        __builtin_memcpy(&seen, &given, sizeof(seen)); \
        return seen;                                   \
    }
ADYTON_REINTERPRET(f32_reinterpret_i32, u32, f32)
ADYTON_REINTERPRET(i32_reinterpret_f32, f32, u32)
ADYTON_REINTERPRET(f64_reinterpret_i64, u64, f64)
ADYTON_REINTERPRET(i64_reinterpret_f64, f64, u64)

/* A NaN comes out quiet. */
static inline f64 wasm_quiet(f64 x) {
    return UNLIKELY(x != x) ? f64_reinterpret_i64(i64_reinterpret_f64(x) | 0x7ff8000000000000ull)
                            : x;
}
static inline f32 wasm_quietf(f32 x) {
    return UNLIKELY(x != x) ? f32_reinterpret_i32(i32_reinterpret_f32(x) | 0x7fc00000u) : x;
}
static inline f64 wasm_floor(f64 x) {
    return wasm_quiet(floor(x));
}
static inline f64 wasm_ceil(f64 x) {
    return wasm_quiet(ceil(x));
}
static inline f64 wasm_trunc(f64 x) {
    return wasm_quiet(trunc(x));
}
static inline f64 wasm_nearbyint(f64 x) {
    return wasm_quiet(nearbyint(x));
}
static inline f64 wasm_sqrt(f64 x) {
    return wasm_quiet(sqrt(x));
}
/* Clears the sign, of NaN too, and changes nothing else. */
static inline f64 wasm_fabs(f64 x) {
    return f64_reinterpret_i64(i64_reinterpret_f64(x) & 0x7fffffffffffffffull);
}
