#include "chain/internal/ask.h"

namespace adyton::chain::internal {

bool is_trouble(const RpcError& error) {
    if (!error.name.empty()) {  // NEAR: -32000 is its code for every refusal
        return error.name == "INTERNAL_ERROR" || error.cause == "INTERNAL_ERROR" ||
               error.cause == "NO_SYNCED_BLOCKS" || error.cause == "NOT_SYNCED_YET" ||
               error.cause == "UNAVAILABLE_SHARD" || error.cause == "TIMEOUT_ERROR";
    }
    return error.code == -32603 || (error.code <= -32000 && error.code >= -32099);
}

}  // namespace adyton::chain::internal
