#include "neo/verification_script.h"

#include <algorithm>

namespace adyton::neo {

std::array<std::uint8_t, kVerificationScriptBytes> verification_script(
    const crypto::P256PublicKey& key) {
    constexpr std::array<std::uint8_t, 2> kPushKey = {0x0c, 0x21};  // PUSHDATA1, 33
    // SYSCALL and the first four bytes of SHA-256("System.Crypto.CheckSig").
    constexpr std::array<std::uint8_t, 5> kCheckSig = {0x41, 0x56, 0xe7, 0xb3, 0x27};
    std::array<std::uint8_t, kVerificationScriptBytes> out;
    auto at = std::copy(kPushKey.begin(), kPushKey.end(), out.begin());
    at = std::copy(key.bytes().begin(), key.bytes().end(), at);
    std::copy(kCheckSig.begin(), kCheckSig.end(), at);
    return out;
}

ScriptHash account_script_hash(const crypto::P256PublicKey& key) {
    return ScriptHash::of_script(verification_script(key));
}

Address account_address(const crypto::P256PublicKey& key) {
    return Address(account_script_hash(key));
}

}  // namespace adyton::neo
