#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "neo/script_hash.h"

namespace adyton::neo {

// Neo N3 address: Base58Check(0x35 || script hash). 34 characters, first is 'N'.
// The hash is in wire order (little-endian). Spec: Neo N3 docs, "Wallets".
class Address {
public:
    static constexpr std::uint8_t kVersion = 0x35;
    static constexpr std::size_t kTextLength = 34;

    // InvalidArgument: wrong length, alphabet, version byte or checksum.
    static Result<Address> parse(std::string_view text);
    explicit Address(const ScriptHash& hash) : hash_(hash) {}

    const ScriptHash& script_hash() const { return hash_; }
    std::string to_string() const;
    bool operator==(const Address&) const = default;

private:
    ScriptHash hash_;
};

}  // namespace adyton::neo
