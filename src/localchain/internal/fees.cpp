#include "localchain/internal/fees.h"

#include "crypto/p256.h"
#include "localchain/internal/block_format.h"

namespace adyton::localchain::internal {
namespace {

constexpr std::int64_t kPushData1 = 8;
constexpr std::int64_t kPush = 1;
constexpr std::int64_t kPushInt16 = 1;
constexpr std::int64_t kCheckSig = 1 << 15;

}  // namespace

std::int64_t witness_price(const neo::StandardScript& script) {
    const auto keys = static_cast<std::int64_t>(script.keys.size());
    const auto signatures = static_cast<std::int64_t>(script.threshold);
    const std::int64_t pushes = kPushData1 * (signatures + keys);
    const std::int64_t counts = script.multisig ? 2 * (keys > 16 ? kPushInt16 : kPush) : 0;
    return pushes + counts + kCheckSig * keys;
}

std::size_t invocation_size(const neo::StandardScript& script) {
    return script.threshold * (2 + crypto::P256Signature::kSize);
}

Result<std::int64_t> network_fee(const neo::Transaction& transaction, const ChainPolicy& policy) {
    if (transaction.witnesses.size() != transaction.signers.size()) {
        return Error::invalid_argument("a transaction has one witness for each signer");
    }
    std::size_t size = neo::serialize_unsigned(transaction).size();
    size += var_int_size(transaction.witnesses.size());
    std::int64_t units = 0;
    for (std::size_t i = 0; i < transaction.witnesses.size(); ++i) {
        const base::Bytes& verification = transaction.witnesses[i].verification;
        const auto standard = neo::parse_verification_script(verification);
        if (!standard.has_value() ||
            neo::ScriptHash::of_script(verification) != transaction.signers[i].account) {
            return Error::invalid_argument("no standard witness of signer " + std::to_string(i));
        }
        const std::size_t invocation = invocation_size(*standard);
        size += var_int_size(invocation) + invocation;
        size += var_int_size(verification.size()) + verification.size();
        units += witness_price(*standard);
    }
    return static_cast<std::int64_t>(size) * policy.fee_per_byte + units * policy.exec_fee_factor;
}

}  // namespace adyton::localchain::internal
