#include "neo/account_key.h"

#include <algorithm>

#include "crypto/hkdf.h"

namespace adyton::neo {
namespace {

constexpr std::string_view kAccountInfo = "pool-account";
constexpr std::string_view kFingerprintSalt = "adyton/account-fingerprint/v1";
constexpr std::string_view kFingerprintInfo = "pool";

crypto::SecretBytes<32> derive(
    const MasterKey& master, std::string_view salt, std::string_view info) {
    crypto::SecretBytes<32> okm;
    crypto::hkdf_sha256(
        master.expose(), base::as_bytes(salt), base::as_bytes(info), okm.expose_mutable());
    return okm;
}

}  // namespace

Result<crypto::P256PrivateKey> derive_account_key(
    const MasterKey& master, std::string_view account_id) {
    return crypto::P256PrivateKey::reduce_scalar(derive(master, account_id, kAccountInfo));
}

Result<AccountFingerprint> AccountFingerprint::parse(base::ByteView view) {
    if (view.size() != kSize) return Error::invalid_argument("fingerprint must be 16 bytes");
    AccountFingerprint out;
    std::copy(view.begin(), view.end(), out.bytes.begin());
    return out;
}

AccountFingerprinter::AccountFingerprinter(const MasterKey& master)
    : key_(derive(master, kFingerprintSalt, kFingerprintInfo).expose()) {}

AccountFingerprint AccountFingerprinter::fingerprint(const crypto::P256PrivateKey& key) const {
    const auto digest = key_.mac(key.expose_scalar());
    AccountFingerprint out;
    std::copy_n(digest.bytes.begin(), AccountFingerprint::kSize, out.bytes.begin());
    return out;
}

}  // namespace adyton::neo
