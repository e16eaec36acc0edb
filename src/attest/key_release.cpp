#include "attest/key_release.h"

#include <algorithm>
#include <utility>

#include "attest/refusal.h"
#include "base/check.h"
#include "crypto/aes_gcm.h"
#include "crypto/hkdf.h"

namespace adyton::attest {
namespace {

using base::Json;

constexpr std::string_view kPurpose = "activation";
constexpr std::string_view kAlgorithm = "x25519";
constexpr std::string_view kInfo = "adyton/release/v1";
constexpr std::size_t kSealedBytesMax = ActivationParameters::kBytesMax + 1024;

Result<crypto::AesKey> release_key(
    const crypto::X25519KeyPair& own, const crypto::X25519PublicKey& peer,
    const crypto::X25519PublicKey& releaser, const crypto::X25519PublicKey& asker,
    base::ByteView challenge) {
    const auto shared = own.shared_secret(peer);
    if (!shared) return refused(kBindingMismatch, "the key is no key to seal to");
    base::Bytes info(kInfo.begin(), kInfo.end());
    info.insert(info.end(), releaser.bytes.begin(), releaser.bytes.end());
    info.insert(info.end(), asker.bytes.begin(), asker.bytes.end());
    crypto::AesKey out;
    crypto::hkdf_sha256(shared->expose(), challenge, info, out.expose_mutable());
    return out;
}

crypto::X25519KeyPair fresh_key(base::RandomSource& random) {
    crypto::SecretBytes<crypto::X25519KeyPair::kScalarSize> scalar;
    random.fill(scalar.expose_mutable());
    return crypto::X25519KeyPair(std::move(scalar));
}

ActivationParameters parameters_of(const ReleaseGrant& grant) {
    ActivationParameters out;
    for (const auto& [name, value] : grant.env) {
        auto copy = crypto::SecretBuffer::copy_of(value.expose());
        CHECK(copy.has_value());  // it came from such a buffer
        out.env.emplace(name, std::move(*copy));
    }
    return out;
}

Result<crypto::X25519PublicKey> asker_of(const AttestationClaims& claims) {
    const auto key = crypto::X25519PublicKey::parse(claims.public_key);
    if (claims.purpose != kPurpose || claims.algorithm != kAlgorithm || !key) {
        return refused(kBindingMismatch, "the evidence is not that of a service that boots");
    }
    return *key;
}

}  // namespace

Json SealedRelease::to_json() const {
    Json out = Json::object();
    out.set("key", Json::string(key.to_hex()));
    out.set("sealed", Json::string(base::base64_encode(sealed)));
    return out;
}

Result<SealedRelease> SealedRelease::parse(const Json& json) {
    const auto bad = [] { return malformed("release: not {key, sealed}"); };
    if (!json.is_object() || json.members().size() != 2) return bad();
    const Json* const key = json.find("key");
    const Json* const sealed = json.find("sealed");
    if (key == nullptr || sealed == nullptr || !key->is_string() || !sealed->is_string()) {
        return bad();
    }
    const auto key_bytes = base::hex_decode(key->string_value());
    auto sealed_bytes = base::base64_decode(sealed->string_value());
    if (!key_bytes || !sealed_bytes || sealed_bytes->size() > kSealedBytesMax) return bad();
    const auto parsed = crypto::X25519PublicKey::parse(*key_bytes);
    if (!parsed) return bad();
    return SealedRelease{*parsed, *std::move(sealed_bytes)};
}

KeyReleaser::KeyReleaser(
    const base::Clock& clock, base::RandomSource& random,
    std::map<std::string, ReleaseGrant> grants, ReleaseOptions options)
    : clock_(clock), random_(random), grants_(std::move(grants)), options_(options) {}

KeyReleaser::~KeyReleaser() = default;

base::Bytes KeyReleaser::challenge() {
    base::Bytes out(kChallengeSize);
    random_.fill(out);
    const std::lock_guard lock(mutex_);
    if (challenges_.size() >= options_.challenges_max) challenges_.erase(challenges_.begin());
    challenges_.emplace_back(out, clock_.steady_now());
    return out;
}

Result<void> KeyReleaser::use_challenge(const base::Bytes& nonce) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(challenges_.begin(), challenges_.end(), [&](const auto& one) {
        return one.first == nonce;
    });
    if (found == challenges_.end()) {
        return refused("release_challenge", "the challenge is not ours, or was used before");
    }
    const bool old = clock_.steady_now() - found->second > options_.challenge_ttl;
    challenges_.erase(found);
    if (old) return refused("release_challenge", "the challenge is too old");
    return {};
}

