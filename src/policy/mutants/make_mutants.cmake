# cmake -D SOURCE_DIR=src/policy -D OUT_DIR=... -P make_mutants.cmake
#
# Copies the sources of the policy engine with every mutant of catalog.cmake planted behind a switch:
# an original expression X with the change Y becomes (planted(7) ? (Y) : (X)); a statement that a
# mutant leaves out becomes if (!planted(7)) { X }. The sources themselves know nothing of it.
cmake_minimum_required(VERSION 3.22)
set_property(GLOBAL PROPERTY mutant_count 0)

function(plant file original left middle right title)
    get_property(count GLOBAL PROPERTY mutant_count)
    math(EXPR count "${count} + 1")
    set_property(GLOBAL PROPERTY mutant_count ${count})
    get_property(files GLOBAL PROPERTY mutant_files)
    if(NOT file IN_LIST files)
        file(READ "${SOURCE_DIR}/${file}" text)
        set_property(GLOBAL APPEND PROPERTY mutant_files ${file})
    else()
        get_property(text GLOBAL PROPERTY "mutant_text_${file}")
    endif()
    string(FIND "${text}" "${original}" first)
    string(FIND "${text}" "${original}" last REVERSE)
    if(first EQUAL -1 OR NOT first EQUAL last)
        message(FATAL_ERROR "mutant ${count}: ${file} must hold this exactly once:\n${original}")
    endif()
    set(switch "::adyton::policy::internal::planted(${count})")
    string(REPLACE "${original}" "${left}${switch}${middle}${original}${right}" text "${text}")
    set_property(GLOBAL PROPERTY "mutant_text_${file}" "${text}")
    get_property(names GLOBAL PROPERTY mutant_names)
    set_property(GLOBAL PROPERTY mutant_names
                 "${names}    R\"mutant(${file}: ${original}\n  ${title})mutant\",\n")
endfunction()

# mutant(FILE ORIGINAL CHANGED): another expression.
function(mutant file original changed)
    plant("${file}" "${original}" "(" " ? (${changed}) : (" "))" "becomes ${changed}")
endfunction()
# without(FILE STATEMENT): a statement left out.
function(without file statement)
    plant("${file}" "${statement}" "if (!" ") { " " }" "is left out")
endfunction()

include("${CMAKE_CURRENT_LIST_DIR}/catalog.cmake")

get_property(files GLOBAL PROPERTY mutant_files)
foreach(file IN LISTS files)
    get_property(text GLOBAL PROPERTY "mutant_text_${file}")
    file(WRITE "${OUT_DIR}/${file}"
         "// Made by src/policy/mutants/make_mutants.cmake.\n#include \"policy/mutants/planted.h\"\n${text}")
endforeach()
get_property(names GLOBAL PROPERTY mutant_names)
file(WRITE "${OUT_DIR}/mutant_names.inc" "${names}")
