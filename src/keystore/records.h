#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "storage/database.h"

// The tables of the keystore (schema.cpp). Everything runs in the caller's unit of work; a stored
// value of another form is CorruptData.
namespace adyton::keystore::records {

enum class SignatureState : std::uint8_t { Open, Landed, GivenBack, Done };
std::string_view to_string(SignatureState state);

struct SignatureRecord {
    crypto::Sha256Digest request_digest;
    std::int64_t generation = 0;
    std::string wallet_id;
    std::string operation;
    std::uint32_t key_version = 1;
    crypto::Sha256Digest payload_hash;  // what was signed
    base::Bytes payload;
    std::string nonce;  // decimal; of transactions
    std::optional<std::int64_t> valid_until;
    std::optional<std::string> reservation_id;
    SignatureState state = SignatureState::Done;
};

// What signing must know first: the wallet's key version and what the request got before.
struct Known {
    std::uint32_t key_version = 1;
    std::optional<SignatureRecord> latest;
};
Result<Known> load(
    storage::Transaction& tx, const std::string& wallet_id,
    const crypto::Sha256Digest& request_digest);

// False: the request (or the payload) has a record already, made by a neighbour.
Result<bool> insert(storage::Transaction& tx, const SignatureRecord& record, base::Timestamp now);
// Of messages, signed here or seen in a call.
Result<bool> is_payload_known(storage::Transaction& tx, const crypto::Sha256Digest& payload_hash);
Result<void> set_state(
    storage::Transaction& tx, const SignatureRecord& record, SignatureState state);
// Open ones whose time is over, oldest first: messages that were valid until before `time_us`,
// everything else until before block `height`.
struct Over {
    std::string message_operation;
    std::int64_t time_us = 0;
    std::int64_t height = 0;
};
Result<std::vector<SignatureRecord>> list_over(
    storage::Transaction& tx, const Over& over, std::int64_t count);

// Made before `before`, oldest first, without those that are open and have an end: their
// reservations may still be given back.
struct Prunable {
    crypto::Sha256Digest request_digest;
    std::int64_t generation = 0;
    std::optional<std::string> reservation_id;
    SignatureState state = SignatureState::Done;
};
Result<std::vector<Prunable>> list_prunable(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count);
Result<void> remove(storage::Transaction& tx, const Prunable& record);

Result<std::uint32_t> key_version(storage::Transaction& tx, const std::string& wallet_id);
struct Wallet {
    std::string wallet_id;
    std::uint32_t key_version = 1;
    base::Timestamp created_at;
};
// False: it is there already.
Result<bool> create_wallet(
    storage::Transaction& tx, const std::string& wallet_id, base::Timestamp now);
// The new version.
Result<std::uint32_t> rotate_key(
    storage::Transaction& tx, const std::string& wallet_id, base::Timestamp now);
// By id, those after `after`.
Result<std::vector<Wallet>> list_wallets(
    storage::Transaction& tx, const std::string& after, std::int64_t count);

// The installation's memory of its own secret: Conflict, reason "keystore_secret_changed", when it
// is another; written when there is none.
Result<void> check_fingerprint(storage::Transaction& tx, const std::string& fingerprint);

}  // namespace adyton::keystore::records
