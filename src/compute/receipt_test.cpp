#include "compute/receipt.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "compute/canonical_json.h"
#include "compute/keys.h"
#include "compute/sealed_box.h"
#include "crypto/random.h"

namespace adyton::compute {
namespace {

ComputeKeys test_keys() {
    base::Bytes master(32);
    for (std::size_t i = 0; i < master.size(); ++i) master[i] = static_cast<std::uint8_t>(i);
    return *ComputeKeys::create(*crypto::SecretBuffer::copy_of(master));
}

crypto::Sha256Digest digest(std::string_view text) {
    return crypto::sha256(base::as_bytes(text));
}

Receipt sample() {
    Receipt out;
    out.job_id = "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90";
    out.user = "user-1";
    out.code_hash = digest("function main() { return { result: input.a + input.b }; }");
    out.entry_point = "main";
    out.app_id = "app";
    out.input_hash = digest("{\"a\":5,\"b\":3}");
    out.secrets = {{"user-1", "api_key", 3}, {"user-2", "shared", 1}};
    out.fetch_hash = digest("fetches");
    out.gas_used = 570;
    out.metered_gas = 123456;
    out.limits = {30'000, 67'108'864, 0, 16};
    out.layers = "guard_pages,own_process";
    out.status = "completed";
    out.output_hash = digest("{\"result\":8}");
    out.console_hash = console_hash({{"log", "hello"}, {"warn", "careful"}});
    out.started_at = base::Timestamp(std::chrono::microseconds(1'763'672'000'123'456));
    out.finished_at = base::Timestamp(std::chrono::microseconds(1'763'672'000'223'456));
    out.version = "1.0.0";
    out.engine = "quickjs-ng test";
    return out;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(ReceiptTest, ItIsTheGoldenFile) {
    const auto receipt = sign_receipt(test_keys(), sample());
    ASSERT_TRUE(receipt);
    const std::string golden = read_file("tests/golden/compute/receipt.json");
    EXPECT_EQ(receipt->to_json_text() + "\n", golden);
    const std::string transcript = read_file("tests/golden/compute/receipt.transcript.hex");
    EXPECT_EQ(base::hex_encode(receipt->signed_bytes()) + "\n", transcript);
}

TEST(ReceiptTest, ItReadsBackAndItsSignaturesHold) {
    const auto receipt = sign_receipt(test_keys(), sample());
    const auto read = parse_receipt(receipt->to_json_text() + "\n");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->receipt, sample());
    EXPECT_TRUE(check_signatures(*read));
}

TEST(ReceiptTest, AnyChangedByteOfItsTextFails) {
    const std::string good = sign_receipt(test_keys(), sample())->to_json_text();
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
        const auto read = parse_receipt(bad);
        EXPECT_FALSE(read && check_signatures(*read)) << i;
    }
}

TEST(ReceiptTest, AnyMissingOrAddedByteFails) {
    const std::string good = sign_receipt(test_keys(), sample())->to_json_text();
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string shorter = good;
        shorter.erase(i, 1);
        const auto first = parse_receipt(shorter);
        EXPECT_FALSE(first && check_signatures(*first)) << i;
        std::string longer = good;
        longer.insert(i, 1, ' ');
        const auto second = parse_receipt(longer);
        EXPECT_FALSE(second && check_signatures(*second)) << i;
    }
}

// Of each ECDSA signature there is another one with n - s, which says the same.
TEST(ReceiptTest, TheOtherHalfOfAP256SignatureFails) {
    auto receipt = *sign_receipt(test_keys(), sample());
    const auto order =
        *base::hex_decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    auto& bytes = receipt.p256_signature.bytes;
    int borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        const int digit = int{order[i]} - int{bytes[32 + i]} - borrow;
        borrow = digit < 0 ? 1 : 0;
        bytes[32 + i] = static_cast<std::uint8_t>(digit + 256 * borrow);
    }
    ASSERT_TRUE(crypto::verify(
        receipt.p256_key, crypto::sha256(receipt.signed_bytes()), receipt.p256_signature));
    EXPECT_FALSE(check_signatures(receipt));
}

TEST(ReceiptTest, EveryFieldIsUnderTheSignature) {
    const auto keys = test_keys();
    const base::Bytes good = sign_receipt(keys, sample())->signed_bytes();
    const auto differs = [&](auto change) {
        Receipt other = sample();
        change(other);
        return receipt_transcript(
                   other, keys.receipt_ed25519().public_key(), keys.receipt_p256_public()) != good;
    };
    EXPECT_TRUE(differs([](Receipt& r) { r.job_id += "x"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.user = "user-2"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.code_hash = digest("x"); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.entry_point = "other"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.app_id.clear(); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.input_form = "sealed"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.input_hash = digest("x"); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.secrets[1].version = 2; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.secrets.pop_back(); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.fetch_hash = digest("x"); }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.gas_used; }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.metered_gas; }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.limits.time_ms; }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.limits.memory_bytes; }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.limits.metered_gas; }));
    EXPECT_TRUE(differs([](Receipt& r) { ++r.limits.fetches; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.layers = "guard_pages"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.status = "failed"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.error_code = "timed_out"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.output_hash.reset(); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.sealed_output_hash = digest("x"); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.console_hash = digest("x"); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.started_at += std::chrono::microseconds(1); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.finished_at += std::chrono::microseconds(1); }));
    EXPECT_TRUE(differs([](Receipt& r) { r.version = "2"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.engine = "other"; }));
    EXPECT_TRUE(differs([](Receipt& r) { r.language = "typescript"; }));
}

