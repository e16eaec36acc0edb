#include "neo/sign_data.h"

#include <algorithm>

namespace adyton::neo {

Result<TransactionHash> TransactionHash::from_wire(base::ByteView bytes) {
    if (bytes.size() != kSize) return Error::invalid_argument("transaction hash must be 32 bytes");
    TransactionHash out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
}

Result<TransactionHash> TransactionHash::parse(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    if (text.size() != 2 * kSize) {
        return Error::invalid_argument("transaction hash must be 64 hex digits");
    }
    TRY(auto bytes, base::hex_decode(text));
    std::reverse(bytes.begin(), bytes.end());
    return from_wire(bytes);
}

std::string TransactionHash::to_string() const {
    auto reversed = bytes_;
    std::reverse(reversed.begin(), reversed.end());
    return "0x" + base::hex_encode(reversed);
}

crypto::Sha256Digest sign_data_digest(NetworkMagic magic, const TransactionHash& hash) {
    std::array<std::uint8_t, 4 + TransactionHash::kSize> data;
    const auto number = static_cast<std::uint32_t>(magic);
    for (std::size_t i = 0; i < 4; ++i) data[i] = static_cast<std::uint8_t>(number >> (8U * i));
    std::copy(hash.wire().begin(), hash.wire().end(), data.begin() + 4);
    return crypto::sha256(data);
}

}  // namespace adyton::neo
