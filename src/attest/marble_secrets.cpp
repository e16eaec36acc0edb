#include "attest/marble_secrets.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace adyton::attest {
namespace {

constexpr std::size_t kNameSizeMax = 64;

Error bad(std::string_view what) {
    return Error::invalid_argument(
        std::string(kMarbleSecrets) + ": " + std::string(what) +
        "; it wants a JSON object of names and base64");
}

// Ones in every bit when low <= c <= high, without a branch.
std::uint32_t in_range(std::uint32_t c, std::uint32_t low, std::uint32_t high) {
    return 0U - (((low - 1U - c) & (c - high - 1U)) >> 31U);
}

// The six bits of a base64 digit, 64 for what is none; neither branches on it nor looks it up.
std::uint32_t sextet(std::uint32_t c) {
    const std::uint32_t upper = in_range(c, 'A', 'Z');
    const std::uint32_t lower = in_range(c, 'a', 'z');
    const std::uint32_t digit = in_range(c, '0', '9');
    const std::uint32_t plus = in_range(c, '+', '+');
    const std::uint32_t slash = in_range(c, '/', '/');
    return (upper & (c - 'A')) | (lower & (c - 'a' + 26U)) | (digit & (c - '0' + 52U)) |
           (plus & 62U) | (slash & 63U) | (~(upper | lower | digit | plus | slash) & 64U);
}

int hex_digit(std::uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Base64 in groups of four into a buffer; the padding ends it, and the bits behind it are zero.
class Base64Sink {
public:
    // `digits`: at most that many are put.
    static Result<Base64Sink> create(std::size_t digits) {
        const std::size_t size = std::min(digits / 4 * 3 + 3, crypto::SecretBuffer::kSizeMax);
        TRY(auto buffer, crypto::SecretBuffer::create(size));
        return Base64Sink(std::move(buffer));
    }

    bool put(std::uint8_t c) {
        if (c == '=') return ++padding_ <= 2;
        const std::uint32_t bits = sextet(c);
        if (padding_ != 0 || bits > 63) return false;
        group_ = group_ << 6U | bits;
        if (++count_ % 4 == 0) store(3);
        return !full_;
    }
    // More was put than a secret may hold.
    bool full() const { return full_; }

    std::optional<crypto::SecretBuffer> finish() {
        const unsigned rest = count_ % 4;
        if (rest == 1 || (rest + padding_) % 4 != 0) return std::nullopt;
        if (rest != 0) {
            group_ <<= 6U * (4U - rest);
            if ((group_ & ((1U << (8U * (4U - rest))) - 1U)) != 0) return std::nullopt;
            store(rest - 1);
        }
        if (full_) return std::nullopt;
        buffer_.shrink(size_);
        return std::move(buffer_);
    }

private:
    explicit Base64Sink(crypto::SecretBuffer buffer) : buffer_(std::move(buffer)) {}

    void store(unsigned bytes) {
        const auto out = buffer_.expose_mutable();
        full_ = full_ || out.size() - size_ < bytes;
        for (unsigned i = 0; i < bytes && !full_; ++i) {
            out[size_++] = static_cast<std::uint8_t>(group_ >> (16U - 8U * i));
        }
        group_ = 0;
    }

    crypto::SecretBuffer buffer_;
    std::size_t size_ = 0;
    std::uint32_t group_ = 0;
    unsigned count_ = 0;
    unsigned padding_ = 0;
    bool full_ = false;
};

class Reader {
public:
    explicit Reader(base::ByteView text) : rest_(text) {}

    bool take(char token) {
        skip_space();
        if (rest_.empty() || rest_.front() != static_cast<std::uint8_t>(token)) return false;
        rest_ = rest_.subspan(1);
        return true;
    }
    bool at_end() {
        skip_space();
        return rest_.empty();
    }

    std::optional<std::string> name() {
        if (!take('"')) return std::nullopt;
        std::string out;
        while (!rest_.empty() && rest_.front() != '"') {
            const auto c = static_cast<char>(rest_.front());
            const bool letter = c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
            const bool digit = c >= '0' && c <= '9' && !out.empty();
            if ((!letter && !digit) || out.size() >= kNameSizeMax) return std::nullopt;
            out.push_back(c);
            rest_ = rest_.subspan(1);
        }
        if (!take('"') || out.empty()) return std::nullopt;
        return out;
    }

    Result<crypto::SecretBuffer> value(const std::string& name) {
        const std::size_t size = string_size();
        if (!take('"') || size == std::string_view::npos) return bad(name + " is no string");
        TRY(auto sink, Base64Sink::create(size));
        const auto refused = [&] {
            return sink.full()
                       ? Error::too_large(
                             std::string(kMarbleSecrets) + ": " + name + " is over 4096 bytes")
                       : bad(name + " is not base64");
        };
        while (rest_.empty() || rest_.front() != '"') {
            const auto c = character();
            if (!c || !sink.put(*c)) return refused();
        }
        rest_ = rest_.subspan(1);
        auto out = sink.finish();
        if (!out) return refused();
        return *std::move(out);
    }

private:
    void skip_space() {
        while (!rest_.empty()) {
            const std::uint8_t c = rest_.front();
            if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
            rest_ = rest_.subspan(1);
        }
    }

    // How many bytes of text the string that comes next has at most; npos when it does not end.
    std::size_t string_size() {
        skip_space();
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] == '"') return i - 1;
        }
        return std::string_view::npos;
    }

    std::optional<std::uint8_t> character() {
        if (rest_.empty()) return std::nullopt;
        const std::uint8_t c = rest_.front();
        rest_ = rest_.subspan(1);
        if (c != '\\') return c;
        if (rest_.empty()) return std::nullopt;
        const std::uint8_t kind = rest_.front();
        rest_ = rest_.subspan(1);
        if (kind == '/') return kind;
        if (kind != 'u' || rest_.size() < 4 || rest_[0] != '0' || rest_[1] != '0') {
            return std::nullopt;
        }
        const int high = hex_digit(rest_[2]);
        const int low = hex_digit(rest_[3]);
        if (high < 0 || low < 0) return std::nullopt;
        rest_ = rest_.subspan(4);
        return static_cast<std::uint8_t>(high * 16 + low);
    }

    base::ByteView rest_;
};

}  // namespace

