#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"

// Borsh (borsh.io): integers little endian; strings and vectors after a u32 count; arrays bare;
// options and enums after one byte; maps as vectors of pairs in the order of their keys.
namespace adyton::near {

class BorshWriter {
public:
    BorshWriter& u8(std::uint8_t value);
    BorshWriter& u16(std::uint16_t value);
    BorshWriter& u32(std::uint32_t value);
    BorshWriter& u64(std::uint64_t value);
    BorshWriter& u128(base::Amount value);
    // The bytes alone: a fixed array.
    BorshWriter& fixed(base::ByteView bytes);
    // u32 length, then the bytes. CHECK: under 2^32.
    BorshWriter& bytes(base::ByteView bytes);
    BorshWriter& string(std::string_view text) { return bytes(base::as_bytes(text)); }
    // The count in front of a vector's items.
    BorshWriter& count(std::size_t items);

    const base::Bytes& view() const { return out_; }
    base::Bytes take() { return std::move(out_); }

private:
    base::Bytes out_;
};

// Reads each byte once and accepts one spelling of each value: decode then encode gives the same
// bytes. Nothing is allocated before the bytes for it are known to be there. Every error is
// InvalidArgument and names the field, never its bytes. The bytes outlive the reader.
class BorshReader {
public:
    explicit BorshReader(base::ByteView bytes) : rest_(bytes) {}

    Result<std::uint8_t> u8(std::string_view field);
    Result<std::uint16_t> u16(std::string_view field);
    Result<std::uint32_t> u32(std::string_view field);
    Result<std::uint64_t> u64(std::string_view field);
    Result<base::Amount> u128(std::string_view field);
    Result<base::ByteView> fixed(std::size_t size, std::string_view field);
    Result<base::Bytes> bytes(std::string_view field);
    // Well-formed UTF-8.
    Result<std::string> string(std::string_view field);
    // The presence byte of an option: 0 or 1.
    Result<bool> option(std::string_view field);
    // The count of a vector whose items take at least `item_bytes_min` (> 0) bytes each.
    Result<std::size_t> count(std::size_t item_bytes_min, std::string_view field);

    std::size_t remaining() const { return rest_.size(); }
    base::ByteView rest() const { return rest_; }
    // Refuses bytes behind the value.
    Result<void> finish() const;

private:
    base::ByteView rest_;
};

}  // namespace adyton::near
