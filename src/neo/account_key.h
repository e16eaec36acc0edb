#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/p256.h"
#include "neo/master_key.h"

namespace adyton::neo {

// The private key of a pool account: HKDF-SHA256(key material = master, salt = the id's text,
// info = "pool-account", 32 bytes) mod n. The id is the stored, canonical text, case and all:
// another spelling is another key. InvalidArgument: the number is 0 mod n (probability 2^-255);
// such an account must not be created.
Result<crypto::P256PrivateKey> derive_account_key(
    const MasterKey& master, std::string_view account_id);

// Tells whether a derived key is the one that an account was created with, without keeping anything
// that gives the key away: the first 16 bytes of HMAC-SHA256(f, scalar (32 bytes)), where
// f = HKDF(master, salt "adyton/account-fingerprint/v1", info "pool", 32 bytes).
struct AccountFingerprint {
    static constexpr std::size_t kSize = 16;
    std::array<std::uint8_t, kSize> bytes{};

    // InvalidArgument: not 16 bytes.
    static Result<AccountFingerprint> parse(base::ByteView view);
    bool operator==(const AccountFingerprint&) const = default;
};

// Makes fingerprints under one master key; a third of a microsecond each. Thread safe.
class AccountFingerprinter {
public:
    explicit AccountFingerprinter(const MasterKey& master);
    AccountFingerprint fingerprint(const crypto::P256PrivateKey& key) const;

private:
    crypto::HmacSha256Key key_;
};

}  // namespace adyton::neo
