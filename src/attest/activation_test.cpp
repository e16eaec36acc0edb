#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attest/fake_coordinator.h"
#include "attest/internal/marble_tls.h"
#include "attest/marble_activation.h"
#include "attest/refusal.h"
#include "attest/test_quote_pki.h"

namespace adyton::attest {
namespace {

using Behaviour = FakeCoordinator::Behaviour;

class ActivationTest : public testing::Test {
protected:
    ActivationTest() {
        std::string pattern = testing::TempDir() + "adyton-activation-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        options_.coordinator = fake_.address();
        options_.marble_type = "accountpool";
        options_.uuid_file = directory_ + "/uuid";
        options_.coordinator_root = fake_.root();
        options_.attempts_max = 1;
        options_.pause = [this](std::chrono::milliseconds span) { pauses_.push_back(span); };
    }
    ~ActivationTest() override { std::filesystem::remove_all(directory_); }

    Result<MarbleActivation> activate() { return activate_marble(options_, nullptr, random_); }
    Result<MarbleActivation> activate(const Behaviour& behaviour) {
        fake_.behave(behaviour);
        return activate();
    }
    static std::string text(const MarbleActivation& activation, const std::string& name) {
        const auto found = activation.parameters.env.find(name);
        if (found == activation.parameters.env.end()) return "(absent)";
        return std::string(base::as_text(found->second.expose()));
    }

    FakeCoordinator fake_;
    MarbleOptions options_;
    base::SeededRandom random_{7};
    std::string directory_;
    std::vector<std::chrono::milliseconds> pauses_;
};

Behaviour with_key() {
    Behaviour out;
    out.env = {{"POOL_MASTER_KEY", std::string(64, 'a')}, {"LOG_LEVEL", "info"}};
    out.argv = {"adyton", "serve", "pool"};
    return out;
}

TEST_F(ActivationTest, BringsSecretsCertificatesAndArguments) {
    const auto done = activate(with_key());
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(text(*done, "POOL_MASTER_KEY"), std::string(64, 'a'));
    EXPECT_NE(text(*done, kMarbleChain).find("BEGIN CERTIFICATE"), std::string::npos);
    EXPECT_EQ(done->parameters.argv, (std::vector<std::string>{"adyton", "serve", "pool"}));
    EXPECT_EQ(done->coordinator_root, fake_.root());
    const auto requests = fake_.requests();
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].marble_type, "accountpool");
    EXPECT_EQ(requests[0].uuid, done->uuid);
    EXPECT_TRUE(requests[0].quote.empty());
}

