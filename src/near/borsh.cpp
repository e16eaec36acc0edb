#include "near/borsh.h"

#include <limits>

#include "base/check.h"

namespace adyton::near {
namespace {

template <std::unsigned_integral T>
void append_little_endian(base::Bytes& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

template <std::unsigned_integral T>
T little_endian(base::ByteView bytes) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[i]) << (8 * i)));
    }
    return value;
}

Error malformed(std::string_view field, std::string_view why) {
    return Error::invalid_argument("borsh: " + std::string(field) + " " + std::string(why));
}

}  // namespace

BorshWriter& BorshWriter::u8(std::uint8_t value) {
    out_.push_back(value);
    return *this;
}

BorshWriter& BorshWriter::u16(std::uint16_t value) {
    append_little_endian(out_, value);
    return *this;
}

BorshWriter& BorshWriter::u32(std::uint32_t value) {
    append_little_endian(out_, value);
    return *this;
}

BorshWriter& BorshWriter::u64(std::uint64_t value) {
    append_little_endian(out_, value);
    return *this;
}

BorshWriter& BorshWriter::u128(base::Amount value) {
    return u64(value.low_64()).u64(value.high_64());
}

BorshWriter& BorshWriter::fixed(base::ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
}

BorshWriter& BorshWriter::bytes(base::ByteView bytes) {
    return count(bytes.size()).fixed(bytes);
}

BorshWriter& BorshWriter::count(std::size_t items) {
    CHECK(items <= std::numeric_limits<std::uint32_t>::max());
    return u32(static_cast<std::uint32_t>(items));
}

Result<base::ByteView> BorshReader::fixed(std::size_t size, std::string_view field) {
    if (size > rest_.size()) return malformed(field, "is cut off");
    const base::ByteView out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
}

Result<std::uint8_t> BorshReader::u8(std::string_view field) {
    TRY(const auto bytes, fixed(sizeof(std::uint8_t), field));
    return bytes[0];
}

Result<std::uint16_t> BorshReader::u16(std::string_view field) {
    TRY(const auto bytes, fixed(sizeof(std::uint16_t), field));
    return little_endian<std::uint16_t>(bytes);
}

Result<std::uint32_t> BorshReader::u32(std::string_view field) {
    TRY(const auto bytes, fixed(sizeof(std::uint32_t), field));
    return little_endian<std::uint32_t>(bytes);
}

Result<std::uint64_t> BorshReader::u64(std::string_view field) {
    TRY(const auto bytes, fixed(sizeof(std::uint64_t), field));
    return little_endian<std::uint64_t>(bytes);
}

Result<base::Amount> BorshReader::u128(std::string_view field) {
    TRY(const std::uint64_t low, u64(field));
    TRY(const std::uint64_t high, u64(field));
    return base::Amount::from_halves(high, low);
}

Result<base::Bytes> BorshReader::bytes(std::string_view field) {
    TRY(const std::uint32_t size, u32(field));
    TRY(const auto view, fixed(size, field));
    return base::Bytes(view.begin(), view.end());
}

Result<std::string> BorshReader::string(std::string_view field) {
    TRY(const std::uint32_t size, u32(field));
    TRY(const auto view, fixed(size, field));
    const auto text = base::as_text(view);
    if (!base::is_valid_utf8(text)) return malformed(field, "is not UTF-8");
    return std::string(text);
}

Result<bool> BorshReader::option(std::string_view field) {
    TRY(const std::uint8_t present, u8(field));
    if (present > 1) return malformed(field, "has an option byte other than 0 and 1");
    return present == 1;
}

Result<std::size_t> BorshReader::count(std::size_t item_bytes_min, std::string_view field) {
    CHECK(item_bytes_min > 0);
    TRY(const std::uint32_t items, u32(field));
    if (items > rest_.size() / item_bytes_min) return malformed(field, "is cut off");
    return static_cast<std::size_t>(items);
}

Result<void> BorshReader::finish() const {
    if (!rest_.empty()) return Error::invalid_argument("borsh: bytes behind the value");
    return {};
}

}  // namespace adyton::near
