#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/endpoints.h"
#include "chain/neo_types.h"
#include "http/client.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"

namespace adyton::neo {
struct FeePolicy;
struct Signer;
struct Transaction;
}  // namespace adyton::neo

namespace adyton::chain {

// What became of one attempt to hand signed bytes to the network. It speaks of this attempt alone:
// after a Refused, bytes that were sent earlier may still land. Only NeoClient::fate() settles
// that.
struct SendOutcome {
    enum class Kind {
        Accepted,      // verified and in an endpoint's pool; not in a block
        AlreadyKnown,  // in the pool or on chain already (-501, -503): ask for its fate
        Refused,       // the endpoint said no and holds nothing; `advice` says what that means
        NotSent,       // no endpoint could be reached: nobody has seen the bytes in this attempt
        Unknown,       // sent, and what came of it is unclear; ask for the fate, resend same bytes
    };
    // Of a refusal.
    enum class Advice {
        None,
        Never,      // these bytes are wrong: -500, -505 to -509, -512, -32602
        Later,      // the same bytes may pass later: pool full (-502), GAS still reserved (-511)
        FeeTooLow,  // -504; on the C# node -511 covers it too
        Expired,    // -510: past its height, or too far ahead of an endpoint that lags
    };
    Kind kind = Kind::Unknown;
    Advice advice = Advice::None;
    std::int64_t code = 0;  // of the refusal; zero: none
    std::string text;       // for people; empty when accepted
    std::string endpoint;   // "host:port" that answered, or was last tried

    bool reached_network() const { return kind == Kind::Accepted || kind == Kind::AlreadyKnown; }
};
std::string_view to_string(SendOutcome::Kind kind);      // "accepted", "already_known", ...
std::string_view to_string(SendOutcome::Advice advice);  // "none", "never", "later", ...

// What has become of a transaction, as a quorum of endpoints says.
struct TransactionFate {
    enum class Kind {
        Pending,   // it may still land
        Executed,  // it is in a block: final, whatever `state` says
        Expired,   // it is in no block and can never be in one
    };
    Kind kind = Kind::Pending;
    std::uint32_t height = 0;  // last block that the asked endpoints share (index, not count)

    // Of Executed.
    VmState state = VmState::Fault;
    std::string exception;
    std::uint32_t block_index = 0;
    std::int64_t gas_consumed = 0;            // datoshi
    std::vector<Notification> notifications;  // empty unless HALT
};

struct BalanceQuery {
    neo::ScriptHash token;
    neo::ScriptHash account;
};

// One balance, read from several sources. Only Agreed carries an amount.
struct BalanceReading {
    enum class Kind { Agreed, Disagree, Unavailable };
    Kind kind = Kind::Unavailable;
    base::Amount amount;       // of Agreed; otherwise meaningless
    std::uint32_t height = 0;  // of Agreed: last block that the furthest behind of them had seen
    std::string reason;        // of the others, for people
};

inline constexpr std::size_t kSymbolBytesMax = 32;
// What may be a token's symbol, on chain or in a request.
bool is_token_symbol(std::string_view text);

// A Neo N3 chain as services see it. Thread safe; answers arrive on the caller's executor.
//
// Errors of every call: Unavailable (no endpoint answered, or too few agree; retry later),
// CorruptData (an endpoint answered what cannot be), PermissionDenied (the endpoints are on another
// network than configured). None of them is ever a zero, an absence or an expiry.
class NeoClient {
public:
    virtual ~NeoClient() = default;

    // The network as nodes report it, cached for a minute. Refused (PermissionDenied, reason
    // "wrong_network") when its magic is not the configured one.
    virtual Task<Result<NeoNetwork>> network() = 0;
    // The magic to sign for; from the configuration, so known without asking.
    virtual neo::NetworkMagic magic() const = 0;

    // One more than the index of the last block, as watched; a block or so old.
    virtual Task<Result<std::uint32_t>> block_count() = 0;

    // Runs a script without effect on the last block's state. FAULT is an answer.
    virtual Task<Result<Invocation>> invoke_script(
        base::Bytes script, std::vector<neo::Signer> signers) = 0;