TEST(ReceiptTest, TheSameStatementUnderAnotherKeyNamesThatKey) {
    auto receipt = *sign_receipt(test_keys(), sample());
    const auto other =
        *ComputeKeys::create(*crypto::SecretBuffer::copy_of(base::Bytes(32, std::uint8_t{9})));
    receipt.ed25519_key = other.receipt_ed25519().public_key();
    EXPECT_FALSE(check_signatures(receipt));
}

// services.md 8.4.
TEST(ComputeVectorTest, TheSeedsHashesAndSignatures) {
    struct Row {
        std::string_view output, hash, signature;
    };
    constexpr Row kRows[] = {
        {"{\"ok\":true}", "4062edaf750fb8074e7e83e0c9028c94e32468a8b6f1614774328ef045150f93",
         "4f7a3344da3bb8c7ee61ef7767b78f1108d50c29b829963358da6ed37c9b8722"},
        {"{\"result\":42}", "0773698cf701d4082d365abcd08181974a52141a62ec0bf2eb2ab14996d02674",
         "1b644114ff6fa402640f263f7280bab97872f2fe7fceae12ea17ec4b0bbb0cfd"},
        {"{\"result\":8}", "71198385baa56075afdbca1bdcf23ba5e60e78f78a03ef849bda361865490686",
         "b2e99da40d8e482857e9222b48388274f6bd21af8767e7e2118a406e5310431b"},
        {R"({"html":"\u003ca\u003e\u0026"})",
         "72c387a6659d0e3ed45bfc2c773b0a0dc2bf29f103dbfd0fcc433542650d96f4",
         "ace7e1ab0ee38bd9212dce98c2223cc0ae0c3abc4660edd5f4374fe212c6fb04"},
        {R"({"_logs":["a1 2b"],"result":8})",
         "bb0343a3daa5dfa38cbe44a0293a5854071ca60184daabe6ad4b8708c5744db4",
         "08451d088859e4251a10cdf54884937d3a1d6ebc2229344a86c430d010f34a8b"},
    };
    const auto keys = test_keys();
    for (const Row& row : kRows) {
        const auto json = parse_script_json(row.output);
        ASSERT_TRUE(json);
        EXPECT_EQ(canonical_text(*json), row.output);
        const auto hash = digest(row.output);
        EXPECT_EQ(hash.to_hex(), row.hash);
        EXPECT_EQ(keys.seed_signature(hash), row.signature);
    }
    crypto::AesGcmNonce nonce;
    for (std::size_t i = 0; i < nonce.bytes.size(); ++i) {
        nonce.bytes[i] = static_cast<std::uint8_t>(i);
    }
    EXPECT_EQ(
        keys.seed_encrypted("{\"ok\":true}", nonce),
        "AAECAwQFBgcICQoLPCC5cOfftmn4JOoFqBccXv9qiRalnTYil+6j");
}

