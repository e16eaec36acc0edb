#include "neo/fee.h"

#include <limits>

#include "neo/script.h"
#include "neo/witness.h"

namespace adyton::neo {
namespace {

// Prices of the C# node (ApplicationEngine.OpCodePrices.cs), units of the execution fee factor.
constexpr std::int64_t kPushDataPrice = 8;
constexpr std::int64_t kPushIntegerPrice = 1;
constexpr std::int64_t kCheckSigPrice = 32768;

constexpr std::size_t kPushedSignatureBytes = 2 + crypto::P256Signature::kSize;

std::int64_t verification_price(const StandardScript& script) {
    const auto keys = static_cast<std::int64_t>(script.keys.size());
    const auto signatures = static_cast<std::int64_t>(script.threshold);
    const std::int64_t pushes = kPushDataPrice * (keys + signatures);
    const std::int64_t counts = script.multisig ? 2 * kPushIntegerPrice : 0;
    return pushes + counts + kCheckSigPrice * keys;
}

std::size_t var_bytes_size(std::size_t length) {
    base::Bytes prefix;
    append_var_int(prefix, length);
    return prefix.size() + length;
}

// Null: overflow.
std::optional<std::int64_t> product(std::int64_t a, std::int64_t b) {
    if (a > 0 && b > std::numeric_limits<std::int64_t>::max() / a) return std::nullopt;
    return a * b;
}

std::optional<std::int64_t> sum(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
    if (!a || !b || *a > std::numeric_limits<std::int64_t>::max() - *b) return std::nullopt;
    return *a + *b;
}

bool is_free(const Attribute& attribute) {
    return std::holds_alternative<HighPriority>(attribute) ||
           std::holds_alternative<NotValidBefore>(attribute);
}

}  // namespace

Result<std::int64_t> network_fee(const Transaction& transaction, const FeePolicy& policy) {
    if (policy.fee_per_byte < 0 || policy.exec_fee_factor < 0) {
        return Error::unprocessable("a policy value is negative");
    }
    for (const Attribute& attribute : transaction.attributes) {
        if (!is_free(attribute)) {
            return Error::unprocessable("only the network knows the fee of an attribute");
        }
    }
    if (transaction.witnesses.empty() ||
        transaction.witnesses.size() != transaction.signers.size()) {
        return Error::invalid_argument("not one witness per signer");
    }
    std::size_t size = serialize_unsigned(transaction).size() + 1;  // and the witness count
    std::int64_t price = 0;
    for (const Witness& witness : transaction.witnesses) {
        const auto standard = parse_verification_script(witness.verification);
        if (!standard) return Error::invalid_argument("not a standard verification script");
        size += var_bytes_size(standard->threshold * kPushedSignatureBytes);
        size += var_bytes_size(witness.verification.size());
        price += verification_price(*standard);
    }
    const auto fee =
        sum(product(static_cast<std::int64_t>(size), policy.fee_per_byte),
            product(price, policy.exec_fee_factor));
    if (!fee) return Error::unprocessable("the network fee overflows");
    return *fee;
}

}  // namespace adyton::neo
