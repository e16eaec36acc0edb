#include "localchain/near_network.h"

#include <fmt/format.h>

#include "base/check.h"
#include "localchain/contracts/counter.h"
#include "localchain/contracts/gate.h"
#include "localchain/contracts/intents.h"
#include "localchain/contracts/wrap.h"
#include "localchain/internal/near_core.h"

namespace adyton::localchain {
namespace {

using base::Amount;

near::AccountId account(const std::string& name) {
    auto parsed = near::AccountId::parse(name);
    CHECK(parsed.has_value());  // names are the program's own
    return *std::move(parsed);
}

// Whole NEAR.
Amount in_yocto(std::uint64_t near) {
    return near::parse_u128(std::to_string(near) + std::string(near == 0 ? 0 : 24, '0')).value();
}

Amount sum(Amount a, Amount b) {
    const auto out = a.plus(b);
    CHECK(out.has_value());
    return *out;
}

NearGenesisKey full_key(const NearNetworkOptions& options, const std::string& name) {
    const auto pair = near_network_key(base::as_bytes(options.secret), name);
    return {near::PublicKey(pair.public_key())};
}

NearGenesisAccount person(const NearNetworkOptions& options, const std::string& name) {
    return {account(name), near::YoctoNear(in_yocto(1'000'000)), {full_key(options, name)}};
}

std::string gate_name(const NearNames& names, std::size_t index) {
    if (index == 0) return names.gate;
    const std::size_t dot = names.gate.find('.');
    return names.gate.substr(0, dot) + std::to_string(index + 1) +
           (dot == std::string::npos ? std::string() : names.gate.substr(dot));
}

// The intents contract, and wNEAR with what that and the faucet hold of it.
void add_token_contracts(const NearNetworkOptions& options, std::vector<NearGenesisAccount>& out) {
    const NearNames& names = options.names;
    std::vector<IntentsContract::Balance> balances;
    Amount deposited;
    for (const auto& wallet : options.wallets) {
        if (wallet.intents_wrap_near == Amount()) continue;
        balances.push_back({wallet.id, "nep141:" + names.wrap, wallet.intents_wrap_near});
        deposited = sum(deposited, wallet.intents_wrap_near);
    }
    const Amount kept = in_yocto(1'000'000);
    const WrapContract::Holders holders = {
        {account(names.intents), deposited}, {account(names.faucet), kept}};
    out.push_back(
        {account(names.wrap),
         near::YoctoNear(sum(sum(deposited, kept), in_yocto(100))),
         {},
         std::make_shared<WrapContract>(holders)});
    const auto salt = near::IntentsSalt::parse("252812b3");
    CHECK(salt.has_value());
    out.push_back(
        {account(names.intents),
         near::YoctoNear(in_yocto(100)),
         {},
         std::make_shared<IntentsContract>(account(names.wrap), *salt, std::move(balances))});
}

}  // namespace

crypto::Ed25519KeyPair near_network_key(base::ByteView secret, std::string_view account_name) {
    constexpr std::array<std::uint8_t, 1> kZero = {0};
    crypto::Sha256 hash;
    hash.update(base::as_bytes("adyton/local-near/v1")).update(kZero).update(secret).update(kZero);
    const crypto::Sha256Digest digest = hash.update(base::as_bytes(account_name)).finish();
    crypto::SecretBytes<crypto::Ed25519KeyPair::kSeedSize> seed;
    std::copy(digest.bytes.begin(), digest.bytes.end(), seed.expose_mutable().begin());
    return crypto::Ed25519KeyPair(std::move(seed));
}

std::vector<NearGenesisAccount> near_network_genesis(const NearNetworkOptions& options) {
    const NearNames& names = options.names;
    std::vector<NearGenesisAccount> out;
    for (const std::string& name : {names.owner, names.approver, names.user, names.faucet}) {
        out.push_back(person(options, name));
    }
    NearGenesisAccount relayer = person(options, names.relayer);
    for (std::size_t i = 2; i <= options.relayer_keys; ++i) {
        relayer.keys.push_back(full_key(options, fmt::format("{}#{}", names.relayer, i)));
    }
    out.push_back(std::move(relayer));
    const GateContract::People people{
        account(names.owner), account(names.approver), {account(names.relayer)}};
    const auto gate = std::make_shared<GateContract>(people);  // shared by all gates
    for (std::size_t i = 0; i < options.gates; ++i) {
        out.push_back({account(gate_name(names, i)), near::YoctoNear(in_yocto(100)), {}, gate});
    }
    out.push_back(
        {account(names.counter),
         near::YoctoNear(in_yocto(10)),
         {},
         std::make_shared<CounterContract>()});
    add_token_contracts(options, out);
    for (const auto& wallet : options.wallets) {
        out.push_back({wallet.id, wallet.near, {NearGenesisKey{wallet.key}}});
    }
    return out;
}

Result<std::vector<near::TransactionHash>> inject_foreign_intents(
    NearChain& chain, const ForeignIntents& intents) {
    const auto stranger = near_network_key(base::as_bytes("stranger"), intents.relayer.text());
    const base::ByteView args = base::as_bytes(intents.args_json);
    std::vector<near::TransactionHash> out;
    for (std::size_t i = 0; i < intents.count; ++i) {
        near::DelegateAction action{
            near::AccountId::implicit(stranger.public_key()),
            intents.receiver,
            {near::FunctionCall{intents.method, {args.begin(), args.end()}, intents.gas, {}}},
            chain.core().injected_count + 1,
            chain.height() + 10'000,
            near::PublicKey(stranger.public_key())};
        TRY(const near::SignedDelegate signed_delegate, near::sign(std::move(action), stranger));
        TRY(const near::TransactionHash hash,
            chain.inject(
                {intents.relayer,
                 intents.gate,
                 "submit_intent",
                 fmt::format(R"({{"signed_delegate":"{}"}})", near::to_base64(signed_delegate)),
                 {},
                 intents.submit_gas}));
        out.push_back(hash);
    }
    return out;
}

Result<near::TransactionHash> inject_foreign_batch(
    NearChain& chain, const near::AccountId& gate, const near::AccountId& approver,
    const std::vector<std::uint64_t>& ids) {
    // The top tier's fee is enough for any batch; what is over stays with the gate.
    const near::YoctoNear fee(near::parse_u128("60000000000000000000000").value());
    return chain.inject(
        {approver, gate, "resume_batch_chained",
         fmt::format(R"({{"intent_ids":["{}"]}})", fmt::join(ids, R"(",")")), fee,
         near::Gas::from_tgas(100)});
}

void wedge_gate(NearChain& chain, const near::AccountId& gate) {
    // An id that was never given out.
    chain.set_storage(gate, GateContract::kTailKey, "18446744073709551615");
}

Result<near::TransactionHash> unwedge_gate(
    NearChain& chain, const near::AccountId& gate, const near::AccountId& owner) {
    return chain.inject({owner, gate, "reset_batch_tail", "{}", {}, near::Gas::from_tgas(30)});
}

}  // namespace adyton::localchain
