#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/amount.h"
#include "neo/script_hash.h"

namespace adyton::neo {

// "GasToken", "NeoToken", "PolicyContract", ...: contracts that are the same on every Neo N3
// network. Empty: another contract.
std::string_view native_contract_name(const ScriptHash& contract);

// The hash that a native contract of that name has.
ScriptHash native_contract_hash(std::string_view name);

// "0.00000255" for 255 and 8 decimals; trailing zeros of the fraction are left out.
std::string decimal_text(base::Amount amount, int decimals);

}  // namespace adyton::neo
