#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace adyton::script {

// Bytes on their way into a sandbox: move-only, wiped when destroyed or replaced. Grows without
// leaving copies behind. (crypto::SecretBytes is of a module that this one must not use, and of
// fixed size.) Not thread safe.
class SensitiveBytes {
public:
    SensitiveBytes() = default;
    explicit SensitiveBytes(std::string_view text);
    SensitiveBytes(SensitiveBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
        other.bytes_.clear();
    }
    SensitiveBytes& operator=(SensitiveBytes&& other) noexcept;
    SensitiveBytes(const SensitiveBytes&) = delete;
    SensitiveBytes& operator=(const SensitiveBytes&) = delete;
    ~SensitiveBytes() { wipe(); }

    void append(std::span<const std::uint8_t> bytes);
    void append(std::string_view text);
    // Replaces bytes that are there. CHECK: inside.
    void overwrite(std::size_t at, std::span<const std::uint8_t> bytes);
    // Room for this many, so that append() moves nothing.
    void reserve(std::size_t bytes);
    // Zeroes what is there and leaves it empty; keeps the memory.
    void wipe();

    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    // The only ways to the bytes: audits grep for `expose`.
    std::span<const std::uint8_t> expose() const { return bytes_; }
    std::string_view expose_text() const {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }

private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace adyton::script
