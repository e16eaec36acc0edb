#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "policy/facts.h"

namespace adyton::policy {

// The windows of caps, in UTC. Each cap bounds the sum of what was charged in its window.
enum class CapWindow : std::uint8_t {
    Transaction,  // per_transaction: one signed thing
    Hour,         // hourly: from a full hour to the next
    Day,          // daily: from midnight to midnight
    Month,        // monthly: from the first of a calendar month to the next
    Total,        // total: ever
    // Sliding: the current minute and the 60 minutes before it; the current quarter of an hour and
    // the 96 quarters before it. So no stretch of 60 minutes (24 hours), wherever it begins, holds
    // more than the cap, which at the border of a fixed window can be nearly twice as much.
    RollingHour,  // rolling_hour
    RollingDay,   // rolling_day
};
inline constexpr std::size_t kCapWindowCount = 7;
std::string_view to_string(CapWindow window);

// Caps by token. The cap of "*" stands for each token, by itself, that has none of its own.
using TokenCaps = std::map<std::string, Amount, std::less<>>;

// What they bound, a rule's: the actions that it covers; a policy's: everything, fees included.
struct SpendLimits {
    std::array<TokenCaps, kCapWindowCount> caps;
    std::optional<std::int64_t> rate_per_hour;  // signed things from a full hour to the next
    std::optional<std::int64_t> rate_per_day;
    std::optional<std::uint64_t> gas_per_call;
    TokenCaps fee_per_transaction;

    const TokenCaps& of(CapWindow window) const { return caps[static_cast<std::size_t>(window)]; }
    TokenCaps& of(CapWindow window) { return caps[static_cast<std::size_t>(window)]; }
    bool operator==(const SpendLimits&) const = default;
};

using NameSet = std::set<std::string, std::less<>>;

// Which actions a rule is about. Absent: whatever. All that is present must hold.
//
// A call pays its deposit, be it zero, to its receiver: that counts as a movement of the native
// token. For a rule that allows, `tokens` and `destinations` must hold for every movement of the
// action, of which there must be one; deposits of one smallest unit or none are passed over when
// the action moves something else (contracts demand one yoctoNEAR as a sign of a full key). For a
// rule that denies, one movement for which both hold is enough; a deposit of zero has a destination
// but no token.
struct Conditions {
    std::optional<NameSet> chains;
    std::optional<std::set<ActionKind>> operations;
    std::optional<NameSet> receivers;  // of the call; an action without one does not match
    std::optional<NameSet> methods;    // likewise
    std::optional<NameSet> tokens;
    std::optional<NameSet> destinations;  // "?": a counterparty that the bytes do not name
    struct Hours {
        int begin = 0;  // 0 to 23
        int end = 24;   // 1 to 24, itself not included; up to `begin`: past midnight
        bool operator==(const Hours&) const = default;
    };
    std::optional<Hours> hours;         // UTC
    std::optional<std::set<int>> days;  // of the week in UTC: 1 Monday to 7 Sunday

    bool operator==(const Conditions&) const = default;
};

// What a rule that allows takes in beyond its conditions.
struct Coverage {
    // Calls whose effect is not known. Without it a rule covers them only if it names the receiver.
    bool opaque_calls = false;
    bool not_understood = false;  // facts that are not understood
    bool operator==(const Coverage&) const = default;
};

}  // namespace adyton::policy
