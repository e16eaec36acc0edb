#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/nep413.h"

// NEAR Intents: signed orders to the contract intents.near, which keeps balances of many tokens
// (near.md 3). Reading is stricter than the contract's: what it would ignore or tolerate inside an
// intent (unknown members, "+5", "007") makes the intent not understood, since a policy must not
// guess.
namespace adyton::near {

// A token at intents.near: "nep141:<contract>", "nep171:<contract>:<id>", "nep245:<contract>:<id>".
class TokenId {
public:
    enum class Standard { Nep141, Nep171, Nep245 };

    // InvalidArgument: another standard, a contract that is no account id, an absent or empty id.
    static Result<TokenId> parse(std::string_view text);
    static TokenId nep141(const AccountId& contract);

    const std::string& text() const { return text_; }
    Standard standard() const { return standard_; }
    const AccountId& contract() const { return contract_; }
    auto operator<=>(const TokenId& other) const { return text_ <=> other.text_; }
    bool operator==(const TokenId& other) const { return text_ == other.text_; }

private:
    TokenId(std::string text, Standard standard, AccountId contract)
        : text_(std::move(text)), standard_(standard), contract_(std::move(contract)) {}
    std::string text_;
    Standard standard_;
    AccountId contract_;
};

struct TokenAmount {
    TokenId token;
    base::Amount amount;
    bool operator==(const TokenAmount&) const = default;
};

struct TransferIntent {
    static constexpr std::string_view kName = "transfer";
    AccountId receiver_id;  // an account inside the contract
    std::vector<TokenAmount> tokens;
    std::optional<std::string> memo;
    std::optional<std::string> msg;  // present: the receiver's contract is called with it
    std::optional<Gas> min_gas;
};

struct TokenDiffIntent {
    static constexpr std::string_view kName = "token_diff";
    struct Change {
        TokenId token;
        TokenDelta delta;  // below zero: the signer gives
    };
    std::vector<Change> diff;
    std::optional<std::string> memo;
    std::optional<AccountId> referral;
};

// What the three withdrawals share.
struct WithdrawOptions {
    std::optional<std::string> memo;
    std::optional<std::string> msg;            // present: a transfer that calls the receiver
    std::optional<YoctoNear> storage_deposit;  // paid from the signer's wNEAR
    std::optional<Gas> min_gas;
};

struct FtWithdrawIntent {
    static constexpr std::string_view kName = "ft_withdraw";
    AccountId token;
    AccountId receiver_id;
    base::Amount amount;
    WithdrawOptions options;
};

struct NftWithdrawIntent {
    static constexpr std::string_view kName = "nft_withdraw";
    AccountId token;
    AccountId receiver_id;
    std::string token_id;
    WithdrawOptions options;
};

struct MtWithdrawIntent {
    static constexpr std::string_view kName = "mt_withdraw";
    AccountId token;
    AccountId receiver_id;
    std::vector<std::string> token_ids;
    std::vector<base::Amount> amounts;  // as many as ids
    WithdrawOptions options;
};

struct NativeWithdrawIntent {
    static constexpr std::string_view kName = "native_withdraw";
    AccountId receiver_id;
    YoctoNear amount;  // from the signer's wNEAR
};

struct StorageDepositIntent {
    static constexpr std::string_view kName = "storage_deposit";
    AccountId contract_id;
    AccountId deposit_for_account_id;
    YoctoNear amount;  // from the signer's wNEAR
};

struct AddPublicKeyIntent {
    static constexpr std::string_view kName = "add_public_key";
    std::string public_key;  // "ed25519:", "secp256k1:" or "p256:" and base58 of the right length
};

struct RemovePublicKeyIntent {
    static constexpr std::string_view kName = "remove_public_key";
    std::string public_key;
};

struct SetAuthByPredecessorIdIntent {
    static constexpr std::string_view kName = "set_auth_by_predecessor_id";
    bool enabled = false;
};

struct AuthCallIntent {
    static constexpr std::string_view kName = "auth_call";
    AccountId contract_id;
    std::string msg;
    YoctoNear attached_deposit;  // from the signer's wNEAR
    std::optional<Gas> min_gas;
};

// Kept whole, never guessed at.
struct UnknownIntent {
    std::string kind;    // the text of `intent`, or empty
    std::string reason;  // why it is not understood
};

using Intent = std::variant<
    TransferIntent, TokenDiffIntent, FtWithdrawIntent, NftWithdrawIntent, MtWithdrawIntent,
    NativeWithdrawIntent, StorageDepositIntent, AddPublicKeyIntent, RemovePublicKeyIntent,
    SetAuthByPredecessorIdIntent, AuthCallIntent, UnknownIntent>;

// Always gives an intent: whatever cannot be read in every part is an UnknownIntent.
Intent parse_intent(const base::Json& json);

// The text that NEP-413 signs for the contract.
struct IntentsMessage {
    AccountId signer_id;
    base::Timestamp deadline;
    std::vector<Intent> intents;               // in order
    std::vector<std::string> unknown_members;  // beside the three; the contract ignores them
};

// InvalidArgument: not JSON, no signer_id or deadline of the right form, `intents` not a list.
Result<IntentsMessage> parse_intents_message(std::string_view message);

// Writes the text: compact, in the order signer_id, deadline, intents; the intents as given, UTF-8
// raw. `deadline` is written as given (see deadline_text). CHECK: intents is an array.
std::string intents_message_text(
    const AccountId& signer_id, std::string_view deadline, const base::Json& intents);
// Milliseconds and "Z": "2026-04-24T20:00:00.000Z".
std::string deadline_text(base::Timestamp deadline);

// One thing that changes hands when an intent is carried out.
struct IntentMovement {
    std::string token;            // as in TokenId
    std::optional<AccountId> to;  // null: a counterparty that the intent does not name
    base::Amount amount;
    bool leaves_contract = false;  // to an account outside intents.near
    bool operator==(const IntentMovement&) const = default;
};

// What an intent does to its signer, for policies.
struct IntentFacts {
    std::string kind;
    std::vector<IntentMovement> outflows;  // what the signer loses
    std::vector<TokenAmount> inflows;      // what a token_diff demands in return
    // A contract that is called with a message of the signer's choice.
    std::optional<AccountId> called_contract;
    // Keys or the way the signer authenticates change.
    bool changes_authority = false;
    // Finishes in later receipts, whose failure does not fail the call (near.md 3.5).
    bool async_effects = false;
    bool understood = true;
    std::string reason;  // when not understood
};

// `wrap_contract` is the wNEAR contract that native amounts are taken from. A transfer to oneself,
// an empty or zero amount, sums above 2^128 - 1 (the contract refuses them all) are not understood.
IntentFacts facts_of(
    const Intent& intent, const AccountId& signer_id, const AccountId& wrap_contract);
std::vector<IntentFacts> facts_of(const IntentsMessage& message, const AccountId& wrap_contract);

// A signed payload as execute_intents takes it. Standards other than nep413 are carried, not
// checked: they come from counterparties.
struct MultiPayload {
    std::string standard;
    std::optional<SignedMessage> nep413;
    base::Json json;  // as given

    static MultiPayload of(SignedMessage message);
};

// InvalidArgument: an unknown standard, or a nep413 payload that is malformed (callbackUrl may be
// absent or null; other unknown members are refused).
Result<MultiPayload> parse_multi_payload(const base::Json& json);
// False for every standard but nep413.
bool verify(const MultiPayload& payload);
base::Json to_json(const SignedMessage& message);

// {"signed":[..]} in compact JSON with raw UTF-8, which is the text that goes into the call.
std::string execute_intents_args(const std::vector<MultiPayload>& payloads);
// InvalidArgument: not JSON, another shape, unknown members, a payload that does not parse.
Result<std::vector<MultiPayload>> parse_execute_intents_args(base::ByteView args);

}  // namespace adyton::near
