#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "http/message.h"

namespace adyton::http::internal {

// The kernel's random bytes (getrandom). For trace ids; keys have their own source in crypto.
base::RandomSource& kernel_random();

// 1 to 128 visible ASCII characters.
bool is_sane_trace_id(std::string_view text);

// Makes UUIDv4 texts from random bytes taken in bulk. Not thread safe.
class TraceIds {
public:
    explicit TraceIds(base::RandomSource& random) : random_(random) {}
    // "6ba7b810-9dad-41d1-80b4-00c04fd430c8" into `out`.
    void fresh(std::string& out);
    // X-Trace-ID of the request when it is sane and stands once, otherwise a fresh one.
    void choose(const Headers& headers, std::string& out);

private:
    base::RandomSource& random_;
    std::array<std::uint8_t, 1024> pool_{};
    std::size_t used_ = pool_.size();
};

}  // namespace adyton::http::internal
