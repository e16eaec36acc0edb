#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/message.h"

namespace adyton::http::internal {

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), made once a second. Not thread safe.
class DateText {
public:
    std::string_view at(base::Timestamp now);

private:
    std::chrono::sys_seconds second_{std::chrono::seconds(-1)};
    std::string text_;
};

enum class BodyFraming { Length, Chunked, UntilClose };

struct HeadContext {
    std::string_view date;
    std::string_view trace_id;
    BodyFraming framing = BodyFraming::Length;
    std::uint64_t content_length = 0;
    bool close = false;
};

// Whether an answer of that status has no body at all (RFC 9110, 6.4.1).
bool forbids_body(Status status);

// Appends status line, fields and the empty line. A field name that is no token is left out; CR, LF
// and other controls in a value become spaces: no value can split an answer.
void append_head(std::string& out, const Response& response, const HeadContext& context);

// Appends "name: value\r\n" under the same rules.
void append_field(std::string& out, std::string_view name, std::string_view value);

// Appends one chunk (RFC 9112, 7.1). Not for empty text, which would end the body.
void append_chunk(std::string& out, std::string_view bytes);

}  // namespace adyton::http::internal
