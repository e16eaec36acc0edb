#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/base58.h"
#include "crypto/digest.h"

namespace adyton::near {

// A SHA-256 digest as NEAR shows it: base58 without prefix, 32 to 44 characters. The tag keeps the
// hashes of different things apart.
template <typename Tag>
struct Hash {
    static constexpr std::size_t kSize = 32;
    crypto::Sha256Digest digest;

    // InvalidArgument: not base58, or not 32 bytes.
    static Result<Hash> parse(std::string_view text) {
        TRY(const auto bytes, base::base58_decode(text, kSize));
        return from_bytes(bytes);
    }
    // InvalidArgument: not 32 bytes.
    static Result<Hash> from_bytes(base::ByteView bytes) {
        TRY(const auto digest, crypto::Sha256Digest::parse(bytes));
        return Hash{digest};
    }
    base::ByteView view() const { return digest.view(); }
    std::string to_string() const { return base::base58_encode(digest.view()); }
    auto operator<=>(const Hash&) const = default;
};

using BlockHash = Hash<struct BlockHashTag>;
using CodeHash = Hash<struct CodeHashTag>;                // of a contract's WebAssembly
using TransactionHash = Hash<struct TransactionHashTag>;  // of the unsigned Borsh bytes
using ReceiptId = Hash<struct ReceiptIdTag>;
using DelegateHash = Hash<struct DelegateHashTag>;  // what a NEP-366 signature covers
using MessageHash = Hash<struct MessageHashTag>;    // what a NEP-413 signature covers; intent hash

}  // namespace adyton::near
