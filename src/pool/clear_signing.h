#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "api/pool_types.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "neo/explain.h"
#include "neo/sign_data.h"
#include "policy/facts.h"
#include "policy/reservation.h"
#include "pool/context.h"

// Clear signing: the whole transaction comes with the request, is read, judged by what it does to
// the account that signs, and its own digest is signed. What signing.cpp does with a digest is the
// other permission, sign_digest, which judges nothing.
namespace adyton::pool {

// A transaction that was read. Independent of any account.
struct ClearItem {
    neo::NetworkMagic network{};
    neo::Explanation explanation;
    crypto::Sha256Digest digest;  // what its witness signs on that network
};

// Whether the item carries a transaction (then tx_hash must be absent), and not a bare digest.
bool asks_for_transaction(const api::SignItem& item);

// InvalidArgument: "missing_field"; "exactly_one" (tx_hash or network_magic beside a transaction);
// "bad_transaction" (not one unsigned transaction in its shortest form); "no_network" (this pool
// knows no Neo network); "wrong_network" (not the pool's).
Result<ClearItem> read_clear_item(const PoolContext& pool, const api::SignItem& item);

// What the rules say of one account's signature under it.
struct ClearGrant {
    policy::ActionFacts facts;
    std::string rule;
    std::vector<policy::Charge> charges;
};

// InvalidArgument "not_a_signer": the transaction does not ask for this account's signature (the
// account is taken from its proven key). Unprocessable "fee_too_high": it costs this account more
// than PoolOptions::sign_fees_max. "policy_...": what a rule or the default says. Errors of
// Signer::public_key().
Result<ClearGrant> judge_clear_item(
    const PoolContext& pool, const CallContext& call, const ClearItem& item, const KeyRecord& key,
    base::Timestamp now);

// Counts the grant against the caps of its rules, in the unit that records the signature, for good:
// the signature leaves us, and whether its transaction lands is not ours to know. The same
// transaction, account and charges count once, however often they are signed.
// A refusal is given inside (say, ResourceExhausted "policy_rate"); the outer error is the unit's.
Result<std::optional<Error>> charge_clear_item(
    storage::Transaction& tx, CallContext& call, const ClearItem& item, const ClearGrant& grant,
    const std::string& account_id);

// Movements and calls that an audit record lists of one transaction, at most each.
inline constexpr std::size_t kClearListedMax = 8;

// Members of an audit record: hash, network, and what leaves the account, in about 600 bytes and
// 300 for each of those listed.
void write_clear_members(
    base::JsonWriter& out, const ClearItem& item, const ClearGrant& grant,
    std::size_t listed_max = kClearListedMax);

}  // namespace adyton::pool
