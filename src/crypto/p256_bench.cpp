#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256_bench.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <string>

#include "base/check.h"
#include "crypto/hkdf.h"
#include "crypto/p256.h"

namespace adyton::crypto {
namespace {

constexpr std::string_view kInfo = "pool-account";
constexpr int kSliceSignatures = 64;

struct Deleter {
    void operator()(BIGNUM* p) const { BN_clear_free(p); }
    void operator()(EC_KEY* p) const { EC_KEY_free(p); }
    void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};

// The same ids and digests for both sides, a new one each time.
class Workload {
public:
    Workload() : id_("00000000-0000-4000-8000-000000000000") { master_.expose_mutable()[0] = 1; }
    SecretBytes<32> derive() {
        for (std::size_t i = id_.size() - 1; ++id_[i] > '9'; --i) id_[i] = '0';
        SecretBytes<32> okm;
        hkdf_sha256(
            master_.expose(), base::as_bytes(id_), base::as_bytes(kInfo), okm.expose_mutable());
        return okm;
    }
    const Sha256Digest& next_digest() {
        ++digest_.bytes[digest_.bytes[0] % 16];
        return digest_;
    }

private:
    SecretBytes<32> master_;
    std::string id_;
    Sha256Digest digest_;
};

P256PrivateKey own_key(SecretBytes<32> okm) {
    auto key = P256PrivateKey::reduce_scalar(std::move(okm));
    CHECK(key.has_value());
    return std::move(*key);
}

bool own_sign(Workload& work) {
    const auto key = own_key(work.derive());
    return sign_rfc6979_low_s(key, work.next_digest()).has_value();
}

class Library {
public:
    Library() : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)), scalar_(BN_new()) {
        CHECK(key_ != nullptr && scalar_ != nullptr);
    }
    std::unique_ptr<ECDSA_SIG, Deleter> sign(
        const SecretBytes<32>& okm, const Sha256Digest& digest) {
        CHECK(BN_bin2bn(okm.expose().data(), 32, scalar_.get()) != nullptr);
        CHECK(EC_KEY_set_private_key(key_.get(), scalar_.get()) == 1);
        return std::unique_ptr<ECDSA_SIG, Deleter>(
            ECDSA_do_sign(digest.bytes.data(), 32, key_.get()));
    }

private:
    std::unique_ptr<EC_KEY, Deleter> key_;
    std::unique_ptr<BIGNUM, Deleter> scalar_;
};

bool samples_verify(Workload& work, Library& library) {
    auto okm = work.derive();
    const Sha256Digest digest = work.next_digest();
    const auto pair = library.sign(okm, digest);
    if (pair == nullptr) return false;
    P256Signature theirs;
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), theirs.bytes.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), theirs.bytes.data() + 32, 32);
    const auto key = own_key(std::move(okm));
    const auto ours = sign_rfc6979_low_s(key, digest);
    const auto public_key = key.public_key();
    return ours && verify(public_key, digest, *ours) && verify(public_key, digest, theirs);
}

}  // namespace

P256Bench bench_derive_and_sign(
    const std::function<std::chrono::nanoseconds()>& now, std::chrono::milliseconds duration) {
    P256Bench out;
    Workload work;
    Library library;
    std::chrono::nanoseconds library_time{0};
    std::chrono::nanoseconds own_time{0};
    out.verified = samples_verify(work, library);
    do {
        const auto start = now();
        for (int i = 0; i < kSliceSignatures; ++i) {
            CHECK(library.sign(work.derive(), work.next_digest()) != nullptr);
        }
        const auto middle = now();
        for (int i = 0; i < kSliceSignatures; ++i) CHECK(own_sign(work));
        own_time += now() - middle;
        library_time += middle - start;
        out.library_count += kSliceSignatures;
        out.ours_count += kSliceSignatures;
    } while (library_time + own_time < duration);
    const auto per_second = [](std::uint64_t count, std::chrono::nanoseconds time) {
        return static_cast<double>(count) * 1e9 /
               static_cast<double>(std::max<std::int64_t>(time.count(), 1));
    };
    out.library_per_s = per_second(out.library_count, library_time);
    out.ours_per_s = per_second(out.ours_count, own_time);
    out.ratio = out.ours_per_s / out.library_per_s;
    return out;
}

}  // namespace adyton::crypto
