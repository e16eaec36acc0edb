#include "attest/activation_message.h"

#include <algorithm>
#include <utility>

#include "attest/refusal.h"

namespace adyton::attest {
namespace {

using base::ByteView;

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kLength = 2;
constexpr std::uint32_t kFixed32 = 5;

Error bad(std::string_view what) {
    return malformed("activation message: " + std::string(what));
}

// The fields of one protobuf message, one after the other.
class FieldReader {
public:
    explicit FieldReader(ByteView bytes) : rest_(bytes) {}

    bool at_end() const { return rest_.empty(); }
    struct Field {
        std::uint32_t number = 0;
        std::uint32_t type = 0;
        ByteView content;  // of kLength
    };
    Result<Field> next() {
        TRY(const std::uint64_t key, varint());
        if (key > 0xffffffffU || (key >> 3U) == 0) return bad("field number");
        Field out{static_cast<std::uint32_t>(key >> 3U), static_cast<std::uint32_t>(key & 7U), {}};
        switch (out.type) {
            case kVarint: {
                TRY(const std::uint64_t ignored, varint());
                (void)ignored;
                return out;
            }
            case kFixed64: {
                TRY(out.content, take(8));
                return out;
            }
            case kFixed32: {
                TRY(out.content, take(4));
                return out;
            }
            case kLength: {
                TRY(const std::uint64_t size, varint());
                TRY(out.content, take(size));
                return out;
            }
            default:
                return bad("wire type");
        }
    }

private:
    Result<std::uint64_t> varint() {
        std::uint64_t out = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (rest_.empty()) return bad("cut short");
            const std::uint8_t byte = rest_.front();
            rest_ = rest_.subspan(1);
            if (shift == 63 && byte > 1) return bad("a number is too large");
            out |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
            if ((byte & 0x80U) == 0) return out;
        }
        return bad("a number is too long");
    }
    Result<ByteView> take(std::uint64_t size) {
        if (size > rest_.size()) return bad("a field leaves its message");
        const ByteView out = rest_.first(static_cast<std::size_t>(size));
        rest_ = rest_.subspan(static_cast<std::size_t>(size));
        return out;
    }

    ByteView rest_;
};

std::string text_of(ByteView bytes) {
    return std::string(base::as_text(bytes));
}

bool printable(std::string_view text, std::size_t size_max) {
    return !text.empty() && text.size() <= size_max &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool has_zero(ByteView bytes) {
    return std::find(bytes.begin(), bytes.end(), std::uint8_t{0}) != bytes.end();
}

enum class Zeros { Allowed, Refused };

// map<string, bytes>: an entry is a message {1: key, 2: value}.
Result<void> parse_entry(
    ByteView bytes, Zeros zeros, std::map<std::string, crypto::SecretBuffer>& out) {
    FieldReader reader(bytes);
    std::string name;
    ByteView value;
    while (!reader.at_end()) {
        TRY(const auto field, reader.next());
        if (field.type != kLength) continue;
        if (field.number == 1) name = text_of(field.content);
        if (field.number == 2) value = field.content;
    }
    if (!printable(name, ActivationParameters::kNameBytesMax)) return bad("a name");
    if (zeros == Zeros::Refused && has_zero(value)) return bad(name + " has a zero byte");
    if (out.size() >= ActivationParameters::kEntriesMax) return bad("too many entries");
    auto secret = crypto::SecretBuffer::copy_of(value);
    if (!secret) return Error::too_large("activation message: " + name + " is over 4096 bytes");
    if (!out.emplace(std::move(name), std::move(*secret)).second) return bad("a name twice");
    return {};
}

Result<void> parse_parameters(ByteView bytes, ActivationParameters& out) {
    FieldReader reader(bytes);
    while (!reader.at_end()) {
        TRY(const auto field, reader.next());
        if (field.type != kLength) {
            if (field.number <= 3) return bad("wire type");
            continue;
        }
        if (field.number == 1) {
            TRY_VOID(parse_entry(field.content, Zeros::Allowed, out.files));
        } else if (field.number == 2) {
            TRY_VOID(parse_entry(field.content, Zeros::Refused, out.env));
        } else if (field.number == 3) {
            if (has_zero(field.content)) return bad("an argument has a zero byte");
            if (out.argv.size() >= ActivationParameters::kEntriesMax)
                return bad("too many entries");
            out.argv.push_back(text_of(field.content));
        }
    }
    return {};
}

template <typename Bytes>
void put_varint(Bytes& out, std::uint64_t number) {
    while (number >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(number | 0x80U));
        number >>= 7U;
    }
    out.push_back(static_cast<std::uint8_t>(number));
}

template <typename Bytes>
void put_field(Bytes& out, std::uint32_t number, ByteView content) {
    put_varint(out, (number << 3U) | kLength);
    put_varint(out, content.size());
    out.insert(out.end(), content.begin(), content.end());
}

void put_entries(
    internal::WipingBytes& out, std::uint32_t number,
    const std::map<std::string, crypto::SecretBuffer>& entries) {
    for (const auto& [name, value] : entries) {
        internal::WipingBytes entry;
        put_field(entry, 1, base::as_bytes(name));
        put_field(entry, 2, value.expose());
        put_field(out, number, entry);
    }
}

}  // namespace

base::Bytes ActivationRequest::encode() const {
    base::Bytes out;
    if (!quote.empty()) put_field(out, 1, quote);
    put_field(out, 2, csr);
    put_field(out, 3, base::as_bytes(marble_type));
    put_field(out, 4, base::as_bytes(uuid));
    return out;
}

Result<ActivationRequest> ActivationRequest::parse(ByteView bytes) {
    if (bytes.size() > kBytesMax) return bad("too long");
    ActivationRequest out;
    FieldReader reader(bytes);
    unsigned seen = 0;
    while (!reader.at_end()) {
        TRY(const auto field, reader.next());
        if (field.number > 4) continue;
        if (field.type != kLength) return bad("wire type");
        const unsigned bit = 1U << field.number;
        if ((seen & bit) != 0) return bad("a field twice");
        seen |= bit;
        if (field.number == 1) out.quote.assign(field.content.begin(), field.content.end());
        if (field.number == 2) out.csr.assign(field.content.begin(), field.content.end());
        if (field.number == 3) out.marble_type = text_of(field.content);
        if (field.number == 4) out.uuid = text_of(field.content);
    }
    return out;
}

internal::WipingBytes ActivationParameters::encode() const {
    internal::WipingBytes parameters;
    put_entries(parameters, 1, files);
    put_entries(parameters, 2, env);
    for (const std::string& argument : argv) put_field(parameters, 3, base::as_bytes(argument));
    internal::WipingBytes out;
    put_field(out, 1, parameters);
    return out;
}

Result<ActivationParameters> ActivationParameters::parse(ByteView bytes) {
    if (bytes.size() > kBytesMax) return Error::too_large("activation message: too long");
    ActivationParameters out;
    FieldReader reader(bytes);
    bool found = false;
    while (!reader.at_end()) {
        TRY(const auto field, reader.next());
        if (field.number != 1) continue;
        if (field.type != kLength || found) return bad("parameters");
        found = true;
        TRY_VOID(parse_parameters(field.content, out));
    }
    if (!found) return bad("no parameters");
    return out;
}

}  // namespace adyton::attest
