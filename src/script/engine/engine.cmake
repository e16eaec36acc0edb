# The JavaScript engine: QuickJS-NG as the WebAssembly module of the npm package quickjs-wasi, made
# into C by wasm2c (Debian's wabt) and compiled like any other library of ours. No WebAssembly
# runtime, no generated code at run time. Target: adyton_quickjs.
#
# The module comes through npm, pinned by npm/package-lock.json (sha512) and checked again here
# (sha256). It is kept in build/engine of the source tree for all presets; -DADYTON_QUICKJS_WASM=FILE
# takes it from elsewhere, for builds without a network.
set(ADYTON_QUICKJS_SHA256 d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9)
set(ADYTON_QUICKJS_WASM "" CACHE FILEPATH "quickjs.wasm of quickjs-wasi 3.6.2, when npm is not to be asked")
set(ADYTON_SCRIPT_MEMORY guard CACHE STRING "how script memory is guarded: guard (pages) or mask (SGX)")
set_property(CACHE ADYTON_SCRIPT_MEMORY PROPERTY STRINGS guard mask)
if(NOT ADYTON_SCRIPT_MEMORY MATCHES "^(guard|mask)$")
    message(FATAL_ERROR "ADYTON_SCRIPT_MEMORY is guard or mask, not ${ADYTON_SCRIPT_MEMORY}")
endif()
# The slot of the masked form, a power of two; limits.h has the same number for both forms.
set(ADYTON_SCRIPT_SLOT_BYTES 67108864)

find_program(ADYTON_WASM2C wasm2c)
if(NOT ADYTON_WASM2C)
    message(FATAL_ERROR "wasm2c is missing: it is in Debian's package wabt (tools/dev install-deps)")
endif()
find_package(Python3 3.9 COMPONENTS Interpreter REQUIRED)

# Asks npm for what `packages` (a folder with a lock file) pins, three times at most. `work` is a new
# folder with the outcome, for the caller to remove.
function(adyton_npm_ci packages work_directory)
    find_program(ADYTON_NPM npm)
    if(NOT ADYTON_NPM)
        message(FATAL_ERROR "npm is missing (tools/dev install-deps), and ${packages} needs it")
    endif()
    string(RANDOM LENGTH 8 suffix)
    set(work "${CMAKE_SOURCE_DIR}/build/engine/npm_${suffix}")
    file(COPY "${packages}/" DESTINATION "${work}")
    set(certificates)
    # npm carries a certificate list of its own; the machine's is the one its owner looks after.
    if(NOT DEFINED ENV{NODE_EXTRA_CA_CERTS} AND EXISTS /etc/ssl/certs/ca-certificates.crt)
        set(certificates NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
    endif()
    foreach(attempt RANGE 1 3)
        execute_process(
            COMMAND ${CMAKE_COMMAND} -E env ${certificates} ${ADYTON_NPM} ci --ignore-scripts --no-audit
                    --no-fund --loglevel=error
            WORKING_DIRECTORY "${work}"
            RESULT_VARIABLE status
            OUTPUT_VARIABLE output
            ERROR_VARIABLE output)
        if(status EQUAL 0)
            break()
        endif()
    endforeach()
    if(NOT status EQUAL 0)
        file(REMOVE_RECURSE "${work}")
        message(FATAL_ERROR "npm ci in ${packages} failed:\n${output}")
    endif()
    set(${work_directory} "${work}" PARENT_SCOPE)
endfunction()

set(wasm "${ADYTON_QUICKJS_WASM}")
if(NOT wasm)
    set(wasm "${CMAKE_SOURCE_DIR}/build/engine/quickjs-3.6.2.wasm")
    if(EXISTS "${wasm}")
        file(SHA256 "${wasm}" found)
        if(NOT found STREQUAL ADYTON_QUICKJS_SHA256)
            file(REMOVE "${wasm}")
        endif()
    endif()
    if(NOT EXISTS "${wasm}")
        adyton_npm_ci("${CMAKE_CURRENT_SOURCE_DIR}/engine/npm" work)
        # A rename within one directory: another configure never sees half a file.
        file(RENAME "${work}/node_modules/quickjs-wasi/quickjs.wasm" "${wasm}")
        file(REMOVE_RECURSE "${work}")
    endif()
endif()
file(SHA256 "${wasm}" found)
if(NOT found STREQUAL ADYTON_QUICKJS_SHA256)
    message(FATAL_ERROR "${wasm} has the SHA-256 ${found}, expected ${ADYTON_QUICKJS_SHA256}")
endif()
file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/engine")
# wasm2c names its functions after the file.
configure_file("${wasm}" "${CMAKE_CURRENT_BINARY_DIR}/engine/quickjs.wasm" COPYONLY)

set(engine_directory "${CMAKE_CURRENT_BINARY_DIR}/engine")
set(engine_script "${CMAKE_CURRENT_SOURCE_DIR}/engine/engine_source.py")
add_custom_command(
    OUTPUT "${engine_directory}/engine.c" "${engine_directory}/quickjs.h"
    COMMAND ${ADYTON_WASM2C} quickjs.wasm -o quickjs.c
    COMMAND Python3::Interpreter "${engine_script}" quickjs.c engine.c
    COMMAND ${CMAKE_COMMAND} -E rm quickjs.c
    DEPENDS "${engine_directory}/quickjs.wasm" "${engine_script}"
    WORKING_DIRECTORY "${engine_directory}"
    COMMENT "Translating the JavaScript engine to C"
    VERBATIM)
add_custom_target(adyton_quickjs_source DEPENDS "${engine_directory}/engine.c" "${engine_directory}/quickjs.h")

# Always optimised and never instrumented: what checks it is its sandbox, in every build.
add_library(adyton_quickjs OBJECT "${engine_directory}/engine.c")
add_dependencies(adyton_quickjs adyton_quickjs_source)
target_include_directories(
    adyton_quickjs PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/engine" "${engine_directory}")
set_target_properties(adyton_quickjs PROPERTIES C_STANDARD 11 C_VISIBILITY_PRESET hidden)
# No fused multiply-add: numbers are the same on every machine. -O3 and the registers that rules.h
# gives and frees are worth a tenth of the instructions together, and nothing alone.
target_compile_options(adyton_quickjs PRIVATE -O3 -g0 -ffp-contract=off -fomit-frame-pointer -w)
# Behind each instruction of the interpreter a jump to the next one's code: gcc undoes that otherwise.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(
        adyton_quickjs PRIVATE -fno-gcse --param=max-goto-duplication-insns=24)
endif()
set_source_files_properties(
    "${engine_directory}/engine.c" PROPERTIES OBJECT_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/engine/rules.h;${CMAKE_CURRENT_SOURCE_DIR}/engine/wasm-rt.h")
target_link_libraries(adyton_quickjs PUBLIC m)
if(ADYTON_SCRIPT_MEMORY STREQUAL "mask")
    target_compile_definitions(
        adyton_quickjs PUBLIC ADYTON_SCRIPT_MASKED=1
        ADYTON_SCRIPT_SLOT_BYTES=${ADYTON_SCRIPT_SLOT_BYTES})
endif()
