#include "base/json.h"

// Every processor that we build for has it. Strings are then searched 16 bytes at a time.
#ifdef __SSE2__
#define RAPIDJSON_SSE2  // NOLINT(readability-identifier-naming): RapidJSON's name
#endif
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/bytes.h"
#include "base/json_filter.h"

namespace adyton::base {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void append_unicode_escape(std::string& out, unsigned value) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(value >> shift) & 0xfU];
}

enum class Escape { Html, Minimal };

// Bytes that may need an escape: the others, nearly all, are copied in runs.
constexpr std::array<bool, 256> make_special(Escape escape) {
    std::array<bool, 256> special{};
    for (std::size_t c = 0; c < 0x20; ++c) special[c] = true;
    special['"'] = special['\\'] = true;
    if (escape == Escape::Html) special['<'] = special['>'] = special['&'] = special[0xe2] = true;
    return special;
}
constexpr std::array<bool, 256> kHtmlSpecial = make_special(Escape::Html);
constexpr std::array<bool, 256> kMinimalSpecial = make_special(Escape::Minimal);

// U+2028 or U+2029, in UTF-8, at `at`.
bool is_line_separator(std::string_view text, std::size_t at) {
    return at + 2 < text.size() && static_cast<unsigned char>(text[at + 1]) == 0x80 &&
           (static_cast<unsigned char>(text[at + 2]) & 0xfeU) == 0xa8;
}

void append_string(std::string& out, std::string_view text, Escape escape) {
    const auto& special = escape == Escape::Html ? kHtmlSpecial : kMinimalSpecial;
    out += '"';
    std::size_t plain = 0;  // start of the run that needs no escape
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (!special[c]) [[likely]]
            continue;
        if (c == 0xe2 && !is_line_separator(text, i)) continue;
        out.append(text.substr(plain, i - plain));
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == 0xe2) {
            append_unicode_escape(out, 0x2028U + (static_cast<unsigned char>(text[i + 2]) & 1U));
            i += 2;
        } else {
            append_unicode_escape(out, c);
        }
        plain = i + 1;
    }
    out.append(text.substr(plain));
    out += '"';
}

}  // namespace

// Builds the document from the reader's events; counts depth and refuses duplicate keys.
class JsonBuilder {
public:
    explicit JsonBuilder(Json::Limits limits, const JsonFilter* filter_or_null = nullptr)
        : limits_(limits), filter_or_null_(filter_or_null) {}

    // NOLINTBEGIN(readability-identifier-naming): RapidJSON calls its handler by these names.
    bool Null() {
        if (passes_over()) return true;
        add(Json::Type::Null);
        return true;
    }
    bool Bool(bool flag) {
        if (passes_over()) return true;
        add(Json::Type::Boolean).boolean_ = flag;
        return true;
    }
    bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
        if (passes_over()) return true;
        add(Json::Type::Number).text_.assign(text, length);
        return true;
    }
    bool String(const char* text, rapidjson::SizeType length, bool) {
        if (!well_formed({text, length})) return false;
        if (passes_over()) return true;
        add(Json::Type::String).text_.assign(text, length);
        return true;
    }
    bool Key(const char* text, rapidjson::SizeType length, bool) {
        if (!well_formed({text, length})) return false;
        if (passing_ > 0) return true;
        const bool left_out = filter_or_null_ != nullptr &&
                              filter_or_null_->leaves_out(open_.back().name, {text, length});
        if (left_out) {
            passing_ = 1;
            return true;
        }
        std::string key(text, length);
        Json& object = *open_.back().value;
        if (!unique(open_.back(), key)) {
            failure_ = "duplicate key";
            return false;
        }
        if (object.members_.empty()) object.members_.reserve(4);
        object.members_.emplace_back(std::move(key), Json());
        return true;
    }
    bool StartObject() { return open(Json::Type::Object); }
    bool EndObject(rapidjson::SizeType) { return close(); }
    bool StartArray() { return open(Json::Type::Array); }
    bool EndArray(rapidjson::SizeType) { return close(); }
    // Not called: numbers arrive as text.
    bool Int(int) { return false; }
    bool Uint(unsigned) { return false; }
    bool Int64(std::int64_t) { return false; }
    bool Uint64(std::uint64_t) { return false; }
    bool Double(double) { return false; }
    // NOLINTEND(readability-identifier-naming)

    Json take() { return std::move(root_); }
    const char* failure() const { return failure_; }

