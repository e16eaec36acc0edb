#include "compute/receipt.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/json.h"
#include "crypto/transcript.h"

namespace adyton::compute {
namespace {

using base::Json;
using base::JsonWriter;
using crypto::Sha256Digest;

constexpr std::string_view kKind = "adyton/receipt/v1";
constexpr std::size_t kReceiptBytesMax = 256 * 1024;

base::Bytes secrets_bytes(const std::vector<Receipt::Secret>& secrets) {
    crypto::Transcript out("receipt-secrets");
    int tag = 0;
    for (const Receipt::Secret& secret : secrets) {
        out.add(static_cast<std::uint8_t>(++tag), secret.owner);
        out.add(static_cast<std::uint8_t>(++tag), secret.name);
        out.add_u64(static_cast<std::uint8_t>(++tag), static_cast<std::uint64_t>(secret.version));
    }
    return {out.bytes().begin(), out.bytes().end()};
}

base::Bytes limits_bytes(const Receipt::Limits& limits) {
    crypto::Transcript out("receipt-limits");
    out.add_u64(1, limits.time_ms).add_u64(2, limits.memory_bytes);
    out.add_u64(3, limits.metered_gas).add_u64(4, limits.fetches);
    return {out.bytes().begin(), out.bytes().end()};
}

std::uint64_t microseconds(base::Timestamp time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

base::ByteView view_or_empty(const std::optional<Sha256Digest>& digest) {
    return digest ? digest->view() : base::ByteView();
}

void write_secrets(JsonWriter& out, const std::vector<Receipt::Secret>& secrets) {
    out.key("secrets").begin_array();
    for (const Receipt::Secret& secret : secrets) {
        out.begin_object();
        out.member("owner", std::string_view(secret.owner));
        out.member("name", std::string_view(secret.name));
        out.member("version", secret.version);
        out.end_object();
    }
    out.end_array();
}

void write_limits(JsonWriter& out, const Receipt::Limits& limits) {
    out.key("limits").begin_object();
    out.member("time_ms", limits.time_ms);
    out.member("memory_bytes", limits.memory_bytes);
    out.member("metered_gas", limits.metered_gas);
    out.member("fetches", limits.fetches);
    out.end_object();
}

void write_digest(JsonWriter& out, std::string_view name, const std::optional<Sha256Digest>& hash) {
    out.key(name);
    if (hash) {
        out.hex(hash->view());
    } else {
        out.null();
    }
}

// Reads the members of a receipt in any order; parse_receipt() compares the text afterwards, so
// nothing here need be strict about form.
class Reader {
public:
    explicit Reader(const Json& json) : json_(json) {}

    std::string text(std::string_view name) {
        const Json* const found = json_.find(name);
        if (found == nullptr || !found->is_string()) return fail<std::string>();
        return found->string_value();
    }
    std::string optional_text(std::string_view name) {
        return json_.find(name) == nullptr ? std::string() : text(name);
    }
    std::uint64_t number(std::string_view name) {
        const Json* const found = json_.find(name);
        if (found == nullptr) return fail<std::uint64_t>();
        const auto value = found->as_uint64();
        return value ? *value : fail<std::uint64_t>();
    }
    base::Bytes hex(std::string_view name) {
        auto bytes = base::hex_decode(text(name));
        return bytes ? *std::move(bytes) : fail<base::Bytes>();
    }
    Sha256Digest digest(std::string_view name) {
        const auto value = Sha256Digest::parse(hex(name));
        return value ? *value : fail<Sha256Digest>();
    }
    std::optional<Sha256Digest> optional_digest(std::string_view name) {
        const Json* const found = json_.find(name);
        if (found != nullptr && found->is_null()) return std::nullopt;
        return digest(name);
    }
    base::Timestamp time(std::string_view name) {
        const auto value = base::parse_rfc3339(text(name));
        return value ? *value : fail<base::Timestamp>();
    }
    const Json* member(std::string_view name, bool (Json::*is)() const) {
        const Json* const found = json_.find(name);
        if (found != nullptr && (found->*is)()) return found;
        ok_ = false;
        return nullptr;
    }
    bool ok() const { return ok_; }
    void also(const Reader& other) { ok_ = ok_ && other.ok_; }

private:
    template <typename T>
    T fail() {
        ok_ = false;
        return T{};
    }
    const Json& json_;
    bool ok_ = true;
};

void read_secrets(Reader& in, Receipt& out) {
    const Json* const list = in.member("secrets", &Json::is_array);
    if (list == nullptr) return;
    for (const Json& item : list->items()) {
        Reader one(item);
        Receipt::Secret secret;
        secret.owner = one.text("owner");
        secret.name = one.text("name");
        secret.version = static_cast<std::int64_t>(one.number("version"));
        in.also(one);
        out.secrets.push_back(std::move(secret));
    }
}

void read_limits(Reader& in, Receipt& out) {
    const Json* const limits = in.member("limits", &Json::is_object);
    if (limits == nullptr) return;
    Reader one(*limits);
    out.limits.time_ms = one.number("time_ms");
    out.limits.memory_bytes = one.number("memory_bytes");
    out.limits.metered_gas = one.number("metered_gas");
    out.limits.fetches = one.number("fetches");
    in.also(one);
}

Receipt read_receipt(Reader& in) {
    Receipt out;
    out.job_id = in.text("job_id");
    out.user = in.text("user");
    out.code_hash = in.digest("code_hash");
    out.language = in.optional_text("language");
    out.entry_point = in.text("entry_point");
    out.app_id = in.text("app_id");
    out.input_form = in.text("input_form");
    out.input_hash = in.digest("input_hash");
    read_secrets(in, out);
    out.fetch_hash = in.digest("fetch_hash");
    out.gas_used = in.number("gas_used");
    out.metered_gas = in.number("metered_gas");
    read_limits(in, out);
    out.layers = in.text("layers");
    out.status = in.text("status");
    out.error_code = in.text("error_code");
    out.output_hash = in.optional_digest("output_hash");
    out.sealed_output_hash = in.optional_digest("sealed_output_hash");
    out.console_hash = in.digest("console_hash");
    out.started_at = in.time("started_at");
    out.finished_at = in.time("finished_at");
    out.version = in.text("version");
    out.engine = in.text("engine");
    return out;
}

Error malformed(std::string_view why) {
    return Error::invalid_argument("not a receipt: " + std::string(why), "malformed");
}

// We sign with s in the lower half. The other half verifies as well, and whoever has the one
// signature has the other: bytes of a receipt would change and it would still hold.
bool is_low_s(const crypto::P256Signature& signature) {
    constexpr std::array<std::uint8_t, 32> kHalfOrder = {
        0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b,
        0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};
    return !std::lexicographical_compare(
        kHalfOrder.begin(), kHalfOrder.end(), signature.bytes.begin() + 32, signature.bytes.end());
}

}  // namespace

Sha256Digest console_hash(const std::vector<ConsoleLine>& lines) {
    crypto::Transcript out("receipt-console");
    constexpr std::size_t kLinesMax = 100;
    const std::size_t first = lines.size() > kLinesMax ? lines.size() - kLinesMax : 0;
    int tag = 0;
    for (std::size_t i = first; i < lines.size(); ++i) {
        out.add(static_cast<std::uint8_t>(++tag), lines[i].first);
        out.add(static_cast<std::uint8_t>(++tag), lines[i].second);
    }
    return out.sha256();
}

base::Bytes receipt_transcript(
    const Receipt& receipt, const crypto::Ed25519PublicKey& ed25519_key,
    const crypto::P256PublicKey& p256_key) {
    const base::Bytes secrets = secrets_bytes(receipt.secrets);
    const base::Bytes limits = limits_bytes(receipt.limits);
    crypto::Transcript out("receipt");
    out.add(1, receipt.job_id).add(2, receipt.user).add(3, receipt.code_hash.view());
    out.add(4, receipt.entry_point).add(5, receipt.app_id);
    out.add(6, receipt.input_form).add(7, receipt.input_hash.view());
    out.add(8, base::ByteView(secrets)).add(9, receipt.fetch_hash.view());
    out.add_u64(10, receipt.gas_used).add_u64(11, receipt.metered_gas);
    out.add(12, base::ByteView(limits)).add(13, receipt.layers);
    out.add(14, receipt.status).add(15, receipt.error_code);
    out.add(16, view_or_empty(receipt.output_hash));
    out.add(17, view_or_empty(receipt.sealed_output_hash));
    out.add(18, receipt.console_hash.view());
    out.add_u64(19, microseconds(receipt.started_at));
    out.add_u64(20, microseconds(receipt.finished_at));
    out.add(21, receipt.version).add(22, receipt.engine);
    out.add(23, base::ByteView(ed25519_key.bytes)).add(24, base::ByteView(p256_key.bytes()));
    if (!receipt.language.empty()) out.add(25, receipt.language);
    return {out.bytes().begin(), out.bytes().end()};
}

std::string SignedReceipt::to_json_text() const {
    std::string text;
    JsonWriter out(text);
    const Receipt& r = receipt;
    out.begin_object().member("kind", kKind);
    out.member("job_id", std::string_view(r.job_id)).member("user", std::string_view(r.user));
    out.key("code_hash").hex(r.code_hash.view());
    if (!r.language.empty()) out.member("language", std::string_view(r.language));
    out.member("entry_point", std::string_view(r.entry_point));
    out.member("app_id", std::string_view(r.app_id));
    out.member("input_form", std::string_view(r.input_form));
    out.key("input_hash").hex(r.input_hash.view());
    write_secrets(out, r.secrets);
    out.key("fetch_hash").hex(r.fetch_hash.view());
    out.member("gas_used", r.gas_used).member("metered_gas", r.metered_gas);
    write_limits(out, r.limits);
    out.member("layers", std::string_view(r.layers));
    out.member("status", std::string_view(r.status));
    out.member("error_code", std::string_view(r.error_code));
    write_digest(out, "output_hash", r.output_hash);
    write_digest(out, "sealed_output_hash", r.sealed_output_hash);
    out.key("console_hash").hex(r.console_hash.view());
    out.member("started_at", std::string_view(base::to_rfc3339(r.started_at)));
    out.member("finished_at", std::string_view(base::to_rfc3339(r.finished_at)));
    out.member("version", std::string_view(r.version));
    out.member("engine", std::string_view(r.engine));
    out.key("key_id").hex(ed25519_key.bytes);
    out.key("p256_public_key").hex(p256_key.bytes());
    out.key("ed25519_signature").hex(ed25519_signature.bytes);
    out.key("p256_signature").hex(p256_signature.bytes);
    out.end_object();
    return text;
}

base::Bytes SignedReceipt::signed_bytes() const {
    return receipt_transcript(receipt, ed25519_key, p256_key);
}

Result<SignedReceipt> sign_receipt(const ComputeKeys& keys, Receipt receipt) {
    const auto& ed25519 = keys.receipt_ed25519();
    const base::Bytes bytes =
        receipt_transcript(receipt, ed25519.public_key(), keys.receipt_p256_public());
    TRY(const auto p256, crypto::sign_rfc6979_low_s(keys.receipt_p256(), crypto::sha256(bytes)));
    return SignedReceipt{
        std::move(receipt), ed25519.public_key(), keys.receipt_p256_public(),
        keys.receipt_signer().sign(bytes), p256};
}

Result<SignedReceipt> parse_receipt(std::string_view text) {
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    if (text.size() > kReceiptBytesMax) return malformed("larger than any receipt");
    const auto json = Json::parse(text);
    if (!json || !json->is_object()) return malformed("no JSON object");
    Reader in(*json);
    Receipt receipt = read_receipt(in);
    const auto ed25519_key = crypto::Ed25519PublicKey::parse(in.hex("key_id"));
    const auto p256_key = crypto::P256PublicKey::parse(in.hex("p256_public_key"));
    const auto ed25519 = crypto::Ed25519Signature::parse(in.hex("ed25519_signature"));
    const auto p256 = crypto::P256Signature::parse(in.hex("p256_signature"));
    if (!in.ok() || !ed25519_key || !p256_key || !ed25519 || !p256) {
        return malformed("a member is missing or of another form");
    }
    SignedReceipt out{std::move(receipt), *ed25519_key, *p256_key, *ed25519, *p256};
    if (out.to_json_text() != text) {
        return malformed("its text was reformatted or something was added");
    }
    return out;
}

Result<void> check_signatures(const SignedReceipt& receipt) {
    const base::Bytes bytes = receipt.signed_bytes();
    const bool valid =
        crypto::verify(receipt.ed25519_key, bytes, receipt.ed25519_signature) &&
        is_low_s(receipt.p256_signature) &&
        crypto::verify(receipt.p256_key, crypto::sha256(bytes), receipt.p256_signature);
    if (!valid) {
        return Error::permission_denied(
            "the receipt was changed, or its keys did not sign it", "bad_signature");
    }
    return {};
}

}  // namespace adyton::compute