TEST_F(ActivationTest, TheUuidIsKept) {
    const auto first = activate(with_key());
    const auto second = activate(with_key());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->uuid, second->uuid);
    struct stat status {};
    ASSERT_EQ(::stat(options_.uuid_file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    EXPECT_EQ(status.st_size, 36);
}

TEST_F(ActivationTest, AUuidFileThatHoldsNoneIsRefused) {
    std::ofstream(options_.uuid_file) << "not a uuid, and rather long for one";
    EXPECT_EQ(activate(with_key()).error().code(), ErrorCode::InvalidArgument);
    EXPECT_TRUE(fake_.requests().empty());
}

// In an enclave the quote covers the TLS certificate of this very connection, so that nobody can
// hand it on.
class FakeEnclave final : public EvidenceProvider {
public:
    PlatformMode mode() const override { return PlatformMode::Gramine; }
    Result<Evidence> collect(const ReportData& report_data) override {
        last = report_data;
        return Evidence{EvidenceType::SgxDcap, base::Bytes(700, 9), {}};
    }
    ReportData last{};
};

TEST_F(ActivationTest, TheQuoteCoversTheClientCertificate) {
    FakeEnclave enclave;
    fake_.behave(with_key());
    ASSERT_TRUE(activate_marble(options_, &enclave, random_));
    const auto digest = crypto::sha256(fake_.client_certificate());
    EXPECT_TRUE(std::equal(digest.bytes.begin(), digest.bytes.end(), enclave.last.begin()));
    EXPECT_TRUE(std::all_of(
        enclave.last.begin() + 32, enclave.last.end(), [](auto byte) { return byte == 0; }));
    const base::Bytes quote = fake_.requests().front().quote;
    ASSERT_EQ(quote.size(), 716U);
    EXPECT_EQ(
        base::Bytes(quote.begin(), quote.begin() + 16),
        (base::Bytes{1, 0, 0, 0, 2, 0, 0, 0, 0xbc, 2, 0, 0, 0, 0, 0, 0}));
}

TEST_F(ActivationTest, ACoordinatorThatIsNotReadyIsAskedAgainWithGrowingPauses) {
    Behaviour behaviour = with_key();
    behaviour.statuses = {9, 9, 14};
    options_.attempts_max = 10;
    const auto done = activate(behaviour);
    ASSERT_TRUE(done) << done.error().message();
    using std::chrono::milliseconds;
    EXPECT_EQ(
        pauses_,
        (std::vector<milliseconds>{milliseconds(500), milliseconds(1000), milliseconds(2000)}));
}

TEST_F(ActivationTest, ACoordinatorThatStaysAwayEndsTheStart) {
    options_.coordinator = "127.0.0.1:1";
    options_.attempts_max = 3;
    const auto refused = activate();
    EXPECT_EQ(refused.error().reason(), "coordinator_not_ready");
    EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(ActivationTest, ARefusalIsNotRepeated) {
    options_.attempts_max = 10;
    for (const int status : {3, 7, 16}) {
        Behaviour behaviour = with_key();
        behaviour.statuses = {status};
        EXPECT_EQ(activate(behaviour).error().reason(), "activation_refused") << status;
    }
    EXPECT_TRUE(pauses_.empty());
}

TEST_F(ActivationTest, ASwappedCoordinatorIsRefused) {
    Behaviour behaviour = with_key();
    behaviour.foreign_root = true;
    EXPECT_EQ(activate(behaviour).error().reason(), "coordinator_pin");
    options_.coordinator_root.reset();
    EXPECT_TRUE(activate(behaviour)) << "without a pin nobody can tell";
}

TEST_F(ActivationTest, AnImpostorInFrontOfTheCoordinatorIsRefused) {
    Behaviour behaviour = with_key();
    behaviour.foreign_server = true;
    EXPECT_EQ(activate(behaviour).error().reason(), "coordinator_server");
}

// Genuine root in the answer, but the intermediate and the server's key are the attacker's.
TEST_F(ActivationTest, AnIntermediateThatTheRootDidNotSignIsRefused) {
    FakeCoordinator genuine;
    options_.coordinator = genuine.address();
    genuine.behave(with_key());
    options_.coordinator_root = genuine.root();
    const auto real = activate();
    ASSERT_TRUE(real);
    const std::string root = text(*real, kCoordinatorRoot);
    options_.coordinator = fake_.address();
    Behaviour behaviour = with_key();
    behaviour.change = [&root](ActivationParameters& out) {
        out.env.insert_or_assign(
            kCoordinatorRoot, crypto::SecretBuffer::copy_of(base::as_bytes(root)).value());
    };
    EXPECT_EQ(activate(behaviour).error().reason(), "coordinator_chain");
}

TEST_F(ActivationTest, ACertificateForSomebodyElseIsRefused) {
    const auto refused = [&](auto change) {
        Behaviour behaviour = with_key();
        change(behaviour);
        const auto done = activate(behaviour);
        return done ? std::string("accepted") : done.error().reason();
    };
    EXPECT_EQ(refused([](auto& b) { b.marble_type = "compute"; }), "marble_certificate");
    EXPECT_EQ(refused([](auto& b) { b.marble_type = "AccountPool"; }), "marble_certificate");
    EXPECT_EQ(refused([](auto& b) { b.second_type = true; }), "marble_certificate");
    EXPECT_EQ(refused([](auto& b) { b.common_name = "somebody"; }), "marble_certificate");
    EXPECT_EQ(refused([](auto& b) { b.foreign_leaf = true; }), "marble_certificate");
    EXPECT_EQ(refused([](auto& b) { b.leaf_is_ca = true; }), "marble_certificate");
    const std::string other = [&] { return text(activate(with_key()).value(), kMarbleKey); }();
    EXPECT_EQ(
        refused([&](Behaviour& b) {
            b.change = [&](ActivationParameters& out) {
                out.env.insert_or_assign(
                    kMarbleKey, crypto::SecretBuffer::copy_of(base::as_bytes(other)).value());
            };
        }),
        "marble_certificate");
}

TEST_F(ActivationTest, AnAnswerWithoutCredentialsIsRefused) {
    for (const char* const name : {kMarbleChain, kMarbleKey, kMarbleRoot, kCoordinatorRoot}) {
        Behaviour behaviour = with_key();
        behaviour.change = [name](ActivationParameters& out) { out.env.erase(name); };
        const auto refused = activate(behaviour);
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code(), ErrorCode::CorruptData) << name;
        behaviour.change = [name](ActivationParameters& out) {
            out.env.insert_or_assign(
                name, crypto::SecretBuffer::copy_of(base::as_bytes("garbage")).value());
        };
        EXPECT_FALSE(activate(behaviour)) << name;
    }
}

TEST_F(ActivationTest, SlowSilentAndOversizedPeersAreCutOff) {
    options_.timeout = std::chrono::milliseconds(300);
    Behaviour drip = with_key();
    drip.drip = true;
    EXPECT_EQ(activate(drip).error().reason(), "coordinator_not_ready");
    Behaviour hang = with_key();
    hang.hang = true;
    EXPECT_EQ(activate(hang).error().reason(), "coordinator_not_ready");
    options_.timeout = std::chrono::seconds(10);
    Behaviour huge = with_key();
    huge.padding = ActivationParameters::kBytesMax;
    EXPECT_EQ(activate(huge).error().code(), ErrorCode::TooLarge);
    huge.padding = 64 * 1024;
    EXPECT_TRUE(activate(huge)) << "unknown fields are passed over";
}

TEST_F(ActivationTest, AnswersThatAreNoGrpcAreRefused) {
    const auto code = [&](auto change) {
        Behaviour behaviour = with_key();
        change(behaviour);
        const auto done = activate(behaviour);
        return done ? ErrorCode::Internal : done.error().code();
    };
    EXPECT_EQ(code([](auto& b) { b.compressed = true; }), ErrorCode::CorruptData);
    EXPECT_EQ(code([](auto& b) { b.claimed_more = 1; }), ErrorCode::CorruptData);
    EXPECT_EQ(code([](auto& b) { b.no_trailers = true; }), ErrorCode::CorruptData);
    EXPECT_EQ(code([](auto& b) { b.http_status = 502; }), ErrorCode::Unavailable);
    EXPECT_EQ(code([](auto& b) { b.http1 = true; }), ErrorCode::Unavailable);
}

TEST_F(ActivationTest, AZeroByteInAVariableIsRefused) {
    Behaviour behaviour = with_key();
    behaviour.env.emplace_back("POOL_MASTER_SEED", std::string("a\0b", 3));
    EXPECT_EQ(activate(behaviour).error().reason(), kMalformed);
}

TEST_F(ActivationTest, OptionsThatCannotBeAreRefused) {
    options_.marble_type = "Account Pool";
    EXPECT_EQ(activate().error().code(), ErrorCode::InvalidArgument);
    options_.marble_type = "accountpool";
    options_.dns_names = {"good.example", "bad name"};
    EXPECT_EQ(activate().error().code(), ErrorCode::InvalidArgument);
    options_.dns_names = {"good.example", "192.0.2.1", "2001:db8::1"};
    options_.coordinator = "nowhere";
    EXPECT_EQ(activate().error().code(), ErrorCode::InvalidArgument);
    options_.coordinator = fake_.address();
    EXPECT_TRUE(activate(with_key()));
}

TEST_F(ActivationTest, AChangedMasterKeyIsNoticedAtTheNextActivation) {
    const std::vector<std::string> names = {"POOL_MASTER_KEY", "COORD_MASTER_SEED"};
    ActivationMemory memory(random_);
    memory.remember(activate(with_key())->parameters, names);
    fake_.update_manifest();
    const auto again = activate(with_key());
    ASSERT_TRUE(again) << "a new intermediate under the same root is fine";
    EXPECT_TRUE(memory.check(again->parameters));
    const auto changed = [&](auto change) {
        Behaviour behaviour = with_key();
        change(behaviour.env);
        return memory.check(activate(behaviour)->parameters);
    };
    const auto other = changed([](auto& env) { env[0].second.back() = 'b'; });
    EXPECT_EQ(other.error().reason(), "activation_secret_changed");
    EXPECT_EQ(other.error().message().find("aaaa"), std::string::npos);
    EXPECT_FALSE(changed([](auto& env) { env.erase(env.begin()); }));
    EXPECT_FALSE(changed([](auto& env) { env.emplace_back("COORD_MASTER_SEED", "x"); }));
    EXPECT_TRUE(changed([](auto& env) { env[1].second = "debug"; }));
}

// ----- the messages -----------------------------------------------------------------------------

base::Bytes hex(std::string_view text) {
    return *base::hex_decode(text);
}

TEST(ActivationMessageTest, TheRequestHasThePublishedTags) {
    ActivationRequest request;
    request.quote = {0xaa};
    request.csr = {0xbb};
    request.marble_type = "t";
    request.uuid = "u";
    EXPECT_EQ(request.encode(), hex("0a01aa1201bb1a0174220175"));
    EXPECT_EQ(ActivationRequest::parse(request.encode())->uuid, "u");
}

TEST(ActivationMessageTest, TheAnswerOfThePublishedFormIsRead) {
    // files {"/f": 00}, env {"A": "b", "C": ""}, argv "x", and an unknown varint field.
    const auto answer =
        ActivationParameters::parse(hex("0a1e"
                                        "0a07"
                                        "0a022f66120100"
                                        "1206"
                                        "0a0141120162"
                                        "1203"
                                        "0a0143"
                                        "1a0178"
                                        "2801"
                                        "1a0179"));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->files.at("/f").size(), 1U);
    EXPECT_EQ(base::as_text(answer->env.at("A").expose()), "b");
    EXPECT_TRUE(answer->env.at("C").empty());
    EXPECT_EQ(answer->argv, (std::vector<std::string>{"x", "y"}));
}

