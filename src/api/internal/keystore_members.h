#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/keystore_types.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::api::internal {

// Reads members of one JSON object into fields; the first failure is kept and the rest is skipped,
// so that a reader is a list of fields. Absent and null are the same.
class KeystoreMembers {
public:
    KeystoreMembers(const base::Json& json, ErrorCode code);

    KeystoreMembers& text(std::string_view name, std::string& out);
    KeystoreMembers& text(std::string_view name, std::optional<std::string>& out);
    KeystoreMembers& number(std::string_view name, std::uint64_t& out);
    KeystoreMembers& number(std::string_view name, std::optional<std::uint64_t>& out);
    KeystoreMembers& flag(std::string_view name, bool& out);
    KeystoreMembers& flag(std::string_view name, std::optional<bool>& out);
    KeystoreMembers& texts(
        std::string_view name, std::size_t count_max, std::vector<std::string>& out);
    KeystoreMembers& args(CallArgs& out);
    KeystoreMembers& actions(std::string_view name, std::vector<FunctionCallAction>& out);
    KeystoreMembers& object(std::string_view name, base::Json& out);
    // wallet_id, approval_info and key_version.
    KeystoreMembers& wallet(WalletCall& out);

    Result<void> done() const;

private:
    const base::Json* find(std::string_view name);
    void fail(std::string_view name, std::string_view what);
    void approval_info(std::optional<ApprovalInfo>& out);

    const base::Json& json_;
    ErrorCode code_;
    std::optional<Error> error_;
};

}  // namespace adyton::api::internal
