#include "localchain/internal/block_format.h"

#include <utility>

#include "base/check.h"
#include "crypto/digest.h"

namespace adyton::localchain::internal {
namespace {

template <typename Number>
void append_number(base::Bytes& out, Number value) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

void append(base::Bytes& out, base::ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

neo::TransactionHash hash_of(const crypto::Sha256Digest& digest) {
    auto hash = neo::TransactionHash::from_wire(digest.bytes);
    CHECK(hash.has_value());
    return *hash;
}

neo::TransactionHash join(const neo::TransactionHash& left, const neo::TransactionHash& right) {
    crypto::Sha256 hash;
    const crypto::Sha256Digest once = hash.update(left.wire()).update(right.wire()).finish();
    return hash_of(crypto::sha256(once.bytes));
}

}  // namespace

std::size_t var_int_size(std::uint64_t value) {
    if (value < 0xfd) return 1;
    if (value <= 0xffff) return 3;
    return value <= 0xffffffff ? 5 : 9;
}

void append_var_int(base::Bytes& out, std::uint64_t value) {
    if (value < 0xfd) {
        out.push_back(static_cast<std::uint8_t>(value));
    } else if (value <= 0xffff) {
        out.push_back(0xfd);
        append_number(out, static_cast<std::uint16_t>(value));
    } else if (value <= 0xffffffff) {
        out.push_back(0xfe);
        append_number(out, static_cast<std::uint32_t>(value));
    } else {
        out.push_back(0xff);
        append_number(out, value);
    }
}

base::Bytes serialize_header_unsigned(const HeaderFields& header) {
    base::Bytes out;
    out.reserve(109);
    append_number(out, header.version);
    append(out, header.previous.wire());
    append(out, header.merkle_root.wire());
    append_number(out, header.time_ms);
    append_number(out, header.nonce);
    append_number(out, header.index);
    append_number(out, header.primary);
    append(out, header.next_consensus.wire());
    return out;
}

neo::TransactionHash header_hash(const HeaderFields& header) {
    return hash_of(crypto::sha256(serialize_header_unsigned(header)));
}

neo::TransactionHash merkle_root(std::span<const neo::TransactionHash> leaves) {
    if (leaves.empty()) return hash_of({});
    std::vector<neo::TransactionHash> row(leaves.begin(), leaves.end());
    while (row.size() > 1) {
        std::vector<neo::TransactionHash> above;
        above.reserve((row.size() + 1) / 2);
        for (std::size_t i = 0; i < row.size(); i += 2) {
            above.push_back(join(row[i], i + 1 < row.size() ? row[i + 1] : row[i]));
        }
        row = std::move(above);
    }
    return row.front();
}

base::Bytes serialize_block(
    const HeaderFields& header, base::ByteView invocation, base::ByteView verification,
    std::span<const base::ByteView> transactions) {
    base::Bytes out = serialize_header_unsigned(header);
    append_var_int(out, 1);
    append_var_int(out, invocation.size());
    append(out, invocation);
    append_var_int(out, verification.size());
    append(out, verification);
    append_var_int(out, transactions.size());
    for (const base::ByteView transaction : transactions) append(out, transaction);
    return out;
}

}  // namespace adyton::localchain::internal