TEST(CanonicalJsonTest, KeysAreSortedBytewiseAtEveryLevelAndSurrogatesReplaced) {
    const auto json = parse_script_json(
        R"({"b":[{"z":1,"a":2}],"a":"<&>","B":"\ud800x\udc00","p":"\ud83d\ude00","e":"\\ud800"})");
    ASSERT_TRUE(json);
    EXPECT_EQ(
        canonical_text(*json),
        "{\"B\":\"\xef\xbf\xbdx\xef\xbf\xbd\",\"a\":\"\\u003c\\u0026\\u003e\","
        "\"b\":[{\"a\":2,\"z\":1}],\"e\":\"\\\\ud800\",\"p\":\"\xf0\x9f\x98\x80\"}");
}

TEST(CanonicalJsonTest, NumbersKeepTheTextOfJsonStringify) {
    const auto json = parse_script_json(R"({"a":1e-7,"b":1e+21,"c":0.000001,"d":123456789012})");
    ASSERT_TRUE(json);
    EXPECT_EQ(canonical_text(*json), R"({"a":1e-7,"b":1e+21,"c":0.000001,"d":123456789012})");
}

TEST(CanonicalJsonTest, DeepNestingIsRefused) {
    const std::string deep = std::string(100, '[') + std::string(100, ']');
    EXPECT_FALSE(parse_script_json(deep));
}

TEST(SealedBoxTest, ItOpensWithItsKeyAndNoOther) {
    const auto keys = test_keys();
    const auto box = seal_box(keys.sealing_public(), base::as_bytes("{\"a\":1}"));
    ASSERT_TRUE(box);
    EXPECT_EQ(box->size(), 7 + kSealedBoxOverheadBytes);
    const auto opened = keys.open_sealed_input(*box);
    ASSERT_TRUE(opened);
    EXPECT_EQ(base::as_text(*opened), "{\"a\":1}");
    for (std::size_t i = 0; i < box->size(); ++i) {
        base::Bytes bad = *box;
        bad[i] ^= 1;
        EXPECT_FALSE(keys.open_sealed_input(bad)) << i;
    }
    const auto other =
        *ComputeKeys::create(*crypto::SecretBuffer::copy_of(base::Bytes(32, std::uint8_t{9})));
    EXPECT_FALSE(other.open_sealed_input(*box));
    EXPECT_FALSE(keys.open_sealed_input(base::Bytes(47)));
}

TEST(KeysTest, AShortMasterKeyIsRefused) {
    EXPECT_FALSE(ComputeKeys::create(*crypto::SecretBuffer::copy_of(base::Bytes(31))));
}

TEST(KeysTest, ABlobOfAJobOpensOnlyAsWhatItIs) {
    const auto keys = test_keys();
    crypto::SystemRandom random;
    const auto sealed = keys.seal_job(random, "job-1", "alice", "answer", base::as_bytes("text"));
    EXPECT_TRUE(keys.open_job("job-1", "alice", "answer", sealed));
    EXPECT_FALSE(keys.open_job("job-2", "alice", "answer", sealed));
    EXPECT_FALSE(keys.open_job("job-1", "bob", "answer", sealed));
    EXPECT_FALSE(keys.open_job("job-1", "alice", "request", sealed));
}

}  // namespace
}  // namespace adyton::compute
