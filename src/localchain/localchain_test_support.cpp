#include "localchain/localchain_test_support.h"

#include <utility>

#include "base/test_vectors.h"
#include "localchain/internal/fees.h"
#include "neo/nep17.h"
#include "neo/verification_script.h"
#include "neo/witness.h"

namespace adyton::localchain::testing {

using base::Json;

crypto::P256PrivateKey test_key(unsigned number) {
    crypto::SecretBytes<crypto::P256PrivateKey::kSize> scalar;
    auto bytes = scalar.expose_mutable();
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
    bytes[30] = static_cast<std::uint8_t>(number >> 8);
    bytes[31] = static_cast<std::uint8_t>(number);
    return crypto::P256PrivateKey::from_scalar(std::move(scalar)).value();
}

neo::ScriptHash account_of(const crypto::P256PrivateKey& key) {
    return neo::account_script_hash(key.public_key());
}

Json read_vectors(const std::string& name) {
    return base::read_vectors("neo/" + name);
}

ChainOptions LocalChainTest::standard_options() {
    const neo::ScriptHash test_token = neo::ScriptHash::of_script(base::as_bytes("TEST token"));
    ChainOptions options;
    options.tokens.push_back(
        {test_token, "Test token", "TEST", 18,
         base::Amount::parse("1000000000000000000000").value()});
    for (const unsigned number : {1U, 2U}) {
        const neo::ScriptHash account = account_of(test_key(number));
        options.genesis.push_back({gas(), account, base::Amount(1000 * kOneGas)});
        options.genesis.push_back({neo_hash(), account, base::Amount(100)});
    }
    return options;
}

void LocalChainTest::make_chain(ChainOptions options, NodeOptions node) {
    node_.reset();
    chain_ = std::move(
        NeoChain::create(std::move(options), public_test_validator(), executor_, random_).value());
    node_ = std::make_unique<NeoNode>(*chain_, executor_, std::move(node));
}

neo::Transaction LocalChainTest::plan(const crypto::P256PrivateKey& key, const TransferPlan& plan) {
    neo::Transaction out;
    const neo::ScriptHash from = account_of(key);
    out.nonce = plan.nonce != 0 ? plan.nonce : next_nonce_++;
    out.valid_until_block = plan.valid_until_block.value_or(chain_->height() + 100);
    neo::Signer signer;
    signer.account = from;
    signer.scopes = plan.scopes;
    out.signers.push_back(signer);
    out.attributes = plan.attributes;
    out.script = plan.script.value_or(
        neo::nep17_transfer_script({plan.token, from, plan.to, plan.amount, {}}));
    const Execution tried = chain_->invoke(out.script, out.signers, chain_->height());
    out.system_fee = plan.system_fee.value_or(tried.gas_consumed);
    out.witnesses.push_back(neo::unsigned_single_signature_witness(key.public_key()));
    out.network_fee =
        plan.network_fee.value_or(internal::network_fee(out, chain_->options().policy).value());
    return out;
}

void LocalChainTest::sign(neo::Transaction& transaction, const crypto::P256PrivateKey& key) {
    const auto signature =
        crypto::sign_rfc6979_low_s(key, neo::sign_digest(chain_->options().magic, transaction));
    const neo::ScriptHash account = account_of(key);
    transaction.witnesses.resize(transaction.signers.size());
    for (std::size_t i = 0; i < transaction.signers.size(); ++i) {
        if (transaction.signers[i].account != account) continue;
        transaction.witnesses[i] =
            neo::single_signature_witness(key.public_key(), signature.value());
    }
}

neo::Transaction LocalChainTest::signed_transfer(
    const crypto::P256PrivateKey& key, const TransferPlan& its_plan) {
    neo::Transaction out = plan(key, its_plan);
    sign(out, key);
    return out;
}

SubmitAnswer LocalChainTest::submit(const neo::Transaction& transaction, NodeFlavour flavour) {
    return chain_->submit(neo::serialize(transaction), flavour);
}

int LocalChainTest::code(const neo::Transaction& transaction, NodeFlavour flavour) {
    const SubmitAnswer answer = submit(transaction, flavour);
    return answer.accepted() ? 0 : answer.refusal->code;
}

const Execution& LocalChainTest::execution(const neo::TransactionHash& hash) {
    const ConfirmedTransaction* const done = chain_->find_confirmed(hash);
    EXPECT_NE(done, nullptr) << hash.to_string() << " is in no block";
    static const Execution kNone;
    return done == nullptr ? kNone : done->execution;
}

base::Amount LocalChainTest::sum_of_balances(
    const neo::ScriptHash& token, std::vector<neo::ScriptHash> others) {
    others.push_back(alice_account_);
    others.push_back(bob_account_);
    others.push_back(stranger_);
    others.push_back(chain_->committee_account());
    others.push_back(neo::account_script_hash(chain_->validator()));
    base::Amount sum;
    for (const neo::ScriptHash& account : others) {
        sum = sum.plus(chain_->balance(token, account)).value();
    }
    return sum;
}

Json LocalChainTest::ask(std::string_view method, std::string_view params) {
    const std::string body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + std::string(method) +
                             "\",\"params\":" + std::string(params) + "}";
    const http::Response response = node_->answer(body);
    auto json = Json::parse(response.body);
    EXPECT_TRUE(json) << response.body;
    return json ? std::move(*json) : Json();
}

Json LocalChainTest::result(std::string_view method, std::string_view params) {
    const Json answer = ask(method, params);
    const Json* const result = answer.find("result");
    EXPECT_NE(result, nullptr) << answer.dump();
    return result == nullptr ? Json() : *result;
}

std::int64_t LocalChainTest::error_code(std::string_view method, std::string_view params) {
    const Json answer = ask(method, params);
    const Json* const error = answer.find("error");
    EXPECT_NE(error, nullptr) << answer.dump();
    return error == nullptr ? 0 : error->find("code")->as_int64().value();
}

}  // namespace adyton::localchain::testing
