#include "near/transaction.h"

#include "near/internal/json_fields.h"

namespace adyton::near {
namespace {

using base::Json;
using internal::JsonFields;

constexpr std::uint8_t kVersion1 = 1;

void write_borsh(BorshWriter& out, const Transaction& transaction) {
    out.string(transaction.signer_id.text());
    near::write_borsh(out, transaction.public_key);
    out.u64(transaction.nonce);
    out.string(transaction.receiver_id.text());
    out.fixed(transaction.block_hash.view());
    out.count(transaction.actions.size());
    for (const Action& action : transaction.actions) near::write_borsh(out, action);
}

Result<Transaction> read_transaction(BorshReader& in) {
    TRY(auto signer_id, read_account_id(in, "signer_id"));
    TRY(const auto key, read_public_key(in));
    TRY(const std::uint64_t nonce, in.u64("nonce"));
    TRY(auto receiver_id, read_account_id(in, "receiver_id"));
    TRY(const auto hash_bytes, in.fixed(BlockHash::kSize, "block_hash"));
    TRY(const auto block_hash, BlockHash::from_bytes(hash_bytes));
    TRY(auto actions, read_actions(in));
    return Transaction{std::move(signer_id),   key,        nonce,
                       std::move(receiver_id), block_hash, std::move(actions)};
}

// The second byte of a V0 transaction is zero: its signer's name is shorter than 256.
Result<void> check_start(base::ByteView bytes) {
    if (bytes.size() > kTransactionBytesMax) return Error::too_large("transaction is too long");
    if (bytes.size() >= 2 && bytes[0] == kVersion1 && bytes[1] != 0) {
        return Error::invalid_argument(
            "transaction is of version 1, which this program does not sign or read",
            "transaction_version");
    }
    return {};
}

}  // namespace

base::Bytes serialize(const Transaction& transaction) {
    BorshWriter out;
    write_borsh(out, transaction);
    return out.take();
}

base::Bytes serialize(const SignedTransaction& signed_transaction) {
    BorshWriter out;
    write_borsh(out, signed_transaction.transaction);
    near::write_borsh(out, signed_transaction.signature);
    return out.take();
}

std::string to_base64(const SignedTransaction& signed_transaction) {
    return base::base64_encode(serialize(signed_transaction));
}

TransactionHash hash(const Transaction& transaction) {
    return TransactionHash{crypto::sha256(serialize(transaction))};
}

Result<SignedTransaction> sign(Transaction transaction, const crypto::Ed25519KeyPair& key) {
    if (!(transaction.public_key == PublicKey(key.public_key()))) {
        return Error::invalid_argument("transaction names another public key");
    }
    const auto signature = key.sign(hash(transaction).view());
    return SignedTransaction{std::move(transaction), Signature(signature)};
}

bool verify(const SignedTransaction& signed_transaction) {
    const Transaction& transaction = signed_transaction.transaction;
    return verify(transaction.public_key, hash(transaction).view(), signed_transaction.signature);
}

Result<Transaction> parse_transaction(base::ByteView bytes) {
    TRY_VOID(check_start(bytes));
    BorshReader in(bytes);
    TRY(auto out, read_transaction(in));
    TRY_VOID(in.finish());
    return out;
}

Result<SignedTransaction> parse_signed_transaction(base::ByteView bytes) {
    TRY_VOID(check_start(bytes));
    BorshReader in(bytes);
    TRY(auto transaction, read_transaction(in));
    TRY(const auto signature, read_signature(in));
    TRY_VOID(in.finish());
    return SignedTransaction{std::move(transaction), signature};
}

Result<SignedTransaction> parse_signed_transaction_base64(std::string_view text) {
    if (text.size() > kTransactionBytesMax * 4 / 3 + 4) {
        return Error::too_large("transaction is too long");
    }
    if (text.find_first_of("\r\n") != std::string_view::npos) {
        return Error::invalid_argument("transaction has line breaks in its base64");
    }
    TRY(const auto bytes, base::base64_decode(text));
    return parse_signed_transaction(bytes);
}

Json to_json(const Transaction& transaction) {
    Json out = Json::object();
    out.set("hash", Json::string(hash(transaction).to_string()));
    out.set("signer_id", Json::string(transaction.signer_id.text()));
    out.set("public_key", Json::string(transaction.public_key.to_string()));
    out.set("nonce", Json::string(std::to_string(transaction.nonce)));
    out.set("receiver_id", Json::string(transaction.receiver_id.text()));
    out.set("block_hash", Json::string(transaction.block_hash.to_string()));
    Json actions = Json::array();
    for (const Action& action : transaction.actions) actions.push_back(to_json(action));
    out.set("actions", std::move(actions));
    return out;
}

Json to_json(const SignedTransaction& signed_transaction) {
    Json out = to_json(signed_transaction.transaction);
    out.set("signature", Json::string(signed_transaction.signature.to_string()));
    out.set("signature_valid", Json::boolean(verify(signed_transaction)));
    return out;
}

Result<Transaction> transaction_from_json(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "transaction"));
    TRY(auto signer_id, fields.account("signer_id"));
    TRY(const auto key, fields.public_key("public_key"));
    TRY(const std::uint64_t nonce, fields.u64("nonce"));
    TRY(auto receiver_id, fields.account("receiver_id"));
    TRY(const std::string block_hash_text, fields.text("block_hash"));
    TRY(const auto block_hash, BlockHash::parse(block_hash_text));
    TRY(const Json* const list, fields.value("actions"));
    if (!list->is_array()) return fields.error("actions", "is not a list");
    std::vector<Action> actions;
    for (const Json& each : list->items()) {
        TRY(auto action, action_from_json(each));
        actions.push_back(std::move(action));
    }
    TRY_VOID(fields.finish());
    return Transaction{std::move(signer_id),   key,        nonce,
                       std::move(receiver_id), block_hash, std::move(actions)};
}

}  // namespace adyton::near