Result<std::map<std::string, crypto::SecretBuffer>> parse_marble_secrets(base::ByteView text) {
    if (text.size() > kMarbleSecretsBytesMax) {
        return Error::too_large(std::string(kMarbleSecrets) + " is over 128 KiB");
    }
    std::map<std::string, crypto::SecretBuffer> out;
    Reader reader(text);
    if (!reader.take('{')) return bad("is no object");
    bool more = !reader.take('}');
    for (std::size_t count = 0; more; ++count) {
        if (count >= kMarbleSecretsMax) return bad("more than 64 secrets");
        const auto name = reader.name();
        if (!name) return bad("a name is none of a variable");
        if (!reader.take(':')) return bad("no colon after " + *name);
        TRY(auto value, reader.value(*name));
        if (!out.emplace(*name, std::move(value)).second) return bad(*name + " stands there twice");
        more = reader.take(',');
        if (!more && !reader.take('}')) return bad("does not end");
    }
    if (!reader.at_end()) return bad("something follows the object");
    std::erase_if(out, [](const auto& entry) { return entry.second.empty(); });
    return out;
}

Result<void> unpack_marble_secrets(ActivationParameters& parameters) {
    const auto found = parameters.env.find(kMarbleSecrets);
    if (found == parameters.env.end()) return {};
    if (!found->second.empty()) {
        TRY(parameters.secrets, parse_marble_secrets(found->second.expose()));
    }
    parameters.env.erase(found);
    return {};
}

}  // namespace adyton::attest
