#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "near/action.h"

// Transactions in the V0 form: no version byte, hash = SHA-256(Borsh), Ed25519 over the hash.
namespace adyton::near {

// The protocol's own limit (max_transaction_size).
inline constexpr std::size_t kTransactionBytesMax = std::size_t{3} * 512 * 1024;

struct Transaction {
    AccountId signer_id;
    PublicKey public_key;
    std::uint64_t nonce = 0;  // above the access key's, below block height * 10^6
    AccountId receiver_id;
    BlockHash block_hash;  // recent: it dates the transaction
    std::vector<Action> actions;
    bool operator==(const Transaction&) const = default;
};

struct SignedTransaction {
    Transaction transaction;
    Signature signature;
    bool operator==(const SignedTransaction&) const = default;
};

base::Bytes serialize(const Transaction& transaction);
base::Bytes serialize(const SignedTransaction& signed_transaction);
// Standard base64 with padding, as broadcast_tx_async takes it.
std::string to_base64(const SignedTransaction& signed_transaction);
TransactionHash hash(const Transaction& transaction);

// InvalidArgument: the transaction names another key.
Result<SignedTransaction> sign(Transaction transaction, const crypto::Ed25519KeyPair& key);
bool verify(const SignedTransaction& signed_transaction);

// InvalidArgument: malformed, unknown action, bytes behind the value; reason "transaction_version"
// for the newer V1 form, which is recognised by its first byte and never guessed at. TooLarge.
Result<Transaction> parse_transaction(base::ByteView bytes);
Result<SignedTransaction> parse_signed_transaction(base::ByteView bytes);
Result<SignedTransaction> parse_signed_transaction_base64(std::string_view text);

// The fields by their names plus `hash`; actions as in action.h.
base::Json to_json(const Transaction& transaction);
base::Json to_json(const SignedTransaction& signed_transaction);
// {"signer_id","public_key","nonce","receiver_id","block_hash","actions":[..]}. InvalidArgument:
// anything malformed or unknown.
Result<Transaction> transaction_from_json(const base::Json& json);

// What a person should read before signing, one fact a line.
std::string explain(const Transaction& transaction);

}  // namespace adyton::near
