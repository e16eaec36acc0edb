#include "attest/evidence_broker.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "attest/snp_report.h"

namespace adyton::attest {
namespace {

using std::chrono::milliseconds;

ReportData data_of(std::uint8_t byte) {
    ReportData out{};
    out.fill(byte);
    return out;
}

class FakeClock final : public base::Clock {
public:
    base::Timestamp now() const override { return {}; }
    base::SteadyTime steady_now() const override { return base::SteadyTime(at.load()); }
    std::atomic<base::Duration> at{base::Duration(0)};
};

class FakeGuest final : public EvidenceProvider {
public:
    PlatformMode mode() const override { return PlatformMode::Tsm; }
    Result<Evidence> collect(const ReportData& report_data) override {
        ++calls;
        if (failing) return Error::unavailable("the hardware is busy\n\x1b[31m");
        base::Bytes report(SnpReport::kSize);
        report[0] = 2;
        report[0x34] = 1;
        const ReportData bound = other ? data_of(0xee) : report_data;
        std::copy(bound.begin(), bound.end(), report.begin() + 0x50);
        return Evidence{EvidenceType::SevSnp, std::move(report), base::Bytes(48, 5)};
    }
    std::atomic<int> calls{0};
    std::atomic<bool> failing{false};
    std::atomic<bool> other{false};
};

class EvidenceBrokerTest : public testing::Test {
protected:
    EvidenceBrokerTest() {
        std::string pattern = testing::TempDir() + "adyton-broker-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        options_.socket = directory_ + "/evidence.sock";
        options_.timeout = milliseconds(20'000);  // this machine may be busy
    }
    ~EvidenceBrokerTest() override {
        stop();
        std::filesystem::remove_all(directory_);
    }
    void start() {
        auto broker = EvidenceBroker::listen(options_, guest_, clock_);
        ASSERT_TRUE(broker) << broker.error().message();
        broker_ = *std::move(broker);
        thread_ = std::thread([this] {  // lint-allow(thread): the broker is a process of its own
            while (!stopping_) {
                const auto served = broker_->serve(milliseconds(20));
                const std::lock_guard lock(mutex_);
                if (served && !served->problem.empty()) problems_.push_back(served->problem);
            }
        });
    }
    void stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
        broker_.reset();
    }
    std::unique_ptr<EvidenceProvider> provider(PlatformMode mode = PlatformMode::Tsm) {
        auto out = brokered_evidence(mode, options_.socket, milliseconds(20'000));
        EXPECT_TRUE(out);
        return *std::move(out);
    }
    // Sends bytes as they are; what comes back.
    base::Bytes exchange(const base::Bytes& bytes) const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(
            static_cast<char*>(address.sun_path), options_.socket.c_str(),
            sizeof(address.sun_path) - 1);
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(
            ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
        ::shutdown(fd, SHUT_WR);
        base::Bytes out(4096);
        std::size_t have = 0;
        for (;;) {
            const ssize_t got = ::recv(fd, out.data() + have, out.size() - have, 0);
            if (got <= 0) break;
            have += static_cast<std::size_t>(got);
        }
        ::close(fd);
        out.resize(have);
        return out;
    }

    std::string directory_;
    BrokerOptions options_;
    FakeGuest guest_;
    FakeClock clock_;
    std::unique_ptr<EvidenceBroker> broker_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<std::string> problems_;
    std::thread thread_;  // lint-allow(thread): see start()
};

TEST_F(EvidenceBrokerTest, EvidenceOfThePlatformReachesWhoAsks) {
    start();
    for (const PlatformMode mode : {PlatformMode::Tsm, PlatformMode::SevGuest}) {
        const auto mine = provider(mode);
        EXPECT_EQ(mine->mode(), mode);
        const auto evidence = mine->collect(data_of(3));
        ASSERT_TRUE(evidence) << evidence.error().message();
        EXPECT_EQ(evidence->type, EvidenceType::SevSnp);
        EXPECT_EQ(parse_snp_report(evidence->bytes)->report_data, data_of(3));
        EXPECT_EQ(evidence->snp_certificates, base::Bytes(48, 5));
    }
    struct stat status {};
    ASSERT_EQ(::stat(options_.socket.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

TEST_F(EvidenceBrokerTest, ABrokerThatLiesIsNoticed) {
    guest_.other = true;
    start();
    EXPECT_EQ(provider()->collect(data_of(3)).error().code(), ErrorCode::CorruptData);
}

TEST_F(EvidenceBrokerTest, AHardwareThatFailsIsAReasonAndNotEvidence) {
    guest_.failing = true;
    start();
    const auto refused = provider()->collect(data_of(3));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Unavailable);
    EXPECT_NE(refused.error().message().find("the hardware is busy??[31m"), std::string::npos);
}

TEST_F(EvidenceBrokerTest, OnlySixtyFourBytesAreARequest) {
    start();
    for (const std::size_t size : {1U, 32U, 63U, 65U, 4096U}) {
        const base::Bytes answer = exchange(base::Bytes(size, 7));
        ASSERT_FALSE(answer.empty()) << size;
        EXPECT_EQ(answer[0], 0) << size;
    }
    EXPECT_EQ(guest_.calls, 0);
    EXPECT_EQ(exchange(base::Bytes(64, 7)).at(0), 1);
}

TEST_F(EvidenceBrokerTest, WhoSaysNothingIsCutOff) {
    options_.timeout = milliseconds(50);
    start();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(
        static_cast<char*>(address.sun_path), options_.socket.c_str(),
        sizeof(address.sun_path) - 1);
    const int silent = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(silent, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    char answer[64] = {};
    EXPECT_GT(::recv(silent, answer, sizeof(answer), 0), 0);
    EXPECT_EQ(answer[0], 0);
    ::close(silent);
    EXPECT_EQ(guest_.calls, 0);
}

TEST_F(EvidenceBrokerTest, RequestsAreCountedBeforeTheHardware) {
    options_.burst = 3;
    options_.period = std::chrono::seconds(1);
    start();
    const auto mine = provider();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(mine->collect(data_of(1)));
    const auto refused = mine->collect(data_of(1));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("asked too often"), std::string::npos);
    EXPECT_EQ(guest_.calls, 3);
    clock_.at = std::chrono::seconds(1);
    EXPECT_TRUE(mine->collect(data_of(1)));
    EXPECT_FALSE(mine->collect(data_of(1)));
}

TEST_F(EvidenceBrokerTest, UsersThatAreNotListedAreRefused) {
    options_.users = {::geteuid() + 1};
    start();
    const auto refused = provider()->collect(data_of(1));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("may not ask"), std::string::npos);
    EXPECT_EQ(guest_.calls, 0);
}

TEST_F(EvidenceBrokerTest, APlaceThatIsTakenIsLeftAlone) {
    start();
    EXPECT_EQ(EvidenceBroker::listen(options_, guest_, clock_).error().code(), ErrorCode::Conflict);
    stop();
    std::ofstream(options_.socket) << "a file";
    EXPECT_EQ(
        EvidenceBroker::listen(options_, guest_, clock_).error().code(),
        ErrorCode::InvalidArgument);
    options_.socket = "/" + std::string(108, 'x');
    EXPECT_EQ(
        EvidenceBroker::listen(options_, guest_, clock_).error().code(),
        ErrorCode::InvalidArgument);
}

TEST_F(EvidenceBrokerTest, ASocketOfADeadBrokerIsReplaced) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(
        static_cast<char*>(address.sun_path), options_.socket.c_str(),
        sizeof(address.sun_path) - 1);
    const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::close(dead);
    start();
    EXPECT_TRUE(provider()->collect(data_of(1)));
}

TEST_F(EvidenceBrokerTest, WithoutABrokerThereIsNoPlatform) {
    EXPECT_EQ(
        brokered_evidence(PlatformMode::Tsm, options_.socket).error().code(),
        ErrorCode::Unavailable);
    start();
    const auto mine = provider();
    stop();
    EXPECT_EQ(mine->collect(data_of(1)).error().code(), ErrorCode::Unavailable);
    for (const PlatformMode mode : {PlatformMode::Gramine, PlatformMode::Simulation}) {
        EXPECT_EQ(
            brokered_evidence(mode, options_.socket).error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(BrokerAnswerTest, ItHasOneFormAndEveryTruncationIsRefused) {
    const Evidence evidence{EvidenceType::TdxDcap, base::Bytes(100, 1), base::Bytes(7, 2)};
    const base::Bytes whole = encode_broker_answer(evidence);
    const auto again = parse_broker_answer(whole);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->type, EvidenceType::TdxDcap);
    EXPECT_EQ(again->bytes, evidence.bytes);
    EXPECT_EQ(again->snp_certificates, evidence.snp_certificates);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(
            parse_broker_answer(base::ByteView(whole).first(size)).error().code(),
            ErrorCode::CorruptData)
            << size;
    }
    base::Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(parse_broker_answer(longer));
    for (const std::size_t at : {0U, 1U, 2U}) {
        base::Bytes bad = whole;
        bad[at] ^= 0x40U;
        EXPECT_FALSE(parse_broker_answer(bad)) << at;
    }
    EXPECT_FALSE(parse_broker_answer(
        encode_broker_answer(Evidence{EvidenceType::TdxDcap, base::Bytes(32 * 1024 + 1, 1), {}})));
    EXPECT_FALSE(parse_broker_answer(
        encode_broker_answer(Evidence{EvidenceType::TdxDcap, {}, base::Bytes(3, 1)})));
}

}  // namespace
}  // namespace adyton::attest
