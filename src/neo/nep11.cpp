#include "neo/nep11.h"

#include "neo/script.h"

namespace adyton::neo {

Result<base::Bytes> nep11_transfer_script(const Nep11Transfer& transfer) {
    if (transfer.token_id.empty() || transfer.token_id.size() > Nep11Transfer::kTokenIdBytesMax) {
        return Error::invalid_argument("a token id has 1 to 64 bytes");
    }
    if (transfer.from.has_value() != transfer.amount.has_value()) {
        return Error::invalid_argument("a divisible token needs both from and amount");
    }
    std::vector<Value> arguments;
    if (transfer.from) arguments.push_back(Value::of_hash(*transfer.from));
    arguments.push_back(Value::of_hash(transfer.to));
    if (transfer.amount) arguments.push_back(Value::of_amount(*transfer.amount));
    arguments.push_back(Value::of_bytes(transfer.token_id));
    arguments.push_back(transfer.data);
    ScriptBuilder builder;
    builder.call(transfer.contract, "transfer", kCallAll, arguments);
    return builder.assert_true().take();
}

}  // namespace adyton::neo
