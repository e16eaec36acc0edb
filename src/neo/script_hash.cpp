#include "neo/script_hash.h"

#include <algorithm>

#include "crypto/digest.h"

namespace adyton::neo {

ScriptHash ScriptHash::of_script(base::ByteView script) {
    ScriptHash out;
    out.bytes_ = crypto::ripemd160(crypto::sha256(script).view()).bytes;
    return out;
}

Result<ScriptHash> ScriptHash::from_wire(base::ByteView bytes) {
    if (bytes.size() != kSize) return Error::invalid_argument("script hash must be 20 bytes");
    ScriptHash out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
}

Result<ScriptHash> ScriptHash::parse(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    if (text.size() != 2 * kSize) {
        return Error::invalid_argument("script hash must be 40 hex digits");
    }
    TRY(auto bytes, base::hex_decode(text));
    std::reverse(bytes.begin(), bytes.end());
    return from_wire(bytes);
}

std::string ScriptHash::to_string() const {
    auto reversed = bytes_;
    std::reverse(reversed.begin(), reversed.end());
    return "0x" + base::hex_encode(reversed);
}

}  // namespace adyton::neo
