#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "attest/evidence.h"
#include "attest/quote.h"
#include "attest/snp_report.h"
#include "attest/test_quote_pki.h"
#include "base/random.h"

// The platforms as their kernels behave (enclave.md 3.2, 3.3), in plain directories and in a model
// of configfs-tsm. No enclave and no confidential VM takes part.
namespace adyton::attest {
namespace {

ReportData data_of(std::uint8_t byte) {
    ReportData out{};
    out.fill(byte);
    return out;
}

base::Bytes quote_for(int version, base::ByteView report_data) {
    QuotePlan plan;
    plan.version = version;
    const std::ptrdiff_t at = version == 3 ? 320 : 520;
    const base::Bytes bound(report_data.begin(), report_data.end());
    plan.change_body = [bound, at](base::Bytes& body) {
        std::copy(bound.begin(), bound.end(), body.begin() + at);
    };
    return mint_quote(plan).quote;
}

base::Bytes snp_report_for(base::ByteView report_data) {
    base::Bytes out(SnpReport::kSize);
    out[0] = 2;
    out[0x34] = 1;
    std::copy(report_data.begin(), report_data.end(), out.begin() + 0x50);
    return out;
}

// ----- Gramine, on real files
// ----------------------------------------------------------------------

class GramineFilesTest : public testing::Test {
protected:
    GramineFilesTest() {
        std::string pattern = testing::TempDir() + "adyton-gramine-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        write("attestation_type", "dcap");
        write("user_report_data", "");
    }
    ~GramineFilesTest() override {
        stop();
        std::filesystem::remove_all(directory_);
    }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
    }
    std::string read(const std::string& name) const {
        std::ifstream file(path(name), std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }
    Result<std::unique_ptr<EvidenceProvider>> open() const {
        return gramine_evidence(system_file_operations(), directory_);
    }

    // The enclave's side: whenever `quote` is opened, a quote over what user_report_data holds
    // then.
    void serve() {
        ASSERT_EQ(::mkfifo(path("quote").c_str(), 0600), 0);
        // lint-allow(thread): stands in for the library OS, which answers inside open()
        enclave_ = std::thread([this] {
            for (;;) {
                std::ofstream quote(path("quote"), std::ios::binary);  // waits for a reader
                if (stopping_) return;
                const std::string bound = read("user_report_data");
                if (bound.empty()) continue;  // the former reader has not closed yet
                bound_bytes_ = bound.size();
                write("user_report_data", "");
                const base::Bytes bytes = quote_for(3, base::as_bytes(bound));
                quote.write(
                    reinterpret_cast<const char*>(bytes.data()),
                    static_cast<std::streamsize>(bytes.size()));
            }
        });
    }
    void stop() {
        if (!enclave_.joinable()) return;
        stopping_ = true;
        std::ifstream reader(path("quote"), std::ios::binary);
        enclave_.join();
    }

    std::string directory_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> bound_bytes_{0};
    std::thread enclave_;  // lint-allow(thread): see serve()
};

TEST_F(GramineFilesTest, AQuoteIsReadThatBindsWhatWasWrittenBefore) {
    serve();
    const auto provider = open();
    ASSERT_TRUE(provider) << provider.error().message();
    for (const std::uint8_t byte : base::Bytes{1, 2}) {
        const auto evidence = (*provider)->collect(data_of(byte));
        ASSERT_TRUE(evidence) << evidence.error().message();
        EXPECT_EQ(evidence->type, EvidenceType::SgxDcap);
        EXPECT_EQ(parse_quote(evidence->bytes)->report_data(), data_of(byte));
    }
    EXPECT_EQ(bound_bytes_, 64U);
}

// One buffer for the whole process: whoever writes between another's write and read changes what
// that one gets.
TEST_F(GramineFilesTest, CallersAtTheSameTimeEachGetTheirOwn) {
    serve();
    const auto provider = open();
    ASSERT_TRUE(provider);
    std::vector<std::thread> callers;  // lint-allow(thread): the test is about several of them
    std::atomic<int> own{0};
    for (std::uint8_t caller = 1; caller <= 4; ++caller) {
        callers.emplace_back([&, caller] {
            for (int i = 0; i < 3; ++i) {
                const auto evidence = (*provider)->collect(data_of(caller));
                if (!evidence) continue;
                if (parse_quote(evidence->bytes)->report_data() == data_of(caller)) ++own;
            }
        });
    }
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(own, 12);
}

TEST_F(GramineFilesTest, AQuoteThatNeverChangesIsNoticed) {
    const base::Bytes quote = quote_for(3, data_of(1));
    write("quote", std::string(base::as_text(quote)));
    const auto provider = open();
    ASSERT_TRUE(provider);
    EXPECT_TRUE((*provider)->collect(data_of(1)));
    EXPECT_EQ((*provider)->collect(data_of(2)).error().code(), ErrorCode::CorruptData);
}

TEST_F(GramineFilesTest, WhatIsNoQuoteIsUnavailable) {
    const auto provider = open();
    ASSERT_TRUE(provider);
    const auto code = [&] { return (*provider)->collect(data_of(1)).error().code(); };
    EXPECT_EQ(code(), ErrorCode::NotFound) << "no such file";
    const base::Bytes good = quote_for(3, data_of(1));
    const std::string text(base::as_text(good));
    for (const std::size_t size : {std::size_t{0}, std::size_t{431}, text.size() - 1}) {
        write("quote", text.substr(0, size));
        EXPECT_EQ(code(), ErrorCode::Unavailable) << "cut at " << size;
    }
    write("quote", std::string(base::as_text(quote_for(4, data_of(1)))));
    EXPECT_EQ(code(), ErrorCode::Unavailable) << "of another TEE";
    write("quote", std::string(8193, 'q'));
    EXPECT_EQ(code(), ErrorCode::TooLarge);
    write("quote", text);
    std::filesystem::remove(path("user_report_data"));
    EXPECT_EQ(code(), ErrorCode::NotFound) << "the report data cannot be written";
}

TEST_F(GramineFilesTest, FilesThatMayNotBeReadAreNoPlatform) {
    if (::geteuid() == 0) {
        // Root reads everything; a directory in the file's place is refused to it as well.
        std::filesystem::remove(path("attestation_type"));
        std::filesystem::create_directory(path("attestation_type"));
    } else {
        ASSERT_EQ(::chmod(path("attestation_type").c_str(), 0), 0);
    }
    EXPECT_EQ(open().error().code(), ErrorCode::Unavailable);
}

TEST_F(GramineFilesTest, OnlyDcapIsEvidence) {
    for (const char* const type : {"none", "epid", "", "dcap2", "DCAP"}) {
        write("attestation_type", type);
        EXPECT_EQ(open().error().code(), ErrorCode::Unavailable) << type;
    }
    write("attestation_type", "dcap\n");
    EXPECT_TRUE(open()) << "a line's end does no harm";
}

// ----- configfs-tsm
// --------------------------------------------------------------------------------

// drivers/virt/coco/guest/report.c and fs/configfs/file.c: bytes count when the file is closed,
// what the driver thinks of them shows only at the read, and each write moves the generation.
class ModelTsm final : public FileOperations {
public:
    struct World {
        std::string provider = "tdx_guest";
        std::map<std::string, int> generations;  // entries that exist
        std::map<std::string, base::Bytes> inblobs;
        std::vector<std::string> made;
        base::Bytes aux;
        int outblob_error = 0;       // errno of the read that triggers the hardware
        int directory_error = 0;     // of mkdir
        int collisions = 0;          // how many names are taken
        int other_writes = 0;        // by somebody else, between our write and our read
        bool swallow_write = false;  // the close fails, and nobody is told
        std::string provider_later;  // what the provider says after the report
        std::atomic<int> inside{0};  // callers between inblob and rmdir
        std::atomic<int> inside_max{0};
        std::mutex mutex;
    };
    explicit ModelTsm(World& world) : world_(world) {}

