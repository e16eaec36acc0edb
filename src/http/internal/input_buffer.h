#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace adyton::http::internal {

// Bytes read and not yet used, contiguous.
class InputBuffer {
public:
    explicit InputBuffer(std::size_t capacity_max) : capacity_max_(capacity_max) {}

    std::string_view view() const { return {bytes_.data() + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }
    void consume(std::size_t size);
    // Room for at least one byte behind the unused ones; CHECKs that they are below the maximum.
    void make_room();
    char* room() { return bytes_.data() + end_; }
    std::size_t room_size() const { return bytes_.size() - end_; }
    void grew(std::size_t size);

private:
    static constexpr std::size_t kFirstCapacity = 4 * 1024;
    static constexpr std::size_t kUsualCapacityMax = 32 * 1024;
    std::string bytes_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_max_;
    bool filled_ = false;  // the last read took all room: more is likely
};

}  // namespace adyton::http::internal
