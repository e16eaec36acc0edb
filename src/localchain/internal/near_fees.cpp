#include "localchain/internal/near_fees.h"

#include <limits>

namespace adyton::localchain::internal {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    return a > kMax - b ? kMax : a + b;
}

constexpr std::uint64_t kTransfer = 115'123'062'500;
constexpr std::uint64_t kCallSend = 200'000'000'000;
constexpr std::uint64_t kCallExecute = 780'000'000'000;
constexpr std::uint64_t kByte = 2'235'934;
constexpr std::uint64_t kCreateAccount = 3'850'000'000'000;
constexpr std::uint64_t kAddFullKey = 101'765'125'000;
constexpr std::uint64_t kAddCallKey = 102'217'625'000;
constexpr std::uint64_t kKeyByte = 1'925'331;
constexpr std::uint64_t kDeleteKey = 94'946'625'000;
constexpr std::uint64_t kDeleteAccount = 147'489'000'000;
constexpr std::uint64_t kDeploy = 184'765'750'000;
constexpr std::uint64_t kDeployByte = 64'572'944;
constexpr std::uint64_t kDelegate = 200'000'000'000;

std::uint64_t key_fee(const near::AddKey& action) {
    const auto* const call =
        std::get_if<near::FunctionCallPermission>(&action.access_key.permission);
    if (call == nullptr) return kAddFullKey;
    std::uint64_t bytes = 0;
    for (const std::string& method : call->method_names) bytes += method.size() + 1;
    return kAddCallKey + bytes * kKeyByte;
}

void add(ActionFees& out, std::uint64_t send, std::uint64_t execute) {
    out.send = plus(out.send, send);
    out.execute = plus(out.execute, execute);
}

struct Adder {
    ActionFees& out;

    void operator()(const near::FunctionCall& call) const {
        const std::uint64_t bytes = kByte * (call.method_name.size() + call.args.size());
        add(out, kCallSend + bytes, kCallExecute + bytes);
        out.attached = plus(out.attached, call.gas.units());
    }
    void operator()(const near::Transfer&) const { add(out, kTransfer, kTransfer); }
    void operator()(const near::CreateAccount&) const { add(out, kCreateAccount, kCreateAccount); }
    void operator()(const near::AddKey& action) const {
        add(out, key_fee(action), key_fee(action));
    }
    void operator()(const near::DeleteKey&) const { add(out, kDeleteKey, kDeleteKey); }
    void operator()(const near::DeleteAccount&) const { add(out, kDeleteAccount, kDeleteAccount); }
    void operator()(const near::DeployContract& action) const {
        const std::uint64_t fee = kDeploy + kDeployByte * action.code.size();
        add(out, fee, fee);
    }
    void operator()(const near::SignedDelegate& action) const {
        const ActionFees inner = fees_of(action.delegate_action.actions);
        add(out, kDelegate, plus(kDelegate, plus(inner.send, inner.execute)));
        out.attached = plus(out.attached, inner.attached);
    }
    // Refused before anybody asks for their price.
    template <typename Other>
    void operator()(const Other&) const {}
};

template <typename Actions>
ActionFees sum(const Actions& actions) {
    ActionFees out{kReceiptFee, kReceiptFee, 0};
    for (const auto& action : actions) std::visit(Adder{out}, action);
    return out;
}

}  // namespace

ActionFees fees_of(const std::vector<near::Action>& actions) {
    return sum(actions);
}
ActionFees fees_of(const std::vector<near::PlainAction>& actions) {
    return sum(actions);
}

std::optional<base::Amount> deposits_of(const std::vector<near::Action>& actions) {
    base::Amount total;
    const auto take = [&total](near::YoctoNear amount) {
        const auto more = total.plus(amount.amount());
        if (more) total = *more;
        return more.has_value();
    };
    for (const near::Action& action : actions) {
        if (!take(near::deposit_of(action))) return std::nullopt;
        const auto* const delegate = std::get_if<near::SignedDelegate>(&action);
        if (delegate == nullptr) continue;
        for (const near::PlainAction& inner : delegate->delegate_action.actions) {
            if (!take(near::deposit_of(inner))) return std::nullopt;
        }
    }
    return total;
}

base::Amount gas_cost(std::uint64_t gas, std::uint64_t price) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(gas) * price;
    return base::Amount::from_halves(
        static_cast<std::uint64_t>(product >> 64U), static_cast<std::uint64_t>(product));
}

}  // namespace adyton::localchain::internal
