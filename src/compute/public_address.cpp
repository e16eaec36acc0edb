#include "compute/public_address.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace adyton::compute {
namespace {

struct Block4 {
    std::uint32_t address;
    unsigned bits;
};
constexpr std::uint32_t four(unsigned a, unsigned b, unsigned c, unsigned d) {
    return (a << 24) | (b << 16) | (c << 8) | d;
}
constexpr std::array<Block4, 17> kNotPublic4 = {{
    {four(0, 0, 0, 0), 8},
    {four(10, 0, 0, 0), 8},
    {four(100, 64, 0, 0), 10},
    {four(127, 0, 0, 0), 8},
    {four(168, 63, 129, 16), 32},  // a cloud's own services, at an address that looks public
    {four(169, 254, 0, 0), 16},
    {four(172, 16, 0, 0), 12},
    {four(192, 0, 0, 0), 24},
    {four(192, 0, 2, 0), 24},
    {four(192, 31, 196, 0), 24},
    {four(192, 88, 99, 0), 24},
    {four(192, 168, 0, 0), 16},
    {four(198, 18, 0, 0), 15},
    {four(198, 51, 100, 0), 24},
    {four(203, 0, 113, 0), 24},
    {four(224, 0, 0, 0), 4},
    {four(240, 0, 0, 0), 4},
}};

bool is_public_4(base::ByteView address) {
    const std::uint32_t value = four(address[0], address[1], address[2], address[3]);
    return std::none_of(kNotPublic4.begin(), kNotPublic4.end(), [value](const Block4& block) {
        return (value >> (32 - block.bits)) == (block.address >> (32 - block.bits));
    });
}

struct Block6 {
    std::array<std::uint8_t, 12> prefix;
    unsigned bits;
};
// Global unicast is 2000::/3; these are inside of it.
constexpr std::array<Block6, 5> kNotPublic6 = {{
    {{0x20, 0x01, 0x00}, 23},              // protocol assignments, Teredo and ORCHID among them
    {{0x20, 0x01, 0x0d, 0xb8}, 32},        // documentation
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48},  // AS112
    {{0x3f, 0xff, 0x00}, 20},              // documentation
    {{0x3f, 0xfe}, 16},                    // the old test network
}};

bool starts_with(base::ByteView address, const Block6& block) {
    for (unsigned bit = 0; bit < block.bits; ++bit) {
        const unsigned mask = 0x80U >> (bit % 8);
        if ((address[bit / 8] & mask) != (block.prefix[bit / 8] & mask)) return false;
    }
    return true;
}

// Forms that lead to an IPv4 address: NAT64 (64:ff9b::/96) and 6to4 (2002::/16). IPv4-mapped,
// IPv4-compatible and the like are outside of 2000::/3 and refused as they are.
bool is_public_6(base::ByteView address) {
    constexpr Block6 kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
    constexpr Block6 kSixToFour = {{0x20, 0x02}, 16};
    if (starts_with(address, kNat64)) return is_public_4(address.subspan(12, 4));
    if ((address[0] & 0xe0) != 0x20) return false;
    if (starts_with(address, kSixToFour)) return is_public_4(address.subspan(2, 4));
    return std::none_of(kNotPublic6.begin(), kNotPublic6.end(), [address](const Block6& block) {
        return starts_with(address, block);
    });
}

}  // namespace

bool is_public_address(base::ByteView address) {
    if (address.size() == 4) return is_public_4(address);
    if (address.size() != 16) return false;
    return is_public_6(address);
}

}  // namespace adyton::compute
