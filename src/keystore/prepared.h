#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "keystore/chain_view.h"
#include "keystore/order.h"
#include "policy/facts.h"
#include "policy/near_facts.h"
#include "storage/database.h"

namespace adyton::keystore {

// One of the wallet's own payloads that a call to the intents contract carries. What it moves was
// charged when it was signed; if it was not signed here, it is charged with the call.
struct CarriedPayload {
    near::MessageHash hash;
    policy::ActionFacts facts;
};

// Those inside the arguments of `call`, each once; none where the arguments do not read.
std::vector<CarriedPayload> carried_by(
    const near::FunctionCall& call, const near::AccountId& receiver, const near::AccountId& account,
    const near::PublicKey& own, const policy::NearNetwork& network);
// The facts and what the payloads move that were charged nowhere; `fresh` gets those.
Result<policy::ActionFacts> with_fresh_payloads(
    storage::Transaction& tx, policy::ActionFacts facts, const std::vector<CarriedPayload>& carried,
    std::vector<const CarriedPayload*>& fresh);

// An order as bytes: what would be signed, and what it does according to these bytes alone.
struct Prepared {
    base::Bytes payload;          // Borsh, without tag and signature
    crypto::Sha256Digest digest;  // what the key signs: the hash of tag and payload
    policy::ActionFacts facts;
    std::vector<CarriedPayload> carried;
    // The last block height (transactions) or time (messages to the intents contract; microseconds
    // since 1970) at which the payload can take effect, where something says so.
    std::optional<std::int64_t> valid_until;
    std::string nonce;  // of a transaction, decimal; empty for others
};

// Serializes the order, reads the bytes back with the decoder of the format and compares; then
// derives the facts from what was read. Internal: the bytes do not say what was asked (a bug;
// nothing is signed).
Result<Prepared> prepare(const Order& order, const policy::NearNetwork& network);

// The order with the chain's part: the next nonce unless the caller set one, and the block hash.
// Conflict, reason "nonce_exhausted".
Result<Order> with_chain(Order order, const AccessKeyView& view);

// What makes a request the same request: SHA-256 of the transcript "keystore-request" with the tags
// 1 wallet id, 2 operation, 3 key version, 4 public key, 5 the payload (a transaction's without
// block hash, and without nonce unless the caller set it), 6 whether the caller set a nonce,
// 7 idempotency key, which counts only where nothing else tells two requests apart: transactions
// whose nonce the caller did not set. `prepared` is the order's.
crypto::Sha256Digest request_digest(
    const Order& order, const Prepared& prepared, std::string_view idempotency_key);

// Whether a recorded payload and the hash recorded beside it are what this order signs: for
// messages and delegates exactly what was prepared; a transaction may be one that was recorded
// earlier, with another nonce and block hash, and has its own hash.
bool is_recorded_for(
    const Order& order, const Prepared& prepared, base::ByteView payload,
    const crypto::Sha256Digest& digest);

}  // namespace adyton::keystore
