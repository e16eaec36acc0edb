// Any bytes, cut anywhere: the verdict does not depend on the cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/internal/response_parser.h"

namespace {

using namespace adyton::http;

struct Verdict {
    bool complete = false;
    bool failed = false;
    Response response;
};

void parse(std::string_view text, std::size_t step, Verdict& verdict) {
    internal::ResponseParser parser(1024, 512);
    parser.start(verdict.response, internal::ResponseParser::AnswerTo::Other);
    std::size_t used = 0;
    std::size_t available = 0;
    while (available < text.size() && !parser.complete() && parser.failure() == nullptr) {
        available = std::min(text.size(), available + step);
        used += parser.feed(text.substr(used, available - used));
    }
    parser.feed_end();
    verdict.complete = parser.complete();
    verdict.failed = parser.failure() != nullptr;
    CHECK(!verdict.complete || !verdict.failed);
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
    CHECK(whole.complete == pieces.complete);
    if (whole.complete) {
        CHECK(whole.response.body == pieces.response.body);
        CHECK(whole.response.body.size() <= 512);
    }
    return 0;
}
