#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"
#include "localchain/near_node.h"
#include "neo/master_key.h"

namespace adyton::apps {

// `status.chain_id` of the network of `adyton dev`.
inline constexpr const char* kLocalNearChainId = "adyton-local";

struct LocalNearOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 3030;  // 0: the kernel chooses
    // Zero: blocks come as soon as there is work (NearChain::start_instant).
    base::Duration block_time = std::chrono::milliseconds(600);
    localchain::NearNetworkOptions network;  // `secret` makes everybody's keys
    bool faucet = true;
    bool faults = false;  // whoever reaches the port may order them
    std::size_t block_transactions_max = 2'000;
    std::string ledger_path;         // empty: nothing survives the process
    base::Logger* logger = nullptr;  // must outlive it; null: silent
};

// A simulated NEAR network of one node, with its JSON-RPC port and its blocks in a file, on a
// thread of its own: for `adyton dev`. A new network's heights start where one of 600 ms a block
// since 2026 would be, so that one which was removed and begun anew never shows a lower height; a
// kept one goes on where it stopped.
class LocalNear {
public:
    // Listens and makes blocks from now on. Errors of localchain::NearLedgerFile and
    // http::Server::start.
    static Result<std::unique_ptr<LocalNear>> start(LocalNearOptions options);
    // Answers nothing more; waits for its thread.
    ~LocalNear();
    LocalNear(const LocalNear&) = delete;
    LocalNear& operator=(const LocalNear&) = delete;

    std::string url() const;  // "http://127.0.0.1:3030"
    const localchain::NearNames& names() const;
    std::uint64_t blocks_replayed() const;
    std::uint64_t bytes_cut() const;  // of the ledger's unfinished last block
    // "ed25519:.." of a person of the network, as RELAYER_SECRET_KEY and APPROVER_SECRET_KEY take
    // it. `account` as in near_network_key().
    crypto::SecretBuffer secret_key(std::string_view account) const;

    // What follows belongs to its thread: post() to the executor to get there.
    base::Executor& executor();
    localchain::NearChain& chain();
    localchain::NearNode& node();

private:
    struct Parts;
    explicit LocalNear(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// The secret that the keys of a data directory's network come from: HKDF(master, salt
// "adyton/local-near/v1", info "people"), as hex. Never the key of an account.
std::string local_near_secret(const neo::MasterKey& master);

}  // namespace adyton::apps
