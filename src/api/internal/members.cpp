#include "api/internal/members.h"

#include <limits>

namespace adyton::api::internal {

Result<Members> Members::of(const base::Json& json, ErrorCode code, std::string_view context) {
    if (!json.is_object()) return Error(code, std::string(context) + ": must be a JSON object");
    return Members(json, code, context);
}

Error Members::wrong(std::string_view name, std::string_view must_be) const {
    std::string message(context_);
    message.append(": ").append(name).append(" must be ").append(must_be);
    return Error(code_, std::move(message));
}

const base::Json* Members::find(std::string_view name) const {
    const base::Json* const found = json_->find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::optional<std::string>> Members::text(
    std::string_view name, std::size_t bytes_max) const {
    const base::Json* const found = find(name);
    if (found == nullptr) return std::optional<std::string>();
    if (!found->is_string()) return wrong(name, "a string");
    const std::string& value = found->string_value();
    if (value.size() > bytes_max) {
        return wrong(name, "at most " + std::to_string(bytes_max) + " bytes");
    }
    // PostgreSQL text cannot hold it.
    if (value.find('\0') != std::string::npos) return wrong(name, "free of NUL characters");
    return std::optional<std::string>(value);
}

Result<std::optional<std::int64_t>> Members::integer(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found == nullptr) return std::optional<std::int64_t>();
    const auto value = found->as_int64();
    if (!value) return wrong(name, "an integer");
    return std::optional<std::int64_t>(*value);
}

Result<std::optional<bool>> Members::boolean(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found == nullptr) return std::optional<bool>();
    if (!found->is_boolean()) return wrong(name, "true or false");
    return std::optional<bool>(found->boolean_value());
}

Result<std::optional<base::Timestamp>> Members::time(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found == nullptr) return std::optional<base::Timestamp>();
    if (!found->is_string()) return wrong(name, "a time");
    if (found->string_value() == "0001-01-01T00:00:00Z") return std::optional<base::Timestamp>();
    const auto value = base::parse_rfc3339(found->string_value());
    if (!value) return wrong(name, "an RFC 3339 time");
    return std::optional<base::Timestamp>(*value);
}

Result<std::optional<base::Bytes>> Members::base64(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found == nullptr) return std::optional<base::Bytes>();
    if (!found->is_string()) return wrong(name, "base64 text");
    auto value = base::base64_decode(found->string_value());
    if (!value) return wrong(name, "base64 text");
    return std::optional<base::Bytes>(*std::move(value));
}

Result<const base::Json*> Members::array(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found != nullptr && !found->is_array()) return wrong(name, "an array");
    return found;
}

Result<const base::Json*> Members::object(std::string_view name) const {
    const base::Json* const found = find(name);
    if (found != nullptr && !found->is_object()) return wrong(name, "an object");
    return found;
}

Result<std::string> Members::required_text(std::string_view name) const {
    TRY(auto value, text(name, std::numeric_limits<std::size_t>::max()));
    if (!value) return wrong(name, "present");
    return *std::move(value);
}

Result<std::int64_t> Members::required_integer(std::string_view name) const {
    TRY(const auto value, integer(name));
    if (!value) return wrong(name, "present");
    return *value;
}

Result<base::Timestamp> Members::required_time(std::string_view name) const {
    TRY(const auto value, time(name));
    if (!value) return wrong(name, "present");
    return *value;
}

}  // namespace adyton::api::internal
