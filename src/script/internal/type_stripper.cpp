#include "script/internal/type_stripper.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace adyton::script::internal {
namespace {

constexpr std::size_t kMessageBytesMax = 1024;

Error malformed() {
    return Error{ErrorCode::CorruptData, "the type stripper gave nonsense"};
}

// Takes " NUMBER" from the start.
std::optional<std::uint32_t> take_number(std::string_view& text) {
    if (text.empty() || text[0] != ' ') return std::nullopt;
    std::uint32_t value = 0;
    const auto end = std::from_chars(text.data() + 1, text.data() + text.size(), value);
    if (end.ec != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end.ptr - text.data()));
    return value;
}

// Goes through UTF-8 and knows where it is in both countings.
class Walker {
public:
    explicit Walker(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }
    std::size_t units() const { return units_; }
    Place place() const { return place_; }
    void go_to(Place in_bytes) {
        while (!at_end() && (place_.line < in_bytes.line ||
                             (place_.line == in_bytes.line && bytes_ < in_bytes.column))) {
            step();
        }
    }
    void step() {
        const auto byte = static_cast<unsigned char>(text_[at_]);
        const std::size_t length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        const bool line_end = ends_line();
        enter(line_end);
        at_ += length;
        units_ += length == 4 ? 2 : 1;
        if (line_end) {
            ++place_.line;
            place_.column = 1;
            bytes_ = 1;
        } else {
            ++place_.column;
            bytes_ += length;
        }
    }

private:
    // What ends a line depends on where it stands. Regular expressions count as code, so a quote in
    // one is taken for that of a text.
    enum class Inside { Code, Quotes, Template, LineComment, BlockComment };

    char byte_at(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

    // Whether the engine counts a line here.
    bool ends_line() const {
        if (text_[at_] == '\n') return true;
        if (text_[at_] == '\r') {
            return byte_at(at_ + 1) != '\n' && inside_ != Inside::BlockComment;
        }
        return inside_ == Inside::Code && is_separator();
    }
    bool is_separator() const {
        if (text_[at_] != '\xe2') return false;
        const std::string_view three = text_.substr(at_, 3);
        return three == "\u2028" || three == "\u2029";
    }
    void enter(bool line_end) {
        const char here = text_[at_];
        const char next = byte_at(at_ + 1);
        const bool escaped = std::exchange(escaped_, false);
        switch (inside_) {
            case Inside::Code:
                if (here == '\'' || here == '"') {
                    inside_ = Inside::Quotes;
                    quote_ = here;
                } else if (here == '`') {
                    inside_ = Inside::Template;
                    quote_ = here;
                } else if (here == '/' && next == '/') {
                    inside_ = Inside::LineComment;
                } else if (here == '/' && next == '*') {
                    inside_ = Inside::BlockComment;
                    comment_ = at_ + 2;
                }
                break;
            case Inside::LineComment:
                if (line_end || is_separator()) inside_ = Inside::Code;
                break;
            case Inside::BlockComment:
                if (here == '/' && at_ > comment_ && text_[at_ - 1] == '*') inside_ = Inside::Code;
                break;
            case Inside::Quotes:
                if (line_end && !escaped) inside_ = Inside::Code;
                [[fallthrough]];
            case Inside::Template:
                escaped_ = escaped ? here == '\r' && next == '\n' : here == '\\';
                if (here == quote_ && !escaped) inside_ = Inside::Code;
                break;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t units_ = 0;
    Place place_{1, 1};
    std::size_t bytes_ = 1;  // the column in bytes
    Inside inside_ = Inside::Code;
    char quote_ = '\0';
    bool escaped_ = false;     // by the character before
    std::size_t comment_ = 0;  // where the block comment's text starts
};

}  // namespace

Place place_in_characters(std::string_view text, Place in_bytes) {
    if (in_bytes.line == 0 || in_bytes.column == 0) return in_bytes;
    Walker walker(text);
    walker.go_to(in_bytes);
    // Past the text: of code that the script made itself.
    return walker.at_end() && walker.place().line < in_bytes.line ? in_bytes : walker.place();
}

Result<Stripped> Stripped::parse(std::string text) {
    if (text.empty()) return malformed();
    Stripped out;
    const std::size_t newline = text.find('\n');
    std::string_view head = std::string_view(text).substr(1, std::min(newline, text.size()) - 1);
    if (text[0] == 'E') {
        const auto line = take_number(head);
        const auto column = line ? take_number(head) : std::nullopt;
        if (!column) return malformed();
        out.refused_ = true;
        out.place_ = {*line, *column};
        if (!head.empty()) head.remove_prefix(1);
        out.message_ = head.substr(0, kMessageBytesMax);
        return out;
    }
    if (text[0] != 'M' || newline == std::string::npos) return malformed();
    while (!head.empty()) {
        const auto to = take_number(head);
        const auto from = to ? take_number(head) : std::nullopt;
        if (!from || (!out.drifts_.empty() && *to < out.drifts_.back().first)) return malformed();
        out.drifts_.emplace_back(*to, *from);
    }
    out.from_ = newline + 1;
    if (text.size() - out.from_ > kBytesMax) {
        return Error::too_large("script too large without its types");
    }
    out.text_ = std::move(text);
    return out;
}

Place Stripped::source_place(std::string_view source, Place in_bytes) const {
    if (in_bytes.line == 0) return in_bytes;
    Walker to(javascript());
    to.go_to(in_bytes);
    const auto after = std::upper_bound(
        drifts_.begin(), drifts_.end(), to.units(),
        [](std::size_t units, const auto& drift) { return units < drift.first; });
    std::size_t wanted = to.units();
    if (after != drifts_.begin()) {
        const auto& drift = *std::prev(after);
        wanted = drift.second + (to.units() - drift.first);
    }
    Walker from(source);
    while (!from.at_end() && from.units() < wanted) from.step();
    return from.place();
}

}  // namespace adyton::script::internal
