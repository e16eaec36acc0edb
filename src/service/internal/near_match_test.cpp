#include "service/internal/near_match.h"

#include <gtest/gtest.h>

namespace adyton::service::internal {
namespace {

TEST(NearMatchTest, DistanceCountsEdits) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("abc", "abc"), 0U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("abc", "abd"), 1U);
    EXPECT_EQ(edit_distance("abc", "acb"), 1U);  // neighbours swapped
    EXPECT_EQ(edit_distance("abc", "ab"), 1U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("sitting", "kitten"), 3U);
}

TEST(NearMatchTest, TheNearestCandidateIsGivenAndNoneWhenAllAreFar) {
    const std::vector<std::string> keys{"listen", "pool.min_accounts", "pool.max_accounts"};
    EXPECT_EQ(near_match("lisen", keys), "listen");
    EXPECT_EQ(near_match("pool.max_acounts", keys), "pool.max_accounts");
    EXPECT_EQ(near_match("min_accounts", keys), "pool.min_accounts");
    EXPECT_EQ(near_match("audit.max_accounts", keys), "pool.max_accounts");
    EXPECT_EQ(near_match("zzz", keys), "");
    EXPECT_EQ(near_match("", keys), "");
    EXPECT_EQ(near_match(std::string(200, 'a'), {std::string(200, 'a')}), "");
}

}  // namespace
}  // namespace adyton::service::internal