Result<KeyReleaser::Released> KeyReleaser::release(const AttestationBundle& bundle) {
    TRY_VOID(use_challenge(bundle.claims.nonce));
    const auto grant = grants_.find(bundle.claims.service_id);
    if (grant == grants_.end()) {
        return refused("release_unknown_type", "nothing is released to this marble type");
    }
    TRY_VOID(asker_of(bundle.claims));
    BundleOptions options;
    options.at = clock_.now();
    options.collateral = grant->second.collateral;
    options.snp_key = grant->second.snp_key;
    options.snp_chain = grant->second.snp_chain;
    options.root = grant->second.root;
    TRY(BundleVerdict verdict, verify_bundle(bundle, options));
    Released out;
    TRY(out.acceptance, evaluate(grant->second.policy, verdict.facts));
    out.facts = std::move(verdict.facts);
    TRY(out.answer, seal(bundle, grant->second));
    return out;
}

Result<SealedRelease> KeyReleaser::seal(
    const AttestationBundle& bundle, const ReleaseGrant& grant) {
    const crypto::X25519KeyPair own = fresh_key(random_);
    TRY(const auto asker, asker_of(bundle.claims));
    TRY(const auto key, release_key(own, asker, own.public_key(), asker, bundle.claims.nonce));
    const internal::WipingBytes message = parameters_of(grant).encode();
    const ReportData bound = bundle.claims.report_data();
    const auto nonce = crypto::AesGcmNonce::random(random_);
    return SealedRelease{own.public_key(), crypto::aes_gcm_seal(key, nonce, message, bound)};
}

Result<ReleaseRequest> ReleaseRequest::create(
    const std::string& marble_type, base::Bytes challenge, const std::string& version,
    EvidenceProvider& evidence, base::RandomSource& random, base::Timestamp now) {
    if (challenge.size() != KeyReleaser::kChallengeSize) {
        return malformed("release: the challenge has not 32 bytes");
    }
    crypto::X25519KeyPair key = fresh_key(random);
    AttestationBundle bundle;
    bundle.claims.service_id = marble_type;
    bundle.claims.purpose = kPurpose;
    bundle.claims.algorithm = kAlgorithm;
    const auto& bytes = key.public_key().bytes;
    bundle.claims.public_key.assign(bytes.begin(), bytes.end());
    bundle.claims.nonce = std::move(challenge);
    bundle.claims.version = version;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
    bundle.claims.issued_at =
        static_cast<std::uint64_t>(std::max<std::int64_t>(seconds.count(), 0));
    TRY(bundle.evidence, evidence.collect(bundle.claims.report_data()));
    return ReleaseRequest(std::move(key), std::move(bundle));
}

Result<ActivationParameters> ReleaseRequest::open(const SealedRelease& answer) const {
    TRY(const auto key,
        release_key(key_, answer.key, answer.key, key_.public_key(), bundle_.claims.nonce));
    auto message = crypto::aes_gcm_open(key, answer.sealed, bundle_.claims.report_data());
    if (!message) return refused(kBadSignature, "the release is not sealed to this request");
    auto out = ActivationParameters::parse(*message);
    crypto::wipe(*message);
    return out;
}

}  // namespace adyton::attest
