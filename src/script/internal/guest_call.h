#pragma once

#include "script/internal/runtime.h"

namespace adyton::script::internal {

// Calls one export of the engine: guest code runs from here to its return.
template <typename R, typename... Parameters, typename... Arguments>
R call_guest(
    R (*function)(Z_quickjs_instance_t*, Parameters...), Z_quickjs_instance_t* instance,
    Arguments... arguments) {
    set_in_guest(true);
    if constexpr (std::is_void_v<R>) {
        function(instance, static_cast<Parameters>(arguments)...);
        set_in_guest(false);
    } else {
        const R value = function(instance, static_cast<Parameters>(arguments)...);
        set_in_guest(false);
        return value;
    }
}

}  // namespace adyton::script::internal

// In members of Machine: QJS(JS_GetException, context). The prefix is wasm2c's.
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): it pastes names
#define QJS(name, ...) call_guest(&Z_quickjsZ_##name, slot_.instance() __VA_OPT__(, ) __VA_ARGS__)