    Result<void> make_directory(const std::string& path) override {
        const std::lock_guard lock(world_.mutex);
        if (world_.directory_error != 0) return failure(world_.directory_error);
        if (!path.starts_with("/tsm/report/")) return Error::not_found("ENOENT");
        if (world_.collisions > 0 && world_.collisions-- > 0) return Error::conflict("EEXIST");
        if (!world_.generations.emplace(path, 0).second) return Error::conflict("EEXIST");
        world_.made.push_back(path);
        return {};
    }
    Result<void> remove_directory(const std::string& path) override {
        const std::lock_guard lock(world_.mutex);
        if (world_.inblobs.erase(path) != 0) --world_.inside;
        if (world_.generations.erase(path) == 0) return Error::not_found("ENOENT");
        return {};
    }
    Result<void> write_once(const std::string& path, base::ByteView bytes) override {
        const std::lock_guard lock(world_.mutex);
        const std::string entry = path.substr(0, path.rfind('/'));
        if (!path.ends_with("/inblob") || !world_.generations.contains(entry)) {
            return Error::not_found("ENOENT");
        }
        if (bytes.size() > 64) return failure(EFBIG);
        world_.inside_max = std::max(world_.inside_max.load(), ++world_.inside);
        base::Bytes& held = world_.inblobs[entry];
        if (!world_.swallow_write) {
            held.assign(bytes.begin(), bytes.end());
            ++world_.generations[entry];
        }
        if (world_.other_writes > 0) held.assign(64, 0xee);
        world_.generations[entry] += world_.other_writes;
        return {};
    }
    Result<base::Bytes> read_all(const std::string& path, std::size_t size_max) override {
        const std::lock_guard lock(world_.mutex);
        const std::size_t slash = path.rfind('/');
        const std::string entry = path.substr(0, slash);
        if (!world_.generations.contains(entry)) return Error::not_found("ENOENT");
        TRY(auto out, attribute(entry, path.substr(slash + 1)));
        if (out.size() > size_max) return Error::too_large("more than expected");
        return out;
    }

private:
    static Error failure(int number) { return Error::unavailable(std::strerror(number)); }
    static base::Bytes text(const std::string& value) { return {value.begin(), value.end()}; }

