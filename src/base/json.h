#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace adyton::base {

// A JSON document (RFC 8259). Objects keep their order; numbers keep their text, so that no amount
// loses digits. Copies are deep. Not thread safe.
class Json {
public:
    enum class Type { Null, Boolean, Number, String, Array, Object };
    using Member = std::pair<std::string, Json>;

    struct Limits {
        std::size_t depth_max = 64;
    };

    Json() = default;  // null
    static Json boolean(bool value);
    static Json integer(std::int64_t value);
    static Json unsigned_integer(std::uint64_t value);
    // Shortest text that reads back the same; not finite becomes null.
    static Json real(double value);
    static Json string(std::string value);
    static Json array();
    static Json object();

    // One value and nothing after it. InvalidArgument: malformed text, bytes after the value, a
    // duplicate key, invalid UTF-8 or a lone surrogate, nesting deeper than the limit.
    static Result<Json> parse(std::string_view text, Limits limits);
    static Result<Json> parse(std::string_view text) { return parse(text, Limits{}); }

    Type type() const { return type_; }
    bool is_null() const { return type_ == Type::Null; }
    bool is_boolean() const { return type_ == Type::Boolean; }
    bool is_number() const { return type_ == Type::Number; }
    bool is_string() const { return type_ == Type::String; }
    bool is_array() const { return type_ == Type::Array; }
    bool is_object() const { return type_ == Type::Object; }

    // InvalidArgument when the type (or range) is another.
    Result<bool> as_boolean() const;
    // Only integers: "5" and "-0"; "5.0" and "5e0" are refused.
    Result<std::int64_t> as_int64() const;
    Result<std::uint64_t> as_uint64() const;
    Result<double> as_double() const;
    Result<std::string> as_string() const;

    // CHECKs the type.
    bool boolean_value() const;
    const std::string& string_value() const;
    // The number as written.
    const std::string& number_text() const;
    const std::vector<Json>& items() const;
    const std::vector<Member>& members() const;
    std::size_t size() const;

    // The member of that exact name, or null. Null for other types too.
    const Json* find(std::string_view name) const;
    // Objects: adds or replaces; keeps the first position. Returns *this for chaining.
    Json& set(std::string name, Json value) &;
    Json&& set(std::string name, Json value) &&;
    // Arrays.
    Json& push_back(Json value) &;

    // Compact; `<`, `>`, `&`, U+2028 and U+2029 escaped as Go's encoder does (services.md 1.4).
    std::string dump() const;
    void dump_to(std::string& out) const;
    // For people: indented by two spaces, without HTML escapes.
    std::string dump_pretty() const;

    bool operator==(const Json&) const = default;

private:
    friend class JsonBuilder;
    Type type_ = Type::Null;
    bool boolean_ = false;
    std::string text_;  // a number's or a string's
    std::vector<Json> items_;
    std::vector<Member> members_;
};

// Reads JSON text in place, one token after the other, as long as it is plain: strings of printable
// ASCII without escapes, integers of 64 bits. For requests on hot paths: text that a reader of this
// kind turns down is given to Json::parse(), which knows the rest and says what is wrong. Whatever
// it takes, Json::parse() takes too, if the caller sees to the grammar between tokens and to
// duplicate names. Views are of the text.
class JsonScanner {
public:
    explicit JsonScanner(std::string_view text) : rest_(text) {}

    // Takes this byte ('{', ',', ...) behind white space; false, and nothing taken, if it is
    // another.
    bool take(char token);
    std::optional<std::string_view> string();
    std::optional<std::int64_t> integer();
    // Only white space is left.
    bool at_end();

private:
    void skip_space();
    std::string_view rest_;
};

// Writes JSON text straight into a string, for answers built on hot paths. The caller keeps the
// order valid: key before each value in objects. Strings are escaped like Json::dump().
class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
    JsonWriter& value(bool flag);
    JsonWriter& null();
    JsonWriter& raw(std::string_view json);  // well-formed JSON, not checked
    // Bytes as a string of lower-case hex or of base64.
    JsonWriter& hex(ByteView bytes);
    JsonWriter& base64(ByteView bytes);

    template <typename T>
    JsonWriter& member(std::string_view name, const T& item) {
        key(name);
        return value(item);
    }

private:
    void separate();
    std::string& out_;
    bool need_comma_ = false;
};

}  // namespace adyton::base
