# What takes types out of TypeScript: sucrase, from npm, as one script that runs in the sandbox like
# the scripts it serves. Pinned by npm/package-lock.json (sha512) and, as bundle.py puts its modules
# together, by sha256. Kept in build/engine like the engine; -DADYTON_SUCRASE_JS=FILE takes it from
# elsewhere, for builds without a network.
set(ADYTON_SUCRASE_SHA256 49da03d6e4d5c0680cf05411b4970bbc9a05a0a09ecc9f9508f27b68e40a4fe9)
set(ADYTON_SUCRASE_JS "" CACHE FILEPATH "the modules of sucrase 3.35.1 (bundle.py modules), when npm is not to be asked")

set(stripper_directory "${CMAKE_CURRENT_SOURCE_DIR}/typescript")
set(modules "${ADYTON_SUCRASE_JS}")
if(NOT modules)
    set(modules "${CMAKE_SOURCE_DIR}/build/engine/sucrase-3.35.1.js")
    if(EXISTS "${modules}")
        file(SHA256 "${modules}" found)
        if(NOT found STREQUAL ADYTON_SUCRASE_SHA256)
            file(REMOVE "${modules}")
        endif()
    endif()
    if(NOT EXISTS "${modules}")
        adyton_npm_ci("${stripper_directory}/npm" work)
        execute_process(
            COMMAND ${Python3_EXECUTABLE} "${stripper_directory}/bundle.py" modules
                    "${work}/node_modules/sucrase/dist" "${work}/modules.js"
            COMMAND_ERROR_IS_FATAL ANY)
        file(RENAME "${work}/modules.js" "${modules}")
        file(REMOVE_RECURSE "${work}")
    endif()
endif()
file(SHA256 "${modules}" found)
if(NOT found STREQUAL ADYTON_SUCRASE_SHA256)
    message(FATAL_ERROR "${modules} has the SHA-256 ${found}, expected ${ADYTON_SUCRASE_SHA256}")
endif()

set(stripper_source "${CMAKE_CURRENT_BINARY_DIR}/type_stripper_source.cpp")
add_custom_command(
    OUTPUT "${stripper_source}"
    COMMAND Python3::Interpreter "${stripper_directory}/bundle.py" embed "${modules}"
            "${stripper_directory}/entry.js" "${stripper_source}"
    DEPENDS "${modules}" "${stripper_directory}/entry.js" "${stripper_directory}/bundle.py"
    COMMENT "Embedding the type stripper"
    VERBATIM)
