#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "localchain/neo_chain.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"

namespace adyton::localchain::internal {

// Neo N3 block and header as nodes serialise them (little endian, neo-project/neo: Header.cs).
struct HeaderFields {
    std::uint32_t version = 0;
    neo::TransactionHash previous;
    neo::TransactionHash merkle_root;
    std::uint64_t time_ms = 0;
    std::uint64_t nonce = 0;
    std::uint32_t index = 0;
    std::uint8_t primary = 0;
    neo::ScriptHash next_consensus;
};

base::Bytes serialize_header_unsigned(const HeaderFields& header);
// SHA-256 of the unsigned header.
neo::TransactionHash header_hash(const HeaderFields& header);
// Pairs hashed with double SHA-256, the last one of an odd row twice; zero for no leaves.
neo::TransactionHash merkle_root(std::span<const neo::TransactionHash> leaves);

// Header, one witness, transactions.
base::Bytes serialize_block(
    const HeaderFields& header, base::ByteView invocation, base::ByteView verification,
    std::span<const base::ByteView> transactions);

void append_var_int(base::Bytes& out, std::uint64_t value);
std::size_t var_int_size(std::uint64_t value);

}  // namespace adyton::localchain::internal
