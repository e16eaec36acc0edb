#include "neo/nep17.h"

#include "neo/script.h"

namespace adyton::neo {
namespace {

void append_call(ScriptBuilder& builder, const Nep17Transfer& transfer) {
    builder.call(
        transfer.token, "transfer", kCallAll,
        {Value::of_hash(transfer.from), Value::of_hash(transfer.to),
         Value::of_amount(transfer.amount), transfer.data});
}

}  // namespace

base::Bytes nep17_transfer_call(const Nep17Transfer& transfer) {
    ScriptBuilder builder;
    append_call(builder, transfer);
    return builder.take();
}

base::Bytes nep17_transfer_script(const Nep17Transfer& transfer) {
    ScriptBuilder builder;
    append_call(builder, transfer);
    return builder.assert_true().take();
}

Result<base::Bytes> nep17_transfer_script(std::span<const Nep17Transfer> transfers) {
    if (transfers.empty()) return Error::invalid_argument("no transfers");
    ScriptBuilder builder;
    for (const Nep17Transfer& transfer : transfers) {
        append_call(builder, transfer);
        builder.assert_true();
        if (builder.size() > kScriptBytesMax) {
            return Error::too_large("the script is over 65535 bytes");
        }
    }
    return builder.take();
}

base::Bytes nep17_balance_script(const ScriptHash& token, const ScriptHash& account) {
    ScriptBuilder builder;
    return builder.call(token, "balanceOf", kCallReadOnly, {Value::of_hash(account)}).take();
}

}  // namespace adyton::neo
