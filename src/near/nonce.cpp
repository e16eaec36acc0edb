#include "near/nonce.h"

#include <algorithm>
#include <limits>

namespace adyton::near {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {0x56, 0x28, 0xf6, 0xc6};
constexpr std::uint8_t kVersion1 = 0;
constexpr std::size_t kSaltAt = kMagic.size() + 1;
constexpr std::size_t kDeadlineAt = kSaltAt + IntentsSalt::kSize;
constexpr std::size_t kRandomAt = kDeadlineAt + sizeof(std::int64_t);
static_assert(kRandomAt + VersionedNonce::kRandomBytes == MessageNonce::kSize);

}  // namespace

Result<MessageNonce> MessageNonce::from_bytes(base::ByteView bytes) {
    if (bytes.size() != kSize) return Error::invalid_argument("nonce must be 32 bytes");
    MessageNonce out;
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
}

Result<MessageNonce> MessageNonce::parse_base64(std::string_view text) {
    constexpr std::size_t kTextLength = 44;
    if (text.size() != kTextLength) return Error::invalid_argument("nonce must be 32 bytes");
    TRY(const auto bytes, base::base64_decode(text));
    return from_bytes(bytes);
}

Result<IntentsSalt> IntentsSalt::parse(std::string_view hex) {
    TRY(const auto bytes, base::hex_decode(hex));
    if (bytes.size() != kSize) return Error::invalid_argument("salt must be 4 bytes");
    IntentsSalt out;
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
}

VersionedNonce VersionedNonce::create(
    IntentsSalt salt, base::Timestamp deadline, base::RandomSource& random) {
    VersionedNonce out;
    out.salt = salt;
    const std::int64_t microseconds = deadline.time_since_epoch().count();
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    if (microseconds > kMax / 1000) {
        out.deadline_ns = kMax;
    } else {
        out.deadline_ns = microseconds < kMin / 1000 ? kMin : microseconds * 1000;
    }
    random.fill(out.random);
    return out;
}

std::optional<VersionedNonce> VersionedNonce::find_in(const MessageNonce& nonce) {
    const auto& bytes = nonce.bytes;
    if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) return std::nullopt;
    if (bytes[kMagic.size()] != kVersion1) return std::nullopt;
    VersionedNonce out;
    std::copy_n(bytes.begin() + kSaltAt, out.salt.bytes.size(), out.salt.bytes.begin());
    std::uint64_t deadline = 0;
    for (std::size_t i = sizeof(deadline); i-- > 0;) {
        deadline = deadline << 8U | bytes[kDeadlineAt + i];
    }
    out.deadline_ns = static_cast<std::int64_t>(deadline);
    std::copy_n(bytes.begin() + kRandomAt, out.random.size(), out.random.begin());
    return out;
}

MessageNonce VersionedNonce::encode() const {
    MessageNonce out;
    std::copy(kMagic.begin(), kMagic.end(), out.bytes.begin());
    out.bytes[kMagic.size()] = kVersion1;
    std::copy(salt.bytes.begin(), salt.bytes.end(), out.bytes.begin() + kSaltAt);
    const auto deadline = static_cast<std::uint64_t>(deadline_ns);
    for (std::size_t i = 0; i < sizeof(deadline); ++i) {
        out.bytes[kDeadlineAt + i] = static_cast<std::uint8_t>(deadline >> (8 * i));
    }
    std::copy(random.begin(), random.end(), out.bytes.begin() + kRandomAt);
    return out;
}

}  // namespace adyton::near
