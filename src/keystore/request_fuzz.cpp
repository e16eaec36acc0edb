#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "keystore/order.h"
#include "keystore/policy_check.h"
#include "keystore/prepared.h"
#include "keystore/token_auth.h"

namespace {

using namespace adyton;
using namespace adyton::keystore;

const KeyRing& keys() {
    static const KeyRing kKeys(crypto::SecretBytes<KeyRing::kMasterBytes>(), 16);
    return kKeys;
}

const policy::NearNetwork& network() {
    static const policy::NearNetwork kNetwork = policy::NearNetwork::mainnet();
    return kNetwork;
}

// What a request becomes says what was asked, or nothing comes of it.
template <typename Request>
void try_order(
    const Result<Request>& request,
    Result<Order> (*order)(const KeyRing&, const Request&, std::uint32_t)) {
    if (!request) return;
    const auto made = order(keys(), *request, 2);
    if (!made) return;
    const auto prepared = prepare(*made, network());
    CHECK(prepared || prepared.error().code() != ErrorCode::Internal);
    if (!prepared) return;
    CHECK(is_recorded_for(*made, *prepared, prepared->payload, prepared->digest));
    CHECK(request_digest(*made, *prepared, "") == request_digest(*made, *prepared, ""));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = base::as_text({data, size});
    (void)parse_token_hashes(text);
    (void)token_hash(text);
    const auto json = api::parse_keystore_body(text);
    if (!json) return 0;
    try_order(api::parse_sign_nep413_request(*json), &nep413_order);
    try_order(api::parse_sign_delegate_request(*json), &delegate_order);
    try_order(api::parse_sign_near_call_request(*json), &near_call_order);
    try_order(api::parse_sign_near_transfer_request(*json), &near_transfer_order);
    try_order(api::parse_sign_near_delete_account_request(*json), &delete_account_order);
    try_order(api::parse_sign_proof_request(*json), &user_proof_order);
    try_order(api::parse_sign_function_calls_request(*json), &user_calls_order);
    try_order(api::parse_sign_scoped_calls_request(*json), &user_scoped_calls_order);
    const auto account = near::AccountId::implicit(keys().public_key(KeyName::wallet("fuzz", 1)));
    (void)facts_of_action(*json, account, network());
    (void)claimed_usage(*json);
    return 0;
}
