#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/keystore_client.h"
#include "audit/audit_log.h"
#include "base/random.h"
#include "chain/near_client.h"
#include "coordinator/coordinator_service.h"
#include "coordinator/planted_bugs.h"
#include "coordinator/wallet_auth.h"
#include "http/router.h"
#include "keystore/chain_view.h"
#include "keystore/keystore_service.h"
#include "keystore/token_auth.h"
#include "localchain/near_chain.h"
#include "localchain/near_network.h"
#include "localchain/near_node.h"
#include "localchain/neo_rpc.h"
#include "near/transaction.h"
#include "service/frame.h"
#include "sim/lane_step.h"
#include "storage/test_database.h"

// The suite in one process: coordinator, keystore, storage, simulated NEAR chain and the network
// between them, from one seed (docs/coordinator.md, "Simulation").
namespace adyton::sim {

struct WorldOptions {
    std::uint64_t seed = 1;
    std::size_t nodes = 2;
    std::size_t gates = 1;
    std::size_t relayer_keys = 2;
    std::size_t wallets = 4;
    base::Duration block_time = std::chrono::milliseconds(600);
    base::Duration latency_max{};
    base::Duration poll_interval = std::chrono::milliseconds(750);
    base::Duration probe_period = std::chrono::seconds(2);
    bool instant_blocks = false;
    std::uint64_t yield_timeout_blocks = 200;
    // What a wallet's or a user's transaction does is done by that one alone: none is made in its
    // place, even when it is dead.
    bool made_once = false;
    int bug = coordinator::kNoBug;
    // Changes what the coordinator is configured with.
    std::function<void(coordinator::CoordinatorOptions&)> configure;
    // Changes what it is built on.
    std::function<void(coordinator::CoordinatorParts&)> change_parts = {};
    // What the coordinator has for its database, anew in each life; empty: the database itself.
    std::function<storage::Database&(storage::Database&)> change_database = {};
};

struct WorldAnswer {
    int status = 0;
    std::string text;
    base::Json body;  // null when the text is no JSON
    http::Headers headers;

    const base::Json& at(std::string_view name) const;
    std::string string(std::string_view name) const;
};

struct WorldCall {
    std::string method = "POST";
    std::string path;
    std::string wallet;  // by X-Internal-Wallet-Auth and X-Wallet-Id
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

inline constexpr std::string_view kInternalToken = "internal-token-of-the-simulation";
inline constexpr std::string_view kApiKeyOfFirstWallet = "wk_api-key-of-the-first-wallet";
inline constexpr std::string_view kWrapToken = "nep141:wrap.near";

class World final : public coordinator::TestSwitches {
public:
    // The test database must be empty; it is migrated here.
    World(storage::TestDatabase& database, WorldOptions options);
    ~World() override;
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // The process: keystore and coordinator over the database as it is now.
    void boot();
    // Its objects are gone without a word; the executor must have been emptied before.
    void drop_process();
    // Lets it end in order.
    void shut_down();
    // Simulated databases only: what a crash leaves is the disk and the chain. Then boots again.
    void crash_and_boot(storage::TestDatabase::Crash kind);

    // From now on: dies at the nth moment (WorkflowPoint, call of the chain before and after, call
    // of the keystore before and after), counted from 1; 0: never.
    void die_at(std::uint64_t nth);
    std::uint64_t moments() const { return moments_; }
    bool dead() const {
        return dead_ || (database_.disk() != nullptr && !database_.disk()->powered());
    }

    Task<WorldAnswer> call(WorldCall call);
    WorldAnswer ask(WorldCall call) { return database_.run(this->call(std::move(call))); }
    WorldAnswer get(const std::string& path, const std::string& wallet) {
        return ask({"GET", path, wallet, "", {}});
    }
    WorldAnswer post(
        const std::string& path, const std::string& wallet, const std::string& body,
        std::vector<std::pair<std::string, std::string>> headers = {}) {
        return ask({"POST", path, wallet, body, std::move(headers)});
    }
    void put_policy(const std::string& wallet, const std::string& policy);
    // From now on asked at each call of the keystore by its operation; an error is its answer.
    using KeystoreTrouble = std::function<std::optional<Error>(std::string_view)>;
    void trouble_keystore(KeystoreTrouble trouble) { keystore_trouble_ = std::move(trouble); }
    // Bounds what the wallet may ever spend: of wNEAR by `amount`, of NEAR by that and what two
    // registrations cost. Nothing beyond it may be found on the chain.
    void bound(const std::string& wallet, std::uint64_t amount);
    void pass(base::Duration span);

    localchain::NearChain& chain() { return *chain_; }
    localchain::NearNode& node(std::size_t index) { return *nodes_.at(index); }
    localchain::NodeTransport& wire() { return *wire_; }
    coordinator::CoordinatorService& coordinator() { return *coordinator_; }
    storage::TestDatabase& database() { return database_; }
    const WorldOptions& options() const { return options_; }
    std::string wallet(std::size_t index) const { return "wallet-" + std::to_string(index + 1); }
    near::AccountId account_of(const std::string& wallet) const;
    near::PublicKey key_of(const std::string& wallet) const;
    // wNEAR inside the intents contract, in its smallest unit.
    base::Amount intents_balance(const std::string& account) const;

