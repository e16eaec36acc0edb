#include "neo/contract_names.h"

#include <array>

#include "neo/script.h"

namespace adyton::neo {
namespace {

// neo-project/neo, src/Neo/SmartContract/Native.
constexpr std::array<std::string_view, 11> kNatives = {
    "ContractManagement", "StdLib",   "CryptoLib",      "LedgerContract",
    "NeoToken",           "GasToken", "PolicyContract", "RoleManagement",
    "OracleContract",     "Notary",   "Treasury"};

}  // namespace

ScriptHash native_contract_hash(std::string_view name) {
    // As of a contract deployed by nobody, of checksum 0 (neo-project/neo, Helper.GetContractHash).
    ScriptBuilder builder;
    builder.op(OpCode::Abort).push_hash(ScriptHash()).push_integer(std::int64_t{0}).push_text(name);
    return ScriptHash::of_script(builder.bytes());
}

std::string_view native_contract_name(const ScriptHash& contract) {
    static const auto hashes = [] {
        std::array<ScriptHash, kNatives.size()> out;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = native_contract_hash(kNatives[i]);
        return out;
    }();
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        if (hashes[i] == contract) return kNatives[i];
    }
    return {};
}

std::string decimal_text(base::Amount amount, int decimals) {
    std::string digits = amount.to_string();
    if (decimals <= 0) return digits;
    const auto places = static_cast<std::size_t>(decimals);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, 1, '.');
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
    return digits;
}

}  // namespace adyton::neo
