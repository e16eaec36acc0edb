#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

// Members of what an endpoint answered. Whatever is missing, null or of another form is CorruptData
// with the member's name.
namespace adyton::chain::internal {

inline Error malformed(std::string_view what) {
    return Error::corrupt_data("the answer's " + std::string(what) + " is missing or malformed");
}

inline Result<const base::Json*> member(const base::Json& object, std::string_view name) {
    const base::Json* found = object.find(name);
    if (found == nullptr || found->is_null()) return malformed(name);
    return found;
}

// The text lives as long as the object.
inline Result<std::string_view> text_member(const base::Json& object, std::string_view name) {
    TRY(const base::Json* found, member(object, name));
    if (!found->is_string()) return malformed(name);
    return std::string_view(found->string_value());
}

// T::parse of a text: hashes.
template <typename T>
Result<T> hash_member(const base::Json& object, std::string_view name) {
    TRY(const std::string_view text, text_member(object, name));
    const Result<T> hash = T::parse(text);
    if (!hash) return malformed(name);
    return *hash;
}

template <typename T>
Result<T> unsigned_value(const base::Json& value, std::string_view name) {
    const Result<std::uint64_t> number = value.as_uint64();
    if (!number || *number > std::numeric_limits<T>::max()) return malformed(name);
    return static_cast<T>(*number);
}

template <typename T>
Result<T> unsigned_member(const base::Json& object, std::string_view name) {
    TRY(const base::Json* found, member(object, name));
    return unsigned_value<T>(*found, name);
}

}  // namespace adyton::chain::internal
