#include "neo/base58check.h"

#include <algorithm>

#include "base/base58.h"
#include "crypto/digest.h"

namespace adyton::neo {
namespace {

constexpr std::size_t kChecksumBytes = 4;

crypto::Sha256Digest double_sha256(base::ByteView data) {
    return crypto::sha256(crypto::sha256(data).view());
}

}  // namespace

std::string base58check_encode(base::ByteView payload) {
    base::Bytes bytes(payload.begin(), payload.end());
    const auto digest = double_sha256(payload);
    bytes.insert(bytes.end(), digest.bytes.begin(), digest.bytes.begin() + kChecksumBytes);
    return base::base58_encode(bytes);
}

Result<base::Bytes> base58check_decode(std::string_view text, std::size_t payload_bytes) {
    TRY(auto bytes, base::base58_decode(text, payload_bytes + kChecksumBytes));
    if (bytes.size() != payload_bytes + kChecksumBytes) {
        return Error::invalid_argument("wrong length");
    }
    const auto digest = double_sha256(base::ByteView(bytes).first(payload_bytes));
    if (!std::equal(
            bytes.end() - static_cast<std::ptrdiff_t>(kChecksumBytes), bytes.end(),
            digest.bytes.begin())) {
        return Error::invalid_argument("wrong checksum");
    }
    bytes.resize(payload_bytes);
    return bytes;
}

}  // namespace adyton::neo
