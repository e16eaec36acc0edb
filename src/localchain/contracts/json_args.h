#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "localchain/contracts/contract.h"

namespace adyton::localchain {

// Arguments as contracts of near-sdk read them: one JSON object, unknown members ignored; numbers
// of 64 and 128 bits as decimal text. Every error is the panic of near-sdk.
class JsonArgs {
public:
    static Result<JsonArgs> parse(base::ByteView args);

    // Null: absent or null.
    const base::Json* find(std::string_view name) const;
    Result<std::string> text(std::string_view name) const;
    Result<bool> flag(std::string_view name) const;
    Result<near::AccountId> account(std::string_view name) const;
    Result<base::Amount> amount(std::string_view name) const;    // U128
    Result<std::uint64_t> number(std::string_view name) const;   // U64
    Result<std::uint32_t> integer(std::string_view name) const;  // u32: a JSON number
    Result<std::vector<std::uint64_t>> numbers(std::string_view name) const;
    std::optional<std::string> optional_text(std::string_view name) const;

    static Error broken();

private:
    explicit JsonArgs(base::Json json) : json_(std::move(json)) {}
    base::Json json_;
};

// Panics of near-sdk's own checks.
Result<void> refuse_deposit(const NearCall& call);
Result<void> require_own_call(const NearCall& call);
// "Requires attached deposit of exactly 1 yoctoNEAR"
Result<void> require_one_yocto(const NearCall& call);

// Decimal numbers in storage; absent is zero.
base::Amount stored_amount(const NearStorage& storage, const std::string& key);
std::uint64_t stored_number(const NearStorage& storage, const std::string& key);

// JSON text of a string.
std::string quoted(std::string_view text);

}  // namespace adyton::localchain
