#include "script/internal/job_random.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace adyton::script::internal {
namespace {

std::uint32_t load_le32(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8U |
           static_cast<std::uint32_t>(at[2]) << 16U | static_cast<std::uint32_t>(at[3]) << 24U;
}

void store_le32(std::uint8_t* at, std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

using Words = std::array<std::uint32_t, 16>;

void quarter_round(Words& x, std::size_t a, std::size_t b, std::size_t c, std::size_t d) {
    x[a] += x[b];
    x[d] = std::rotl(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = std::rotl(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = std::rotl(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = std::rotl(x[b] ^ x[c], 7);
}

}  // namespace

JobRandom::JobRandom(const Seed& seed) {
    restart(seed);
}

JobRandom::~JobRandom() {
    ::explicit_bzero(state_.data(), sizeof(state_));
    ::explicit_bzero(block_.data(), sizeof(block_));
}

void JobRandom::restart(const Seed& seed) {
    state_ = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (std::size_t i = 0; i < 8; ++i) state_[4 + i] = load_le32(seed.data() + 4 * i);
    used_ = block_.size();
}

void JobRandom::next_block() {
    Words x = state_;
    for (int i = 0; i < 10; ++i) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (std::size_t i = 0; i < 16; ++i) store_le32(block_.data() + 4 * i, x[i] + state_[i]);
    ::explicit_bzero(x.data(), sizeof(x));
    if (++state_[12] == 0) ++state_[13];
    used_ = 0;
}

void JobRandom::fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        if (used_ == block_.size()) next_block();
        const std::size_t count = std::min(out.size(), block_.size() - used_);
        std::memcpy(out.data(), block_.data() + used_, count);
        used_ += count;
        out = out.subspan(count);
    }
}

double JobRandom::number() {
    std::array<std::uint8_t, 8> bytes{};
    fill(bytes);
    std::uint64_t bits = 0;
    std::memcpy(&bits, bytes.data(), sizeof(bits));
    return static_cast<double>(bits >> 11U) * 0x1.0p-53;
}

}  // namespace adyton::script::internal
