#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "neo/nep11.h"
#include "neo/nep17.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"
#include "neo/transaction.h"
#include "neo/value.h"

namespace adyton::neo {

// One contract call of a script, all its arguments constants.
struct ContractCall {
    enum class Kind {
        Nep17,  // a transfer of NEP-17: transfers[transfer_index]
        Nep11,  // a transfer of NEP-11: nft_transfers[transfer_index]
        Read,   // its flags forbid the callee to change anything
        Other,  // may do whatever the contract does with the signers' witnesses
    };
    ScriptHash contract;
    std::string method;
    std::uint8_t flags = 0;  // CallFlags
    std::vector<Value> arguments;
    bool asserted = false;   // an ASSERT follows: a false result fails the transaction
    std::size_t offset = 0;  // of the SYSCALL in the script
    Kind kind = Kind::Other;
    std::size_t transfer_index = 0;

    bool operator==(const ContractCall&) const = default;
};

// What a transaction does, read from its bytes alone.
//
// A script is `decoded` when it is nothing but contract calls with constant arguments: then `calls`
// is all that runs at the entry. It is `understood` when, beyond that, what can leave the signers'
// accounts is exactly `transfers`, `nft_transfers` and the fees: every call is a transfer of exact
// form or read only, and no signer's witness is valid deeper than in the contracts called here
// (scopes None and CalledByEntry alone). `reason` says what stands against it.
//
// A transfer whose `from` is not a signer, or whose witness has scope None, fails; a NEP-11
// transfer without `from` moves the token of whoever owns it. A token named here is whatever
// contract has that hash.
struct Explanation {
    TransactionHash hash;
    bool decoded = false;
    bool recognised = false;  // decoded, and every call is a transfer or read only
    bool understood = false;  // recognised, and the scopes reach no deeper
    std::string reason;       // empty when understood; for people

    std::vector<ContractCall> calls;
    std::vector<Nep17Transfer> transfers;      // in the order of the script
    std::vector<Nep11Transfer> nft_transfers;  // likewise

    std::uint8_t version = 0;
    std::uint32_t nonce = 0;
    std::int64_t system_fee = 0;   // datoshi
    std::int64_t network_fee = 0;  // datoshi
    std::uint32_t valid_until_block = 0;
    std::vector<Signer> signers;  // the first pays the fees
    std::vector<Attribute> attributes;
    std::vector<std::string> warnings;  // what a person should look at twice
    std::size_t script_bytes = 0;
    // The script's instructions when it is not decoded; cut off after kListingLinesMax.
    std::vector<std::string> listing;

    // Both fees, datoshi.
    std::int64_t fees() const { return system_fee + network_fee; }
    const ScriptHash& sender() const { return signers.front().account; }
    const Signer* find_signer(const ScriptHash& account) const;
};
inline constexpr std::size_t kListingLinesMax = 400;

// Precondition: check(transaction) holds.
Explanation explain(const Transaction& transaction);

// What one signer's witness puts at stake. Fees are its own only if it is the sender.
struct AccountEffect {
    bool signer = false;  // false: the account is not asked to sign
    // What leaves it is at most the rest: scope None, or a recognised script and CalledByEntry.
    bool bounded = false;
    std::int64_t fees = 0;                     // datoshi
    std::vector<Nep17Transfer> transfers;      // that leave it
    std::vector<Nep11Transfer> nft_transfers;  // that leave it, or may (no `from`)
};
AccountEffect effect_on(const Explanation& explanation, const ScriptHash& account);

// Stable member names, see docs/neo-transactions.md. Amounts as decimal text.
base::Json to_json(const Explanation& explanation);
// For people, several lines, ends with a newline.
std::string to_text(const Explanation& explanation);

}  // namespace adyton::neo
