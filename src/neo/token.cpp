#include "neo/token.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace adyton::neo {
namespace {

ScriptHash contract(std::string_view text) {
    const auto hash = ScriptHash::parse(text);
    CHECK(hash.has_value());
    return *hash;
}

const std::array<Token, 2>& table() {
    static const std::array<Token, 2> tokens = {
        Token{"GAS", contract(kGasScriptHashText), kGasDecimals},
        Token{"NEO", contract(kNeoScriptHashText), kNeoDecimals}};
    return tokens;
}

bool same_ignoring_case(std::string_view text, std::string_view upper) {
    return std::equal(text.begin(), text.end(), upper.begin(), upper.end(), [](char a, char b) {
        return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
}

}  // namespace

std::span<const Token> well_known_tokens() {
    return table();
}

const Token& gas_token() {
    return table()[0];
}

const Token& neo_token() {
    return table()[1];
}

Result<Token> find_well_known_token(std::string_view text) {
    const auto hash = ScriptHash::parse(text);
    for (const Token& token : table()) {
        if (same_ignoring_case(text, token.symbol)) return token;
        if (hash && *hash == token.contract) return token;
    }
    return Error::not_found("not a well-known token");
}

}  // namespace adyton::neo
