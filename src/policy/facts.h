#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/json.h"
#include "base/result.h"
#include "crypto/digest.h"

// What a signature would really do, in words that no chain owns. Facts are read from the bytes that
// are going to be signed (neo_facts.h, near_facts.h), never from what a request says about them;
// value_policy.h judges them.
namespace adyton::policy {

using base::Amount;

// The coin of the chain itself, where it has one that is not a contract (NEAR).
inline constexpr std::string_view kNativeToken = "native";

// What kind of thing an action is; policies name them in `operations`.
enum class ActionKind : std::uint8_t {
    Call,             // call: a contract call, whatever tokens it moves
    Transfer,         // transfer: coins or tokens, to an account
    NftTransfer,      // nft_transfer: single items
    DirectUser,       // direct_user: a call signed as a user, with a key derived for that user
    SignMessage,      // sign_message: a text for somebody off the chain
    IntentsDeposit,   // intents_deposit: tokens into the intents contract
    IntentsTransfer,  // intents_transfer: tokens to another account inside it
    IntentsWithdraw,  // intents_withdraw: tokens out of it
    IntentsSwap,      // intents_swap: tokens against others, counterparty unnamed
    IntentsStorage,   // intents_storage: somebody's storage, paid from inside it
    // From here on: who may act changes, or more than tokens is handed over. A rule covers one only
    // if its operations name it ("*" and the default do not).
    IntentsAuthCall,  // intents_auth_call: a contract called in the signer's name
    IntentsKeys,      // intents_keys: keys or authentication inside the intents contract
    CreateAccount,    // create_account
    AddKey,           // add_key
    DeleteKey,        // delete_key
    Stake,            // stake
    Deploy,           // deploy: code onto the account
    DeleteAccount,    // delete: the account and all that it holds
    SignDigest,       // sign_digest: 32 bytes whose meaning nobody knows
    Unknown,          // unknown: something else
};
inline constexpr std::size_t kActionKindCount = 20;

std::string_view to_string(ActionKind kind);
// InvalidArgument, with the nearest known name.
Result<ActionKind> parse_action_kind(std::string_view text);
inline bool is_privileged(ActionKind kind) {
    return kind >= ActionKind::IntentsAuthCall;
}

// A contract that is called. Accounts and contracts are spelled as their chain does: NEAR account
// ids; Neo addresses "N..." for accounts, "0x" and 40 lower-case hex digits (big endian, as nodes
// print them) for contracts.
struct ContractCall {
    std::string receiver;
    std::string method;
    Amount deposit;         // of the native token, attached
    std::uint64_t gas = 0;  // in the chain's unit; 0 where calls carry none
    // What the call does to the account's assets, beyond the deposit and the movements listed with
    // it, is not known.
    bool opaque = false;

    bool operator==(const ContractCall&) const = default;
};

// Tokens that leave the account. Deposits of calls are not repeated here.
struct Movement {
    std::string token;  // kNativeToken, "nep141:wrap.near", "0xd2a4..."
    std::string from;
    std::string to;  // empty: a counterparty that the bytes do not name
    Amount amount;   // smallest units; items of an NFT contract count

    bool operator==(const Movement&) const = default;
};

// One step of what is signed: at most one call, with what it moves.
struct Action {
    ActionKind kind = ActionKind::Unknown;
    std::optional<ContractCall> call;
    std::vector<Movement> movements;
    std::string detail;  // for people: "adds the full access key ed25519:..."; may be empty

    bool operator==(const Action&) const = default;
};

struct Fee {
    std::string token;
    Amount amount;

    bool operator==(const Fee&) const = default;
};

struct ActionFacts {
    static constexpr std::size_t kActionsMax = 1000;    // more: not understood
    static constexpr std::size_t kMovementsMax = 1000;  // of one action
    static constexpr std::size_t kTextBytesMax = 4096;  // each text

    std::string chain;    // "neo:860833102", "near:mainnet"
    std::string account;  // who signs, spelled as in ContractCall
    std::vector<Action> actions;
    // What the chain takes from the account for it, each token once: GAS of a Neo sender. No
    // condition of a rule looks at it, the caps of the policy and fee_per_transaction do.
    std::vector<Fee> fees;
    // False: the bytes may do more than the actions say. Then no limit means anything, and only a
    // rule that says `not_understood` lets them pass.
    bool understood = true;
    std::string reason;  // why not; for people

    bool operator==(const ActionFacts&) const = default;
};

// {"chain","account","actions":[{"kind","call":{"receiver","method","deposit","gas","opaque"},
// "movements":[{"token","from","to","amount"}],"detail"}],"fees":[{"token","amount"}],
// "understood","reason"}: deposit, gas and
// amounts as decimal text; absent and false parts are left out, `understood` always stands.
base::Json to_json(const ActionFacts& facts);
// The same back, for dry runs (amounts also as integers). InvalidArgument, with the path: unknown
// members, wrong types, numbers out of range, more than the limits above.
Result<ActionFacts> parse_facts(const base::Json& json);

// SHA-256 of the transcript "policy-facts" over every field but `detail` and `reason`: equal only
// for facts that do the same. For approvals and receipts.
crypto::Sha256Digest digest_of(const ActionFacts& facts);

}  // namespace adyton::policy
