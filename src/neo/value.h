#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/json.h"
#include "neo/integer.h"
#include "neo/script_hash.h"

namespace adyton::neo {

// A constant that a script pushes: an argument of a contract call. The VM knows no texts and no
// hashes: both are byte strings.
struct Value {
    enum class Type { Null, Boolean, Integer, Bytes, Array };

    static Value null() { return {}; }
    static Value of_boolean(bool flag);
    static Value of_integer(Integer number);
    static Value of_integer(std::int64_t number) { return of_integer(Integer(number)); }
    static Value of_amount(base::Amount amount) { return of_integer(Integer(amount)); }
    static Value of_bytes(base::ByteView bytes);
    static Value of_text(std::string_view text) { return of_bytes(base::as_bytes(text)); }
    static Value of_hash(const ScriptHash& hash) { return of_bytes(hash.wire()); }
    static Value of_array(std::vector<Value> items);

    Type type = Type::Null;
    bool boolean = false;      // of Boolean
    Integer integer;           // of Integer
    base::Bytes bytes;         // of Bytes
    std::vector<Value> items;  // of Array

    bool operator==(const Value&) const = default;
};

// Most arrays inside arrays: explain() makes no deeper ones, to_json() CHECKs it, push_value() too.
inline constexpr std::size_t kValueDepthMax = 16;

// For people: {"type":"Integer","value":"5"}; bytes as {"type":"ByteString","value":"<base64>"}
// with "hash" and "address" when they are 20, "text" when they are printable UTF-8.
base::Json to_json(const Value& value);
// One line: null, true, 5, "text", 0x<40 digits> (address), hex:..., [a, b]; cut off after `max`
// characters with what is left said.
std::string to_text(const Value& value, std::size_t max = 200);

}  // namespace adyton::neo
