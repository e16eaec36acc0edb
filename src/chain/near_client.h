#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "chain/endpoints.h"
#include "chain/near_types.h"
#include "http/client.h"
#include "near/account_id.h"
#include "near/hash.h"
#include "near/keys.h"
#include "near/nonce.h"

namespace adyton::chain {

// What became of one attempt to broadcast. It speaks of this attempt alone.
struct NearSendOutcome {
    enum class Kind {
        Accepted,  // a node took the bytes and named our hash; they may still turn out invalid
        Refused,   // INVALID_TRANSACTION, or the node could not read it
        NotSent,   // no endpoint could be reached: nobody has seen the bytes in this attempt
        Unknown,   // sent, and what came of it is unclear
    };
    Kind kind = Kind::Unknown;
    std::string cause;  // of a refusal: "INVALID_TRANSACTION", "PARSE_ERROR"
    std::string text;   // for people; of a refusal with the node's `data`
    std::string endpoint;
};

// Whether something signed can still take effect, as a quorum of endpoints says.
enum class SignedFate {
    Open,      // it may still land
    Consumed,  // it landed, or something else used its nonce or a higher one
    Dead,      // it did not land and never can
};

// A payload for the intents contract (near.md 3): dead once its deadline has passed in a final
// block without its nonce being used. The contract may forget versioned nonces after the deadline
// of their own: from then on nothing is proven, and the payload counts as Consumed.
struct NearPayloadRef {
    near::AccountId contract;  // "intents.near"
    near::AccountId signer;
    near::MessageNonce nonce;
    base::Timestamp deadline;
};

// A NEP-366 delegate action: dead once a final block is beyond its height without its access key
// having reached its nonce.
struct NearDelegateRef {
    near::AccountId signer;
    near::PublicKey key;
    std::uint64_t nonce = 0;
    std::uint64_t max_block_height = 0;
};

// What of a transaction's status decides something, as one text: nodes whose texts are equal agree.
// Empty: nothing is decided yet. An error: the answer cannot be read.
using NearStory = std::function<Result<std::string>(const NearTransaction&)>;

// Final heights as a quorum of endpoints names them.
struct NearHeights {
    // So many of them have come this far: what ends at a height has ended when this is beyond it.
    std::uint64_t reached = 0;
    // How far it may be: for what must be done before a height. At least `reached`. One that is far
    // ahead of two or more others is not believed.
    std::uint64_t newest = 0;
};

// A NEAR chain as services see it, read at finality `final`. Thread safe; answers arrive on the
// caller's executor.
//
// Errors of every call: Unavailable (no endpoint answered, or too few agree; retry later),
// CorruptData (an endpoint answered what cannot be), PermissionDenied "wrong_network". None of them
// is ever a zero or an absence.
class NearClient {
public:
    virtual ~NearClient() = default;

    // As one endpoint says it: for block hashes and the chain's clock.
    virtual Task<Result<NearBlock>> final_block() = 0;
    virtual Task<Result<NearHeights>> final_heights() = 0;
    // Any block of that hash, final or not, as a quorum of endpoints tells its height, and the
    // block before it where they tell the same; those that have collected it as garbage do not
    // vote. NotFound: a quorum does not have it: too new, or forgotten (ask an archive).
    virtual Task<Result<NearBlock>> find_block(near::BlockHash hash) = 0;

    // As one endpoint says it. Nothing: a quorum of them says that there is no such key, or no such
    // account.
    virtual Task<Result<std::optional<NearAccessKey>>> find_access_key(
        near::AccountId account, near::PublicKey key) = 0;
    virtual Task<Result<std::optional<NearAccount>>> find_account(near::AccountId account) = 0;

    // A view call. `arguments` is usually JSON. Unprocessable: the contract panicked or has no such
    // method, with its words. NotFound: no such account or contract, as a quorum says.
    virtual Task<Result<NearView>> call_function(
        near::AccountId contract, std::string method, base::Bytes arguments) = 0;

