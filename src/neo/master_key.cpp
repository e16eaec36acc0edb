#include "neo/master_key.h"

#include <string_view>

#include "base/check.h"
#include "crypto/hkdf.h"
#include "crypto/secret_text.h"

namespace adyton::neo {
namespace {

constexpr std::string_view kMasterKeySalt = "coordinator-master-key";
constexpr std::string_view kPublicKeySalt = "coordinator-master-pubkey";
constexpr std::string_view kInfo = "neoaccounts";

}  // namespace

Result<MasterKey> MasterKey::create(crypto::SecretBuffer bytes) {
    if (bytes.size() < kSizeMin) {
        return Error::invalid_argument("the master key must have at least 32 bytes");
    }
    return MasterKey(std::move(bytes));
}

Result<MasterKey> MasterKey::parse_environment_text(crypto::SecretBuffer text) {
    TRY(auto bytes, crypto::environment_secret_bytes(std::move(text)));
    return create(std::move(bytes));
}

Result<MasterKey> MasterKey::parse_file_content(crypto::SecretBuffer content) {
    TRY(auto bytes, crypto::file_secret_bytes(std::move(content)));
    return create(std::move(bytes));
}

Result<MasterKey> MasterKey::from_seed(const crypto::SecretBuffer& seed) {
    if (seed.size() < kSeedSizeMin) {
        return Error::invalid_argument("the master seed must have at least 16 bytes");
    }
    TRY(auto bytes, crypto::SecretBuffer::create(kSizeMin));
    crypto::hkdf_sha256(
        seed.expose(), base::as_bytes(kMasterKeySalt), base::as_bytes(kInfo),
        bytes.expose_mutable());
    return create(std::move(bytes));
}

crypto::P256PublicKey master_public_key(const MasterKey& master) {
    crypto::SecretBytes<32> okm;
    crypto::hkdf_sha256(
        master.expose(), base::as_bytes(kPublicKeySalt), base::as_bytes(kInfo),
        okm.expose_mutable());
    return crypto::P256PrivateKey::reduce_scalar_shifted(std::move(okm)).public_key();
}

crypto::Sha256Digest master_public_key_hash(const MasterKey& master) {
    return master_public_key_hash(master_public_key(master));
}

crypto::Sha256Digest master_public_key_hash(const crypto::P256PublicKey& key) {
    return crypto::sha256(key.bytes());
}

Result<crypto::Sha256Digest> parse_master_key_hash(base::ByteView value) {
    if (value.size() == crypto::Sha256Digest::kSize) return crypto::Sha256Digest::parse(value);
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    std::string_view text = base::as_text(value);
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    text = text.substr(0, text.find_last_not_of(kSpace) + 1);
    if (text.size() != 2 * crypto::Sha256Digest::kSize) {
        return Error::invalid_argument("the master key hash must be 32 bytes or 64 hex digits");
    }
    TRY(const auto bytes, base::hex_decode(text));
    return crypto::Sha256Digest::parse(bytes);
}

}  // namespace adyton::neo
