#include "near/action.h"

#include <type_traits>

namespace adyton::near {
namespace {

template <typename Variant>
std::string_view kind_name(const Variant& action) {
    return std::visit([](const auto& one) { return std::decay_t<decltype(one)>::kName; }, action);
}

template <typename T>
YoctoNear deposit_of_one(const T& action) {
    if constexpr (
        std::is_same_v<T, FunctionCall> || std::is_same_v<T, Transfer> ||
        std::is_same_v<T, DeterministicStateInit> || std::is_same_v<T, TransferToGasKey>) {
        return action.deposit;
    } else if constexpr (std::is_same_v<T, Stake>) {
        return action.stake;
    } else {
        return {};
    }
}

}  // namespace

std::string_view name_of(const PlainAction& action) {
    return kind_name(action);
}

std::string_view name_of(const Action& action) {
    return kind_name(action);
}

Action to_action(const PlainAction& action) {
    return std::visit([](const auto& one) { return Action(one); }, action);
}

YoctoNear deposit_of(const PlainAction& action) {
    return std::visit([](const auto& one) { return deposit_of_one(one); }, action);
}

YoctoNear deposit_of(const Action& action) {
    return std::visit([](const auto& one) { return deposit_of_one(one); }, action);
}

}  // namespace adyton::near
