#include "http/internal/trace_id.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace adyton::http::internal {
namespace {

class KernelRandom final : public base::RandomSource {
public:
    void fill(std::span<std::uint8_t> out) override {
        while (!out.empty()) {
            const auto got = ::getrandom(out.data(), out.size(), 0);
            CHECK(got > 0 || errno == EINTR);
            if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
        }
    }
};

}  // namespace

base::RandomSource& kernel_random() {
    static KernelRandom random;
    return random;
}

bool is_sane_trace_id(std::string_view text) {
    return !text.empty() && text.size() <= 128 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

void TraceIds::fresh(std::string& out) {
    constexpr std::size_t kIdBytes = 16;
    static constexpr char kDigits[] = "0123456789abcdef";
    if (used_ + kIdBytes > pool_.size()) {
        random_.fill(pool_);
        used_ = 0;
    }
    std::uint8_t* const id = pool_.data() + used_;
    used_ += kIdBytes;
    id[6] = static_cast<std::uint8_t>((id[6] & 0x0f) | 0x40);  // version 4
    id[8] = static_cast<std::uint8_t>((id[8] & 0x3f) | 0x80);  // variant of RFC 9562
    std::array<char, 36> text;
    char* at = text.data();
    for (std::size_t i = 0; i < kIdBytes; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        *at++ = kDigits[id[i] >> 4];
        *at++ = kDigits[id[i] & 15];
    }
    out.assign(text.data(), text.size());
}

void TraceIds::choose(const Headers& headers, std::string& out) {
    const auto given = headers.find("X-Trace-ID");
    if (given && is_sane_trace_id(*given) && headers.count("X-Trace-ID") == 1) {
        out.assign(given->data(), given->size());
    } else {
        fresh(out);
    }
}

}  // namespace adyton::http::internal
