/* What the C code that wasm2c makes of the engine expects of its runtime. Ours, in the place of
 * wabt's header of the same name (the generated code includes it by that name): thread-safe, no
 * exceptions, one memory and one table for each instance. Implemented in internal/runtime.cpp.
 *
 * Plain C11: included by generated C and, inside extern "C", by C++. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define ADYTON_NORETURN [[noreturn]]
#else
#define ADYTON_NORETURN _Noreturn
#endif

/* Why the engine was stopped. The names are those of the generated code's TRAP(NAME). */
typedef enum {
    WASM_RT_TRAP_NONE,
    WASM_RT_TRAP_OOB,
    WASM_RT_TRAP_INT_OVERFLOW,
    WASM_RT_TRAP_DIV_BY_ZERO,
    WASM_RT_TRAP_INVALID_CONVERSION,
    WASM_RT_TRAP_UNREACHABLE,
    WASM_RT_TRAP_CALL_INDIRECT,
    WASM_RT_TRAP_EXHAUSTION
} wasm_rt_trap_t;

typedef enum { WASM_RT_I32, WASM_RT_I64, WASM_RT_F32, WASM_RT_F64 } wasm_rt_type_t;

typedef void (*wasm_rt_function_ptr_t)(void);

typedef struct {
    uint32_t func_type; /* from wasm_rt_register_func_type; 0 in empty entries, of no type */
    wasm_rt_function_ptr_t func;
    void* module_instance;
} wasm_rt_funcref_t;

typedef struct {
    uint8_t* data;
    uint32_t pages; /* of 64 KiB */
    uint32_t max_pages;
    uint64_t size; /* bytes: pages * 65536 */
} wasm_rt_memory_t;

typedef struct {
    wasm_rt_funcref_t* data;
    uint32_t max_size;
    uint32_t size;
} wasm_rt_funcref_table_t;

bool wasm_rt_is_initialized(void);
/* Leaves the engine for the place that entered it (longjmp). */
ADYTON_NORETURN void wasm_rt_trap(wasm_rt_trap_t trap);
/* The same number for the same signature; from 1. Called while one thread sets up the module. */
uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...);
void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t initial_pages, uint32_t max_pages);
/* The old number of pages, or UINT32_MAX when the job may not have more. */
uint32_t wasm_rt_grow_memory(wasm_rt_memory_t* memory, uint32_t pages);
void wasm_rt_free_memory(wasm_rt_memory_t* memory);
void wasm_rt_allocate_funcref_table(
    wasm_rt_funcref_table_t* table, uint32_t elements, uint32_t max_elements);
void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t* table);

/* The lowest address that the native stack of this thread may reach inside the engine. */
extern __thread uintptr_t adyton_script_stack_limit
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#ifdef __cplusplus
}
#endif
