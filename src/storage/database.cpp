#include "storage/database.h"

namespace adyton::storage {
namespace {

Error wrong_type(std::string_view wanted) {
    return Error::corrupt_data("database column is not " + std::string(wanted));
}

}  // namespace

Parameter::Parameter(const Value& value) {
    std::visit(
        [this](const auto& item) {
            using T = std::decay_t<decltype(item)>;
            if constexpr (std::is_same_v<T, std::string>) {
                content_ = std::string_view(item);
            } else if constexpr (std::is_same_v<T, base::Bytes>) {
                content_ = base::ByteView(item);
            } else {
                content_ = item;
            }
        },
        value);
}

const Value& Rows::at(std::size_t row, std::size_t column) const {
    CHECK(column < columns_ && row < size());
    return values_[row * columns_ + column];
}

bool Rows::is_null(std::size_t row, std::size_t column) const {
    return std::holds_alternative<std::monostate>(at(row, column));
}

Result<std::int64_t> Rows::integer(std::size_t row, std::size_t column) const {
    if (const auto* value = std::get_if<std::int64_t>(&at(row, column))) return *value;
    return wrong_type("an integer");
}

Result<std::string> Rows::text(std::size_t row, std::size_t column) const {
    if (const auto* value = std::get_if<std::string>(&at(row, column))) return *value;
    return wrong_type("a text");
}

Result<std::string> Rows::take_text(std::size_t row, std::size_t column) {
    CHECK(column < columns_ && row < size());
    if (auto* value = std::get_if<std::string>(&values_[row * columns_ + column])) {
        return std::move(*value);
    }
    return wrong_type("a text");
}

Result<base::Bytes> Rows::bytes(std::size_t row, std::size_t column) const {
    if (const auto* value = std::get_if<base::Bytes>(&at(row, column))) return *value;
    return wrong_type("a byte string");
}

Result<bool> Rows::boolean(std::size_t row, std::size_t column) const {
    const Value& value = at(row, column);
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number != nullptr && (*number == 0 || *number == 1)) return *number == 1;
    return wrong_type("a boolean");
}

Result<base::Timestamp> Rows::timestamp(std::size_t row, std::size_t column) const {
    const Value& value = at(row, column);
    if (const auto* time = std::get_if<base::Timestamp>(&value)) return *time;
    if (const auto* micros = std::get_if<std::int64_t>(&value)) {
        return base::Timestamp(std::chrono::microseconds(*micros));
    }
    return wrong_type("a time");
}

Result<std::optional<std::string>> Rows::optional_text(std::size_t row, std::size_t column) const {
    if (is_null(row, column)) return std::optional<std::string>();
    TRY(auto value, text(row, column));
    return std::optional<std::string>(std::move(value));
}

Result<std::optional<base::Timestamp>> Rows::optional_timestamp(
    std::size_t row, std::size_t column) const {
    if (is_null(row, column)) return std::optional<base::Timestamp>();
    TRY(const auto value, timestamp(row, column));
    return std::optional<base::Timestamp>(value);
}

std::string_view Transaction::fragment(Fragment fragment) const {
    if (dialect() == Dialect::Sqlite) return "";
    switch (fragment) {
        case Fragment::ForUpdate:
            return " FOR UPDATE";
        case Fragment::ForUpdateSkipLocked:
            return " FOR UPDATE SKIP LOCKED";
    }
    return "";
}

}  // namespace adyton::storage
