#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/keys.h"

namespace adyton::near::internal {

// Reads the members of one JSON object, each at most once, and tells which were not read. Every
// error is InvalidArgument and names the member, never its value. The object outlives the reader.
class JsonFields {
public:
    // InvalidArgument: not an object.
    static Result<JsonFields> of(const base::Json& json, std::string_view what);

    Result<const base::Json*> value(std::string_view name);
    Result<std::string> text(std::string_view name);
    Result<AccountId> account(std::string_view name);
    Result<PublicKey> public_key(std::string_view name);
    Result<base::Amount> u128(std::string_view name);
    Result<YoctoNear> yocto(std::string_view name);
    // Decimal text or an integer.
    Result<std::uint64_t> u64(std::string_view name);
    Result<bool> flag(std::string_view name);

    // Absent and null are the same here.
    const base::Json* find(std::string_view name);
    Result<std::optional<std::string>> optional_text(std::string_view name);
    Result<std::optional<AccountId>> optional_account(std::string_view name);
    Result<std::optional<YoctoNear>> optional_yocto(std::string_view name);
    Result<std::optional<Gas>> optional_gas(std::string_view name);

    std::vector<std::string> unread() const;
    // InvalidArgument: a member that nobody asked for.
    Result<void> finish() const;
    Error error(std::string_view name, std::string_view why) const;

private:
    JsonFields(const base::Json& json, std::string_view what) : json_(&json), what_(what) {}
    const base::Json* json_;
    std::string_view what_;
    std::vector<std::string_view> read_;
};

}  // namespace adyton::near::internal
