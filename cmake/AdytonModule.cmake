# adyton_module(NAME SOURCES ... HEADERS ... USES module... LINK target... TESTS ... FUZZ ...)
#
# A module is the folder src/NAME, the namespace adyton::NAME and the target adyton_NAME. It may use
# only modules of a lower rank; base is implied. TESTS become one executable NAME_test, FUZZ one
# executable a file. ALONE: a pattern of those tests that measure, and run beside nothing else. List
# sources, no globs.
set(ADYTON_RANK_base 0)
set(ADYTON_RANK_crypto 1)
set(ADYTON_RANK_storage 1)
set(ADYTON_RANK_script 1)
set(ADYTON_RANK_neo 2)
set(ADYTON_RANK_near 2)
set(ADYTON_RANK_http 2)
set(ADYTON_RANK_audit 2)
set(ADYTON_RANK_workflow 2)
set(ADYTON_RANK_api 3)
set(ADYTON_RANK_attest 3)
set(ADYTON_RANK_chain 3)
set(ADYTON_RANK_policy 3)
set(ADYTON_RANK_service 4)
set(ADYTON_RANK_localchain 4)
set(ADYTON_RANK_pool 5)
set(ADYTON_RANK_compute 5)
set(ADYTON_RANK_keystore 5)
set(ADYTON_RANK_coordinator 5)
set(ADYTON_RANK_apps 6)
set(ADYTON_RANK_sim 6)

function(adyton_check_ranks name)
    if(NOT DEFINED ADYTON_RANK_${name})
        message(FATAL_ERROR "module ${name} has no rank: add it to cmake/AdytonModule.cmake")
    endif()
    foreach(used IN LISTS ARGN)
        if(NOT DEFINED ADYTON_RANK_${used})
            message(FATAL_ERROR "module ${name} uses ${used}, which has no rank")
        endif()
        if(NOT ADYTON_RANK_${used} LESS ADYTON_RANK_${name})
            message(FATAL_ERROR "module ${name} (rank ${ADYTON_RANK_${name}}) may not use ${used} "
                                "(rank ${ADYTON_RANK_${used}}): dependencies point to lower ranks")
        endif()
    endforeach()
endfunction()

# `ninja adyton_fuzzers` builds every fuzz target; `ninja adyton_tests` every test, `ninja
# MODULE_tests` all that ctest runs for the label MODULE.
add_custom_target(adyton_fuzzers)
add_custom_target(adyton_tests)
file(WRITE "${CMAKE_BINARY_DIR}/fuzzers.txt" "")
file(WRITE "${CMAKE_BINARY_DIR}/test_modules.txt" "")

function(adyton_module name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;USES;LINK;TESTS;TEST_SUPPORT;ALONE;FUZZ")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "adyton_module(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
    endif()
    adyton_check_ranks(${name} ${arg_USES})

    set(target adyton_${name})
    add_library(${target} STATIC ${arg_SOURCES})
    target_sources(
        ${target} PUBLIC FILE_SET HEADERS BASE_DIRS "${CMAKE_SOURCE_DIR}/src" FILES ${arg_HEADERS})
    set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
    set(uses ${arg_USES})
    if(NOT name STREQUAL "base")
        list(APPEND uses base)
    endif()
    list(TRANSFORM uses PREPEND adyton_)
    # Our warnings are not for those who use an installed module.
    target_link_libraries(
        ${target} PUBLIC $<BUILD_INTERFACE:adyton_options> ${uses} PRIVATE ${arg_LINK})
    target_compile_features(${target} PUBLIC cxx_std_20)
    # Read by tools/dev lint: what this module's includes may name.
    file(WRITE "${CMAKE_BINARY_DIR}/modules/${name}.uses" "base;${arg_USES}\n")

    if(ADYTON_TESTS AND arg_TESTS)
        add_executable(${name}_test ${arg_TESTS} ${arg_TEST_SUPPORT})
        if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
            # Tests are most of what is compiled and none of what is measured.
            target_compile_options(${name}_test PRIVATE -O1 -g1)
        endif()
        target_link_libraries(
            ${name}_test PRIVATE ${target} ${arg_LINK} GTest::gtest GTest::gtest_main)
        add_dependencies(adyton_tests ${name}_test)
        add_custom_target(${name}_tests DEPENDS ${name}_test)
        file(APPEND "${CMAKE_BINARY_DIR}/test_modules.txt" "${name}\n")
        set(others)
        if(arg_ALONE)
            gtest_discover_tests(
                ${name}_test
                TEST_FILTER "${arg_ALONE}"
                TEST_LIST ${name}_alone
                DISCOVERY_TIMEOUT 60
                PROPERTIES TIMEOUT 300 LABELS ${name} RUN_SERIAL TRUE
                WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
            set(others TEST_FILTER "-${arg_ALONE}")
        endif()
        gtest_discover_tests(
            ${name}_test
            ${others}
            DISCOVERY_TIMEOUT 60
            PROPERTIES TIMEOUT 300 LABELS ${name}
            WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    endif()
    if(ADYTON_FUZZ)
        foreach(source IN LISTS arg_FUZZ)
            get_filename_component(fuzzer ${source} NAME_WE)
            add_executable(${fuzzer} ${source})
            target_link_libraries(${fuzzer} PRIVATE ${target} ${arg_LINK})
            target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
            # Read by tools/dev fuzz: which binaries are fuzz targets.
            file(APPEND "${CMAKE_BINARY_DIR}/fuzzers.txt" "${name} ${fuzzer}\n")
            add_dependencies(adyton_fuzzers ${fuzzer})
        endforeach()
    endif()
endfunction()
