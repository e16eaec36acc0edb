#include "near/nep413.h"

#include <gtest/gtest.h>

#include "near/nep461.h"
#include "near/test_random.h"

namespace adyton::near {
namespace {

MessagePayload random_payload(RandomNear& random) {
    MessagePayload out;
    out.message = random.text(20);
    random.source().fill(out.nonce.bytes);
    out.recipient = random.text(5);
    if (random.chance(2)) out.callback_url = random.text(5);
    return out;
}

TEST(NearMessageTest, PayloadsReadBackAndSignaturesHoldForThemAlone) {
    RandomNear random(1);
    for (int round = 0; round < 500; ++round) {
        const auto payload = random_payload(random);
        const auto bytes = serialize(payload);
        EXPECT_EQ(parse_message_payload(bytes).value(), payload);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(parse_message_payload(base::ByteView(bytes).first(size)));
        }
        auto longer = bytes;
        longer.push_back(0);
        EXPECT_FALSE(parse_message_payload(longer));
        auto message = sign(payload, random.key_pair());
        EXPECT_TRUE(verify(message));
        message.payload.message += " ";
        EXPECT_FALSE(verify(message));
    }
}

TEST(NearMessageTest, NoCallbackAndAnEmptyOneAreDifferentMessages) {
    MessagePayload payload{"hi", {}, "intents.near", std::nullopt};
    const auto without = hash(payload);
    payload.callback_url = "";
    EXPECT_NE(hash(payload), without);
}

TEST(NearMessageTest, TagsTellWhatASignatureIsFor) {
    const auto tag_of = [](std::uint32_t value) {
        BorshWriter out;
        out.u32(value);
        return message_tag(out.view());
    };
    EXPECT_EQ(tag_of(0), std::nullopt);
    EXPECT_EQ(tag_of(1), std::nullopt);
    EXPECT_EQ(tag_of(2), (MessageTag{MessageDomain::Transaction, 0}));
    EXPECT_EQ(tag_of(64), (MessageTag{MessageDomain::Transaction, 0}));
    EXPECT_EQ(tag_of(65), std::nullopt);
    EXPECT_EQ(tag_of((1U << 30U) - 1), std::nullopt);
    EXPECT_EQ(tag_of(1073742190), (MessageTag{MessageDomain::OnChain, 366}));
    EXPECT_EQ(tag_of(2147484061), (MessageTag{MessageDomain::OffChain, 413}));
    EXPECT_EQ(tag_of(0xffffffff), (MessageTag{MessageDomain::OffChain, 0x7fffffff}));
    EXPECT_EQ(message_tag(base::Bytes(3)), std::nullopt);
}

TEST(NearMessageTest, ANonceIsExactly32BytesOfCanonicalBase64) {
    MessageNonce nonce;
    nonce.bytes[0] = 0xff;
    EXPECT_EQ(MessageNonce::parse_base64(nonce.to_base64()).value(), nonce);
    for (const std::string& text :
         {base::base64_encode(base::Bytes(31)), base::base64_encode(base::Bytes(33)), std::string(),
          nonce.to_base64().substr(0, 43), nonce.to_base64() + "\n", std::string(43, 'A') + "B"}) {
        EXPECT_FALSE(MessageNonce::parse_base64(text)) << text;
    }
    EXPECT_FALSE(MessageNonce::from_bytes(base::Bytes(31)));
}

TEST(NearMessageTest, AVersionedNonceCarriesItsDeadline) {
    base::SeededRandom random(2);
    const auto deadline = base::parse_rfc3339("2026-04-24T20:00:00.123Z").value();
    const auto salt = IntentsSalt::parse("252812b3").value();
    const auto nonce = VersionedNonce::create(salt, deadline, random);
    EXPECT_EQ(nonce.deadline_ns, 1777060800123000000);
    const auto encoded = nonce.encode();
    EXPECT_TRUE(encoded.to_base64().starts_with("Vij2xg"));
    EXPECT_EQ(VersionedNonce::find_in(encoded), nonce);
    EXPECT_NE(VersionedNonce::create(salt, deadline, random).encode(), encoded);

    auto other_version = encoded;
    other_version.bytes[4] = 1;
    EXPECT_EQ(VersionedNonce::find_in(other_version), std::nullopt);
    auto legacy = encoded;
    legacy.bytes[0] ^= 1U;
    EXPECT_EQ(VersionedNonce::find_in(legacy), std::nullopt);
    for (const char* text : {"", "252812b", "252812b3aa", "xx2812b3"}) {
        EXPECT_FALSE(IntentsSalt::parse(text)) << text;
    }
    const auto far = base::parse_rfc3339("9999-12-31T23:59:59Z").value();
    EXPECT_EQ(
        VersionedNonce::create(salt, far, random).deadline_ns,
        std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace adyton::near
