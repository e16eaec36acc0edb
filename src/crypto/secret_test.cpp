#include "crypto/secret.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "base/random.h"
#include "crypto/test_bytes.h"

// lint-allow-file(thread): the arena is shared by real threads, which is what is tested here.
namespace adyton::crypto {
namespace {

#ifdef ADYTON_SANITIZED
constexpr bool kMlockIsReal = false;  // the sanitizers' mlock does nothing and reports success
#else
constexpr bool kMlockIsReal = true;
#endif

bool all_equal(base::ByteView bytes, std::uint8_t value) {
    return std::ranges::all_of(bytes, [=](std::uint8_t byte) { return byte == value; });
}

// Runs `body` in a forked child and returns its exit code, or -1 when it was killed.
template <typename Body>
int exit_code_of_child(const Body& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Mapping {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::string rights;
    std::string flags;
};

// The process's mappings with their VmFlags, in address order (proc(5)).
std::vector<Mapping> mappings() {
    std::vector<Mapping> out;
    std::ifstream file("/proc/self/smaps");
    for (std::string line; std::getline(file, line);) {
        Mapping mapping;
        char dash = 0;
        std::istringstream text(line);
        if (text >> std::hex >> mapping.begin >> dash >> mapping.end >> mapping.rights &&
            dash == '-') {
            out.push_back(mapping);
        } else if (line.starts_with("VmFlags:") && !out.empty()) {
            out.back().flags = line + " ";
        }
    }
    return out;
}

TEST(SecretTest, StartsZeroedAndAligned) {
    SecretBytes<32> small;
    SecretBytes<4096> large;
    EXPECT_TRUE(all_equal(small.expose(), 0));
    EXPECT_TRUE(all_equal(large.expose(), 0));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small.expose().data()) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large.expose().data()) % 64, 0U);
}

TEST(SecretTest, AFreedSlotIsZero) {
    for (const std::size_t size : {1U, 64U, 65U, 256U, 257U, 1024U, 1025U, 4096U}) {
        const std::uint8_t* memory = nullptr;
        {
            auto secret = SecretBuffer::create(size);
            ASSERT_TRUE(secret);
            std::ranges::fill(secret->expose_mutable(), std::uint8_t{0xa5});
            memory = secret->expose().data();
            ASSERT_TRUE(all_equal({memory, size}, 0xa5));
        }
        EXPECT_TRUE(all_equal({memory, size}, 0)) << size;  // regions are never unmapped
    }
}

TEST(SecretTest, MovingHandsOverTheSlotAndLeavesNothing) {
    auto first = secret32(base::Bytes(32, 7));
    const auto* const memory = first.expose().data();
    SecretBytes<32> second(std::move(first));
    EXPECT_EQ(second.expose().data(), memory);
    EXPECT_DEATH((void)first.expose(), "");  // NOLINT(bugprone-use-after-move): on purpose
    SecretBytes<32> third;
    const auto* const replaced = third.expose().data();
    third.expose_mutable()[0] = 9;
    third = std::move(second);
    EXPECT_EQ(third.expose().data(), memory);
    EXPECT_TRUE(all_equal({replaced, 32}, 0));
    EXPECT_TRUE(all_equal(third.expose(), 7));
}

TEST(SecretTest, AMovedBufferIsEmpty) {
    auto first = secret_text("a secret");
    const auto second = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): on purpose
    EXPECT_TRUE(first.expose().empty());
    EXPECT_EQ(base::as_text(second.expose()), "a secret");
}

TEST(SecretTest, ShrinkingWipesTheTail) {
    auto secret = secret_text("a long secret");
    const auto* const memory = secret.expose().data();
    secret.shrink(6);
    EXPECT_EQ(base::as_text(secret.expose()), "a long");
    EXPECT_TRUE(all_equal({memory + 6, 7}, 0));
}

TEST(SecretTest, ABufferHasALimit) {
    EXPECT_TRUE(SecretBuffer::create(SecretBuffer::kSizeMax));
    const auto large = SecretBuffer::create(SecretBuffer::kSizeMax + 1);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code(), ErrorCode::TooLarge);
    EXPECT_FALSE(SecretBuffer::copy_of(base::Bytes(SecretBuffer::kSizeMax + 1)));
    const auto none = SecretBuffer::create(0);
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->empty());
}

TEST(SecretTest, EqualityLooksAtEveryByte) {
    const auto a = secret32(base::Bytes(32, 1));
    EXPECT_TRUE(equal(a, secret32(base::Bytes(32, 1))));
    for (std::size_t i = 0; i < 32; ++i) {
        base::Bytes bytes(32, 1);
        bytes[i] ^= 0x80;
        EXPECT_FALSE(equal(a, secret32(bytes))) << i;
    }
    EXPECT_TRUE(equal(secret_text("x"), secret_text("x")));
    EXPECT_FALSE(equal(secret_text("x"), secret_text("xy")));
    EXPECT_TRUE(equal(SecretBuffer(), SecretBuffer()));
}

TEST(SecretTest, WipeZeroesEverything) {
    std::array<std::uint8_t, 100> bytes;
    bytes.fill(3);
    wipe(bytes);
    EXPECT_TRUE(all_equal(bytes, 0));
    wipe({});
}

