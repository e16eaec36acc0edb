#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace adyton::keystore {

// The name of a wallet: 1 to 128 of A-Z a-z 0-9 '.' '_' '-' '@'. It goes into seed texts as it is,
// so ':' would let two names give one key. Compared byte for byte. InvalidArgument: "wallet_id is
// required", "Invalid wallet_id: ..".
Result<void> check_wallet_id(std::string_view text);

// Whose policy, counters and approvals: "wallet:<id>".
std::string subject_of(std::string_view wallet_id);

}  // namespace adyton::keystore