private:
    struct Open {
        Json* value;
        std::string_view name;                 // of the member that it is
        std::unordered_set<std::string> keys;  // used once an object is large
    };
    static constexpr std::size_t kLinearKeys = 16;

    // The reader validates, but lets an escaped low surrogate stand alone ("\\udc00"); no UTF-8
    // exists for it. What it then writes begins with this byte.
    bool well_formed(std::string_view text) {
        if (text.find('\xed') == std::string_view::npos || is_valid_utf8(text)) return true;
        failure_ = "lone surrogate";
        return false;
    }

    static bool unique(Open& open, const std::string& key) {
        const auto& members = open.value->members_;
        if (members.size() < kLinearKeys) {
            for (const auto& member : members) {
                if (member.first == key) return false;
            }
            return true;
        }
        if (open.keys.empty()) {
            for (const auto& member : members) open.keys.insert(member.first);
        }
        return open.keys.insert(key).second;
    }

    // The next value, where it stands.
    Json& add(Json::Type type) {
        Json& value = place();
        value.type_ = type;
        return value;
    }
    Json& place() {
        if (open_.empty()) return root_;
        Json& parent = *open_.back().value;
        if (parent.type_ == Json::Type::Array) return parent.items_.emplace_back();
        return parent.members_.back().second;
    }
    bool open(Json::Type type) {
        const std::size_t passed = passing_ > 0 ? passing_ - 1 : 0;
        if (open_.size() + passed >= limits_.depth_max) {
            failure_ = "nested too deeply";
            return false;
        }
        if (passing_ > 0) {
            ++passing_;
            return true;
        }
        std::string_view name;
        if (!open_.empty() && open_.back().value->type_ == Json::Type::Object) {
            name = open_.back().value->members_.back().first;
        }
        // Pointers stay valid: a container grows only while it is the innermost open one.
        open_.push_back({&add(type), name, {}});
        return true;
    }
    bool close() {
        if (passing_ == 0) {
            open_.pop_back();
        } else if (--passing_ == 1) {
            passing_ = 0;
        }
        return true;
    }
    // Whether this value, no container, is part of what is left out.
    bool passes_over() {
        if (passing_ == 0) return false;
        if (passing_ == 1) passing_ = 0;
        return true;
    }

    Json::Limits limits_;
    const JsonFilter* filter_or_null_;
    // Zero: nothing is left out here. One: the next value is; more: so many containers of it, plus
    // one, are open.
    std::size_t passing_ = 0;
    Json root_;
    std::vector<Open> open_;
    const char* failure_ = nullptr;
};

Json Json::boolean(bool value) {
    Json json;
    json.type_ = Type::Boolean;
    json.boolean_ = value;
    return json;
}
Json Json::integer(std::int64_t value) {
    Json json;
    json.type_ = Type::Number;
    json.text_ = std::to_string(value);
    return json;
}
Json Json::unsigned_integer(std::uint64_t value) {
    Json json;
    json.type_ = Type::Number;
    json.text_ = std::to_string(value);
    return json;
}
Json Json::real(double value) {
    Json json;
    if (!std::isfinite(value)) return json;
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    json.type_ = Type::Number;
    json.text_.assign(buffer.data(), end.ptr);
    return json;
}
Json Json::string(std::string value) {
    Json json;
    json.type_ = Type::String;
    json.text_ = std::move(value);
    return json;
}
Json Json::array() {
    Json json;
    json.type_ = Type::Array;
    return json;
}
Json Json::object() {
    Json json;
    json.type_ = Type::Object;
    return json;
}

