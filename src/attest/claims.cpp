#include "attest/claims.h"

#include <algorithm>
#include <limits>

#include "attest/internal/json_fields.h"
#include "attest/refusal.h"
#include "base/check.h"
#include "crypto/transcript.h"

namespace adyton::attest {
namespace {

using base::Json;

constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kKeyBytesMax = 1024;
constexpr std::size_t kSigningKeysMax = 16;

Error bad(std::string_view member) {
    return malformed("attestation claims: " + std::string(member));
}

bool is_lower_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

Result<std::string> text_of(const Json& json, std::string_view name) {
    const std::string* const text = internal::text_member(json, name);
    if (text == nullptr || text->size() > kTextBytesMax) return bad(name);
    return *text;
}

Result<base::Bytes> hex_of(const Json& value, std::string_view name) {
    if (!value.is_string() || !is_lower_hex(value.string_value())) return bad(name);
    if (value.string_value().size() > 2 * kKeyBytesMax) return bad(name);
    auto bytes = base::hex_decode(value.string_value());
    if (!bytes) return bad(name);
    return std::move(*bytes);
}

Result<std::optional<crypto::Sha256Digest>> digest_of(const Json& json, std::string_view name) {
    const Json* const value = json.find(name);
    if (value == nullptr) return std::optional<crypto::Sha256Digest>();
    TRY(const base::Bytes bytes, hex_of(*value, name));
    const auto digest = crypto::Sha256Digest::parse(bytes);
    if (!digest) return bad(name);
    return std::optional<crypto::Sha256Digest>(*digest);
}

Result<std::map<std::string, std::string>> signing_keys_of(const Json& json) {
    std::map<std::string, std::string> out;
    const Json* const value = json.find("signing_keys");
    if (value == nullptr) return out;
    if (!value->is_object() || value->members().empty() ||
        value->members().size() > kSigningKeysMax) {
        return bad("signing_keys");
    }
    for (const auto& [name, key] : value->members()) {
        const bool plain =
            !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            });
        if (!plain) return bad("signing_keys");
        TRY_VOID(hex_of(key, "signing_keys"));
        out.emplace(name, key.string_value());
    }
    return out;
}

Result<void> check_members(const Json& json) {
    if (!json.is_object()) return bad("not an object");
    const std::string* const unknown = internal::unknown_member(
        json,
        {"service_id", "purpose", "pubkey", "alg", "tls_spki_sha256", "policy_digest", "nonce",
         "issued_at", "version", "coordinator_root_sha256", "signing_keys", "build_id"});
    if (unknown != nullptr) return bad("an unknown member");
    return {};
}

}  // namespace

std::string base64url_encode(base::ByteView bytes) {
    std::string out = base::base64_encode(bytes);
    while (!out.empty() && out.back() == '=') out.pop_back();
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    return out;
}

Result<base::Bytes> base64url_decode(std::string_view text) {
    std::string standard(text);
    const bool url = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
    if (!url) return malformed("not base64url");
    std::replace(standard.begin(), standard.end(), '-', '+');
    std::replace(standard.begin(), standard.end(), '_', '/');
    while (standard.size() % 4 != 0) standard += '=';
    auto bytes = base::base64_decode(standard);
    if (!bytes) return malformed("not base64url");
    return std::move(*bytes);
}

ReportData AttestationClaims::report_data() const {
    CHECK(nonce.size() <= kNonceBytesMax);
    crypto::Transcript out("attest");
    out.add(1, service_id).add(2, purpose).add(3, public_key).add(4, algorithm);
    if (tls_spki) out.add(5, tls_spki->view());
    if (policy_digest) out.add(6, policy_digest->view());
    out.add(7, nonce).add_u64(8, issued_at).add(9, version);
    if (coordinator_root) out.add(10, coordinator_root->view());
    if (!signing_keys.empty()) {
        std::string keys;
        for (const auto& [name, hex] : signing_keys) keys += name + ":" + hex + "\n";
        out.add(11, keys);
    }
    if (!build_id.empty()) out.add(12, build_id);
    return out.sha512().bytes;
}

Json AttestationClaims::to_json() const {
    Json out = Json::object();
    out.set("service_id", Json::string(service_id));
    out.set("purpose", Json::string(purpose));
    out.set("pubkey", Json::string(base::hex_encode(public_key)));
    out.set("alg", Json::string(algorithm));
    if (tls_spki) out.set("tls_spki_sha256", Json::string(tls_spki->to_hex()));
    if (policy_digest) out.set("policy_digest", Json::string(policy_digest->to_hex()));
    out.set("nonce", Json::string(base64url_encode(nonce)));
    out.set("issued_at", Json::unsigned_integer(issued_at));
    out.set("version", Json::string(version));
    if (coordinator_root) {
        out.set("coordinator_root_sha256", Json::string(coordinator_root->to_hex()));
    }
    if (!signing_keys.empty()) {
        Json keys = Json::object();
        for (const auto& [name, hex] : signing_keys) keys.set(name, Json::string(hex));
        out.set("signing_keys", std::move(keys));
    }
    if (!build_id.empty()) out.set("build_id", Json::string(build_id));
    return out;
}

Result<AttestationClaims> AttestationClaims::parse(const Json& json) {
    TRY_VOID(check_members(json));
    AttestationClaims out;
    TRY(out.service_id, text_of(json, "service_id"));
    TRY(out.purpose, text_of(json, "purpose"));
    TRY(out.algorithm, text_of(json, "alg"));
    TRY(out.version, text_of(json, "version"));
    const Json* const key = json.find("pubkey");
    if (key == nullptr) return bad("pubkey");
    TRY(out.public_key, hex_of(*key, "pubkey"));
    TRY(const std::string nonce, text_of(json, "nonce"));
    TRY(out.nonce, base64url_decode(nonce));
    if (out.nonce.size() > kNonceBytesMax) return bad("nonce");
    const Json* const issued = json.find("issued_at");
    const auto seconds = issued != nullptr ? issued->as_uint64() : bad("issued_at");
    if (!seconds) return bad("issued_at");
    out.issued_at = *seconds;
    TRY(out.tls_spki, digest_of(json, "tls_spki_sha256"));
    TRY(out.policy_digest, digest_of(json, "policy_digest"));
    TRY(out.coordinator_root, digest_of(json, "coordinator_root_sha256"));
    TRY(out.signing_keys, signing_keys_of(json));
    if (json.find("build_id") != nullptr) {
        TRY(out.build_id, text_of(json, "build_id"));
        if (out.build_id.empty()) return bad("build_id");
    }
    return out;
}

}  // namespace adyton::attest
