#include "audit/internal/format.h"

#include <utility>

#include "base/bytes.h"
#include "crypto/transcript.h"

namespace adyton::audit::internal {
namespace {

// A stored body may be nested as deep as Json allows; in a line it stands one level deeper.
constexpr base::Json::Limits kLineLimits{base::Json::Limits{}.depth_max + 2};

// Whether the body reads back from JSON byte for byte. Only such a body is shown as JSON.
bool is_canonical_object(std::string_view body) {
    const auto json = base::Json::parse(body);
    return json && json->is_object() && json->dump() == body;
}

template <std::size_t N>
void write_hex(
    base::JsonWriter& writer, std::string_view name, const std::array<std::uint8_t, N>& bytes) {
    writer.member(name, std::string_view(base::hex_encode(bytes)));
}

Error malformed(std::string_view name) {
    return Error::invalid_argument("member \"" + std::string(name) + "\" is missing or malformed");
}

Result<std::int64_t> get_integer(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    if (member == nullptr) return malformed(name);
    const auto number = member->as_int64();
    if (!number || *number < 0) return malformed(name);
    return *number;
}

Result<std::string> get_text(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    if (member == nullptr || !member->is_string()) return malformed(name);
    return member->string_value();
}

Result<base::Timestamp> get_time(const base::Json& object, std::string_view name) {
    TRY(const std::string text, get_text(object, name));
    const auto time = base::parse_rfc3339(text);
    if (!time) return malformed(name);
    return *time;
}

template <typename T>
Result<T> get_hex(const base::Json& object, std::string_view name) {
    TRY(const std::string text, get_text(object, name));
    const auto bytes = base::hex_decode(text);
    if (!bytes) return malformed(name);
    const auto value = T::parse(*bytes);
    if (!value) return malformed(name);
    return *value;
}

Result<Line> parse_header(const base::Json& json) {
    TRY(const std::string format, get_text(json, "format"));
    if (format != kFormatName) return Error::invalid_argument("another format or version");
    HeaderLine line;
    TRY(line.exported_at, get_time(json, "exported_at"));
    return Line(line);
}

Result<Line> parse_chain(const base::Json& json) {
    ChainLine line;
    TRY(line.chain, get_integer(json, "chain"));
    TRY(line.instance_id, get_text(json, "instance_id"));
    TRY(line.genesis_hash, get_hex<crypto::Sha256Digest>(json, "genesis_hash"));
    return Line(std::move(line));
}

Result<Line> parse_record(const base::Json& json) {
    AuditRecord line;
    TRY(line.chain, get_integer(json, "chain"));
    TRY(line.sequence, get_integer(json, "sequence"));
    TRY(line.recorded_at, get_time(json, "recorded_at"));
    TRY(line.kind, get_text(json, "kind"));
    TRY(line.actor, get_text(json, "actor"));
    if (const base::Json* const body = json.find("body"); body != nullptr) {
        line.body = body->dump();
    } else {
        TRY(line.body, get_text(json, "body_text"));
    }
    TRY(line.previous_hash, get_hex<crypto::Sha256Digest>(json, "previous_hash"));
    TRY(line.hash, get_hex<crypto::Sha256Digest>(json, "hash"));
    return Line(std::move(line));
}

Result<Line> parse_checkpoint(const base::Json& json) {
    Checkpoint line;
    TRY(line.number, get_integer(json, "number"));
    TRY(line.created_at, get_time(json, "created_at"));
    TRY(line.previous_hash, get_hex<crypto::Sha256Digest>(json, "previous_hash"));
    const base::Json* const heads = json.find("heads");
    if (heads == nullptr) return malformed("heads");
    TRY(line.heads, parse_heads(*heads));
    TRY(line.public_key, get_hex<crypto::Ed25519PublicKey>(json, "public_key"));
    TRY(line.signature, get_hex<crypto::Ed25519Signature>(json, "signature"));
    return Line(std::move(line));
}

Result<Line> parse_trailer(const base::Json& json) {
    TrailerLine line;
    TRY(line.chains, get_integer(json, "chains"));
    TRY(line.records, get_integer(json, "records"));
    TRY(line.checkpoints, get_integer(json, "checkpoints"));
    TRY(line.sha256, get_hex<crypto::Sha256Digest>(json, "sha256"));
    if (json.find("public_key") != nullptr) {
        TRY(line.public_key, get_hex<crypto::Ed25519PublicKey>(json, "public_key"));
        TRY(line.signature, get_hex<crypto::Ed25519Signature>(json, "signature"));
    }
    return Line(line);
}

Result<Line> parse_fields(const base::Json& json) {
    TRY(const std::string type, get_text(json, "type"));
    if (type == "record") return parse_record(json);
    if (type == "checkpoint") return parse_checkpoint(json);
    if (type == "chain") return parse_chain(json);
    if (type == "header") return parse_header(json);
    if (type == "trailer") return parse_trailer(json);
    return malformed("type");
}

}  // namespace

base::Bytes TrailerLine::signed_bytes() const {
    CHECK(public_key.has_value());
    crypto::Transcript transcript("audit-export");
    transcript.add(1, sha256.view())
        .add_u64(2, static_cast<std::uint64_t>(chains))
        .add_u64(3, static_cast<std::uint64_t>(records))
        .add_u64(4, static_cast<std::uint64_t>(checkpoints))
        .add(5, base::ByteView(public_key->bytes));
    return base::Bytes(transcript.bytes().begin(), transcript.bytes().end());
}

void append_line(std::string& out, const HeaderLine& line) {
    base::JsonWriter writer(out);
    writer.begin_object()
        .member("type", "header")
        .member("format", kFormatName)
        .member("exported_at", std::string_view(base::to_rfc3339(line.exported_at)))
        .end_object();
    out += '\n';
}

void append_line(std::string& out, const ChainLine& line) {
    base::JsonWriter writer(out);
    writer.begin_object()
        .member("type", "chain")
        .member("chain", line.chain)
        .member("instance_id", std::string_view(line.instance_id));
    write_hex(writer, "genesis_hash", line.genesis_hash.bytes);
    writer.end_object();
    out += '\n';
}

void append_line(std::string& out, const AuditRecord& line) {
    base::JsonWriter writer(out);
    writer.begin_object()
        .member("type", "record")
        .member("chain", line.chain)
        .member("sequence", line.sequence)
        .member("recorded_at", std::string_view(base::to_rfc3339(line.recorded_at)))
        .member("kind", std::string_view(line.kind))
        .member("actor", std::string_view(line.actor));
    if (is_canonical_object(line.body)) {
        writer.key("body").raw(line.body);
    } else {
        writer.member("body_text", std::string_view(line.body));
    }
    write_hex(writer, "previous_hash", line.previous_hash.bytes);
    write_hex(writer, "hash", line.hash.bytes);
    writer.end_object();
    out += '\n';
}

void append_line(std::string& out, const Checkpoint& line) {
    base::JsonWriter writer(out);
    writer.begin_object()
        .member("type", "checkpoint")
        .member("number", line.number)
        .member("created_at", std::string_view(base::to_rfc3339(line.created_at)));
    write_hex(writer, "previous_hash", line.previous_hash.bytes);
    writer.key("heads");
    write_heads(writer, line.heads);
    write_hex(writer, "public_key", line.public_key.bytes);
    write_hex(writer, "signature", line.signature.bytes);
    writer.end_object();
    out += '\n';
}

void append_line(std::string& out, const TrailerLine& line) {
    base::JsonWriter writer(out);
    writer.begin_object()
        .member("type", "trailer")
        .member("chains", line.chains)
        .member("records", line.records)
        .member("checkpoints", line.checkpoints);
    write_hex(writer, "sha256", line.sha256.bytes);
    if (line.public_key && line.signature) {
        write_hex(writer, "public_key", line.public_key->bytes);
        write_hex(writer, "signature", line.signature->bytes);
    }
    writer.end_object();
    out += '\n';
}

Result<Line> parse_line(std::string_view text) {
    const auto json = base::Json::parse(text, kLineLimits);
    if (!json) return Error::invalid_argument("the line is not JSON");
    TRY(Line line, parse_fields(*json));
    std::string rendered;
    std::visit([&rendered](const auto& content) { append_line(rendered, content); }, line);
    rendered.pop_back();
    if (rendered != text) return Error::corrupt_data("the line is not spelled as it was exported");
    return line;
}

void write_heads(base::JsonWriter& writer, const std::vector<ChainHead>& heads) {
    writer.begin_array();
    for (const ChainHead& head : heads) {
        writer.begin_object().member("chain", head.chain).member("sequence", head.sequence);
        write_hex(writer, "hash", head.hash.bytes);
        writer.end_object();
    }
    writer.end_array();
}

Result<std::vector<ChainHead>> parse_heads(const base::Json& json) {
    if (!json.is_array()) return malformed("heads");
    std::vector<ChainHead> heads;
    heads.reserve(json.items().size());
    for (const base::Json& item : json.items()) {
        ChainHead head;
        TRY(head.chain, get_integer(item, "chain"));
        TRY(head.sequence, get_integer(item, "sequence"));
        TRY(head.hash, get_hex<crypto::Sha256Digest>(item, "hash"));
        if (!heads.empty() && head.chain <= heads.back().chain) return malformed("heads");
        heads.push_back(head);
    }
    return heads;
}

}  // namespace adyton::audit::internal
