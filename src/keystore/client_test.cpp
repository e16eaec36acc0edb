#include <gtest/gtest.h>

#include "api/keystore_client.h"
#include "keystore/test_keystore.h"
#include "near/delegate.h"

// The coordinator's side: the same client over HTTP and in this process.
namespace adyton::keystore {
namespace {

class KeystoreClientTest : public KeystoreTest {
public:
    api::HttpKeystoreClient client(const std::string& token = kCoordinatorToken) {
        return api::HttpKeystoreClient(
            keystore().transport(), executor(), random_,
            crypto::SecretBuffer::copy_of(base::as_bytes(token)).value(),
            {"http://keystore.test", std::chrono::seconds(5), 2, std::chrono::milliseconds(1)});
    }
    static api::SignDelegateRequest delegate() {
        api::SignDelegateRequest request;
        request.wallet_id = kWallet;
        request.sender_id = kAddress;
        request.receiver_id = "count.near";
        request.method_name = "increase";
        request.args.args_json = "{\"by\":\"<1>\"}";
        request.gas = 100'000'000'000'000;
        request.deposit = "0";
        request.nonce = 1'776'712'345'678'901;
        request.max_block_height = 194'854'180;
        return request;
    }

private:
    base::SeededRandom random_{3};
};

TEST_P(KeystoreClientTest, SpeaksEveryRouteOfTheCoordinator) {
    open();
    chain().install(kAddress, "ed25519:5A1NXEBirWJb5otEmEfDLswJfBshaC6Eg7HGD4bDUFGR", 7);
    auto keystore = client();
    api::DeriveAddressRequest derive;
    derive.wallet_id = kWallet;
    derive.chain = "near";
    const auto address = run(keystore.derive_address(derive));
    ASSERT_TRUE(address) << address.error().message();
    EXPECT_EQ(address->address, kAddress);

    const auto made = run(keystore.sign_delegate(delegate()));
    ASSERT_TRUE(made) << made.error().message();
    const auto whole = near::parse_signed_delegate_base64(made->signed_delegate_base64);
    ASSERT_TRUE(whole);
    const auto& call = std::get<near::FunctionCall>(whole->delegate_action.actions.at(0));
    EXPECT_EQ(base::as_text(call.args), "{\"by\":\"<1>\"}");  // escapes of JSON are not in the args
    EXPECT_EQ(made->nonce, 1'776'712'345'678'901U);

    api::CheckPolicyRequest check;
    check.wallet_id = kWallet;
    check.action =
        base::Json::parse(R"({"type":"transfer","to":"bob.near","amount":"1","token":"native"})")
            .value();
    const auto checked = run(keystore.check_policy(check));
    ASSERT_TRUE(checked) << checked.error().message();
    EXPECT_TRUE(checked->allowed);
    EXPECT_FALSE(checked->frozen);

    api::SignNearCallRequest near_call;
    near_call.wallet_id = kWallet;
    near_call.receiver_id = "wrap.near";
    near_call.method_name = "near_deposit";
    near_call.gas = 1;
    near_call.deposit = "5";
    near_call.override_nonce = 99;
    const auto signed_call = run(keystore.sign_near_call(near_call));
    ASSERT_TRUE(signed_call) << signed_call.error().message();
    EXPECT_EQ(signed_call->nonce, 99U);

    api::PrepareFunctionCallKeyRequest key;
    key.wallet_id = kWallet;
    key.user_id = "alice.near";
    key.registry_id = "reg.example.near";
    key.receiver_id = "count.alice.near";
    key.method_names = {"increase"};
    const auto prepared = run(keystore.prepare_function_call_key(key));
    ASSERT_TRUE(prepared) << prepared.error().message();
    EXPECT_EQ(prepared->public_key, "ed25519:5edPbuU2KxLVbBEqgreb1WszcLfx69A5nG9vubxKkvED");

    api::SignNep413Request message;
    message.wallet_id = kWallet;
    message.chain = "near";
    message.message = "hello";
    message.nonce_base64 = "CaOaJhPqcmJOHclJNWoU3hwdyINxpY7v9upKMq6tooE=";
    message.recipient = "app.near";
    EXPECT_TRUE(run(keystore.sign_nep413(message)));

    api::SignScopedCallsRequest scoped;
    static_cast<api::PrepareFunctionCallKeyRequest&>(scoped) = key;
    scoped.actions = {{"increase", {"{}", {}}, 1, "0"}};
    const auto missing = run(keystore.sign_scoped_calls(scoped));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::Internal);
    chain().install("alice.near", prepared->public_key, 1);
    EXPECT_TRUE(run(keystore.sign_scoped_calls(scoped)));
}

TEST_P(KeystoreClientTest, RefusalsKeepTheirMeaningAndText) {
    open({});
    auto keystore = client();
    const auto denied = run(keystore.sign_delegate(delegate()));
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code(), ErrorCode::PermissionDenied);
    EXPECT_NE(denied.error().message().find("no policy"), std::string::npos);
    auto bad = delegate();
    bad.gas = 0;
    const auto refused = run(keystore.sign_delegate(bad));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(refused.error().message(), "gas must be greater than zero");
    auto stranger = client("somebody-elses-token");
    const auto unknown = run(stranger.sign_delegate(delegate()));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code(), ErrorCode::Unauthenticated);
}

ADYTON_ON_ALL_DATABASES(KeystoreClientTest);

}  // namespace
}  // namespace adyton::keystore