    // The same three where money depends on the answer: as a quorum of endpoints tells them alike
    // of one final block that so many have reached. Where one endpoint is a quorum it is asked
    // once. Unavailable "nodes_disagree": they tell different things of that block.
    virtual Task<Result<std::optional<NearAccessKey>>> find_agreed_access_key(
        near::AccountId account, near::PublicKey key) = 0;
    virtual Task<Result<std::optional<NearAccount>>> find_agreed_account(
        near::AccountId account) = 0;
    virtual Task<Result<NearView>> call_agreed_function(
        near::AccountId contract, std::string method, base::Bytes arguments) = 0;

    // broadcast_tx_async to one endpoint; to the next one only when nothing was sent. Never fails:
    // what is not known is Unknown. Resend only the same bytes.
    virtual Task<NearSendOutcome> broadcast(
        base::Bytes signed_transaction, near::TransactionHash hash) = 0;

    // Nothing: a quorum of endpoints does not know the transaction. That is no proof that it cannot
    // land: its nonce and block hash decide.
    virtual Task<Result<std::optional<NearTransaction>>> find_transaction(
        near::TransactionHash hash, near::AccountId sender) = 0;

    // The same where money depends on the answer: a transaction whose story a quorum tells alike,
    // or one whose story is empty, because no quorum can be had yet. Unavailable "nodes_disagree":
    // stories differ, and none has a quorum.
    virtual Task<Result<std::optional<NearTransaction>>> find_agreed_transaction(
        near::TransactionHash hash, near::AccountId sender, NearStory story) = 0;

    // Can it still land? Dead needs a quorum that has seen the end first and the nonce unused after
    // that; Consumed is believed from one endpoint, because it gives nothing back.
    virtual Task<Result<SignedFate>> payload_fate(NearPayloadRef payload) = 0;
    virtual Task<Result<SignedFate>> delegate_fate(NearDelegateRef delegate) = 0;

    virtual std::vector<EndpointStatus> endpoints() const = 0;
};

struct NearClientOptions {
    EndpointsOptions endpoints;
    std::string chain_id = "mainnet";
    // Final blocks beyond a delegate's height before it counts as dead: nodes behind one address
    // lag.
    std::uint64_t expiry_margin = 3;
    // The same for a payload's deadline.
    base::Duration deadline_margin = std::chrono::seconds(5);
};

// The client over JSON-RPC endpoints.
class NearRpcClient final : public NearClient {
public:
    // InvalidArgument as Endpoints::create(). The references must outlive the client and its calls.
    static Result<std::unique_ptr<NearRpcClient>> create(
        NearClientOptions options, http::Transport& transport, base::Executor& executor,
        base::Logger& logger);
    ~NearRpcClient() override;

    // Watches the endpoints from now on; without it they are probed when asked.
    void start();
    void stop();
    // Probes all endpoints now.
    Task<void> refresh();

    Task<Result<NearBlock>> final_block() override;
    Task<Result<NearHeights>> final_heights() override;
    Task<Result<NearBlock>> find_block(near::BlockHash hash) override;
    Task<Result<std::optional<NearAccessKey>>> find_access_key(
        near::AccountId account, near::PublicKey key) override;
    Task<Result<std::optional<NearAccount>>> find_account(near::AccountId account) override;
    Task<Result<NearView>> call_function(
        near::AccountId contract, std::string method, base::Bytes arguments) override;
    Task<Result<std::optional<NearAccessKey>>> find_agreed_access_key(
        near::AccountId account, near::PublicKey key) override;
    Task<Result<std::optional<NearAccount>>> find_agreed_account(near::AccountId account) override;
    Task<Result<NearView>> call_agreed_function(
        near::AccountId contract, std::string method, base::Bytes arguments) override;
    Task<NearSendOutcome> broadcast(
        base::Bytes signed_transaction, near::TransactionHash hash) override;
    Task<Result<std::optional<NearTransaction>>> find_transaction(
        near::TransactionHash hash, near::AccountId sender) override;
    Task<Result<std::optional<NearTransaction>>> find_agreed_transaction(
        near::TransactionHash hash, near::AccountId sender, NearStory story) override;
    Task<Result<SignedFate>> payload_fate(NearPayloadRef payload) override;
    Task<Result<SignedFate>> delegate_fate(NearDelegateRef delegate) override;
    std::vector<EndpointStatus> endpoints() const override;

    struct Core;

private:
    explicit NearRpcClient(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::chain
