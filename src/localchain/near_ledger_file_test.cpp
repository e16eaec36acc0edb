#include "localchain/near_ledger_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "localchain/near_test_support.h"

namespace adyton::localchain::testing {
namespace {

class NearLedgerFileTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "near-ledger-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = (directory_ / "near-ledger").string();
    }
    void TearDown() override {
        close();
        std::filesystem::remove_all(directory_);
    }
    void close() {
        ledger_.reset();
        chain_.reset();
    }
    // As LocalNear does it. `start` differs at each start of a process.
    Result<void> open(std::uint64_t start = 1, NearNetworkOptions network = {}) {
        close();
        NearChainOptions options;
        options.genesis_height = 190'000'000 + start * 1'000;
        options.seed = start;
        options.genesis_time_ns = 1'767'225'600'000'000'000 + start;
        options.genesis = near_network_genesis(network);
        TRY(ledger_, NearLedgerFile::open(path_, options));
        TRY(chain_, NearChain::create(std::move(options), executor_));
        TRY_VOID(ledger_->replay(*chain_));
        chain_->on_block([this](const NearBlockRecord&) {
            const auto written = ledger_->append(*chain_);
            EXPECT_TRUE(written) << written.error().message();
        });
        return {};
    }
    void produce(std::size_t blocks) {
        for (std::size_t i = 0; i < blocks; ++i) {
            executor_.run_for(std::chrono::milliseconds(600));
            chain_->produce_block();
        }
    }
    // A call of the counter by its user, signed.
    near::TransactionHash increase(const std::string& method = "increase") {
        const auto key = near_network_key(base::as_bytes("public"), "mike.near");
        const near::PublicKey own(key.public_key());
        const auto user = account_id("mike.near");
        const auto state = chain_->access_key_at(user, own, chain_->height());
        near::Transaction transaction{
            user, own, state->nonce + 1, account_id("count.mike.near"), chain_->head().hash, {}};
        transaction.actions.push_back(
            near::FunctionCall{method, {'{', '}'}, near::Gas::from_tgas(30), {}});
        const auto signed_one = near::sign(std::move(transaction), key);
        EXPECT_TRUE(signed_one);
        const auto answer = chain_->submit(near::serialize(*signed_one));
        EXPECT_TRUE(answer.accepted());
        return *answer.hash;
    }
    std::uint64_t count() const {
        return chain_->view(account_id("count.mike.near"), "get_count").value().as_uint64().value();
    }
    void submit_to_gate() {
        ForeignIntents intents{
            account_id("gate.sequential.near"), account_id("relayer.sequential.near"),
            account_id("count.mike.near"), "increase"};
        ASSERT_TRUE(inject_foreign_intents(*chain_, intents));
        produce(4);
    }
    std::string pending() const {
        return chain_->view(account_id("gate.sequential.near"), "list_pending").value().dump();
    }
    std::string content() const {
        std::ifstream in(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& bytes) {
        std::ofstream out(path_, std::ios::binary | std::ios::trunc);
        out << bytes;
    }

    base::SimExecutor executor_{20261121};
    std::filesystem::path directory_;
    std::string path_;
    std::unique_ptr<NearLedgerFile> ledger_;
    std::unique_ptr<NearChain> chain_;
};

TEST_F(NearLedgerFileTest, TheChainGoesOnWhereItWas) {
    ASSERT_TRUE(open(1));
    EXPECT_EQ(ledger_->blocks_replayed(), 0U);
    const std::uint64_t genesis = chain_->options().genesis_height;
    produce(3);
    const auto hash = increase();
    produce(5);
    const auto trace = chain_->trace_hash();
    const auto tip = chain_->head().hash;
    const auto height = chain_->height();
    const auto stamp = chain_->head().timestamp_ns;
    ASSERT_EQ(count(), 1U);
    ASSERT_TRUE(open(2));
    EXPECT_EQ(ledger_->blocks_replayed(), 8U);
    EXPECT_EQ(chain_->options().genesis_height, genesis);
    EXPECT_EQ(chain_->height(), height);
    EXPECT_EQ(chain_->head().hash, tip);
    EXPECT_EQ(chain_->head().timestamp_ns, stamp);
    EXPECT_EQ(chain_->trace_hash(), trace);
    EXPECT_EQ(count(), 1U);
    const auto* const landed = chain_->find_transaction(hash);
    ASSERT_NE(landed, nullptr);
    EXPECT_EQ(landed->unfinished, 0U);
    // Nonces and balances are those of before: the next call works, and so does a third life.
    increase();
    produce(5);
    EXPECT_EQ(count(), 2U);
    ASSERT_TRUE(open(3));
    EXPECT_EQ(ledger_->blocks_replayed(), 13U);
    EXPECT_EQ(count(), 2U);
    const auto books = chain_->books();
    EXPECT_EQ(books.held.plus(books.in_flight)->plus(books.burnt), books.supply);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(NearLedgerFileTest, IntentsAtTheGateWaitOnAndTimeOutAtTheirBlock) {
    ASSERT_TRUE(open(1));
    submit_to_gate();
    ASSERT_EQ(pending(), R"(["0","1","2"])") << pending();
    ASSERT_TRUE(open(2));
    EXPECT_EQ(pending(), R"(["0","1","2"])");
    const auto started = inject_foreign_batch(
        *chain_, account_id("gate.sequential.near"), account_id("approver.sequential.near"),
        {0, 1});
    ASSERT_TRUE(started);
    produce(2);  // the batch is under way
    ASSERT_TRUE(open(3));
    produce(15);
    EXPECT_EQ(count(), 2U);
    EXPECT_EQ(pending(), R"(["2"])");
    produce(210);
    ASSERT_TRUE(open(4));
    EXPECT_EQ(pending(), "[]");
    produce(3);
    EXPECT_EQ(count(), 2U);
}

TEST_F(NearLedgerFileTest, SkippedHeightsAndDroppedTransactionsComeOutTheSame) {
    ASSERT_TRUE(open(1));
    chain_->skip_heights(7);
    produce(2);
    // Both have the same nonce; when the second one's turn comes, it is of no use any more.
    increase();
    const auto key = near_network_key(base::as_bytes("public"), "mike.near");
    const near::PublicKey own(key.public_key());
    const auto state = chain_->access_key_at(account_id("mike.near"), own, chain_->height());
    near::Transaction rival{account_id("mike.near"), own,
                            state->nonce + 1,        account_id("count.mike.near"),
                            chain_->head().hash,     {}};
    rival.actions.push_back(near::Transfer{near::YoctoNear(base::Amount(1))});
    ASSERT_TRUE(
        chain_->submit(near::serialize(near::sign(std::move(rival), key).value())).accepted());
    produce(6);
    const auto trace = chain_->trace_hash();
    ASSERT_TRUE(open(2));
    EXPECT_EQ(chain_->trace_hash(), trace);
    produce(1);
}

TEST_F(NearLedgerFileTest, WhatWasInNoBlockIsForgotten) {
    ASSERT_TRUE(open(1));
    produce(1);
    const auto hash = increase();
    ASSERT_TRUE(open(2));
    EXPECT_FALSE(chain_->is_pooled(hash));
    produce(5);
    EXPECT_EQ(chain_->find_transaction(hash), nullptr);
    EXPECT_EQ(count(), 0U);
}

TEST_F(NearLedgerFileTest, AnUnfinishedLastBlockIsCutOff) {
    ASSERT_TRUE(open(1));
    produce(2);
    close();
    const std::string two = content();
    ASSERT_TRUE(open(1));
    const auto tip = chain_->head().hash;
    increase();
    produce(1);
    close();
    const std::string three = content();
    for (std::size_t size = two.size(); size < three.size(); size += 5) {
        write(three.substr(0, size));
        const auto opened = open(9);
        ASSERT_TRUE(opened) << size << ": " << opened.error().message();
        EXPECT_EQ(chain_->head().hash, tip) << size;
        EXPECT_EQ(ledger_->bytes_cut(), size - two.size());
        produce(1);
    }
    // The head itself is unfinished, or nothing but the head is there.
    for (std::size_t size = 0; size < 80; size += 3) {
        write(three.substr(0, size));
        ASSERT_TRUE(open(5)) << size;
        EXPECT_EQ(ledger_->blocks_replayed(), 0U);
    }
}

TEST_F(NearLedgerFileTest, DamageBeforeTheEndIsRefused) {
    ASSERT_TRUE(open(1));
    produce(2);
    increase();
    produce(3);
    close();
    const std::string whole = content();
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size() / 2; at += 3) {
        std::string bad = whole;
        bad[at] = static_cast<char>(bad[at] ^ 0x40);
        write(bad);
        const auto opened = open(1);
        if (opened) {
            // A length that now reaches beyond the end reads like an unfinished block.
            EXPECT_GT(ledger_->bytes_cut(), 0U) << at;
            continue;
        }
        ++refused;
        EXPECT_TRUE(
            opened.error().code() == ErrorCode::CorruptData ||
            opened.error().code() == ErrorCode::Conflict)
            << at << ": " << opened.error().message();
    }
    EXPECT_GT(refused, whole.size() / 8);
}

TEST_F(NearLedgerFileTest, ALedgerOfOtherPeopleIsRefused) {
    ASSERT_TRUE(open(1));
    produce(1);
    NearNetworkOptions other;
    other.secret = "another";
    EXPECT_EQ(open(1, other).error().reason(), "local_chain_settings");
    other = {};
    other.gates = 2;
    EXPECT_EQ(open(1, other).error().reason(), "local_chain_settings");
    ASSERT_TRUE(open(1));
    NearChainOptions options;
    options.genesis_time_ns = 1;
    options.genesis = near_network_genesis({});
    EXPECT_EQ(NearLedgerFile::open(path_, options).error().reason(), "data_dir_in_use");
}

TEST_F(NearLedgerFileTest, ARecordThatDoesNotFollowIsRefused) {
    ASSERT_TRUE(open(1));
    produce(1);
    const base::Bytes first = chain_->head_record();
    increase();
    produce(1);
    const base::Bytes second = chain_->head_record();
    const auto fresh = [&] {
        NearChainOptions options;
        options.genesis_height = chain_->options().genesis_height;
        options.seed = chain_->options().seed;
        options.genesis_time_ns = chain_->options().genesis_time_ns;
        options.genesis = near_network_genesis({});
        return std::move(NearChain::create(std::move(options), executor_).value());
    };
    auto good = fresh();
    ASSERT_TRUE(good->replay_record(first));
    EXPECT_FALSE(good->replay_record(first));  // again
    ASSERT_TRUE(good->replay_record(second));
    EXPECT_EQ(good->head().hash, chain_->head().hash);
    EXPECT_FALSE(fresh()->replay_record(second));  // one is missing
    EXPECT_FALSE(fresh()->replay_record({}));
    for (std::size_t size = 1; size < first.size(); ++size) {
        EXPECT_FALSE(fresh()->replay_record(base::ByteView(first).first(size))) << size;
    }
    // Height, time and hash; what stands behind them is guarded by the hash, and by the file's
    // sums.
    for (std::size_t at = 0; at < 48; ++at) {
        base::Bytes bad = second;
        bad[at] ^= 1;
        auto chain = fresh();
        ASSERT_TRUE(chain->replay_record(first));
        EXPECT_FALSE(chain->replay_record(bad)) << at;
    }
}

}  // namespace
}  // namespace adyton::localchain::testing
