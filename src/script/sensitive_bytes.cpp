#include "script/sensitive_bytes.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

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

void SensitiveBytes::append(std::span<const std::uint8_t> bytes) {
    const std::size_t wanted = bytes_.size() + bytes.size();
    if (wanted > bytes_.capacity()) {
        // vector would leave the old bytes behind.
        std::vector<std::uint8_t> larger;
        larger.reserve(std::max(wanted, 2 * bytes_.capacity()));
        larger.assign(bytes_.begin(), bytes_.end());
        wipe();
        bytes_.swap(larger);
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void SensitiveBytes::append(std::string_view text) {
    append(base::as_bytes(text));
}

void SensitiveBytes::wipe() {
    if (!bytes_.empty()) ::explicit_bzero(bytes_.data(), bytes_.size());
    bytes_.clear();
}

}  // namespace adyton::script