    // What went wrong that must never go wrong; empty: nothing so far.
    const std::vector<std::string>& violations() const { return violations_; }
    void violate(std::string what);
    void clear_violations() { violations_.clear(); }

    // --- coordinator::TestSwitches ---
    void at(coordinator::WorkflowPoint point, const std::string& request_id) override;
    bool planted(int bug) const override { return options_.bug == bug; }

    // --- what the watchers between coordinator and the rest report (internal) ---
    bool strike();  // true: the process dies here
    std::optional<Error> keystore_trouble(std::string_view operation) const {
        return keystore_trouble_ ? keystore_trouble_(operation) : std::nullopt;
    }
    void note_allowed(const std::string& wallet, const base::Json& action);
    void note_payload(const std::string& wallet, const api::SignNep413Request& request);
    void note_delegate(const std::string& wallet, const api::SignDelegateRequest& request);
    void note_call(
        const std::string& wallet, const std::string& receiver, const std::string& method,
        const std::string& deposit);
    // Signatures asked for and transactions sent, each once: grows while somebody acts.
    std::size_t deeds() const { return signatures_ + by_key_nonce_.size(); }
    Task<void> note_broadcast(base::Bytes bytes, near::TransactionHash hash);

    // At the end, when faults are over and all is quiet: the books against the chain.
    struct Wish {
        std::string wallet;
        std::string key;
        std::string path = "/wallet/v1/workflows/execute";
        std::string body;
        // Unique receivers inside the intents contract, in call order, and what each gets.
        std::vector<std::pair<std::string, base::Amount>> moves;
        std::vector<LaneStep> steps;  // of a workflow over several lanes, instead of moves
        std::string request_id;
        bool answered = false;
        WorldAnswer last;
    };
    Wish& wish(std::size_t wallet_index, std::size_t calls, const std::string& gate_id = {});
    std::vector<Wish>& wishes() { return wishes_; }
    // Sends every wish that has no definite answer, and again until it has one.
    void ask_all();
    bool all_answered() const;
    // True when no workflow is under way.
    bool settled();
    // Steps until all is quiet, the process is dead, or `blocks_max` blocks went by. False: dead.
    bool live(std::uint64_t blocks_max = 1'500);
    // The same for a while, quiet or not.
    bool live_some(std::uint64_t blocks);
    void check_books(bool foreign_batches = false);
    // Everything that happened on the chain and what the records say of it.
    std::string trace() const;

private:
    class Keystore;
    class Chain;
    struct Seen {
        std::string key;
        std::uint64_t nonce = 0;
        near::TransactionHash hash;
    };

    void make_chain();
    void connect();
    void build_keystore();
    void build_coordinator();
    void check_wish(const Wish& wish);
    void check_intents(const Wish& wish, const WorldAnswer& record);
    void check_bundle(const Wish& wish, const std::string& id);
    // ----- lane_books.cpp -----
    void check_lane_wish(const Wish& wish);
    void check_balance(const Wish& wish, const WorldAnswer& record, std::size_t step, bool said);
    void check_transfers(const Wish& wish, const WorldAnswer& record);
    void check_batches(const Wish& wish, const WorldAnswer& record);
    void check_holdings();
    void check_bounds();
    std::uint64_t moved_by(const Wish& wish) const;
    void check_count();
    std::map<std::string, std::string> intents_on_chain() const;
    void check_gate(bool foreign_batches);
    static Task<void> insist(World* self, std::size_t wish);

    storage::TestDatabase& database_;
    const WorldOptions options_;
    base::SeededRandom random_;
    std::unique_ptr<localchain::NearChain> chain_;
    std::vector<std::unique_ptr<localchain::NearNode>> nodes_;
    std::unique_ptr<localchain::NodeTransport> wire_;
    std::map<std::string, crypto::Ed25519PublicKey> wallet_keys_;

    // The process.
    struct Process;
    std::unique_ptr<Process> process_;
    coordinator::CoordinatorService* coordinator_ = nullptr;
    std::uint64_t lives_ = 0;

    KeystoreTrouble keystore_trouble_;
    std::uint64_t moments_ = 0;
    std::uint64_t strike_at_ = 0;
    bool dead_ = false;

    // What was seen over all lives.
    std::vector<std::string> violations_;
    std::map<std::string, std::uint64_t> bounds_;  // by wallet
    std::set<std::string> allowed_;                // wallet and action
    std::size_t signatures_ = 0;
    std::map<std::string, std::string> payload_nonces_;     // wallet and message: nonce
    std::map<std::string, std::uint64_t> delegate_nonces_;  // wallet and arguments: nonce
    std::map<std::string, Seen> by_key_nonce_;              // key and nonce
    std::map<std::string, Seen> by_content_;                // what a transaction does
    std::vector<Wish> wishes_;
    std::map<std::string, std::string> intents_;  // sender and nonce: id, as of check_books()
};

}  // namespace adyton::sim
