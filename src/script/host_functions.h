#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"

namespace adyton::script {

// A function that scripts call and the host computes: pure, no I/O, no waiting; it runs inside the
// executor, behind the same locks as the script.

// How one argument is converted before the host sees it. Conversions are JavaScript's and may run
// code of the script; the host function runs after the last of them.
enum class Parameter : std::uint8_t {
    Text,           // String(x) as UTF-8; lone surrogates become U+FFFD
    OptionalText,   // the same; undefined stays undefined
    Bytes,          // Uint8Array, another view or an ArrayBuffer; otherwise as Text
    OptionalBytes,  // the same; undefined stays undefined
    Number,         // Number(x)
    OptionalNumber,
};

// An argument. Views are of memory of the host, valid during the call.
struct HostArgument {
    bool defined = false;  // false: undefined or not passed
    double number = 0;     // Number
    base::ByteView bytes;  // Text and Bytes
    std::string_view text() const { return base::as_text(bytes); }
};

// What a host function gives back.
struct HostValue {
    enum class Kind : std::uint8_t { Undefined, Boolean, Number, Text, Bytes, Json };
    Kind kind = Kind::Undefined;
    bool boolean = false;
    double number = 0;
    std::string
        bytes;  // Text (UTF-8), Bytes (becomes a Uint8Array) and Json (parsed in the script)

    static HostValue undefined() { return {}; }
    static HostValue from(bool value);
    static HostValue from(double value);
    static HostValue text(std::string value);
    static HostValue raw(base::ByteView value);
    static HostValue json(std::string value);
};

// Bytes of the outside as text for a script: what is not UTF-8 becomes U+FFFD.
std::string well_formed(base::ByteView bytes);

struct HostContext {
    // The job's own stream, from Job::random_seed.
    base::RandomSource& random;
};

struct HostFunction {
    // Where the script finds it: "crypto.sha256", "btoa". One dot at most.
    std::string_view name;
    std::span<const Parameter> parameters;
    // Deterministic cost: base, and for each byte of the arguments and of the value.
    std::uint32_t gas_base = 0;
    std::uint32_t gas_per_byte = 0;
    // An error becomes a TypeError (InvalidArgument), RangeError (TooLarge) or Error with its
    // message, which the script sees: it names no detail of the host.
    Result<HostValue> (*call)(std::span<const HostArgument> arguments, HostContext& context);
};

// The functions and the JavaScript that stands on them (classes such as URL), evaluated once into
// the snapshot. All views outlive every engine: static data.
struct HostLibrary {
    std::span<const HostFunction> functions;
    std::string_view prelude;
    // Called once in a process before it gives up its rights: brings libraries to where they need
    // no file and no lock any more. May be null.
    void (*warm_up)() = nullptr;
};

}  // namespace adyton::script