namespace {

using Reader =
    rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::CrtAllocator>;
constexpr unsigned kReaderFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseInsituFlag |
                                  rapidjson::kParseNumbersAsStringsFlag;

enum class Alphabet { Ascii, Unicode, Malformed };

bool is_forbidden(char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

// Malformed: a control character that stands nowhere in JSON. Eight bytes at once.
Alphabet alphabet_of(std::string_view text) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    std::uint64_t high = 0;
    while (!text.empty()) {
        std::uint64_t word = kOnes * 0x20;
        const std::size_t size = std::min(text.size(), sizeof(word));
        std::memcpy(&word, text.data(), size);
        high |= word;
        const bool maybe_low = ((word - kOnes * 0x20) & ~word & kOnes * 0x80) != 0;
        if (maybe_low && std::any_of(text.begin(), text.begin() + size, is_forbidden)) {
            return Alphabet::Malformed;
        }
        text.remove_prefix(size);
    }
    return (high & kOnes * 0x80) == 0 ? Alphabet::Ascii : Alphabet::Unicode;
}

// A copy of the text for the reader to change, which looks at 16 bytes at once. It may hold a
// secret, of which no second copy shall stay behind.
class WorkingCopy {
public:
    explicit WorkingCopy(std::string_view text) {
        bytes_.reserve(text.size() + kReadAhead);
        bytes_.assign(text).append(kReadAhead, '\0');
    }
    ~WorkingCopy() { explicit_bzero(bytes_.data(), bytes_.size()); }
    WorkingCopy(const WorkingCopy&) = delete;
    WorkingCopy& operator=(const WorkingCopy&) = delete;

    char* data() { return bytes_.data(); }

private:
    static constexpr std::size_t kReadAhead = 16;
    std::string bytes_;
};

Result<Json> build(std::string_view text, JsonBuilder& builder) {
    // The reader takes a NUL for the end of the text, and misses some of the others.
    const Alphabet alphabet = alphabet_of(text);
    if (alphabet == Alphabet::Malformed) {
        return Error::invalid_argument("malformed JSON: control character");
    }
    WorkingCopy copy(text);  // strings are read where they stand
    rapidjson::InsituStringStream stream(copy.data());
    Reader reader;
    // ASCII needs no check of its encoding, which takes longer than all the rest.
    const rapidjson::ParseResult parsed =
        alphabet == Alphabet::Ascii
            ? reader.Parse<kReaderFlags>(stream, builder)
            : reader.Parse<kReaderFlags | rapidjson::kParseValidateEncodingFlag>(stream, builder);
    if (parsed) return builder.take();
    if (builder.failure() != nullptr) {
        return Error::invalid_argument(std::string("malformed JSON: ") + builder.failure());
    }
    return Error::invalid_argument(
        std::string("malformed JSON: ") + rapidjson::GetParseError_En(parsed.Code()) +
        " (at byte " + std::to_string(parsed.Offset()) + ")");
}

}  // namespace

Result<Json> Json::parse(std::string_view text, Limits limits) {
    JsonBuilder builder(limits);
    return build(text, builder);
}

JsonFilter::JsonFilter(const std::vector<std::string>& left_out) {
    for (const std::string& rule : left_out) {
        const std::size_t dot = rule.find('.');
        Rule made;
        if (dot != std::string::npos) made.parent = rule.substr(0, dot);
        made.name = rule.substr(dot == std::string::npos ? 0 : dot + 1);
        CHECK(!made.name.empty() && made.name.size() < kSizes);
        rules_.at(made.name.size()).push_back(std::move(made));
    }
}

