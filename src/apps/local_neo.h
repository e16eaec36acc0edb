#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/p256.h"
#include "localchain/neo_chain.h"
#include "localchain/neo_rpc.h"
#include "neo/master_key.h"
#include "neo/sign_data.h"

namespace adyton::apps {

// The network of `adyton dev`: the magic spells "ADYT".
inline constexpr neo::NetworkMagic kLocalNeoMagic{0x54594441};

struct LocalNeoOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 50012;  // 0: the kernel chooses
    neo::NetworkMagic magic = kLocalNeoMagic;
    base::Duration block_time = std::chrono::seconds(1);
    std::size_t block_transactions_max = 5000;
    std::string ledger_path;  // empty: nothing survives the process
    localchain::NodeFlavour flavour = localchain::NodeFlavour::NeoGo;
    bool faucet = true;
    bool faults = false;             // whoever reaches the port may order them
    base::Logger* logger = nullptr;  // must outlive it; null: silent
};

// A simulated Neo network of one node, with its JSON-RPC port, blocks by timer and its ledger in a
// file, on a thread of its own: for `adyton dev` and the benchmark of transfers. Its test token
// TEST has 8 decimals.
class LocalNeo {
public:
    // Listens and makes blocks from now on. Errors of localchain::LedgerFile::open and
    // http::Server::start.
    static Result<std::unique_ptr<LocalNeo>> start(
        LocalNeoOptions options, crypto::P256PrivateKey validator);
    // Answers nothing more; waits for its thread.
    ~LocalNeo();
    LocalNeo(const LocalNeo&) = delete;
    LocalNeo& operator=(const LocalNeo&) = delete;

    std::string url() const;  // "http://127.0.0.1:50012"
    std::uint32_t blocks_replayed() const;
    std::uint64_t bytes_cut() const;  // of the ledger's unfinished last block

    // What follows belongs to its thread: post() to the executor to get there.
    base::Executor& executor();
    localchain::NeoChain& chain();
    localchain::NeoNode& node();

private:
    struct Parts;
    explicit LocalNeo(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// The treasury of the local network: HKDF(master, salt "adyton/local-neo/v1", info "validator"), so
// that a data directory keeps its network. Never the key of an account.
crypto::P256PrivateKey local_neo_validator(const neo::MasterKey& master);

}  // namespace adyton::apps