    Result<base::Bytes> attribute(const std::string& entry, const std::string& name) {
        const auto in = world_.inblobs.find(entry);
        if (name == "generation") return text(std::to_string(world_.generations[entry]) + "\n");
        if (name == "provider") {
            const bool later = in != world_.inblobs.end() && !world_.provider_later.empty();
            return text((later ? world_.provider_later : world_.provider) + "\n");
        }
        if (name == "auxblob") {
            if (world_.aux.empty()) return Error::not_found("ENOENT");
            return world_.aux;
        }
        if (name != "outblob") return Error::not_found("ENOENT");
        if (world_.outblob_error != 0) return failure(world_.outblob_error);
        if (in == world_.inblobs.end() || in->second.size() != 64) return failure(EINVAL);
        return world_.provider == "tdx_guest" ? quote_for(4, in->second)
                                              : snp_report_for(in->second);
    }

    World& world_;
};

class TsmModelTest : public testing::Test {
protected:
    std::unique_ptr<EvidenceProvider> open() {
        auto provider = tsm_evidence(std::make_unique<ModelTsm>(world_), random_, "/tsm");
        EXPECT_TRUE(provider);
        return *std::move(provider);
    }
    ErrorCode refused() {
        const auto evidence = open()->collect(data_of(5));
        EXPECT_FALSE(evidence);
        EXPECT_TRUE(world_.generations.empty()) << "an entry is left behind";
        return evidence ? ErrorCode::Internal : evidence.error().code();
    }

