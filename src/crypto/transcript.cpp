#include "crypto/transcript.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace adyton::crypto {
namespace {

constexpr std::size_t kKindBytesMax = 32;
constexpr std::size_t kReserveBytes = 512;

void append(base::Bytes& out, std::string_view text) {
    const base::ByteView view = base::as_bytes(text);
    out.insert(out.end(), view.begin(), view.end());
}

bool is_kind(std::string_view kind) {
    return !kind.empty() && kind.size() <= kKindBytesMax &&
           std::all_of(kind.begin(), kind.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

}  // namespace

Transcript::Transcript(std::string_view kind) {
    CHECK(is_kind(kind));
    bytes_.reserve(kReserveBytes);
    append(bytes_, "adyton/");
    append(bytes_, kind);
    append(bytes_, "/v1");
    bytes_.push_back(0);
    count_at_ = bytes_.size();
    bytes_.push_back(0);
    bytes_.push_back(0);
}

void Transcript::add_head(std::uint8_t tag, std::size_t length) {
    CHECK(static_cast<int>(tag) > last_tag_);
    CHECK(length <= std::numeric_limits<std::uint32_t>::max());
    last_tag_ = tag;
    ++count_;
    bytes_[count_at_] = static_cast<std::uint8_t>(count_ >> 8);
    bytes_[count_at_ + 1] = static_cast<std::uint8_t>(count_ & 0xff);
    const std::uint8_t head[5] = {
        tag, static_cast<std::uint8_t>(length >> 24 & 0xff),
        static_cast<std::uint8_t>(length >> 16 & 0xff),
        static_cast<std::uint8_t>(length >> 8 & 0xff), static_cast<std::uint8_t>(length & 0xff)};
    bytes_.insert(bytes_.end(), std::begin(head), std::end(head));
}

Transcript& Transcript::add(std::uint8_t tag, base::ByteView bytes) {
    add_head(tag, bytes.size());
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
}

Transcript& Transcript::add_u64(std::uint8_t tag, std::uint64_t number) {
    std::uint8_t bytes[8];
    for (int i = 0; i < 8; ++i) {
        bytes[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i) & 0xff);
    }
    return add(tag, base::ByteView(bytes));
}

}  // namespace adyton::crypto
