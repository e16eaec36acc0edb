#include "near/nep461.h"

namespace adyton::near {
namespace {

constexpr std::uint32_t kSignerLengthMin = 2;
constexpr std::uint32_t kSignerLengthMax = 64;

}  // namespace

std::optional<MessageTag> message_tag(base::ByteView signable) {
    if (signable.size() < sizeof(std::uint32_t)) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = sizeof(value); i-- > 0;) value = value << 8U | signable[i];
    if (value >= kOffChainTag) return MessageTag{MessageDomain::OffChain, value - kOffChainTag};
    if (value >= kOnChainTag) return MessageTag{MessageDomain::OnChain, value - kOnChainTag};
    if (value >= kSignerLengthMin && value <= kSignerLengthMax) {
        return MessageTag{MessageDomain::Transaction, 0};
    }
    return std::nullopt;
}

}  // namespace adyton::near
