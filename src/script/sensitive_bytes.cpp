#include "script/sensitive_bytes.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"

namespace adyton::script {

SensitiveBytes::SensitiveBytes(std::string_view text) {
    append(text);
}

SensitiveBytes& SensitiveBytes::operator=(SensitiveBytes&& other) noexcept {
    if (this != &other) {
        wipe();
        bytes_.swap(other.bytes_);
    }
    return *this;
}

void SensitiveBytes::reserve(std::size_t bytes) {
    if (bytes <= bytes_.capacity()) return;
    // vector would leave the old bytes behind.
    std::vector<std::uint8_t> larger;
    larger.reserve(std::max(bytes, 2 * bytes_.capacity()));
    larger.assign(bytes_.begin(), bytes_.end());
    wipe();
    bytes_.swap(larger);
}

void SensitiveBytes::append(std::span<const std::uint8_t> bytes) {
    reserve(bytes_.size() + bytes.size());
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void SensitiveBytes::overwrite(std::size_t at, std::span<const std::uint8_t> bytes) {
    CHECK(at <= bytes_.size() && bytes.size() <= bytes_.size() - at);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
}

void SensitiveBytes::append(std::string_view text) {
    append(base::as_bytes(text));
}

void SensitiveBytes::wipe() {
    if (!bytes_.empty()) ::explicit_bzero(bytes_.data(), bytes_.size());
    bytes_.clear();
}

}  // namespace adyton::script
