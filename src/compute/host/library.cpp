#include "compute/host/library.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "base/base58.h"
#include "base/bytes.h"
#include "base/json.h"
#include "compute/host/hashes.h"
#include "compute/host/library_prelude.h"
#include "compute/host/script_url.h"
#include "compute/host/signatures.h"

namespace adyton::compute::host {
namespace {

using script::HostArgument;
using script::HostContext;
using script::HostFunction;
using script::HostValue;
using script::Parameter;
using Arguments = std::span<const HostArgument>;

constexpr std::size_t kRandomBytesMax = 1'024;
constexpr std::size_t kBase58BytesMax = 1'024;

HostValue hex(base::ByteView bytes) {
    return HostValue::text(base::hex_encode(bytes));
}

Result<HostValue> as_value(Result<base::Bytes> bytes) {
    if (!bytes) return bytes.error();
    return HostValue::raw(*bytes);
}
Result<HostValue> as_value(Result<bool> value) {
    if (!value) return value.error();
    return HostValue::from(*value);
}
Result<HostValue> as_value(std::optional<base::Bytes> bytes) {
    if (!bytes) return Error::invalid_argument("unknown algorithm");
    return HostValue::raw(*bytes);
}

// --- crypto -------------------------------------------------------------------------------------

// The seed's two, to the letter (services.md 4.3): text in, hex out.
Result<HostValue> sha256(Arguments in, HostContext&) {
    if (!in[0].defined) return HostValue::undefined();
    return hex(*digest("sha256", in[0].bytes));
}

std::size_t random_count(const HostArgument& argument) {
    if (!argument.defined) return 32;
    if (!(argument.number >= 1)) return 0;  // NaN too, and negative ones, which crashed the seed
    return argument.number > static_cast<double>(kRandomBytesMax)
               ? kRandomBytesMax
               : static_cast<std::size_t>(argument.number);
}
base::Bytes random_bytes_of(Arguments in, HostContext& context) {
    base::Bytes out(random_count(in[0]));
    context.random.fill(out);
    return out;
}
Result<HostValue> random_bytes(Arguments in, HostContext& context) {
    return hex(random_bytes_of(in, context));
}
Result<HostValue> random_array(Arguments in, HostContext& context) {
    return HostValue::raw(random_bytes_of(in, context));
}

Result<HostValue> sha512(Arguments in, HostContext&) {
    return hex(*digest("sha512", in[0].bytes));
}
Result<HostValue> ripemd160(Arguments in, HostContext&) {
    return hex(*digest("ripemd160", in[0].bytes));
}
Result<HostValue> keccak(Arguments in, HostContext&) {
    return hex(*digest("keccak256", in[0].bytes));
}
Result<HostValue> digest_of(Arguments in, HostContext&) {
    return as_value(digest(in[0].text(), in[1].bytes));
}
Result<HostValue> hmac_sha256(Arguments in, HostContext&) {
    return hex(*hmac("sha256", in[0].bytes, in[1].bytes));
}
Result<HostValue> hmac_sha512(Arguments in, HostContext&) {
    return hex(*hmac("sha512", in[0].bytes, in[1].bytes));
}
Result<HostValue> hmac_of(Arguments in, HostContext&) {
    return as_value(hmac(in[0].text(), in[1].bytes, in[2].bytes));
}
Result<HostValue> encrypt(Arguments in, HostContext&) {
    return as_value(aes_gcm_encrypt(in[0].bytes, in[1].bytes, in[2].bytes, in[3].bytes));
}
Result<HostValue> decrypt(Arguments in, HostContext&) {
    return as_value(aes_gcm_decrypt(in[0].bytes, in[1].bytes, in[2].bytes, in[3].bytes));
}

// P-256 signs a message (SHA-256), as Neo and the web do; secp256k1 a digest, because chains differ
// in how they hash.
Result<HostValue> p256_sign(Arguments in, HostContext&) {
    return as_value(ecdsa_sign(Curve::P256, in[0].bytes, *digest("sha256", in[1].bytes)));
}
Result<HostValue> p256_verify(Arguments in, HostContext&) {
    return as_value(
        ecdsa_verify(Curve::P256, in[0].bytes, *digest("sha256", in[1].bytes), in[2].bytes));
}
Result<HostValue> p256_public_key(Arguments in, HostContext&) {
    return as_value(ecdsa_public_key(Curve::P256, in[0].bytes));
}
Result<HostValue> secp256k1_sign(Arguments in, HostContext&) {
    return as_value(ecdsa_sign(Curve::Secp256k1, in[0].bytes, in[1].bytes));
}
Result<HostValue> secp256k1_verify(Arguments in, HostContext&) {
    return as_value(ecdsa_verify(Curve::Secp256k1, in[0].bytes, in[1].bytes, in[2].bytes));
}
Result<HostValue> secp256k1_public_key(Arguments in, HostContext&) {
    return as_value(ecdsa_public_key(Curve::Secp256k1, in[0].bytes));
}
Result<HostValue> ed25519_sign_of(Arguments in, HostContext&) {
    return as_value(ed25519_sign(in[0].bytes, in[1].bytes));
}
Result<HostValue> ed25519_verify_of(Arguments in, HostContext&) {
    return as_value(ed25519_verify(in[0].bytes, in[1].bytes, in[2].bytes));
}
Result<HostValue> ed25519_public_key_of(Arguments in, HostContext&) {
    return as_value(ed25519_public_key(in[0].bytes));
}

// --- Encodings ----------------------------------------------------------------------------------

Result<HostValue> hex_encode(Arguments in, HostContext&) {
    return hex(in[0].bytes);
}
Result<HostValue> hex_decode(Arguments in, HostContext&) {
    return as_value(base::hex_decode(in[0].text()));
}
Result<HostValue> base64_encode(Arguments in, HostContext&) {
    return HostValue::text(base::base64_encode(in[0].bytes));
}
Result<HostValue> base64_decode(Arguments in, HostContext&) {
    return as_value(base::base64_decode(in[0].text()));
}
Result<HostValue> base58_encode(Arguments in, HostContext&) {
    if (in[0].bytes.size() > kBase58BytesMax) {
        return Error::too_large("base58 takes at most 1024 bytes");
    }
    return HostValue::text(base::base58_encode(in[0].bytes));
}
Result<HostValue> base58_decode(Arguments in, HostContext&) {
    return as_value(base::base58_decode(in[0].text(), kBase58BytesMax));
}
Result<HostValue> encode_text(Arguments in, HostContext&) {
    return HostValue::raw(in[0].bytes);
}

// The bytes as text, for TextDecoder: undefined when they are no UTF-8 and `fatal` is 1. The value
// is well-formed in any case: the engine's decoder replaces what is not.
Result<HostValue> decode_text(Arguments in, HostContext&) {
    std::string_view text = in[0].text();
    const bool fatal = in[1].defined && in[1].number == 1;
    const bool keep_mark = in[2].defined && in[2].number == 1;
    if (fatal && !base::is_valid_utf8(text)) return HostValue::undefined();
    if (!keep_mark && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    return HostValue::text(script::well_formed(base::as_bytes(text)));
}

Result<HostValue> parse_url(Arguments in, HostContext&) {
    std::optional<ScriptUrl> base;
    if (in[1].defined) {
        TRY(base, parse_script_url(in[1].text(), nullptr));
    }
    TRY(const ScriptUrl url, parse_script_url(in[0].text(), base ? &*base : nullptr));
    std::string out;
    base::JsonWriter(out)
        .begin_object()
        .member("href", std::string_view(url.href()))
        .member("origin", std::string_view(url.origin()))
        .member("protocol", std::string_view(url.scheme + ":"))
        .member("username", std::string_view(url.username))
        .member("password", std::string_view(url.password))
        .member("host", std::string_view(url.host + (url.port.empty() ? "" : ":" + url.port)))
        .member("hostname", std::string_view(url.host))
        .member("port", std::string_view(url.port))
        .member("pathname", std::string_view(url.path))
        .member("search", std::string_view(url.query))
        .member("hash", std::string_view(url.fragment))
        .end_object();
    return HostValue::json(std::move(out));
}

// --- The table ----------------------------------------------------------------------------------

constexpr std::array<Parameter, 1> kText = {Parameter::Text};
constexpr std::array<Parameter, 1> kOptionalText = {Parameter::OptionalText};
constexpr std::array<Parameter, 1> kOptionalNumber = {Parameter::OptionalNumber};
constexpr std::array<Parameter, 1> kBytes = {Parameter::Bytes};
constexpr std::array<Parameter, 2> kTwoBytes = {Parameter::Bytes, Parameter::Bytes};
constexpr std::array<Parameter, 3> kThreeBytes = {
    Parameter::Bytes, Parameter::Bytes, Parameter::Bytes};
constexpr std::array<Parameter, 2> kNameBytes = {Parameter::Text, Parameter::Bytes};
constexpr std::array<Parameter, 3> kNameTwoBytes = {
    Parameter::Text, Parameter::Bytes, Parameter::Bytes};
constexpr std::array<Parameter, 4> kSealing = {
    Parameter::Bytes, Parameter::Bytes, Parameter::Bytes, Parameter::OptionalBytes};
constexpr std::array<Parameter, 3> kDecoding = {
    Parameter::Bytes, Parameter::OptionalNumber, Parameter::OptionalNumber};
constexpr std::array<Parameter, 2> kUrl = {Parameter::Text, Parameter::OptionalText};

// Gas: about 50 for a microsecond on the reference machine.
constexpr std::array<HostFunction, 34> kFunctions = {{
    {"crypto.sha256", kOptionalText, 200, 1, sha256},
    {"crypto.randomBytes", kOptionalNumber, 200, 1, random_bytes},
    {"crypto.randomArray", kOptionalNumber, 200, 1, random_array},
    {"crypto.sha512", kBytes, 200, 1, sha512},
    {"crypto.ripemd160", kBytes, 200, 1, ripemd160},
    {"crypto.keccak256", kBytes, 200, 1, keccak},
    {"crypto.digest", kNameBytes, 200, 1, digest_of},
    {"crypto.hmacSha256", kTwoBytes, 300, 1, hmac_sha256},
    {"crypto.hmacSha512", kTwoBytes, 300, 1, hmac_sha512},
    {"crypto.hmac", kNameTwoBytes, 300, 1, hmac_of},
    {"crypto.aesGcmEncrypt", kSealing, 300, 1, encrypt},
    {"crypto.aesGcmDecrypt", kSealing, 300, 1, decrypt},
    {"crypto.p256Sign", kTwoBytes, 20'000, 1, p256_sign},
    {"crypto.p256Verify", kThreeBytes, 20'000, 1, p256_verify},
    {"crypto.p256PublicKey", kBytes, 10'000, 1, p256_public_key},
    {"crypto.secp256k1Sign", kTwoBytes, 40'000, 1, secp256k1_sign},
    {"crypto.secp256k1Verify", kThreeBytes, 40'000, 1, secp256k1_verify},
    {"crypto.secp256k1PublicKey", kBytes, 30'000, 1, secp256k1_public_key},
    {"crypto.ed25519Sign", kTwoBytes, 10'000, 1, ed25519_sign_of},
    {"crypto.ed25519Verify", kThreeBytes, 10'000, 1, ed25519_verify_of},
    {"crypto.ed25519PublicKey", kBytes, 5'000, 1, ed25519_public_key_of},
    {"hex.encode", kBytes, 50, 1, hex_encode},
    {"hex.decode", kText, 50, 1, hex_decode},
    {"base64.encode", kBytes, 50, 1, base64_encode},
    {"base64.decode", kText, 50, 1, base64_decode},
    {"base58.encode", kBytes, 50, 500, base58_encode},
    {"base58.decode", kText, 50, 500, base58_decode},
    {"_encode_base64", kBytes, 50, 1, base64_encode},
    {"_decode_base64", kText, 50, 1, base64_decode},
    {"_encode_text", kText, 50, 1, encode_text},
    {"_decode_text", kDecoding, 50, 1, decode_text},
    {"_parse_url", kUrl, 500, 2, parse_url},
    {"_percent_encode", kText, 50, 2,
     [](Arguments in, HostContext&) -> Result<HostValue> {
         return HostValue::text(form_encoded(in[0].text()));
     }},
    {"_percent_decode", kText, 50, 2,
     [](Arguments in, HostContext&) -> Result<HostValue> {
         return HostValue::text(script::well_formed(base::as_bytes(form_decoded(in[0].text()))));
     }},
}};

// libcrypto reads its configuration, fetches its algorithms and seeds itself on first use.
void warm_up() {
    const base::Bytes key(32, 0x01);
    for (const Curve curve : {Curve::P256, Curve::Secp256k1}) {
        const auto public_key = ecdsa_public_key(curve, key);
        const auto signature = ecdsa_sign(curve, key, key);
        if (public_key && signature) {
            static_cast<void>(ecdsa_verify(curve, *public_key, key, *signature));
        }
    }
    const auto public_key = ed25519_public_key(key);
    const auto signature = ed25519_sign(key, key);
    if (public_key && signature) static_cast<void>(ed25519_verify(*public_key, key, *signature));
    for (const std::size_t size : {std::size_t{16}, std::size_t{32}}) {
        const base::ByteView part = base::ByteView(key).first(size);
        const auto sealed = aes_gcm_encrypt(part, base::ByteView(key).first(12), key, key);
        if (sealed) {
            static_cast<void>(aes_gcm_decrypt(part, base::ByteView(key).first(12), *sealed, key));
        }
    }
    for (const std::string_view name : {"sha256", "sha512", "ripemd160", "keccak256"}) {
        static_cast<void>(digest(name, key));
        static_cast<void>(hmac(name, key, key));
    }
}

}  // namespace

const script::HostLibrary& library() {
    static const script::HostLibrary kLibrary{kFunctions, kLibraryPrelude, warm_up};
    return kLibrary;
}

}  // namespace adyton::compute::host