TEST(ActivationMessageTest, EveryTruncationIsRefused) {
    ActivationParameters parameters;
    parameters.env.emplace("NAME", crypto::SecretBuffer::copy_of(base::as_bytes("value")).value());
    parameters.argv = {"one"};
    const auto whole = parameters.encode();
    ASSERT_TRUE(ActivationParameters::parse(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(ActivationParameters::parse(base::ByteView(whole).first(size))) << size;
    }
}

TEST(ActivationMessageTest, MessagesThatLieAreRefused) {
    const std::pair<const char*, const char*> bad[] = {
        {"nothing", ""},
        {"parameters twice", "0a000a00"},
        {"length beyond the end", "0a05120a"},
        {"an endless number", "0affffffffffffffffffff01"},
        {"a group", "0b0c"},
        {"field number 0", "0200"},
        {"a name twice",
         "0a10"
         "1206"
         "0a0141120162"
         "1206"
         "0a0141120163"},
        {"an empty name",
         "0a05"
         "1203"
         "120162"},
        {"a name with a space",
         "0a08"
         "1206"
         "0a0120120162"},
        {"a zero byte in a variable",
         "0a08"
         "1206"
         "0a0141120100"},
        {"a zero byte in an argument",
         "0a03"
         "1a0100"},
        {"a number where bytes belong",
         "0a02"
         "1801"},
    };
    for (const auto& [what, text] : bad) {
        EXPECT_FALSE(ActivationParameters::parse(hex(text))) << what;
    }
    EXPECT_EQ(
        ActivationParameters::parse(base::Bytes(ActivationParameters::kBytesMax + 1))
            .error()
            .code(),
        ErrorCode::TooLarge);
}

TEST(ActivationMessageTest, AValueTooLargeForASecretIsRefusedByName) {
    internal::WipingBytes entry = {0x0a, 1, 'A', 0x12, 0x81, 0x20};  // 4097 bytes
    entry.insert(entry.end(), 4097, std::uint8_t{7});
    internal::WipingBytes parameters = {0x12, 0x87, 0x20};
    parameters.insert(parameters.end(), entry.begin(), entry.end());
    internal::WipingBytes whole = {0x0a, 0x8a, 0x20};
    whole.insert(whole.end(), parameters.begin(), parameters.end());
    const auto refused = ActivationParameters::parse(whole);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::TooLarge);
    EXPECT_NE(refused.error().message().find("A is over"), std::string::npos);
}

}  // namespace
}  // namespace adyton::attest
