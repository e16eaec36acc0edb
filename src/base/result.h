#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace adyton::base {

// What callers branch on. Each service maps a code to a status in one table (http/status.h).
enum class ErrorCode {
    InvalidArgument,    // the caller's input is malformed or out of range
    Unauthenticated,    // no acceptable identity
    PermissionDenied,   // known caller, not allowed
    NotFound,           // the named thing does not exist (or is not the caller's to see)
    Conflict,           // the state does not allow it now: stale lease, overdraft, reused key
    TooLarge,           // a size limit was passed
    Unprocessable,      // well formed, but cannot be carried out: overflow
    ResourceExhausted,  // quota or rate limit; retry later
    Unavailable,        // storage, chain or capacity is not there now
    DeadlineExceeded,   // time ran out before anything took effect
    OutcomeUnknown,     // it may or may not have taken effect; ask, do not repeat
    Frozen,             // a freeze forbids it until an operator lifts it
    CorruptData,        // stored or received data fails its own checks
    Internal,           // a bug or an unexpected library failure
};

// Stable lower-snake-case name, for logs and metrics: "invalid_argument".
std::string_view to_string(ErrorCode code);

// An expected failure. The message is for people and holds no secret and no raw input; the reason
// is a stable word for programs ("stale_fencing"), empty when the code says enough.
class Error {
public:
    Error(ErrorCode code, std::string message, std::string reason = {})
        : code_(code), message_(std::move(message)), reason_(std::move(reason)) {}

    static Error invalid_argument(std::string message, std::string reason = {}) {
        return {ErrorCode::InvalidArgument, std::move(message), std::move(reason)};
    }
    static Error unauthenticated(std::string message, std::string reason = {}) {
        return {ErrorCode::Unauthenticated, std::move(message), std::move(reason)};
    }
    static Error permission_denied(std::string message, std::string reason = {}) {
        return {ErrorCode::PermissionDenied, std::move(message), std::move(reason)};
    }
    static Error not_found(std::string message, std::string reason = {}) {
        return {ErrorCode::NotFound, std::move(message), std::move(reason)};
    }
    static Error conflict(std::string message, std::string reason = {}) {
        return {ErrorCode::Conflict, std::move(message), std::move(reason)};
    }
    static Error too_large(std::string message, std::string reason = {}) {
        return {ErrorCode::TooLarge, std::move(message), std::move(reason)};
    }
    static Error unprocessable(std::string message, std::string reason = {}) {
        return {ErrorCode::Unprocessable, std::move(message), std::move(reason)};
    }
    static Error resource_exhausted(std::string message, std::string reason = {}) {
        return {ErrorCode::ResourceExhausted, std::move(message), std::move(reason)};
    }
    static Error unavailable(std::string message, std::string reason = {}) {
        return {ErrorCode::Unavailable, std::move(message), std::move(reason)};
    }
    static Error deadline_exceeded(std::string message, std::string reason = {}) {
        return {ErrorCode::DeadlineExceeded, std::move(message), std::move(reason)};
    }
    static Error outcome_unknown(std::string message, std::string reason = {}) {
        return {ErrorCode::OutcomeUnknown, std::move(message), std::move(reason)};
    }
    static Error frozen(std::string message, std::string reason = {}) {
        return {ErrorCode::Frozen, std::move(message), std::move(reason)};
    }
    static Error corrupt_data(std::string message, std::string reason = {}) {
        return {ErrorCode::CorruptData, std::move(message), std::move(reason)};
    }
    static Error internal(std::string message, std::string reason = {}) {
        return {ErrorCode::Internal, std::move(message), std::move(reason)};
    }

    ErrorCode code() const { return code_; }
    const std::string& message() const { return message_; }
    const std::string& reason() const { return reason_; }

    // The same error seen from further out: "open database: disk full".
    Error with_context(std::string_view context) && {
        message_.insert(0, std::string(context) + ": ");
        return std::move(*this);
    }

private:
    ErrorCode code_;
    std::string message_;
    std::string reason_;
};

// A value or an Error, shaped like std::expected. value() of a failure and error() of a success are
// bugs and stop the process.
template <typename T>
class [[nodiscard]] Result {
    static_assert(!std::is_reference_v<T> && !std::is_same_v<std::remove_cv_t<T>, Error>);

public:
    using value_type = T;

    // Implicit, so that functions can `return value;` and `return Error::...;`.
    template <typename U = T>
    requires(
        std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, Error> &&
        !std::is_same_v<std::decay_t<U>, Result>) Result(U&& value)
        : state_(std::in_place_index<0>, std::forward<U>(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    T& value() & {
        CHECK(has_value());
        return *std::get_if<0>(&state_);
    }
    const T& value() const& {
        CHECK(has_value());
        return *std::get_if<0>(&state_);
    }
    T&& value() && {
        CHECK(has_value());
        return std::move(*std::get_if<0>(&state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    Error& error() & {
        CHECK(!has_value());
        return *std::get_if<1>(&state_);
    }
    const Error& error() const& {
        CHECK(!has_value());
        return *std::get_if<1>(&state_);
    }
    Error&& error() && {
        CHECK(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }

private:
    std::variant<T, Error> state_;
};

// Success that carries nothing. `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;

    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const { return !error_.has_value(); }
    explicit operator bool() const { return has_value(); }
    void value() const { CHECK(has_value()); }

    Error& error() & {
        CHECK(error_.has_value());
        return *error_;
    }
    const Error& error() const& {
        CHECK(error_.has_value());
        return *error_;
    }
    Error&& error() && {
        CHECK(error_.has_value());
        return std::move(*error_);
    }

private:
    std::optional<Error> error_;
};

}  // namespace adyton::base

namespace adyton {
using base::Error;
using base::ErrorCode;
using base::Result;
}  // namespace adyton

#define ADYTON_CONCAT_INNER(a, b) a##b
#define ADYTON_CONCAT(a, b) ADYTON_CONCAT_INNER(a, b)

#define ADYTON_TRY_IMPL(temporary, keyword, declaration, ...) \
    auto temporary = (__VA_ARGS__);                           \
    if (!temporary) [[unlikely]] {                            \
        keyword std::move(temporary).error();                 \
    }                                                         \
    declaration = std::move(temporary).value()

#define ADYTON_TRY_VOID_IMPL(temporary, keyword, ...) \
    auto temporary = (__VA_ARGS__);                   \
    if (!temporary) [[unlikely]] {                    \
        keyword std::move(temporary).error();         \
    }

// TRY(auto x, f()): declares x from the value of f(), or returns its error.
#define TRY(declaration, ...) \
    ADYTON_TRY_IMPL(ADYTON_CONCAT(try_result_, __LINE__), return, declaration, __VA_ARGS__)
// The same inside a coroutine; the expression may be a co_await.
#define CO_TRY(declaration, ...) \
    ADYTON_TRY_IMPL(ADYTON_CONCAT(try_result_, __LINE__), co_return, declaration, __VA_ARGS__)
#define TRY_VOID(...) \
    ADYTON_TRY_VOID_IMPL(ADYTON_CONCAT(try_result_, __LINE__), return, __VA_ARGS__)
#define CO_TRY_VOID(...) \
    ADYTON_TRY_VOID_IMPL(ADYTON_CONCAT(try_result_, __LINE__), co_return, __VA_ARGS__)
