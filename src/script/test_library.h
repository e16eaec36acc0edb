#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string>

#include "script/host_functions.h"

namespace adyton::script {

// Host functions for the tests of the engine itself: what goes in comes out, or does not.
inline const HostLibrary& test_library() {
    static constexpr std::array<Parameter, 1> kBytes = {Parameter::Bytes};
    static constexpr std::array<Parameter, 2> kTextNumber = {
        Parameter::Text, Parameter::OptionalNumber};
    using Arguments = std::span<const HostArgument>;
    static constexpr std::array<HostFunction, 5> kFunctions = {{
        {"test.bytes", kBytes, 10, 1,
         [](Arguments in, HostContext&) -> Result<HostValue> {
             return HostValue::raw(in[0].bytes);
         }},
        {"test.text", kTextNumber, 10, 1,
         [](Arguments in, HostContext&) -> Result<HostValue> {
             return HostValue::text(
                 std::string(in[0].text()) + "/" +
                 (in[1].defined ? std::to_string(in[1].number) : "none"));
         }},
        {"test.refuse",
         {},
         10,
         0,
         [](Arguments, HostContext&) -> Result<HostValue> {
             return Error::invalid_argument("no, 100%s");
         }},
        {"test.json", kBytes, 10, 1,
         [](Arguments in, HostContext&) -> Result<HostValue> {
             return HostValue::json(std::string(in[0].text()));
         }},
        // A system call that no executor has: what a script that broke out would begin with.
        {"test.outside",
         {},
         10,
         0,
         [](Arguments, HostContext&) -> Result<HostValue> {
             return HostValue::from(static_cast<double>(::syscall(SYS_getppid)));
         }},
    }};
    static constexpr HostLibrary kLibrary{kFunctions, {}, nullptr};
    return kLibrary;
}

}  // namespace adyton::script