    ModelTsm::World world_;
    base::SeededRandom random_{5};
};

TEST_F(TsmModelTest, BothKindsOfGuestGiveTheirEvidence) {
    const auto quote = open()->collect(data_of(5));
    ASSERT_TRUE(quote) << quote.error().message();
    EXPECT_EQ(quote->type, EvidenceType::TdxDcap);
    EXPECT_EQ(parse_quote(quote->bytes)->report_data(), data_of(5));
    world_.provider = "sev_guest";
    world_.aux = base::Bytes(48, 3);
    const auto report = open()->collect(data_of(6));
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->type, EvidenceType::SevSnp);
    EXPECT_EQ(parse_snp_report(report->bytes)->report_data, data_of(6));
    EXPECT_EQ(report->snp_certificates, world_.aux);
    world_.aux.clear();
    EXPECT_TRUE(open()->collect(data_of(7))->snp_certificates.empty()) << "many hosts give none";
    EXPECT_TRUE(world_.generations.empty());
}

TEST_F(TsmModelTest, EveryRequestHasAnEntryOfItsOwn) {
    const auto provider = open();
    for (std::uint8_t i = 0; i < 5; ++i) ASSERT_TRUE(provider->collect(data_of(i)));
    std::sort(world_.made.begin(), world_.made.end());
    EXPECT_EQ(std::unique(world_.made.begin(), world_.made.end()), world_.made.end());
    EXPECT_EQ(world_.made.size(), 6U) << "one of them asked for the provider";
}

TEST_F(TsmModelTest, ATakenNameIsNotTheEnd) {
    const auto provider = open();
    world_.collisions = 3;
    EXPECT_TRUE(provider->collect(data_of(1)));
    world_.collisions = 100;
    EXPECT_EQ(provider->collect(data_of(1)).error().code(), ErrorCode::Unavailable);
}

TEST_F(TsmModelTest, WhatTheHardwareRefusesIsUnavailableAndLeavesNothingBehind) {
    for (const int number : {EINVAL, EBUSY, EIO, ETIMEDOUT, EFBIG, ENXIO}) {
        world_.outblob_error = number;
        EXPECT_EQ(refused(), ErrorCode::Unavailable) << std::strerror(number);
    }
    world_.outblob_error = 0;
    EXPECT_TRUE(open()->collect(data_of(5))) << "and the next one works";
}

TEST_F(TsmModelTest, AWriteThatGotLostAndOneThatWasNotOursAreNoticed) {
    world_.swallow_write = true;
    EXPECT_EQ(refused(), ErrorCode::Unavailable) << "there is nothing to make a report of";
    world_.other_writes = 1;
    EXPECT_EQ(refused(), ErrorCode::CorruptData) << "the generation fits, the report data do not";
    world_.swallow_write = false;
    EXPECT_EQ(refused(), ErrorCode::CorruptData);
}

TEST_F(TsmModelTest, AProviderThatIsAnotherThanAtTheStartIsRefused) {
    world_.provider_later = "sev_guest";  // whose report is no quote
    EXPECT_EQ(refused(), ErrorCode::Unavailable);
    world_.provider_later = "arm_cca_guest";
    EXPECT_EQ(refused(), ErrorCode::Unavailable);
}

TEST_F(TsmModelTest, WithoutAProviderThereIsNoPlatform) {
    base::SeededRandom random(1);
    const auto code = [&] {
        return tsm_evidence(std::make_unique<ModelTsm>(world_), random, "/tsm").error().code();
    };
    world_.directory_error = ENXIO;
    EXPECT_EQ(code(), ErrorCode::Unavailable);
    world_.directory_error = 0;
    world_.provider = "arm_cca_guest";
    EXPECT_EQ(code(), ErrorCode::Unavailable);
}

TEST_F(TsmModelTest, OneRequestAtATimeReachesTheHardware) {
    const auto provider = open();
    std::atomic<int> own{0};
    std::vector<std::thread> callers;  // lint-allow(thread): the test is about several of them
    for (std::uint8_t caller = 1; caller <= 4; ++caller) {
        callers.emplace_back([&, caller] {
            for (int i = 0; i < 3; ++i) {
                const auto evidence = provider->collect(data_of(caller));
                if (evidence && parse_quote(evidence->bytes)->report_data() == data_of(caller)) {
                    ++own;
                }
            }
        });
    }
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(own, 12);
    EXPECT_EQ(world_.inside_max, 1);
}

TEST(PlatformTest, NoPlatformIsFoundWhereThereIsNone) {
    base::SeededRandom random(1);
    for (const PlatformMode mode :
         {PlatformMode::Gramine, PlatformMode::Tsm, PlatformMode::SevGuest}) {
        const auto provider = open_evidence(mode, random);
        if (provider) continue;  // this machine is one
        EXPECT_EQ(provider.error().code(), ErrorCode::Unavailable) << to_string(mode);
    }
    EXPECT_EQ((*open_evidence(PlatformMode::Simulation, random))->mode(), PlatformMode::Simulation);
}

}  // namespace
}  // namespace adyton::attest
