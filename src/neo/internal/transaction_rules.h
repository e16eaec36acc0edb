#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "neo/transaction.h"

// The limits of the transaction format, shared by check() and the parsers. InvalidArgument each.
namespace adyton::neo::internal {

inline constexpr std::uint8_t kHighPriority = 0x01;
inline constexpr std::uint8_t kOracleResponse = 0x11;
inline constexpr std::uint8_t kNotValidBefore = 0x20;
inline constexpr std::uint8_t kConflicts = 0x21;
inline constexpr std::uint8_t kNotaryAssisted = 0x22;

// Known flags; Global alone.
Result<void> check_scopes(std::uint8_t scopes);
// Neither negative nor beyond int64 together.
Result<void> check_fees(std::int64_t system_fee, std::int64_t network_fee);
// 1 to 16, accounts distinct.
Result<void> check_signer_list(std::span<const Signer> signers);
// At most 16 with the signers; no kind twice but Conflicts.
Result<void> check_attribute_list(std::size_t signers, std::span<const Attribute> attributes);
// A known code; a result only with success.
Result<void> check_oracle_response(const OracleResponse& response);

}  // namespace adyton::neo::internal
