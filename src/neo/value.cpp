#include "neo/value.h"

#include <algorithm>

#include "base/check.h"
#include "base/cut_text.h"
#include "neo/address.h"

namespace adyton::neo {
namespace {

// UTF-8 without control characters, so that it can be shown without changing what a terminal does.
bool is_printable(std::string_view text) {
    if (text.empty() || !base::is_valid_utf8(text)) return false;
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

// C1 controls, bidirectional overrides and line separators can make a terminal show another text.
bool has_deceptive_character(std::string_view text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        const auto first = static_cast<unsigned char>(text[i]);
        const auto second = static_cast<unsigned char>(text[i + 1]);
        if (first == 0xc2 && second < 0xa0) return true;  // U+0080 to U+009F
        if (first != 0xe2 || i + 2 >= text.size()) continue;
        const auto third = static_cast<unsigned char>(text[i + 2]);
        const bool format = second == 0x80 && (third >= 0x8b && third <= 0x8f);  // U+200B-U+200F
        const bool line = second == 0x80 && (third >= 0xa8 && third <= 0xae);    // U+2028-U+202E
        const bool isolate = second == 0x81 && (third >= 0xa0 && third <= 0xaf);
        if (format || line || isolate) return true;
    }
    return false;
}

bool is_showable(base::ByteView bytes) {
    const std::string_view text = base::as_text(bytes);
    return is_printable(text) && !has_deceptive_character(text);
}

std::string quoted(base::ByteView bytes) {
    std::string out = "\"";
    for (const char c : base::as_text(bytes)) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
    return out;
}

void append_text(std::string& out, const Value& value, std::size_t max, std::size_t depth) {
    if (out.size() > max) return;
    switch (value.type) {
        case Value::Type::Null:
            out += "null";
            return;
        case Value::Type::Boolean:
            out += value.boolean ? "true" : "false";
            return;
        case Value::Type::Integer:
            out += value.integer.to_string();
            return;
        case Value::Type::Bytes:
            if (const auto hash = ScriptHash::from_wire(value.bytes)) {
                out += hash->to_string() + " (" + Address(*hash).to_string() + ")";
            } else if (is_showable(value.bytes)) {
                out += quoted(value.bytes);
            } else {
                const base::ByteView shown =
                    base::ByteView(value.bytes).first(std::min(value.bytes.size(), max));
                out += "hex:" + base::hex_encode(shown);
            }
            return;
        case Value::Type::Array:
            out.push_back('[');
            for (std::size_t i = 0; i < value.items.size() && out.size() <= max; ++i) {
                if (i > 0) out += ", ";
                if (depth == 0) {
                    out += "...";
                    break;
                }
                append_text(out, value.items[i], max, depth - 1);
            }
            out.push_back(']');
            return;
    }
}

base::Json bytes_to_json(base::ByteView bytes) {
    auto out = base::Json::object()
                   .set("type", base::Json::string("ByteString"))
                   .set("value", base::Json::string(base::base64_encode(bytes)));
    if (const auto hash = ScriptHash::from_wire(bytes)) {
        out.set("hash", base::Json::string(hash->to_string()));
        out.set("address", base::Json::string(Address(*hash).to_string()));
    }
    if (is_showable(bytes)) out.set("text", base::Json::string(std::string(base::as_text(bytes))));
    return out;
}

base::Json typed(const char* type, base::Json value) {
    return base::Json::object()
        .set("type", base::Json::string(type))
        .set("value", std::move(value));
}

base::Json to_json_within(const Value& value, std::size_t depth) {
    switch (value.type) {
        case Value::Type::Null:
            break;
        case Value::Type::Boolean:
            return typed("Boolean", base::Json::boolean(value.boolean));
        case Value::Type::Integer:
            return typed("Integer", base::Json::string(value.integer.to_string()));
        case Value::Type::Bytes:
            return bytes_to_json(value.bytes);
        case Value::Type::Array: {
            CHECK(depth > 0);
            auto items = base::Json::array();
            for (const Value& item : value.items) items.push_back(to_json_within(item, depth - 1));
            return typed("Array", std::move(items));
        }
    }
    return typed("Any", base::Json());
}

}  // namespace

Value Value::of_boolean(bool flag) {
    Value out;
    out.type = Type::Boolean;
    out.boolean = flag;
    return out;
}

Value Value::of_integer(neo::Integer number) {
    Value out;
    out.type = Type::Integer;
    out.integer = number;
    return out;
}

Value Value::of_bytes(base::ByteView bytes) {
    Value out;
    out.type = Type::Bytes;
    out.bytes.assign(bytes.begin(), bytes.end());
    return out;
}

Value Value::of_array(std::vector<Value> items) {
    Value out;
    out.type = Type::Array;
    out.items = std::move(items);
    return out;
}

base::Json to_json(const Value& value) {
    return to_json_within(value, kValueDepthMax);
}

std::string to_text(const Value& value, std::size_t max) {
    std::string out;
    append_text(out, value, max, kValueDepthMax);
    if (out.size() <= max) return out;
    return std::string(base::cut_text(out, max)) + "...";
}

}  // namespace adyton::neo
