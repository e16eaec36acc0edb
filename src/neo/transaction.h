#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "neo/script.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"

namespace adyton::neo {

inline constexpr std::size_t kTransactionBytesMax = 102400;  // with witnesses
inline constexpr std::size_t kTransactionHeaderBytes = 25;
inline constexpr std::size_t kSignersMax = 16;
inline constexpr std::size_t kSignersAndAttributesMax = 16;
inline constexpr std::size_t kScopeItemsMax = 16;     // contracts, groups, rules of a signer, each
inline constexpr std::size_t kConditionDepthMax = 3;  // of a witness rule
inline constexpr std::size_t kWitnessScriptBytesMax = 1024;  // of each of the two scripts

// Witness scopes, flags; Global stands alone.
inline constexpr std::uint8_t kScopeNone = 0x00;  // pays fees only
inline constexpr std::uint8_t kScopeCalledByEntry =
    0x01;  // valid in the entry script and what it calls directly
inline constexpr std::uint8_t kScopeCustomContracts =
    0x10;  // valid in the listed contracts, whoever calls them
inline constexpr std::uint8_t kScopeCustomGroups =
    0x20;  // valid in the contracts of the listed groups
inline constexpr std::uint8_t kScopeWitnessRules = 0x40;  // valid as the rules say
inline constexpr std::uint8_t kScopeGlobal = 0x80;        // valid everywhere
// "None", "CalledByEntry, CustomContracts": as JSON-RPC writes them.
std::string scopes_to_string(std::uint8_t scopes);
// The same text back; spaces around commas are optional. InvalidArgument: another name, Global with
// others.
Result<std::uint8_t> parse_scopes(std::string_view text);

struct WitnessCondition {
    enum class Type : std::uint8_t {
        Boolean = 0x00,
        Not = 0x01,  // one condition
        And = 0x02,  // 1 to 16 conditions
        Or = 0x03,
        ScriptHash = 0x18,
        Group = 0x19,
        CalledByEntry = 0x20,
        CalledByContract = 0x28,
        CalledByGroup = 0x29,
    };
    Type type = Type::Boolean;
    bool boolean = false;                      // of Boolean
    std::vector<WitnessCondition> conditions;  // of Not, And, Or
    neo::ScriptHash hash;                      // of ScriptHash, CalledByContract
    std::vector<crypto::P256PublicKey> group;  // of Group, CalledByGroup: exactly one

    bool operator==(const WitnessCondition&) const = default;
};

struct WitnessRule {
    bool allow = false;  // else deny
    WitnessCondition condition;

    bool operator==(const WitnessRule&) const = default;
};

struct Signer {
    ScriptHash account;
    std::uint8_t scopes = kScopeCalledByEntry;
    // Written only when their scope is set; must be empty otherwise.
    std::vector<ScriptHash> allowed_contracts;
    std::vector<crypto::P256PublicKey> allowed_groups;
    std::vector<WitnessRule> rules;

    bool operator==(const Signer&) const = default;
};

struct HighPriority {
    bool operator==(const HighPriority&) const = default;
};
struct OracleResponse {
    static constexpr std::size_t kResultBytesMax = 65535;
    std::uint64_t id = 0;
    std::uint8_t code = 0;
    base::Bytes result;  // empty unless code is 0 (success)
    bool operator==(const OracleResponse&) const = default;
};
struct NotValidBefore {
    std::uint32_t height = 0;
    bool operator==(const NotValidBefore&) const = default;
};
struct Conflicts {
    TransactionHash hash;
    bool operator==(const Conflicts&) const = default;
};
struct NotaryAssisted {
    std::uint8_t keys = 0;
    bool operator==(const NotaryAssisted&) const = default;
};
// At most one of each in a transaction, but for Conflicts.
using Attribute =
    std::variant<HighPriority, OracleResponse, NotValidBefore, Conflicts, NotaryAssisted>;
std::string_view attribute_name(const Attribute& attribute);  // "Conflicts", ...

struct Witness {
    base::Bytes invocation;
    base::Bytes verification;

    bool operator==(const Witness&) const = default;
};

// A Neo N3 transaction. Plain data: check() says whether it is one that the network can read.
struct Transaction {
    std::uint8_t version = 0;
    std::uint32_t nonce = 0;
    std::int64_t system_fee = 0;          // datoshi (1e-8 GAS), not negative
    std::int64_t network_fee = 0;         // datoshi, not negative; their sum fits int64
    std::uint32_t valid_until_block = 0;  // index of the last block that may contain it
    std::vector<Signer> signers;          // 1 to 16, distinct; the first is the sender and pays
    std::vector<Attribute> attributes;    // signers + attributes <= 16
    base::Bytes script;                   // 1 to 65535 bytes
    std::vector<Witness> witnesses;       // one per signer, same order; empty: unsigned

    bool operator==(const Transaction&) const = default;
};

// All limits of the format (neo.md 3): version, fees, signers, scopes and their lists, attributes,
// script length, witnesses (none, or one per signer, each script up to 1,024 bytes), total size.
// InvalidArgument with the limit's name; TooLarge: over kTransactionBytesMax.
Result<void> check(const Transaction& transaction);

// What is hashed and signed: all but the witnesses. Precondition: check() holds; a transaction
// that it refuses may be written in a form that nobody reads.
base::Bytes serialize_unsigned(const Transaction& transaction);
// With its witnesses: what sendrawtransaction and calculatenetworkfee take (as base64).
base::Bytes serialize(const Transaction& transaction);

// With one witness per signer and nothing after it. Reads what the network reads: var-ints longer
// than needed, too. hash() is that of the shortest form, as the C# node computes it.
// InvalidArgument: malformed or beyond a limit. TooLarge: over kTransactionBytesMax.
Result<Transaction> parse_transaction(base::ByteView bytes);

// Without witnesses: nothing after the script, or a witness count of 0. For what we are asked to
// sign, so only the one form that serialize_unsigned() writes is accepted: bytes and hash name each
// other. InvalidArgument: malformed, beyond a limit, not the shortest form, or with witnesses.
Result<Transaction> parse_unsigned_transaction(base::ByteView bytes);

// SHA-256 of serialize_unsigned().
TransactionHash hash(const Transaction& transaction);
// What each witness signs: sign_data_digest(magic, hash(transaction)).
crypto::Sha256Digest sign_digest(NetworkMagic magic, const Transaction& transaction);

// The var-int of Neo's formats (neo.md 3.2), shortest form.
void append_var_int(base::Bytes& out, std::uint64_t value);

}  // namespace adyton::neo
