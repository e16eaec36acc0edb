#include "http/internal/input_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace adyton::http::internal {

void InputBuffer::consume(std::size_t size) {
    begin_ += size;
    CHECK(begin_ <= end_);
    if (begin_ == end_) begin_ = end_ = 0;
}

void InputBuffer::make_room() {
    if (begin_ > 0 && end_ == bytes_.size()) {
        std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    const bool widen = filled_ && bytes_.size() < kUsualCapacityMax;
    if (end_ < bytes_.size() && !widen) return;
    CHECK(end_ < capacity_max_);
    const std::size_t wanted = std::max(kFirstCapacity, bytes_.size() * 2);
    bytes_.resize(std::min(wanted, capacity_max_));
    filled_ = false;
}

void InputBuffer::grew(std::size_t size) {
    filled_ = size == room_size();
    end_ += size;
}

}  // namespace adyton::http::internal
