#include "localchain/near_test_support.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/test_vectors.h"

namespace adyton::localchain::testing {

using base::Json;

near::AccountId account_id(std::string_view name) {
    return near::AccountId::parse(name).value();
}

near::YoctoNear yocto(std::string_view digits) {
    return near::YoctoNear::parse(digits).value();
}

near::YoctoNear in_near(std::uint64_t near) {
    return yocto(near == 0 ? "0" : std::to_string(near) + std::string(24, '0'));
}

crypto::Ed25519KeyPair near_test_key(unsigned number) {
    return near_network_key(base::as_bytes("test"), std::to_string(number));
}

Json read_near_vectors(const std::string& name) {
    return base::read_vectors("near/" + name);
}

NearNetworkOptions LocalNearTest::standard_network() {
    NearNetworkOptions out;
    for (const unsigned number : {1U, 2U}) {
        const auto key = near_test_key(number);
        out.wallets.push_back(
            {near::AccountId::implicit(key.public_key()), near::PublicKey(key.public_key()),
             in_near(100), in_near(50).amount()});
    }
    return out;
}

void LocalNearTest::make_chain(
    NearChainOptions options, const NearNetworkOptions& network, NearNodeOptions node) {
    node_.reset();
    options.genesis = near_network_genesis(network);
    chain_ = std::move(NearChain::create(std::move(options), executor_).value());
    node_ = std::make_unique<NearNode>(*chain_, executor_, std::move(node));
    produce(1);
}

void LocalNearTest::produce(std::size_t blocks) {
    for (std::size_t i = 0; i < blocks; ++i) chain_->produce_block();
}

std::uint64_t LocalNearTest::nonce_of(
    const near::AccountId& id, const crypto::Ed25519KeyPair& key) const {
    const auto row = chain_->access_key_at(id, near::PublicKey(key.public_key()), chain_->height());
    return row.has_value() ? row->nonce : 0;
}

near::SignedTransaction LocalNearTest::sign(
    const near::AccountId& signer, const crypto::Ed25519KeyPair& key,
    const near::AccountId& receiver, std::vector<near::Action> actions, const Plan& plan) {
    const near::PublicKey own(key.public_key());
    std::uint64_t& last = last_nonces_[own.to_string()];
    last = std::max(last, nonce_of(signer, key)) + 1;
    const std::uint64_t nonce = plan.nonce.value_or(last);
    near::Transaction transaction{
        signer,
        plan.named_key.value_or(own),
        nonce,
        receiver,
        plan.block_hash.value_or(chain_->head().hash),
        std::move(actions)};
    if (plan.named_key.has_value()) {
        const auto signature = key.sign(near::hash(transaction).view());
        return near::SignedTransaction{std::move(transaction), near::Signature(signature)};
    }
    return near::sign(std::move(transaction), key).value();
}

near::TransactionHash LocalNearTest::send(
    const near::AccountId& signer, const crypto::Ed25519KeyPair& key,
    const near::AccountId& receiver, std::vector<near::Action> actions) {
    const auto transaction = sign(signer, key, receiver, std::move(actions));
    const NearSubmitAnswer answer = chain_->submit(near::serialize(transaction));
    EXPECT_TRUE(answer.accepted())
        << answer.parse_error
        << (answer.invalid_tx_error.has_value() ? answer.invalid_tx_error->dump() : std::string());
    return near::hash(transaction.transaction);
}

std::vector<near::Action> LocalNearTest::call(
    std::string method, std::string_view args_json, near::Gas gas, near::YoctoNear deposit) {
    const base::ByteView args = base::as_bytes(args_json);
    std::vector<near::Action> out;
    out.emplace_back(
        near::FunctionCall{std::move(method), {args.begin(), args.end()}, gas, deposit});
    return out;
}

std::string LocalNearTest::refusal(const near::SignedTransaction& transaction) {
    const NearSubmitAnswer answer = chain_->submit(near::serialize(transaction));
    if (!answer.hash.has_value()) return "PARSE";
    if (!answer.invalid_tx_error.has_value()) return {};
    const Json* at = &*answer.invalid_tx_error;
    // The innermost name of InvalidAccessKeyError and ActionsValidation.
    while (at->is_object() && (at->members().front().first == "InvalidAccessKeyError" ||
                               at->members().front().first == "ActionsValidation")) {
        at = &at->members().front().second;
    }
    return at->is_string() ? at->string_value() : at->members().front().first;
}

crypto::Ed25519KeyPair LocalNearTest::key_of(const std::string& name) const {
    return near_network_key(base::as_bytes("public"), name);
}

base::Amount LocalNearTest::balance(const near::AccountId& id) const {
    const auto row = chain_->account(id);
    return row.has_value() ? row->amount.amount() : base::Amount();
}

base::Amount LocalNearTest::wrapped(const near::AccountId& id) const {
    const auto said =
        chain_->view(wrap_, "ft_balance_of", fmt::format(R"({{"account_id":"{}"}})", id.text()));
    return near::parse_u128(said.value().string_value()).value();
}

base::Amount LocalNearTest::intents_balance(const near::AccountId& id) const {
    const auto said = chain_->view(
        intents_, "mt_balance_of",
        fmt::format(R"({{"account_id":"{}","token_id":"nep141:wrap.near"}})", id.text()));
    return near::parse_u128(said.value().string_value()).value();
}

near::SignedDelegate LocalNearTest::delegate(
    const near::AccountId& receiver, const std::string& method, const std::string& args_json,
    near::Gas gas) {
    const base::ByteView args = base::as_bytes(args_json);
    near::DelegateAction action{
        alice_,
        receiver,
        {near::FunctionCall{method, {args.begin(), args.end()}, gas, {}}},
        ++next_delegate_nonce_,
        chain_->height() + 180,
        near::PublicKey(alice_key_.public_key())};
    return near::sign(std::move(action), alice_key_).value();
}

near::TransactionHash LocalNearTest::submit_intent(
    const near::SignedDelegate& signed_delegate, near::Gas gas) {
    return send(
        relayer_, key_of(names_.relayer), gate_,
        call(
            "submit_intent",
            fmt::format(R"({{"signed_delegate":"{}"}})", near::to_base64(signed_delegate)), gas));
}

near::TransactionHash LocalNearTest::resume(
    const std::vector<std::uint64_t>& ids, std::string_view fee) {
    return send(
        approver_, key_of(names_.approver), gate_,
        call(
            "resume_batch_chained",
            fmt::format(R"({{"intent_ids":["{}"]}})", fmt::join(ids, R"(",")")),
            near::Gas::from_tgas(100), yocto(fee)));
}

std::vector<near::TransactionHash> LocalNearTest::submit_counts(std::size_t count) {
    std::vector<near::TransactionHash> out;
    for (std::size_t i = 0; i < count; ++i) {
        out.push_back(submit_intent(delegate(counter_, "increase", "{}")));
        produce(2);
    }
    return out;
}

near::TransactionStatus LocalNearTest::status_of(
    const near::TransactionHash& hash, std::string_view signer) {
    const Json answer =
        ask("EXPERIMENTAL_tx_status",
            fmt::format(
                R"({{"tx_hash":"{}","sender_account_id":"{}","wait_until":"NONE"}})",
                hash.to_string(), signer));
    auto parsed = near::parse_transaction_status(answer);
    EXPECT_TRUE(parsed) << answer.dump();
    return std::move(parsed).value();
}

Json LocalNearTest::ask(std::string_view method, std::string_view params) {
    return node_->rpc(method, Json::parse(params).value());
}

Json LocalNearTest::result(std::string_view method, std::string_view params) {
    const Json answer = ask(method, params);
    const Json* const found = answer.find("result");
    EXPECT_NE(found, nullptr) << answer.dump();
    return found == nullptr ? Json() : *found;
}

std::string LocalNearTest::error_cause(std::string_view method, std::string_view params) {
    const Json answer = ask(method, params);
    const Json* const error = answer.find("error");
    const Json* const cause = error == nullptr ? nullptr : error->find("cause");
    return cause == nullptr ? "no error" : cause->find("name")->string_value();
}

std::string LocalNearTest::failure_of(const near::TransactionHash& hash) {
    const auto* const record = chain_->find_transaction(hash);
    if (record == nullptr) return "not in a block";
    for (const NearOutcome& outcome : record->outcomes) {
        if (outcome.id != record->outcome.receipt_ids.front()) continue;
        if (outcome.kind != NearOutcome::Kind::Failure) return {};
        const Json& kind = *outcome.failure.find("ActionError")->find("kind");
        const Json* const inner = kind.find("FunctionCallError");
        const Json* const text = inner == nullptr ? nullptr : inner->find("ExecutionError");
        return text == nullptr ? kind.dump() : text->string_value();
    }
    return "not executed";
}

Json LocalNearTest::gate_view(const std::string& method, const std::string& args) {
    return chain_->view(gate_, method, args).value();
}

void LocalNearTest::expect_balanced_books() {
    const NearChain::Books books = chain_->books();
    const auto sum = books.held.plus(books.in_flight).value().plus(books.burnt).value();
    EXPECT_EQ(books.supply.to_string(), sum.to_string());
}

}  // namespace adyton::localchain::testing
