#include <algorithm>

#include "localchain/internal/near_core.h"

// What makes a transaction invalid, in the order in which a node looks (near.md 7.2).
namespace adyton::localchain {
namespace {

using base::Json;
using internal::ActionFees;
using internal::fees_of;
using internal::StateChange;

constexpr std::size_t kActionsMax = 100;
constexpr std::size_t kMethodBytesMax = 256;
constexpr std::size_t kArgsBytesMax = std::size_t{4} << 20U;

Json object(std::string name, Json value) {
    return Json::object().set(std::move(name), std::move(value));
}
Json key_error(Json error) {
    return object("InvalidAccessKeyError", std::move(error));
}

std::optional<Json> check_call(const near::FunctionCall& call) {
    const auto refuse = [](std::string name, Json value) {
        return object("ActionsValidation", object(std::move(name), std::move(value)));
    };
    if (call.gas.units() == 0) {
        return object("ActionsValidation", Json::string("FunctionCallZeroAttachedGas"));
    }
    if (call.method_name.size() > kMethodBytesMax) {
        return refuse(
            "FunctionCallMethodNameLengthExceeded",
            Json::object()
                .set("length", Json::unsigned_integer(call.method_name.size()))
                .set("limit", Json::unsigned_integer(kMethodBytesMax)));
    }
    if (call.args.size() > kArgsBytesMax) {
        return refuse(
            "FunctionCallArgumentsLengthExceeded",
            Json::object()
                .set("length", Json::unsigned_integer(call.args.size()))
                .set("limit", Json::unsigned_integer(kArgsBytesMax)));
    }
    return std::nullopt;
}

struct ActionChecker {
    std::optional<Json> operator()(const near::FunctionCall& call) const {
        return check_call(call);
    }
    std::optional<Json> operator()(const near::SignedDelegate& delegate) const {
        for (const near::PlainAction& inner : delegate.delegate_action.actions) {
            if (auto error = std::visit(*this, inner)) return error;
        }
        return std::nullopt;
    }
    template <typename Other>
    std::optional<Json> operator()(const Other& action) const {
        constexpr bool kKnown =
            std::is_same_v<Other, near::CreateAccount> || std::is_same_v<Other, near::Transfer> ||
            std::is_same_v<Other, near::DeleteKey> || std::is_same_v<Other, near::DeleteAccount> ||
            std::is_same_v<Other, near::DeployContract>;
        if constexpr (kKnown) {
            return std::nullopt;
        } else if constexpr (std::is_same_v<Other, near::AddKey>) {
            const auto& permission = action.access_key.permission;
            if (std::holds_alternative<near::FunctionCallPermission>(permission) ||
                std::holds_alternative<near::FullAccess>(permission)) {
                return std::nullopt;
            }
        }
        // The simulator says what it does not model instead of pretending.
        return object(
            "ActionsValidation",
            object(
                "UnsupportedProtocolFeature",
                Json::object()
                    .set(
                        "protocol_feature",
                        Json::string(
                            std::string(Other::kName) + " (not modelled by the SIMULATOR)"))
                    .set("version", Json::integer(0))));
    }
};

std::optional<Json> check_actions(const near::Transaction& transaction) {
    if (transaction.actions.size() > kActionsMax) {
        return object(
            "ActionsValidation", object(
                                     "TotalNumberOfActionsExceeded",
                                     Json::object()
                                         .set(
                                             "total_number_of_actions",
                                             Json::unsigned_integer(transaction.actions.size()))
                                         .set("limit", Json::unsigned_integer(kActionsMax))));
    }
    std::size_t delegates = 0;
    for (const near::Action& action : transaction.actions) {
        if (auto error = std::visit(ActionChecker{}, action)) return error;
        if (std::holds_alternative<near::SignedDelegate>(action)) ++delegates;
    }
    if (delegates > 1) {
        return object("ActionsValidation", Json::string("DelegateActionMustBeOnlyOne"));
    }
    const std::uint64_t attached = fees_of(transaction.actions).attached;
    if (attached > internal::kPrepaidGasMax) {
        return object(
            "ActionsValidation",
            object(
                "TotalPrepaidGasExceeded",
                Json::object()
                    .set("total_prepaid_gas", Json::unsigned_integer(attached))
                    .set("limit", Json::unsigned_integer(internal::kPrepaidGasMax))));
    }
    return std::nullopt;
}

// What a limited key may sign.
template <typename Actions>
std::optional<Json> check_limited(
    const near::FunctionCallPermission& permission, const near::AccountId& receiver,
    const Actions& actions) {
    const auto* const call =
        actions.size() == 1 ? std::get_if<near::FunctionCall>(&actions.front()) : nullptr;
    if (call == nullptr) return key_error(Json::string("RequiresFullAccess"));
    if (!call->deposit.is_zero()) return key_error(Json::string("DepositWithFunctionCall"));
    if (receiver != permission.receiver_id) {
        return key_error(object(
            "ReceiverMismatch",
            Json::object()
                .set("tx_receiver", Json::string(receiver.text()))
                .set("ak_receiver", Json::string(permission.receiver_id.text()))));
    }
    const auto& names = permission.method_names;
    if (!names.empty() && std::find(names.begin(), names.end(), call->method_name) == names.end()) {
        return key_error(object(
            "MethodNameMismatch",
            Json::object().set("method_name", Json::string(call->method_name))));
    }
    return std::nullopt;
}

Json key_not_found(const near::AccountId& account, const near::PublicKey& key) {
    return key_error(object(
        "AccessKeyNotFound", Json::object()
                                 .set("account_id", Json::string(account.text()))
                                 .set("public_key", Json::string(key.to_string()))));
}

}  // namespace

namespace internal {

std::optional<Json> limited_key_error(
    const near::FunctionCallPermission& permission, const near::AccountId& receiver,
    const std::vector<near::PlainAction>& actions) {
    return check_limited(permission, receiver, actions);
}

base::Amount gas_price_of(const ActionFees& fees, std::uint64_t price) {
    // Three products of 64 bits fit 128.
    const base::Amount burnt = gas_cost(fees.send, price);
    const base::Amount reserved =
        gas_cost(fees.execute, price).plus(gas_cost(fees.attached, price)).value_or(base::Amount());
    return burnt.plus(reserved).value_or(base::Amount());
}

}  // namespace internal

std::optional<Json> NearChain::Core::check_transaction(
    const near::SignedTransaction& signed_transaction, std::uint64_t at_height, StateChange& at,
    bool signature_is_known) const {
    const near::Transaction& transaction = signed_transaction.transaction;
    if (auto error = check_actions(transaction)) return error;
    if (!signature_is_known && !near::verify(signed_transaction))
        return Json::string("InvalidSignature");
    const auto block = by_hash.find(transaction.block_hash);
    if (block == by_hash.end() || blocks[block->second]->height > at_height ||
        at_height - blocks[block->second]->height > options.transaction_validity_blocks) {
        return Json::string("Expired");
    }
    const auto signer = at.account(transaction.signer_id);
    if (!signer.has_value()) {
        return object(
            "SignerDoesNotExist",
            Json::object().set("signer_id", Json::string(transaction.signer_id.text())));
    }
    const auto key = at.key(transaction.signer_id, transaction.public_key);
    if (!key.has_value()) return key_not_found(transaction.signer_id, transaction.public_key);
    if (transaction.nonce <= key->nonce) {
        return object(
            "InvalidNonce", Json::object()
                                .set("tx_nonce", Json::unsigned_integer(transaction.nonce))
                                .set("ak_nonce", Json::unsigned_integer(key->nonce)));
    }
    const std::uint64_t bound = at_height * internal::kNonceRange;
    if (transaction.nonce >= bound) {
        return object(
            "NonceTooLarge", Json::object()
                                 .set("tx_nonce", Json::unsigned_integer(transaction.nonce))
                                 .set("upper_bound", Json::unsigned_integer(bound)));
    }
    const base::Amount gas =
        internal::gas_price_of(fees_of(transaction.actions), options.gas_price_yocto);
    const auto deposits = internal::deposits_of(transaction.actions);
    const auto cost = deposits.has_value() ? gas.plus(*deposits) : std::nullopt;
    if (!cost.has_value()) return Json::string("CostOverflow");
    if (signer->amount < *cost) {
        return object(
            "NotEnoughBalance", Json::object()
                                    .set("signer_id", Json::string(transaction.signer_id.text()))
                                    .set("balance", Json::string(signer->amount.to_string()))
                                    .set("cost", Json::string(cost->to_string())));
    }
    const auto* const limited = std::get_if<near::FunctionCallPermission>(&key->permission);
    if (limited == nullptr) return std::nullopt;
    if (limited->allowance.has_value() && limited->allowance->amount() < gas) {
        return key_error(object(
            "NotEnoughAllowance",
            Json::object()
                .set("account_id", Json::string(transaction.signer_id.text()))
                .set("public_key", Json::string(transaction.public_key.to_string()))
                .set("allowance", Json::string(limited->allowance->to_string()))
                .set("cost", Json::string(gas.to_string()))));
    }
    return check_limited(*limited, transaction.receiver_id, transaction.actions);
}

}  // namespace adyton::localchain
