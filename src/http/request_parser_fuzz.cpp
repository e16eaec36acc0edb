// Any bytes, cut anywhere: the verdict does not depend on the cuts, and what is accepted is sane.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "http/internal/request_parser.h"

namespace {

using namespace adyton::http;

struct Verdict {
    unsigned status = 0;  // 0: complete, 1: wants more
    std::size_t used = 0;
    Request request;
};

void parse(std::string_view text, std::size_t step, Verdict& verdict) {
    internal::ParseLimits limits;
    limits.header_bytes_max = 1024;
    limits.header_count_max = 16;
    limits.target_bytes_max = 256;
    limits.body_bytes_max = 512;
    internal::RequestParser parser(limits);
    parser.start(verdict.request);
    std::size_t available = 0;
    while (available < text.size() && !parser.complete() && parser.failure() == nullptr) {
        available = std::min(text.size(), available + step);
        verdict.used += parser.feed(text.substr(verdict.used, available - verdict.used));
    }
    CHECK(verdict.used <= text.size());
    if (parser.failure() != nullptr) {
        verdict.status = status_number(parser.failure()->status);
        CHECK(verdict.status >= 400);
    } else {
        verdict.status = parser.complete() ? 0 : 1;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = 1 + data[0] % 17;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    Verdict whole;
    Verdict pieces;
    parse(text, std::max<std::size_t>(text.size(), 1), whole);
    parse(text, step, pieces);
    CHECK((whole.status == 0) == (pieces.status == 0));
    if ((whole.status == 1) != (pieces.status == 1)) {
        // How early an incomplete message is refused depends on when the tokenizer looks; but what
        // was refused once stays refused when its header ends.
        const std::string ended = std::string(text) + "\r\n\r\n";
        Verdict late;
        parse(ended, step, late);
        CHECK(late.status >= 400);
    }
    if (whole.status != 0) return 0;
    CHECK(whole.used == pieces.used);
    CHECK(whole.request.body == pieces.request.body);
    CHECK(whole.request.path == pieces.request.path);
    CHECK(whole.request.headers.size() == pieces.request.headers.size());
    CHECK(whole.request.body.size() <= 512);
    CHECK(adyton::base::is_valid_utf8(whole.request.path));
    CHECK(whole.request.path.find('\0') == std::string::npos);
    CHECK(whole.request.path.find("/../") == std::string::npos);
    CHECK(whole.request.headers.count("Content-Length") <= 1);
    CHECK(
        whole.request.headers.count("Content-Length") == 0 ||
        whole.request.headers.count("Transfer-Encoding") == 0);
    for (std::size_t i = 0; i < whole.request.headers.size(); ++i) {
        const std::string_view value = whole.request.headers.at(i).value;
        CHECK(value.find_first_of("\r\n") == std::string_view::npos);
    }
    return 0;
}
