#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/database.h"

namespace adyton::storage::postgres {

// PostgreSQL's text form of values, as it is with TimeZone UTC, DateStyle ISO and bytea_output hex.

// "2026-01-28 13:31:12.123456+00", before year 1 with " BC" at the end.
std::string format_timestamp(base::Timestamp time);
// Any offset, up to 6 fraction digits, also without offset (taken as UTC). CorruptData: another
// form, "infinity", or beyond 64-bit microseconds.
Result<base::Timestamp> parse_timestamp(std::string_view text);

// "\x" and two hex digits a byte.
std::string format_bytes(base::ByteView bytes);
// CorruptData: another form.
Result<base::Bytes> parse_bytes(std::string_view text);

// A parameter; none for NULL. Texts must be free of NUL.
std::optional<std::string> format_value(const Parameter& value);
// A column of the type with this OID (pg_type). numeric becomes an integer when it is one that
// fits, else a text; types without a form of their own become texts. CorruptData: malformed, or
// floating point.
Result<Value> parse_value(std::uint32_t type, std::string_view text);

}  // namespace adyton::storage::postgres
