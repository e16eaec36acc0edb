#include "api/internal/plain_execute.h"

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace adyton::api::internal {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kDigitsMax = 15;
constexpr std::size_t kPlainScriptBytesMax = 1024 * 1024;
constexpr std::size_t kPlainLabelBytesMax = 256;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// One pass over a canonical value.
class Scan {
public:
    explicit Scan(std::string_view text) : text_(text) {}

    bool value(int depth) {
        switch (peek()) {
            case '{':
                return depth < kDepthMax && object(depth);
            case '[':
                return depth < kDepthMax && array(depth);
            case '"':
                return string().has_value();
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }
    std::size_t position() const { return at_; }

private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    bool word(std::string_view expected) {
        if (text_.substr(at_, expected.size()) != expected) return false;
        at_ += expected.size();
        return true;
    }
    // 0xe2 begins the two line separators, which are escaped.
    std::optional<std::string_view> string() {
        if (!take('"')) return std::nullopt;
        const std::size_t start = at_;
        for (; at_ < text_.size(); ++at_) {
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '"') return text_.substr(start, at_++ - start);
            const bool escaped = c < 0x20 || c == '\\' || c == '<' || c == '>' || c == '&';
            if (escaped || c == 0x7f || c == 0xe2) return std::nullopt;
        }
        return std::nullopt;
    }
    bool digits(std::size_t& count) {
        const std::size_t start = at_;
        while (is_digit(peek())) ++at_;
        count = at_ - start;
        return count > 0 && count <= kDigitsMax;
    }
    bool number() {
        take('-');
        const bool zero = peek() == '0';
        std::size_t count = 0;
        if (!digits(count) || (zero && count > 1)) return false;
        if (take('.') && !digits(count)) return false;
        return peek() != 'e' && peek() != 'E';
    }
    bool array(int depth) {
        take('[');
        if (take(']')) return true;
        do {
            if (!value(depth + 1)) return false;
        } while (take(','));
        return take(']');
    }
    bool object(int depth) {
        take('{');
        if (take('}')) return true;
        std::optional<std::string_view> last;
        do {
            const auto name = string();
            if (!name || (last && *name <= *last) || !take(':')) return false;
            last = name;
            if (!value(depth + 1)) return false;
        } while (take(','));
        return take('}');
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Reads a body's members; the first thing that is not plain ends it.
class PlainReader {
public:
    explicit PlainReader(std::string_view body) : rest_(body) {}

    bool read(ExecuteRequest& out) {
        if (!take('{')) return false;
        do {
            const auto name = string(kPlainLabelBytesMax);
            if (!name || !take(':') || !member(*name, out)) return false;
        } while (take(','));
        if (!take('}')) return false;
        skip_space();
        return rest_.empty() && !out.script.empty();
    }

private:
    enum Seen : unsigned { Script = 1, Input = 2, Entry = 4, Timeout = 8, App = 16, Name = 32 };

    void skip_space() {
        const std::size_t start = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
    }
    bool take(char c) {
        skip_space();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool first(Seen member) {
        const bool is_first = (seen_ & member) == 0;
        seen_ |= member;
        return is_first;
    }

    bool member(std::string_view name, ExecuteRequest& out) {
        if (name == "script") return first(Script) && text(out.script, kPlainScriptBytesMax);
        if (name == "input") return first(Input) && input(out);
        if (name == "timeout") return first(Timeout) && integer(out.timeout_s);
        if (name == "app_id") return first(App) && text(out.app_id, kPlainLabelBytesMax);
        if (name == "script_name") return first(Name) && text(out.script_name, kPlainLabelBytesMax);
        if (name != "entry_point" || !first(Entry)) return false;
        std::string entry_point;
        if (!text(entry_point, kPlainLabelBytesMax)) return false;
        if (!entry_point.empty()) out.entry_point = std::move(entry_point);
        return true;
    }
    bool text(std::string& out, std::size_t bytes_max) {
        auto read = string(bytes_max);
        if (read) out = *std::move(read);
        return read.has_value();
    }
    bool input(ExecuteRequest& out) {
        skip_space();
        const std::size_t size = canonical_size(rest_);
        if (size == 0 || rest_.front() != '{') return false;
        out.input_text = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
    }
    bool integer(std::int64_t& out) {
        skip_space();
        std::size_t size = 0;
        std::int64_t value = 0;
        for (; size < rest_.size() && is_digit(rest_[size]) && size < kDigitsMax; ++size) {
            value = value * 10 + (rest_[size] - '0');
        }
        const char after = size < rest_.size() ? rest_[size] : '\0';
        const bool leading_zero = size > 1 && rest_.front() == '0';
        if (size == 0 || leading_zero || (after != ',' && after != '}')) return false;
        rest_.remove_prefix(size);
        out = value;
        return true;
    }
    // With the escapes of one letter; \u is for the general reader.
    std::optional<std::string> string(std::size_t bytes_max) {
        if (!take('"')) return std::nullopt;
        std::string out;
        std::size_t plain = 0;  // start of what has not been copied
        for (std::size_t i = 0; i < rest_.size() && out.size() + (i - plain) <= bytes_max; ++i) {
            const auto c = static_cast<unsigned char>(rest_[i]);
            if (c == '"') {
                out.append(rest_.substr(plain, i - plain));
                rest_.remove_prefix(i + 1);
                return out;
            }
            if (c < 0x20) return std::nullopt;
            if (c != '\\') continue;
            out.append(rest_.substr(plain, i - plain));
            const char letter = i + 1 < rest_.size() ? rest_[i + 1] : '\0';
            constexpr std::string_view kLetters = "\"\\/bfnrt";
            const std::size_t which = kLetters.find(letter);
            if (letter == '\0' || which == std::string_view::npos) return std::nullopt;
            out.push_back("\"\\/\b\f\n\r\t"[which]);
            plain = ++i + 1;
        }
        return std::nullopt;
    }

    std::string_view rest_;
    unsigned seen_ = 0;
};

}  // namespace

std::size_t canonical_size(std::string_view text) {
    Scan scan(text);
    return scan.value(0) ? scan.position() : 0;
}

std::optional<ExecuteRequest> read_plain_execute(std::string_view body) {
    ExecuteRequest out;
    if (!PlainReader(body).read(out) || !base::is_valid_utf8(body)) return std::nullopt;
    return out;
}

}  // namespace adyton::api::internal
