#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace adyton::attest {

// The name of a service of this suite: 1 to 64 bytes of [a-z0-9-]. Compared exactly (decisions.md
// 6): `Gateway`, `gateway.example.org` and `neoaccounts ` are not service ids.
class ServiceId {
public:
    static constexpr std::size_t kLengthMax = 64;

    // InvalidArgument: empty, longer, or another character. The message does not repeat the text.
    static Result<ServiceId> parse(std::string_view text);

    const std::string& text() const { return text_; }
    auto operator<=>(const ServiceId&) const = default;

private:
    explicit ServiceId(std::string_view text) : text_(text) {}
    std::string text_;
};

}  // namespace adyton::attest