bool JsonFilter::leaves_out(std::string_view parent, std::string_view name) const {
    if (name.size() >= kSizes) return false;
    const auto& rules = rules_[name.size()];
    return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
        return rule.name == name && (rule.parent.empty() || rule.parent == parent);
    });
}

Result<Json> parse_json(std::string_view text, const JsonFilter& filter, Json::Limits limits) {
    JsonBuilder builder(limits, &filter);
    return build(text, builder);
}

Result<bool> Json::as_boolean() const {
    if (!is_boolean()) return Error::invalid_argument("not a boolean");
    return boolean_;
}

namespace {
template <typename T>
Result<T> parse_integer(const std::string& text) {
    T value{};
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec == std::errc::result_out_of_range) {
        return Error::invalid_argument("integer out of range");
    }
    if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
        return Error::invalid_argument("not an integer");
    }
    return value;
}
}  // namespace

Result<std::int64_t> Json::as_int64() const {
    if (!is_number()) return Error::invalid_argument("not an integer");
    return parse_integer<std::int64_t>(text_);
}
Result<std::uint64_t> Json::as_uint64() const {
    if (!is_number()) return Error::invalid_argument("not an integer");
    return parse_integer<std::uint64_t>(text_);
}
Result<double> Json::as_double() const {
    if (!is_number()) return Error::invalid_argument("not a number");
    return parse_integer<double>(text_);
}
Result<std::string> Json::as_string() const {
    if (!is_string()) return Error::invalid_argument("not a string");
    return text_;
}

bool Json::boolean_value() const {
    CHECK(is_boolean());
    return boolean_;
}
const std::string& Json::string_value() const {
    CHECK(is_string());
    return text_;
}
const std::string& Json::number_text() const {
    CHECK(is_number());
    return text_;
}
const std::vector<Json>& Json::items() const {
    CHECK(is_array());
    return items_;
}
const std::vector<Json::Member>& Json::members() const {
    CHECK(is_object());
    return members_;
}
std::size_t Json::size() const {
    return is_object() ? members_.size() : items_.size();
}

const Json* Json::find(std::string_view name) const {
    for (const Member& member : members_) {
        if (member.first == name) return &member.second;
    }
    return nullptr;
}

Json& Json::set(std::string name, Json value) & {
    CHECK(is_object());
    for (Member& member : members_) {
        if (member.first == name) {
            member.second = std::move(value);
            return *this;
        }
    }
    members_.emplace_back(std::move(name), std::move(value));
    return *this;
}
Json&& Json::set(std::string name, Json value) && {
    set(std::move(name), std::move(value));
    return std::move(*this);
}
Json& Json::push_back(Json value) & {
    CHECK(is_array());
    items_.push_back(std::move(value));
    return *this;
}

std::string Json::dump() const {
    std::string out;
    dump_to(out);
    return out;
}

void Json::dump_to(std::string& out) const {
    switch (type_) {
        case Type::Null:
            out += "null";
            return;
        case Type::Boolean:
            out += boolean_ ? "true" : "false";
            return;
        case Type::Number:
            out += text_;
            return;
        case Type::String:
            append_string(out, text_, Escape::Html);
            return;
        case Type::Array: {
            out += '[';
            for (std::size_t i = 0; i < items_.size(); ++i) {
                if (i > 0) out += ',';
                items_[i].dump_to(out);
            }
            out += ']';
            return;
        }
        case Type::Object: {
            out += '{';
            for (std::size_t i = 0; i < members_.size(); ++i) {
                if (i > 0) out += ',';
                append_string(out, members_[i].first, Escape::Html);
                out += ':';
                members_[i].second.dump_to(out);
            }
            out += '}';
            return;
        }
    }
}