TEST(SecretArenaTest, GrowsAndSaysSo) {
    const auto before = SecretArena::status();
    std::vector<SecretBytes<4096>> held(100);  // more than one region of this class
    std::set<const void*> addresses;
    for (const auto& secret : held) addresses.insert(secret.expose().data());
    EXPECT_EQ(addresses.size(), held.size());
    const auto after = SecretArena::status();
    EXPECT_GT(after.region_count, before.region_count);
    EXPECT_GT(after.total_bytes, before.total_bytes);
    EXPECT_EQ(after.all_locked, after.locked_bytes == after.total_bytes);
    EXPECT_EQ(
        after.all_locked && after.excluded_from_dumps && after.wiped_on_fork,
        after.problem.empty());
}

TEST(SecretArenaTest, ItsPagesAreGuardedLockedAndLeftOutOfDumps) {
    const SecretBytes<32> secret;
    const auto address = reinterpret_cast<std::uintptr_t>(secret.expose().data());
    const auto all = mappings();
    const auto status = SecretArena::status();
    for (std::size_t i = 1; i + 1 < all.size(); ++i) {
        if (address < all[i].begin || address >= all[i].end) continue;
        EXPECT_EQ(all[i].rights, "rw-p");
        EXPECT_EQ(all[i - 1].rights, "---p");
        EXPECT_EQ(all[i - 1].end, all[i].begin);
        EXPECT_EQ(all[i + 1].rights, "---p");
        EXPECT_EQ(all[i + 1].begin, all[i].end);
        EXPECT_EQ(all[i].flags.find(" dd ") != std::string::npos, status.excluded_from_dumps);
        EXPECT_EQ(all[i].flags.find(" wf ") != std::string::npos, status.wiped_on_fork);
        if (status.all_locked && kMlockIsReal) {
            EXPECT_NE(all[i].flags.find(" lo "), std::string::npos);
        }
        return;
    }
    FAIL() << "the secret is in no mapping";
}

TEST(SecretArenaTest, AForkedChildFindsNoKey) {
    if (!SecretArena::status().wiped_on_fork) GTEST_SKIP() << "NOT RUN: no MADV_WIPEONFORK";
    const auto key = secret32(base::Bytes(32, 0x5a));
    EXPECT_EQ(exit_code_of_child([&] { return all_equal(key.expose(), 0) ? 42 : 1; }), 42);
    EXPECT_TRUE(all_equal(key.expose(), 0x5a));
}

TEST(SecretArenaTest, AChildCanUseSecretsOfItsOwn) {
    const auto code = exit_code_of_child([] {
        auto key = secret32(base::Bytes(32, 1));
        return all_equal(key.expose(), 1) ? 42 : 1;
    });
    EXPECT_EQ(code, 42);
}

TEST(SecretArenaTest, WorksWithoutLockedMemoryAndSaysSo) {
    if (!kMlockIsReal) GTEST_SKIP() << "NOT RUN: sanitizers make mlock a no-op";
    const auto code = exit_code_of_child([] {
        const rlimit none{0, 0};
        if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return 1;
        if (::geteuid() == 0 && ::setuid(65534) != 0) return 2;  // root may lock without limit
        const auto before = SecretArena::status();
        const std::vector<SecretBytes<4096>> held(200);
        const auto after = SecretArena::status();
        if (after.total_bytes <= before.total_bytes) return 3;
        if (after.all_locked || after.locked_bytes != before.locked_bytes) return 4;
        return after.problem.starts_with("mlock") || !before.problem.empty() ? 42 : 5;
    });
    EXPECT_EQ(code, 42);
}

// Each thread fills what it holds with its own mark: a slot given out twice, or not zeroed, shows.
void churn(std::uint8_t mark, int rounds, bool& clean) {
    base::SeededRandom random(mark);
    std::vector<SecretBuffer> held;
    for (int i = 0; i < rounds && clean; ++i) {
        if (held.size() < 60 && random.below(2) == 0) {
            auto secret = SecretBuffer::create(1 + random.below(600));
            clean = clean && all_equal(secret->expose(), 0);
            std::ranges::fill(secret->expose_mutable(), mark);
            held.push_back(std::move(*secret));
        } else if (!held.empty()) {
            const std::size_t at = random.below(held.size());
            clean = clean && all_equal(held[at].expose(), mark);
            std::swap(held[at], held.back());
            held.pop_back();
        }
    }
}

TEST(SecretArenaTest, ManyThreadsNeverShareASlot) {
    constexpr int kThreads = 8;
    std::array<bool, kThreads> clean;
    clean.fill(true);
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&clean, i] {
            churn(static_cast<std::uint8_t>(i + 1), 4000, clean[static_cast<std::size_t>(i)]);
        });
    }
    threads.clear();
    EXPECT_TRUE(std::ranges::all_of(clean, [](bool each) { return each; }));
}

TEST(SecretArenaTest, ASecretMayDieInAnotherThread) {
    for (int i = 0; i < 200; ++i) {
        auto secret = secret32(base::Bytes(32, 9));
        const auto* const memory = secret.expose().data();
        std::jthread([moved = std::move(secret)] {}).join();
        EXPECT_TRUE(all_equal({memory, 32}, 0));
    }
}

// Threads that end give their cached slots back: otherwise this loop would need a region every
// hundred threads.
TEST(SecretArenaTest, SlotsOfEndedThreadsAreUsedAgain) {
    std::jthread([] { const SecretBytes<4096> secret; }).join();
    const auto before = SecretArena::status();
    for (int i = 0; i < 300; ++i) {
        std::jthread([] { const SecretBytes<4096> secret; }).join();
    }
    EXPECT_EQ(SecretArena::status().total_bytes, before.total_bytes);
}

}  // namespace
}  // namespace adyton::crypto
