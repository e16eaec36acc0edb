#include "localchain/ledger_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "localchain/localchain_test_support.h"

namespace adyton::localchain::testing {
namespace {

class LedgerFileTest : public LocalChainTest {
protected:
    void SetUp() override {
        LocalChainTest::SetUp();
        std::string pattern = (std::filesystem::temp_directory_path() / "ledger-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = (directory_ / "neo-ledger").string();
    }
    void TearDown() override {
        node_.reset();
        std::filesystem::remove_all(directory_);
    }
    // A chain at genesis, and what the file says of it.
    Result<std::unique_ptr<LedgerFile>> reopen(ChainOptions options = standard_options()) {
        make_chain(std::move(options));
        return LedgerFile::open(path_, *chain_);
    }
    // `count` blocks, each with one payment to the stranger.
    void fill(LedgerFile& file, int count) {
        for (int i = 0; i < count; ++i) {
            ASSERT_TRUE(chain_->pay(gas(), stranger_, base::Amount(10)));
            ASSERT_TRUE(file.append(chain_->produce_block()));
        }
    }
    base::Bytes content() {
        std::ifstream in(path_, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        const auto bytes = base::as_bytes(text);
        return {bytes.begin(), bytes.end()};
    }
    void write(base::ByteView bytes) {
        std::ofstream out(path_, std::ios::binary | std::ios::trunc);
        out << base::as_text(bytes);
    }

    std::filesystem::path directory_;
    std::string path_;
};

TEST_F(LedgerFileTest, BlocksSurviveARestart) {
    {
        const auto file = reopen();
        ASSERT_TRUE(file) << file.error().message();
        EXPECT_EQ((*file)->blocks_replayed(), 0U);
        fill(**file, 5);
    }
    const neo::TransactionHash tip = chain_->find_block(5U)->hash;
    {
        const auto again = reopen();
        ASSERT_TRUE(again) << again.error().message();
        EXPECT_EQ((*again)->blocks_replayed(), 5U);
        EXPECT_EQ(chain_->find_block(5U)->hash, tip);
        EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(50));
        fill(**again, 2);
        make_chain(standard_options());
        EXPECT_EQ(LedgerFile::open(path_, *chain_).error().reason(), "data_dir_in_use");
    }
    const auto third = reopen();
    ASSERT_TRUE(third);
    EXPECT_EQ(chain_->height(), 7U);
    EXPECT_EQ(chain_->balance(gas(), stranger_), base::Amount(70));
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(LedgerFileTest, AnUnfinishedLastBlockIsCutOffWhereverItEnds) {
    {
        const auto file = reopen();
        ASSERT_TRUE(file);
        fill(**file, 2);
    }
    const base::Bytes whole = content();
    std::size_t end_of_first = 0;
    {
        std::filesystem::remove(path_);
        const auto file = reopen();
        ASSERT_TRUE(file);
        fill(**file, 1);
        end_of_first = content().size();
    }
    for (std::size_t size = end_of_first; size < whole.size(); size += 7) {
        write({whole.data(), size});
        {
            const auto file = reopen();
            ASSERT_TRUE(file) << size << ": " << file.error().message();
            EXPECT_EQ(chain_->height(), 1U) << size;
            EXPECT_EQ((*file)->bytes_cut(), size - end_of_first);
            fill(**file, 1);
        }
        const auto again = reopen();
        ASSERT_TRUE(again) << size;
        EXPECT_EQ(chain_->height(), 2U) << size;
    }
    for (std::size_t size = 0; size < 51; ++size) {  // the head itself is unfinished
        write({whole.data(), size});
        ASSERT_TRUE(reopen()) << size;
        EXPECT_EQ(chain_->height(), 0U);
    }
}

TEST_F(LedgerFileTest, DamageBeforeTheEndIsRefused) {
    {
        const auto file = reopen();
        ASSERT_TRUE(file);
        fill(**file, 3);
    }
    const base::Bytes whole = content();
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size() / 2; at += 3) {
        base::Bytes bad = whole;
        bad[at] ^= 0x40;
        write(bad);
        const auto file = reopen();
        if (file) {
            // A length that now reaches beyond the end reads like an unfinished block.
            EXPECT_GT((*file)->bytes_cut(), 0U) << at;
            EXPECT_LT(chain_->height(), 3U) << at;
            continue;
        }
        ++refused;
        EXPECT_TRUE(
            file.error().code() == ErrorCode::CorruptData ||
            file.error().code() == ErrorCode::Conflict)
            << at << ": " << file.error().message();
    }
    EXPECT_GT(refused, whole.size() / 8);
}

TEST_F(LedgerFileTest, ALedgerOfOtherSettingsIsRefused) {
    {
        const auto file = reopen();
        ASSERT_TRUE(file);
        fill(**file, 1);
    }
    ChainOptions other = standard_options();
    other.magic = neo::NetworkMagic{7};
    EXPECT_EQ(reopen(other).error().code(), ErrorCode::Conflict);
    other = standard_options();
    other.genesis.pop_back();
    EXPECT_EQ(reopen(other).error().code(), ErrorCode::Conflict);
    other = standard_options();
    other.tokens.clear();
    EXPECT_EQ(reopen(other).error().code(), ErrorCode::Conflict);
    other = standard_options();
    other.block_time = std::chrono::seconds(15);  // no matter of the books
    EXPECT_TRUE(reopen(other));
}

TEST_F(LedgerFileTest, ADirectoryIsNoLedger) {
    make_chain(standard_options());
    EXPECT_EQ(
        LedgerFile::open(directory_.string(), *chain_).error().code(), ErrorCode::Unavailable);
    write(base::as_bytes(std::string(200, 'x')));
    EXPECT_EQ(reopen().error().code(), ErrorCode::CorruptData);
}

}  // namespace
}  // namespace adyton::localchain::testing
