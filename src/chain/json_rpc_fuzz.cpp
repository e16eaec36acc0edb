#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "chain/json_rpc.h"

// Whatever is taken for an answer has presentable texts and is one of the two kinds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto answer = adyton::chain::parse_rpc_answer(text, 1);
    if (!answer) {
        CHECK(answer.error().code() == adyton::ErrorCode::CorruptData);
        return 0;
    }
    if (const auto* error = std::get_if<adyton::chain::RpcError>(&*answer)) {
        CHECK(error->message.size() <= adyton::chain::kRpcTextBytesMax);
        CHECK(adyton::base::is_valid_utf8(error->to_string()));
    }
    return 0;
}
