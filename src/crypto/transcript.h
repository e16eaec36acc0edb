#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace adyton::crypto {

// The one form of everything we hash or sign as a statement (decisions.md 17, enclave.md 3.6):
//
//   "adyton/<kind>/v1" || 0x00 || u16be(count) || count x ( u8 tag || u32be length || bytes )
//
// with tags strictly increasing. Every field has its length in front, so no two statements share
// bytes and nothing needs canonical JSON: a verifier builds it again from the fields it read.
// Not thread safe.
class Transcript {
public:
    // Kind: 1 to 32 of a-z, 0-9 and '-'. CHECKed: kinds are literals of our own code.
    explicit Transcript(std::string_view kind);

    // CHECK: the tag is above the last one, and the field is shorter than 4 GiB.
    Transcript& add(std::uint8_t tag, base::ByteView bytes);
    Transcript& add(std::uint8_t tag, std::string_view text) {
        return add(tag, base::as_bytes(text));
    }
    // Eight bytes, big endian.
    Transcript& add_u64(std::uint8_t tag, std::uint64_t number);

    // The bytes so far: valid until the next call of a member.
    base::ByteView bytes() const { return bytes_; }
    Sha256Digest sha256() const { return crypto::sha256(bytes_); }
    Sha512Digest sha512() const { return crypto::sha512(bytes_); }

private:
    void add_head(std::uint8_t tag, std::size_t length);

    base::Bytes bytes_;
    std::size_t count_at_ = 0;  // where the field count stands
    std::uint16_t count_ = 0;
    int last_tag_ = -1;
};

}  // namespace adyton::crypto
