#include "neo/address.h"

#include <algorithm>
#include <array>

#include "neo/base58check.h"

namespace adyton::neo {

Result<Address> Address::parse(std::string_view text) {
    if (text.size() != kTextLength) {
        return Error::invalid_argument("address must have 34 characters");
    }
    auto payload = base58check_decode(text, 1 + ScriptHash::kSize);
    if (!payload) return std::move(payload).error().with_context("address");
    if ((*payload)[0] != kVersion) {
        return Error::invalid_argument("address is not of Neo N3: wrong version byte");
    }
    TRY(const auto hash, ScriptHash::from_wire(base::ByteView(*payload).subspan(1)));
    return Address(hash);
}

std::string Address::to_string() const {
    std::array<std::uint8_t, 1 + ScriptHash::kSize> payload;
    payload[0] = kVersion;
    std::copy(hash_.wire().begin(), hash_.wire().end(), payload.begin() + 1);
    return base58check_encode(payload);
}

}  // namespace adyton::neo
