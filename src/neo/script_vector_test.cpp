#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "crypto/test_bytes.h"
#include "neo/address.h"
#include "neo/explain.h"
#include "neo/fee.h"
#include "neo/nep17.h"
#include "neo/script.h"
#include "neo/test_vectors.h"
#include "neo/token.h"
#include "neo/transaction.h"
#include "neo/verification_script.h"
#include "neo/witness.h"

// Published vectors (see test_vectors.h) against the code that builds, signs and explains
// transactions. Every case is executed.
namespace adyton::neo {
namespace {

using base::Json;
using crypto::from_hex;

ScriptHash script_hash(const std::string& text) {
    const auto address = Address::parse(text);
    if (address) return address->script_hash();
    const auto hash = ScriptHash::parse(text);
    EXPECT_TRUE(hash) << text;
    return hash ? *hash : ScriptHash();
}

base::Amount amount_of(const Json& object, std::string_view name) {
    const auto amount = base::Amount::parse(text_of(object, name));
    EXPECT_TRUE(amount);
    return amount ? *amount : base::Amount();
}

// The members are texts in the vectors; 64 bits fit every fee.
std::int64_t fee_of(const Json& object, std::string_view name) {
    const auto number = Integer::parse(text_of(object, name));
    EXPECT_TRUE(number);
    return number ? number->as_int64().value() : 0;
}

std::optional<Value> only_constant(const base::Bytes& script) {
    const auto read = disassemble(script);
    if (!read || read->size() != 1) return std::nullopt;
    return read->front().constant();
}

void check_push(const Json& each, const Value& value) {
    const auto expected = from_hex(text_of(each, "push_hex"));
    EXPECT_EQ(
        base::hex_encode(ScriptBuilder().push_value(value).take()), text_of(each, "push_hex"));
    EXPECT_EQ(only_constant(expected), value);
    if (each.find("neo_go_push_hex") == nullptr) return;
    EXPECT_EQ(only_constant(from_hex(text_of(each, "neo_go_push_hex"))), value);
}

void check_emission(const Json& each) {
    const std::string kind = text_of(each, "kind");
    if (kind == "integer") {
        const auto number = Integer::parse(text_of(each, "value"));
        ASSERT_TRUE(number);
        check_push(each, Value::of_integer(*number));
    } else if (kind == "bytes") {
        check_push(each, Value::of_bytes(from_hex(text_of(each, "value_hex"))));
    } else if (kind == "string") {
        check_push(each, Value::of_text(text_of(each, "value")));
    } else if (kind == "null") {
        check_push(each, Value::null());
    } else if (kind == "boolean") {
        check_push(each, Value::of_boolean(flag_of(each, "value")));
    } else if (kind == "syscall") {
        const std::string name = text_of(each, "value");
        EXPECT_EQ(
            base::hex_encode(ScriptBuilder().syscall(name).take()), text_of(each, "push_hex"));
    } else if (kind == "varint") {
        const auto number = base::Amount::parse(text_of(each, "value"));
        ASSERT_TRUE(number);
        ASSERT_EQ(number->high_64(), 0U);
        base::Bytes out;
        append_var_int(out, number->low_64());
        EXPECT_EQ(base::hex_encode(out), text_of(each, "push_hex"));
    } else {
        ADD_FAILURE() << "unknown kind " << kind;
    }
}

TEST(NeoScriptVectorTest, Emission) {
    EXPECT_GT(for_each_case(read_vectors("emit.json"), "cases", check_emission), 0U);
}

// A transaction around a script, to explain it.
Transaction around(const base::Bytes& script, const ScriptHash& signer) {
    Transaction out;
    out.valid_until_block = 1;
    out.signers.push_back({signer, kScopeCalledByEntry, {}, {}, {}});
    out.script = script;
    EXPECT_TRUE(check(out));
    return out;
}

void expect_recognised(const std::string& hex, const Nep17Transfer& transfer, bool asserted) {
    const auto explanation = explain(around(from_hex(hex), transfer.from));
    EXPECT_TRUE(explanation.understood) << explanation.reason;
    ASSERT_EQ(explanation.transfers.size(), 1U);
    EXPECT_EQ(explanation.transfers[0], transfer);
    ASSERT_EQ(explanation.calls.size(), 1U);
    EXPECT_EQ(explanation.calls[0].asserted, asserted);
    EXPECT_EQ(explanation.warnings.empty(), asserted);
}

TEST(NeoScriptVectorTest, TransferScripts) {
    const auto executed =
        for_each_case(read_vectors("nep17_transfer.json"), "cases", [](const Json& each) {
            const Json* const data = each.find("data");
            ASSERT_NE(data, nullptr);
            const Nep17Transfer transfer{
                script_hash(text_of(each, "token_hash_display")),
                script_hash(text_of(each, "from_address")),
                script_hash(text_of(each, "to_address")), amount_of(each, "amount"),
                data->is_null() ? Value::null() : Value::of_text(data->string_value())};
            const auto call = nep17_transfer_call(transfer);
            const auto script = nep17_transfer_script(transfer);
            EXPECT_EQ(base::hex_encode(call), text_of(each, "script_hex"));
            EXPECT_EQ(base::base64_encode(call), text_of(each, "script_base64"));
            EXPECT_EQ(base::hex_encode(script), text_of(each, "script_with_assert_hex"));
            EXPECT_EQ(base::base64_encode(script), text_of(each, "script_with_assert_base64"));
            expect_recognised(text_of(each, "script_hex"), transfer, false);
            expect_recognised(text_of(each, "script_with_assert_hex"), transfer, true);
            expect_recognised(text_of(each, "neo_go_script_with_assert_hex"), transfer, true);
        });
    EXPECT_GT(executed, 0U);
}

Signer read_signer(const Json& each, const char* account, const char* scopes, const char* byte) {
    Signer out;
    out.account = script_hash(text_of(each, account));
    const auto parsed = parse_scopes(text_of(each, scopes));
    EXPECT_TRUE(parsed) << text_of(each, scopes);
    out.scopes = parsed ? *parsed : std::uint8_t{0};
    EXPECT_EQ(out.scopes, number_of(each, byte));
    if (const Json* const list = each.find("allowed_contracts")) {
        for (const Json& item : list->items()) {
            out.allowed_contracts.push_back(script_hash(item.string_value()));
        }
    }
    return out;
}

// The transaction that a case's `fields` describe.
Transaction build(const Json& fields) {
    Transaction out;
    out.version = static_cast<std::uint8_t>(number_of(fields, "version"));
    out.nonce = static_cast<std::uint32_t>(number_of(fields, "nonce"));
    out.system_fee = fee_of(fields, "system_fee");
    out.network_fee = fee_of(fields, "network_fee");
    out.valid_until_block = static_cast<std::uint32_t>(number_of(fields, "valid_until_block"));
    out.script = from_hex(text_of(fields, "script_hex"));
    if (const Json* const signers = fields.find("signers")) {
        for (const Json& each : signers->items()) {
            out.signers.push_back(read_signer(each, "account", "scopes", "scopes_byte"));
        }
    } else {
        out.signers.push_back(
            read_signer(fields, "signer_account", "signer_scopes", "signer_scopes_byte"));
    }
    return out;
}

NetworkMagic magic_of(const Json& each) {
    return NetworkMagic{static_cast<std::uint32_t>(number_of(each, "magic"))};
}

void expect_fee(
    const Transaction& transaction, const Json& each, const char* name, FeePolicy policy) {
    if (each.find(name) == nullptr) return;
    const auto fee = network_fee(transaction, policy);
    ASSERT_TRUE(fee) << fee.error().message();
    EXPECT_EQ(*fee, fee_of(each, name)) << name;
}

// The witnesses that sign a case, in the order of its signers.
std::vector<Witness> witnesses_of(const Json& each, const crypto::Sha256Digest& digest) {
    std::vector<Witness> out;
    for (const char* const name : {"private_key", "second_private_key"}) {
        if (each.find(name) == nullptr) continue;
        const auto key =
            crypto::P256PrivateKey::from_scalar(crypto::secret32(from_hex(text_of(each, name))));
        CHECK(key.has_value());
        const auto signature = crypto::sign_rfc6979_low_s(*key, digest);
        CHECK(signature.has_value());
        out.push_back(single_signature_witness(key->public_key(), *signature));
    }
    return out;
}

// Without the members of a case that say what the script does: vectors may hold other scripts.
void expect_explained(const Json& each, const Transaction& transaction) {
    const auto explanation = explain(transaction);
    EXPECT_TRUE(explanation.recognised) << explanation.reason;
    ASSERT_EQ(explanation.transfers.size(), 1U);
    const auto& transfer = explanation.transfers[0];
    EXPECT_EQ(transfer.token, find_well_known_token(text_of(each, "token"))->contract);
    EXPECT_EQ(transfer.to, script_hash(text_of(each, "to_address")));
    EXPECT_EQ(transfer.amount, amount_of(each, "amount"));
    bool shallow = true;
    for (const Signer& signer : transaction.signers) {
        shallow = shallow && (signer.scopes == kScopeNone || signer.scopes == kScopeCalledByEntry);
    }
    EXPECT_EQ(explanation.understood, shallow);
}

// What every case of transactions.json and privnet.json says.
void check_transaction(const Json& each, const Transaction& built) {
    EXPECT_TRUE(check(built));
    EXPECT_EQ(base::hex_encode(serialize_unsigned(built)), text_of(each, "unsigned_hex"));
    EXPECT_EQ(hash(built).to_string(), text_of(each, "hash_display"));
    EXPECT_EQ(sign_digest(magic_of(each), built).to_hex(), text_of(each, "sign_digest_hex"));
    const auto unsigned_bytes = from_hex(text_of(each, "unsigned_hex"));
    const auto unsigned_again = parse_unsigned_transaction(unsigned_bytes);
    ASSERT_TRUE(unsigned_again) << unsigned_again.error().message();
    EXPECT_EQ(*unsigned_again, built);
    const auto signed_bytes = from_hex(text_of(each, "signed_hex_low_s"));
    EXPECT_EQ(base::base64_encode(signed_bytes), text_of(each, "signed_base64_low_s"));
    EXPECT_EQ(signed_bytes.size(), number_of(each, "signed_size"));
    const auto signed_again = parse_transaction(signed_bytes);
    ASSERT_TRUE(signed_again) << signed_again.error().message();
    EXPECT_EQ(base::hex_encode(serialize(*signed_again)), base::hex_encode(signed_bytes));
    EXPECT_TRUE(verify_witnesses(*signed_again, magic_of(each)));
    EXPECT_FALSE(verify_witnesses(*signed_again, NetworkMagic{1}));
    EXPECT_FALSE(parse_unsigned_transaction(signed_bytes));
    expect_explained(each, built);
}

TEST(NeoScriptVectorTest, Transactions) {
    const auto executed =
        for_each_case(read_vectors("transactions.json"), "cases", [](const Json& each) {
            const Json* const fields = each.find("fields");
            ASSERT_NE(fields, nullptr);
            Transaction transaction = build(*fields);
            check_transaction(each, transaction);
            transaction.witnesses = witnesses_of(each, sign_digest(magic_of(each), transaction));
            EXPECT_EQ(base::hex_encode(serialize(transaction)), text_of(each, "signed_hex_low_s"));
            EXPECT_TRUE(verify_witnesses(transaction, magic_of(each)));
            expect_fee(
                transaction, each, "network_fee_at_1000_per_byte_factor_30", FeePolicy{1000, 30});
            expect_fee(
                transaction, each, "network_fee_at_100_per_byte_factor_3", FeePolicy{100, 3});
            if (each.find("signed_hex_rfc6979") == nullptr) return;
            const auto high_s = parse_transaction(from_hex(text_of(each, "signed_hex_rfc6979")));
            ASSERT_TRUE(high_s);
            EXPECT_TRUE(verify_witnesses(*high_s, magic_of(each)));
            EXPECT_EQ(hash(*high_s), hash(transaction));
        });
    EXPECT_GT(executed, 0U);
}

TEST(NeoScriptVectorTest, PrivateNetworkFunding) {
    const Json document = read_vectors("privnet.json");
    const Json* const validator = document.find("validator");
    const Json* const committee = document.find("committee_account");
    ASSERT_TRUE(validator != nullptr && committee != nullptr);
    const auto key = crypto::P256PrivateKey::from_scalar(
        crypto::secret32(from_hex(text_of(*validator, "private_key"))));
    ASSERT_TRUE(key);
    const std::vector keys = {key->public_key()};
    const auto script = multisig_verification_script(1, keys);
    ASSERT_TRUE(script);
    EXPECT_EQ(base::hex_encode(*script), text_of(*committee, "verification_script"));
    EXPECT_EQ(multisig_account(1, keys)->to_string(), text_of(*committee, "script_hash_display"));
    EXPECT_EQ(Address(*multisig_account(1, keys)).to_string(), text_of(*committee, "address"));
    const auto executed = for_each_case(document, "cases", [&](const Json& each) {
        const Json* const fields = each.find("fields");
        ASSERT_NE(fields, nullptr);
        Transaction transaction = build(*fields);
        check_transaction(each, transaction);
        const auto signature =
            crypto::sign_rfc6979_low_s(*key, sign_digest(magic_of(each), transaction));
        ASSERT_TRUE(signature);
        const auto witness = multisig_witness(*script, std::span(&*signature, 1));
        ASSERT_TRUE(witness);
        transaction.witnesses.push_back(*witness);
        EXPECT_EQ(base::hex_encode(serialize(transaction)), text_of(each, "signed_hex_low_s"));
        const auto fee = network_fee(transaction, FeePolicy{1000, 30});
        ASSERT_TRUE(fee);
        EXPECT_EQ(*fee, transaction.network_fee);
    });
    EXPECT_GT(executed, 0U);
}

}  // namespace
}  // namespace adyton::neo