    // What the network takes for `transaction`, datoshi. Its witnesses need the verification
    // scripts; invocation scripts are ignored. From calculatenetworkfee, or by hand (neo.md 5.4)
    // from the network's policy when no endpoint answers. Unprocessable: more than the configured
    // maximum.
    virtual Task<Result<std::int64_t>> network_fee(const neo::Transaction& transaction) = 0;

    // Hands the bytes to one endpoint; to the next one only when nothing was sent. `attempt`: how
    // often these bytes were sent before; each attempt begins with another endpoint, because one
    // that swallowed them may swallow them again. Never fails: what is not known is Unknown.
    virtual Task<SendOutcome> send(
        base::Bytes signed_transaction, neo::TransactionHash hash, unsigned attempt) = 0;

    // Executed and Expired are final. Both need a quorum; Expired needs each of its endpoints to
    // show the same block beyond `valid_until_block` first, and then to know no such transaction.
    virtual Task<Result<TransactionFate>> fate(
        neo::TransactionHash hash, std::uint32_t valid_until_block) = 0;

    // From one endpoint. Unprocessable: no NEP-17 contract, or its answer is out of range.
    virtual Task<Result<base::Amount>> balance(neo::ScriptHash token, neo::ScriptHash account) = 0;
    // Each from `sources` different endpoints (1 up to their number), in the order of the queries.
    // Many in one script; a contract that faults spoils its own readings only.
    virtual Task<std::vector<BalanceReading>> balances(
        std::vector<BalanceQuery> queries, std::size_t sources) = 0;

    // What a NEP-17 contract calls itself, as a quorum of endpoints says: names decide what moves.
    // Unprocessable: it has no such method, or gives no symbol (printable ASCII without spaces, up
    // to kSymbolBytesMax). Unavailable also: the endpoints contradict each other.
    virtual Task<Result<std::string>> token_symbol(neo::ScriptHash token) = 0;

    // How many endpoints there are, and how they do.
    virtual std::vector<EndpointStatus> endpoints() const = 0;
};

struct NeoClientOptions {
    EndpointsOptions endpoints;
    neo::NetworkMagic magic{};
    base::Duration network_cache = std::chrono::minutes(1);
    // Expired is believed only so many blocks beyond valid_until_block: a load balancer may hide
    // nodes that lag behind each other.
    std::uint32_t expiry_margin = 2;
    std::int64_t network_fee_max = 1'000'000'000;  // datoshi; an endpoint that asks more is wrong
    std::size_t balances_per_script = 50;
};

// The client over JSON-RPC endpoints.
class NeoRpcClient final : public NeoClient {
public:
    // InvalidArgument as Endpoints::create(). The references must outlive the client and its calls.
    static Result<std::unique_ptr<NeoRpcClient>> create(
        NeoClientOptions options, http::Transport& transport, base::Executor& executor,
        base::Logger& logger);
    ~NeoRpcClient() override;

    // Watches the endpoints from now on; without it they are probed when asked.
    void start();
    void stop();
    // Probes all endpoints now.
    Task<void> refresh();

    Task<Result<NeoNetwork>> network() override;
    neo::NetworkMagic magic() const override;
    Task<Result<std::uint32_t>> block_count() override;
    Task<Result<Invocation>> invoke_script(
        base::Bytes script, std::vector<neo::Signer> signers) override;
    Task<Result<std::int64_t>> network_fee(const neo::Transaction& transaction) override;
    Task<SendOutcome> send(
        base::Bytes signed_transaction, neo::TransactionHash hash, unsigned attempt) override;
    Task<Result<TransactionFate>> fate(
        neo::TransactionHash hash, std::uint32_t valid_until_block) override;
    Task<Result<base::Amount>> balance(neo::ScriptHash token, neo::ScriptHash account) override;
    Task<std::vector<BalanceReading>> balances(
        std::vector<BalanceQuery> queries, std::size_t sources) override;
    Task<Result<std::string>> token_symbol(neo::ScriptHash token) override;
    std::vector<EndpointStatus> endpoints() const override;

    struct Core;

private:
    // Datoshi a witness, on top of a fee computed by hand.
    static constexpr std::int64_t kFeeMargin = 100'000;

    explicit NeoRpcClient(std::unique_ptr<Core> core);
    Task<Result<neo::FeePolicy>> fee_policy();
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::chain
