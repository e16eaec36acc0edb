#include "attest/marble_secrets.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "attest/marble_activation.h"
#include "attest/secret_source.h"
#include "base/json.h"
#include "base/random.h"

namespace adyton::attest {
namespace {

Result<std::map<std::string, crypto::SecretBuffer>> parse(std::string_view text) {
    return parse_marble_secrets(base::as_bytes(text));
}

std::string value_of(const crypto::SecretBuffer& secret) {
    return std::string(base::as_text(secret.expose()));
}

std::string object(const std::string& name, base::ByteView bytes) {
    return "{\"" + name + "\":\"" + base::base64_encode(bytes) + "\"}";
}

TEST(MarbleSecretsTest, NamesAndBytesOfEveryLengthAreRead) {
    base::SeededRandom random(11);
    for (const std::size_t size : {1U, 2U, 3U, 31U, 32U, 33U, 64U, 4094U, 4095U, 4096U}) {
        base::Bytes bytes(size);
        random.fill(bytes);
        const auto secrets = parse(object("POOL_MASTER_KEY", bytes));
        ASSERT_TRUE(secrets) << size << ": " << secrets.error().message();
        const auto found = secrets->at("POOL_MASTER_KEY").expose();
        EXPECT_TRUE(std::equal(found.begin(), found.end(), bytes.begin(), bytes.end())) << size;
    }
}

TEST(MarbleSecretsTest, WhiteSpaceEscapesAndEmptyValuesAreUnderstood) {
    const auto secrets = parse(
        " { \"A\" : \"a2V5\" ,\n\t\"B\":\"\\/\\u002b\\u002B\\/\", \"C\": \"\", "
        "\"D_1\":\"AA==\"}\r\n");
    ASSERT_TRUE(secrets) << secrets.error().message();
    EXPECT_EQ(secrets->size(), 3U) << "an empty value is none";
    EXPECT_EQ(value_of(secrets->at("A")), "key");
    EXPECT_EQ(value_of(secrets->at("B")), "\xff\xef\xbf");
    EXPECT_EQ(value_of(secrets->at("D_1")), std::string(1, '\0'));
    EXPECT_TRUE(parse("{}")->empty());
}

TEST(MarbleSecretsTest, WhatIsNoObjectOfBase64IsRefusedWithoutRepeatingIt) {
    const std::pair<const char*, const char*> bad[] = {
        {"nothing", ""},
        {"a list", R"(["c2VjcmV0"])"},
        {"a string", R"("c2VjcmV0")"},
        {"text behind it", R"({"A":"c2VjcmV0"}x)"},
        {"a second object", R"({"A":"c2VjcmV0"}{})"},
        {"no end", R"({"A":"c2VjcmV0")"},
        {"no end of a string", R"({"A":"c2VjcmV0)"},
        {"a comma at the end", R"({"A":"c2VjcmV0",})"},
        {"no colon", R"({"A" "c2VjcmV0"})"},
        {"a name twice", R"({"A":"c2VjcmV0","A":"c2VjcmV0"})"},
        {"a name twice, once empty", R"({"A":"","A":"c2VjcmV0"})"},
        {"an empty name", R"({"":"c2VjcmV0"})"},
        {"a name that is none of a variable", R"({"A-B":"c2VjcmV0"})"},
        {"a name with an escape", R"({"\u0041":"c2VjcmV0"})"},
        {"a digit first", R"({"1A":"c2VjcmV0"})"},
        {"null", R"({"A":null})"},
        {"a number", R"({"A":1234})"},
        {"an object inside", R"({"A":{"B":"c2VjcmV0"}})"},
        {"raw text", R"({"A":"secret text"})"},
        {"base64url", R"({"A":"-_-_"})"},
        {"no padding", R"({"A":"c2VjcmV0cw"})"},
        {"padding too short", R"({"A":"c2VjcmV0cw="})"},
        {"padding too long", R"({"A":"c2VjcmV0cw==="})"},
        {"padding where none belongs", R"({"A":"c2VjcmV0="})"},
        {"only padding", R"({"A":"===="})"},
        {"digits behind the padding", R"({"A":"c2Vjcg==cmV0"})"},
        {"bits behind the end", R"({"A":"c2VjcmV0cx=="})"},
        {"one digit alone", R"({"A":"c2VjcmV0c==="})"},
        {"a line break inside", "{\"A\":\"c2Vj\ncmV0\"}"},
        {"an escaped quote", R"({"A":"c2Vj\"cmV0"})"},
        {"an escape of two bytes", R"({"A":"c2Vj\u0141"})"},
        {"an escape cut short", R"({"A":"c2Vj\u00"})"},
        {"an unknown escape", R"({"A":"c2Vj\n"})"},
        {"a byte above ASCII", "{\"A\":\"c2Vj\xc3\xa4==\"}"},
        {"another case of quotes", "{'A':'c2VjcmV0'}"},
    };
    for (const auto& [what, text] : bad) {
        const auto refused = parse(text);
        ASSERT_FALSE(refused) << what;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << what;
        for (const char* const part : {"c2Vj", "secret", "cmV0"}) {
            EXPECT_EQ(refused.error().message().find(part), std::string::npos) << what;
        }
    }
}

TEST(MarbleSecretsTest, EveryTruncationIsRefused) {
    const std::string whole = R"({"A":"c2VjcmV0cw==", "B" : "AAAA"})";
    ASSERT_TRUE(parse(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(parse(whole.substr(0, size))) << size;
    }
}

TEST(MarbleSecretsTest, TooMuchIsRefusedByName) {
    const auto large = parse(object("LARGE", base::Bytes(4097, 7)));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code(), ErrorCode::TooLarge);
    EXPECT_NE(large.error().message().find("LARGE"), std::string::npos);
    EXPECT_EQ(parse(object("A", base::Bytes(90'000, 7))).error().code(), ErrorCode::TooLarge);
    EXPECT_EQ(
        parse(std::string(kMarbleSecretsBytesMax + 1, ' ')).error().code(), ErrorCode::TooLarge);
    std::string many = "{";
    for (std::size_t i = 0; i < kMarbleSecretsMax; ++i) {
        many += (i == 0 ? "\"A" : ",\"A") + std::to_string(i) + "\":\"AAAA\"";
    }
    EXPECT_TRUE(parse(many + "}"));
    EXPECT_FALSE(parse(many + ",\"B\":\"AAAA\"}"));
    EXPECT_FALSE(parse("{\"" + std::string(65, 'N') + "\":\"AAAA\"}"));
}

// ----- the form that a pre-main leaves in the environment
// ------------------------------------------

const std::string kNames[] = {"ADYTON_TEST_SECRET", "ADYTON_TEST_OTHER"};
const SecretReference kReference{SecretReference::Kind::Environment, "ADYTON_TEST_SECRET"};

class InjectedSecretsTest : public testing::Test {
protected:
    ~InjectedSecretsTest() override {
        ::unsetenv(kMarbleSecrets);
        ::unsetenv("ADYTON_TEST_SECRET");
    }
    SecretSource source_;
};

TEST_F(InjectedSecretsTest, AreTakenAndWipedWhereTheyStood) {
    std::string entry = R"(MARBLE_SECRETS={"ADYTON_TEST_SECRET":"c3dvcmRmaXNo","TYPO":"AAAA"})";
    ASSERT_EQ(::putenv(entry.data()), 0);  // the entry itself becomes the environment
    const auto done = source_.take_marble_secrets(kNames);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->taken, std::vector<std::string>{"ADYTON_TEST_SECRET"});
    EXPECT_EQ(done->unknown, std::vector<std::string>{"TYPO"});
    EXPECT_TRUE(done->replaced.empty());
    EXPECT_EQ(entry.find("c3dv"), std::string::npos);
    EXPECT_EQ(entry.find("TYPO"), std::string::npos);
    EXPECT_EQ(::getenv(kMarbleSecrets), nullptr);
    EXPECT_TRUE(source_.has_environment("ADYTON_TEST_SECRET"));
    EXPECT_FALSE(source_.has_environment("TYPO"));
    EXPECT_EQ(value_of(*source_.read(kReference)), "swordfish");
    EXPECT_EQ(source_.read(kReference).error().code(), ErrorCode::NotFound) << "once is the rule";
}

TEST_F(InjectedSecretsTest, TheirBytesAreNotDecodedAgain) {
    const std::string looks_like_hex = "0123456789abcdef0123456789abcdef";
    ::setenv(kMarbleSecrets, object(kNames[0], base::as_bytes(looks_like_hex)).c_str(), 1);
    ASSERT_TRUE(source_.take_marble_secrets(kNames));
    EXPECT_EQ(value_of(*source_.read_key_material(kReference)), looks_like_hex);
    // A value put later as text is text again.
    source_.put(kNames[0], crypto::SecretBuffer::copy_of(base::as_bytes("6b6579")).value());
    EXPECT_EQ(value_of(*source_.read_key_material(kReference)), "key");
}

TEST_F(InjectedSecretsTest, GoBeforeAVariableOfThatName) {
    ::setenv("ADYTON_TEST_SECRET", "of the variable", 1);
    ::setenv(kMarbleSecrets, R"({"ADYTON_TEST_SECRET":"c3dvcmRmaXNo"})", 1);
    ASSERT_TRUE(source_.take_environment(kNames));
    const auto done = source_.take_marble_secrets(kNames);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->replaced, std::vector<std::string>{"ADYTON_TEST_SECRET"});
    EXPECT_EQ(value_of(*source_.read_key_material(kReference)), "swordfish");
}

TEST_F(InjectedSecretsTest, AreWipedEvenIfTheyAreRefused) {
    std::string entry = R"(MARBLE_SECRETS={"ADYTON_TEST_SECRET":"c3dvcmRmaXNo")";
    ASSERT_EQ(::putenv(entry.data()), 0);
    const auto refused = source_.take_marble_secrets(kNames);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(entry.find("c3dv"), std::string::npos);
    EXPECT_EQ(::getenv(kMarbleSecrets), nullptr);
    EXPECT_FALSE(source_.has_environment("ADYTON_TEST_SECRET"));
}

TEST_F(InjectedSecretsTest, AbsentAndEmptyAreNothing) {
    EXPECT_TRUE(source_.take_marble_secrets(kNames)->taken.empty());
    ::setenv(kMarbleSecrets, "", 1);
    EXPECT_TRUE(source_.take_marble_secrets(kNames)->taken.empty());
    EXPECT_EQ(::getenv(kMarbleSecrets), nullptr);
}

// ----- and in the answer of a Coordinator
// ----------------------------------------------------------

ActivationParameters parameters(const std::string& secrets) {
    ActivationParameters out;
    out.env.emplace(
        "POOL_MASTER_KEY", crypto::SecretBuffer::copy_of(base::as_bytes("old")).value());
    out.env.emplace(kMarbleSecrets, crypto::SecretBuffer::copy_of(base::as_bytes(secrets)).value());
    return out;
}

TEST(UnpackMarbleSecretsTest, TheVariableBecomesSecrets) {
    auto good = parameters(R"({"POOL_MASTER_KEY":"a2V5"})");
    ASSERT_TRUE(unpack_marble_secrets(good));
    EXPECT_FALSE(good.env.contains(kMarbleSecrets));
    EXPECT_EQ(value_of(good.secrets.at("POOL_MASTER_KEY")), "key");
    ActivationParameters none;
    EXPECT_TRUE(unpack_marble_secrets(none));
    auto bad = parameters("{\"A\":1}");
    EXPECT_EQ(unpack_marble_secrets(bad).error().code(), ErrorCode::InvalidArgument);
}

TEST(UnpackMarbleSecretsTest, AChangedSecretInTheObjectIsNoticed) {
    base::SeededRandom random(3);
    ActivationMemory memory(random);
    auto first = parameters(R"({"POOL_MASTER_KEY":"a2V5"})");
    ASSERT_TRUE(unpack_marble_secrets(first));
    memory.remember(first, {"POOL_MASTER_KEY"});
    EXPECT_TRUE(memory.check(first));
    for (const char* const text : {R"({"POOL_MASTER_KEY":"b2V5"})", "{}"}) {
        auto later = parameters(text);
        ASSERT_TRUE(unpack_marble_secrets(later));
        EXPECT_EQ(memory.check(later).error().reason(), "activation_secret_changed") << text;
    }
}

}  // namespace
}  // namespace adyton::attest
