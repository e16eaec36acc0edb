#pragma once

#include <array>
#include <cstdint>

#include "crypto/p256.h"
#include "neo/address.h"
#include "neo/script_hash.h"

namespace adyton::neo {

inline constexpr std::size_t kVerificationScriptBytes = 40;

// The script whose hash is the account of one key:
// PUSHDATA1 33 <key> SYSCALL System.Crypto.CheckSig (0c 21 <33 bytes> 41 56 e7 b3 27).
std::array<std::uint8_t, kVerificationScriptBytes> verification_script(
    const crypto::P256PublicKey& key);

ScriptHash account_script_hash(const crypto::P256PublicKey& key);
Address account_address(const crypto::P256PublicKey& key);

}  // namespace adyton::neo