namespace {
void pretty(const Json& json, std::string& out, std::size_t indent) {
    const bool object = json.is_object();
    if (json.is_string()) {
        append_string(out, json.string_value(), Escape::Minimal);
        return;
    }
    if ((!object && !json.is_array()) || json.size() == 0) {
        json.dump_to(out);
        return;
    }
    out += object ? "{\n" : "[\n";
    for (std::size_t i = 0; i < json.size(); ++i) {
        out.append(indent + 2, ' ');
        if (object) {
            append_string(out, json.members()[i].first, Escape::Minimal);
            out += ": ";
        }
        pretty(object ? json.members()[i].second : json.items()[i], out, indent + 2);
        out += i + 1 < json.size() ? ",\n" : "\n";
    }
    out.append(indent, ' ');
    out += object ? '}' : ']';
}
}  // namespace

std::string Json::dump_pretty() const {
    std::string out;
    pretty(*this, out, 0);
    return out;
}

void JsonScanner::skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' ||
                              rest_.front() == '\n' || rest_.front() == '\r')) {
        rest_.remove_prefix(1);
    }
}

bool JsonScanner::take(char token) {
    skip_space();
    if (rest_.empty() || rest_.front() != token) return false;
    rest_.remove_prefix(1);
    return true;
}

std::optional<std::string_view> JsonScanner::string() {
    if (!take('"')) return std::nullopt;
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != '"') {
        const auto c = static_cast<unsigned char>(rest_[size]);
        if (c < 0x20 || c >= 0x7f || c == '\\') return std::nullopt;
        ++size;
    }
    if (size == rest_.size()) return std::nullopt;
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size + 1);
    return text;
}

std::optional<std::int64_t> JsonScanner::integer() {
    skip_space();
    std::int64_t value = 0;
    const auto end = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (end.ec != std::errc()) return std::nullopt;
    const auto size = static_cast<std::size_t>(end.ptr - rest_.data());
    std::string_view digits = rest_.substr(0, size);
    if (digits.front() == '-') digits.remove_prefix(1);
    const bool leading_zero = digits.size() > 1 && digits.front() == '0';
    const char after = size < rest_.size() ? rest_[size] : ' ';
    if (leading_zero || after == '.' || after == 'e' || after == 'E') return std::nullopt;
    rest_.remove_prefix(size);
    return value;
}

bool JsonScanner::at_end() {
    skip_space();
    return rest_.empty();
}

void JsonWriter::separate() {
    if (need_comma_) out_ += ',';
    need_comma_ = true;
}
JsonWriter& JsonWriter::begin_object() {
    separate();
    out_ += '{';
    need_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::end_object() {
    out_ += '}';
    need_comma_ = true;
    return *this;
}
JsonWriter& JsonWriter::begin_array() {
    separate();
    out_ += '[';
    need_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::end_array() {
    out_ += ']';
    need_comma_ = true;
    return *this;
}
JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    append_string(out_, name, Escape::Html);
    out_ += ':';
    need_comma_ = false;
    return *this;
}
JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    append_string(out_, text, Escape::Html);
    return *this;
}
namespace {
template <typename T>
void append_number(std::string& out, T number) {
    std::array<char, 24> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    out.append(buffer.data(), end.ptr);
}
}  // namespace
JsonWriter& JsonWriter::value(std::int64_t number) {
    separate();
    append_number(out_, number);
    return *this;
}
JsonWriter& JsonWriter::value(std::uint64_t number) {
    separate();
    append_number(out_, number);
    return *this;
}
JsonWriter& JsonWriter::value(bool flag) {
    separate();
    out_ += flag ? "true" : "false";
    return *this;
}
JsonWriter& JsonWriter::null() {
    separate();
    out_ += "null";
    return *this;
}
JsonWriter& JsonWriter::hex(ByteView bytes) {
    separate();
    out_ += '"';
    append_hex(out_, bytes);
    out_ += '"';
    return *this;
}
JsonWriter& JsonWriter::base64(ByteView bytes) {
    separate();
    out_ += '"';
    append_base64(out_, bytes);
    out_ += '"';
    return *this;
}
JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

}  // namespace adyton::base
