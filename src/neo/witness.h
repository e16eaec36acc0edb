#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/p256.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"
#include "neo/transaction.h"

namespace adyton::neo {

inline constexpr std::size_t kMultisigKeysMax = 1024;

// invocation 0c 40 <signature>, verification 0c 21 <key> 41 56 e7 b3 27.
Witness single_signature_witness(
    const crypto::P256PublicKey& key, const crypto::P256Signature& signature);
// The same without a signature: the form that fees are estimated from.
Witness unsigned_single_signature_witness(const crypto::P256PublicKey& key);

// PUSH m, the keys in ascending order, PUSH n, SYSCALL System.Crypto.CheckMultisig. 1-of-1 is the
// account of a private network's genesis funds. InvalidArgument: m is 0 or above n, no key, more
// than kMultisigKeysMax, or a key twice.
Result<base::Bytes> multisig_verification_script(
    std::size_t threshold, std::span<const crypto::P256PublicKey> keys);
Result<ScriptHash> multisig_account(
    std::size_t threshold, std::span<const crypto::P256PublicKey> keys);
// `signatures` in the ascending order of their keys, exactly as many as the threshold; empty: the
// form that fees are estimated from. InvalidArgument: another number, or no multisig script.
Result<Witness> multisig_witness(
    base::ByteView verification_script, std::span<const crypto::P256Signature> signatures);

// What a standard verification script asks for.
struct StandardScript {
    std::size_t threshold = 1;
    std::vector<crypto::P256PublicKey> keys;  // as they stand in the script
    bool multisig = false;                    // CheckMultisig, also of 1-of-1
};
// Nothing: neither the single-signature nor the multisig form, byte for byte as nodes know them.
std::optional<StandardScript> parse_verification_script(base::ByteView script);

// Whether a standard witness authorises `account` to sign `digest`. InvalidArgument: not a standard
// form (a contract's witness, another script). PermissionDenied: it belongs to another account, or
// a signature is missing or wrong.
Result<void> verify_witness(
    const Witness& witness, const ScriptHash& account, const crypto::Sha256Digest& digest);
// All witnesses of a transaction against its signers. Errors as above; InvalidArgument also when
// their numbers differ.
Result<void> verify_witnesses(const Transaction& transaction, NetworkMagic magic);

}  // namespace adyton::neo
