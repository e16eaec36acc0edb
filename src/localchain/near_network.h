#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "crypto/ed25519.h"
#include "localchain/near_chain.h"
#include "near/delegate.h"

namespace adyton::localchain {

// The accounts of the local NEAR network: the names that the coordinator's defaults name
// (near.md 4, 6.12 and 6.14).
struct NearNames {
    std::string gate = "gate.sequential.near";
    std::string owner = "sequential.near";
    std::string approver = "approver.sequential.near";
    std::string relayer = "relayer.sequential.near";
    std::string intents = "intents.near";
    std::string wrap = "wrap.near";
    std::string counter = "count.mike.near";
    std::string user = "mike.near";
    std::string faucet = "faucet.adyton.near";
};

// Seed of an account's key: SHA-256("adyton/local-near/v1" || 0 || secret || 0 || account). With a
// public `secret` it is worth nothing; `adyton dev` gives one of its own.
crypto::Ed25519KeyPair near_network_key(base::ByteView secret, std::string_view account);

struct NearNetworkOptions {
    NearNames names;
    std::string secret = "public";
    // Beside the first gate: "gate2.sequential.near" and so on, of the same owner and people.
    std::size_t gates = 1;
    // Further keys of the relayer's account: lanes. Their seeds are near_network_key(secret,
    // "<relayer>#2") and so on.
    std::size_t relayer_keys = 1;
    // Wallets that exist on chain and hold NEAR, and wNEAR inside intents.near.
    struct Wallet {
        near::AccountId id;
        near::PublicKey key;
        near::YoctoNear near{};
        base::Amount intents_wrap_near{};
    };
    std::vector<Wallet> wallets;
};

// `options.genesis` for a network with one or more gates, intents, wrap and counter contracts,
// their people with full-access keys (the relayer's further keys too), and a faucet. Every contract
// and person holds enough for any test.
std::vector<NearGenesisAccount> near_network_genesis(const NearNetworkOptions& options);

// Trouble that others make at a gate of such a network, through the gate's own methods and from
// people's accounts without their keys' nonces being touched.
//
// A stranger's intents, submitted in the next block. `calls` call `receiver`.`method` with `args`.
struct ForeignIntents {
    near::AccountId gate;
    near::AccountId relayer;  // must be whitelisted
    near::AccountId receiver;
    std::string method;
    std::string args_json = "{}";
    near::Gas gas = near::Gas::from_tgas(30);
    near::Gas submit_gas = near::Gas::from_tgas(300);
    std::size_t count = 3;
};
// NotFound: no such account. The transactions, in order; their intents have ids two blocks later.
Result<std::vector<near::TransactionHash>> inject_foreign_intents(
    NearChain& chain, const ForeignIntents& intents);
// Starts a chained batch of these ids as `approver`, paying its fee.
Result<near::TransactionHash> inject_foreign_batch(
    NearChain& chain, const near::AccountId& gate, const near::AccountId& approver,
    const std::vector<std::uint64_t>& ids);
// What the chain shows after somebody's callback ran out of gas: a batch tail that nobody will ever
// take up.
void wedge_gate(NearChain& chain, const near::AccountId& gate);
// reset_batch_tail by the owner, in the next block.
Result<near::TransactionHash> unwedge_gate(
    NearChain& chain, const near::AccountId& gate, const near::AccountId& owner);

}  // namespace adyton::localchain
