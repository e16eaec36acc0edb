#include "base/check.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"
#include "near/intents.h"
#include "near/keys.h"

// Every short text: whatever is read is written back as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::near;
    const auto text = adyton::base::as_text({data, size});
    if (const auto account = AccountId::parse(text)) {
        CHECK(account->text() == text);
        if (const auto key = account->implicit_key()) CHECK(AccountId::implicit(*key) == *account);
    }
    if (const auto key = PublicKey::parse(text)) CHECK(key->to_string() == text);
    if (const auto signature = Signature::parse(text)) CHECK(signature->to_string() == text);
    if (const auto hash = BlockHash::parse(text)) CHECK(hash->to_string() == text);
    if (const auto amount = YoctoNear::parse(text)) CHECK(amount->to_string() == text);
    if (const auto gas = Gas::parse(text)) CHECK(gas->to_string() == text);
    if (const auto delta = TokenDelta::parse(text)) CHECK(delta->to_string() == text);
    if (const auto token = TokenId::parse(text)) CHECK(token->text() == text);
    if (const auto nonce = MessageNonce::parse_base64(text)) CHECK(nonce->to_base64() == text);
    if (const auto pair = parse_secret_key({data, size})) {
        const auto again = parse_secret_key(encode_secret_key(*pair).expose());
        CHECK(again && again->public_key() == pair->public_key());
    }
    return 0;
}
