#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

// What readers of a workflow's JSON have in common, whatever the lane. Pure.
namespace adyton::coordinator {

// The reason of errors about a value. Those about JSON of another type have none.
inline constexpr std::string_view kInvalidValue = "invalid_value";
inline constexpr std::string_view kInvalidJson = "invalid workflow JSON: ";

// Members of one step or call, with their place for messages. Absent and null are the same. Every
// error is InvalidArgument, "invalid workflow JSON: PLACE.NAME WHY". `json` outlives it.
class StepFields {
public:
    StepFields(const base::Json& json, std::string where) : json_(json), where_(std::move(where)) {}

    const base::Json* find(std::string_view name) const;  // null: not given
    Result<std::optional<std::string>> optional(std::string_view name) const;
    Result<std::string> required(std::string_view name) const;  // a text that is not empty
    Result<std::string> account(std::string_view name) const;   // a NEAR account id
    Result<std::string> amount(std::string_view name) const;    // decimal u128 above zero
    Result<std::string> deposit() const;                        // decimal u128; "0": not given
    Result<std::string> method_name() const;                    // required
    // Decimal text, or an integer; nothing: not given.
    Result<std::optional<std::uint64_t>> gas() const;
    // Of a whole transaction: 1 to 300 Tgas.
    Result<std::uint64_t> gas_or(std::uint64_t otherwise) const;
    // The bytes of args_base64, or of args_json: a text of JSON as it is, an object or a list
    // compact; nothing: neither is given. When both are, args_base64.
    Result<std::optional<std::string>> args() const;
    Error bad(std::string_view name, std::string_view why) const;       // its value
    Error bad_type(std::string_view name, std::string_view why) const;  // its JSON
    const std::string& where() const { return where_; }

private:
    const base::Json& json_;
    std::string where_;
};

// 1 to 256 letters, digits and underscores.
bool is_method_name(std::string_view name);

// What the policy is asked about a call (near.md 5.4): `deposit` in yocto, decimal; `args_base64`
// may be empty.
base::Json call_action(
    std::string_view type, std::string_view receiver_id, std::string_view method_name,
    std::string_view deposit, std::string_view args_base64);

}  // namespace adyton::coordinator
