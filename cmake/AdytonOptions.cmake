# Language, warnings, sanitizers and hardening shared by every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

option(ADYTON_TESTS "build the tests" ON)
option(ADYTON_FUZZ "build the libFuzzer targets (clang)" OFF)
set(ADYTON_SANITIZE "" CACHE STRING "comma separated sanitizers, for example address,undefined")

find_program(ADYTON_CCACHE ccache)
if(ADYTON_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${ADYTON_CCACHE}")
    set(CMAKE_C_COMPILER_LAUNCHER "${ADYTON_CCACHE}")
endif()

add_library(adyton_options INTERFACE)
target_compile_options(
    adyton_options
    INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror
              -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(adyton_options INTERFACE -fcoroutines)
    # g++ 12 reports false positives of these inside coroutine frames and inlined std::string code.
    target_compile_options(
        adyton_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer)
endif()
# What attestation names as the build (attest/attestation_service.h).
target_link_options(adyton_options INTERFACE -Wl,--build-id=sha1)
# The sanitizers intercept what _FORTIFY_SOURCE replaces, and see less with it.
if(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo)$" AND NOT ADYTON_SANITIZE)
    target_compile_definitions(adyton_options INTERFACE _GLIBCXX_ASSERTIONS)
    target_compile_options(adyton_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    target_link_options(adyton_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(ADYTON_SANITIZE)
    target_compile_options(
        adyton_options INTERFACE -fsanitize=${ADYTON_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(adyton_options INTERFACE -fsanitize=${ADYTON_SANITIZE})
    target_compile_definitions(adyton_options INTERFACE ADYTON_SANITIZED=1)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        # clang 14 cannot emit its function-type data for coroutines ("difference across sections").
        target_compile_options(adyton_options INTERFACE -fno-sanitize=function)
    endif()
endif()
