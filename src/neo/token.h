#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "neo/script_hash.h"

namespace adyton::neo {

// Contracts that are the same on every Neo N3 network, in display order.
inline constexpr std::string_view kGasScriptHashText = "0xd2a4cff31913016155e38e474a2c06d08be276cf";
inline constexpr std::string_view kNeoScriptHashText = "0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5";
inline constexpr int kGasDecimals = 8;  // the smallest unit is called datoshi
inline constexpr int kNeoDecimals = 0;

struct Token {
    std::string_view symbol;  // upper case
    ScriptHash contract;
    int decimals;
};

// GAS and NEO.
std::span<const Token> well_known_tokens();
const Token& gas_token();
const Token& neo_token();

// By symbol in any case, or by contract hash with or without 0x. NotFound: another token.
Result<Token> find_well_known_token(std::string_view text);

}  // namespace adyton::neo
