#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace adyton::api::internal {

// Typed access to the members of one JSON object. An absent member and null are the same: an
// empty optional. Anything of another type fails with the code given at construction, so that one
// reader serves requests (InvalidArgument) and answers (CorruptData).
class Members {
public:
    static Result<Members> of(const base::Json& json, ErrorCode code, std::string_view context);

    Result<std::optional<std::string>> text(std::string_view name, std::size_t bytes_max) const;
    Result<std::optional<std::int64_t>> integer(std::string_view name) const;
    Result<std::optional<bool>> boolean(std::string_view name) const;
    // RFC 3339; the original's zero time (year 1) counts as absent.
    Result<std::optional<base::Timestamp>> time(std::string_view name) const;
    Result<std::optional<base::Bytes>> base64(std::string_view name) const;
    // Null when absent or null; fails when it is something else than an array (or object).
    Result<const base::Json*> array(std::string_view name) const;
    Result<const base::Json*> object(std::string_view name) const;

    // The same for members that must be there.
    Result<std::string> required_text(std::string_view name) const;
    Result<std::int64_t> required_integer(std::string_view name) const;
    Result<base::Timestamp> required_time(std::string_view name) const;

    const base::Json* find(std::string_view name) const;  // null for absent and null
    Error wrong(std::string_view name, std::string_view must_be) const;

private:
    Members(const base::Json& json, ErrorCode code, std::string_view context)
        : json_(&json), code_(code), context_(context) {}

    const base::Json* json_;
    ErrorCode code_;
    std::string_view context_;
};

inline constexpr std::string_view kBadRequest = "invalid request body";
inline constexpr std::string_view kBadAnswer = "unexpected answer";

}  // namespace adyton::api::internal
