#include "near/derivation.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"

namespace adyton::near {
namespace {

TEST(NearDerivationTest, MethodNamesAreOrderedTrimmedAndCountedOnce) {
    EXPECT_EQ(
        normalize_method_names({"b", " a\t", "b ", "B"}),
        (std::vector<std::string>{"B", "a", "b"}));
    EXPECT_EQ(method_names_hash({"b", "a"}), method_names_hash({"a ", "b", "a"}));
    EXPECT_NE(method_names_hash({"ab"}), method_names_hash({"a", "b"}));
    EXPECT_EQ(method_names_hash({"a", " "}), crypto::sha256(base::as_bytes("\na")).to_hex());
    EXPECT_EQ(method_names_hash({}), crypto::sha256({}).to_hex());
}

TEST(NearDerivationTest, EveryPartOfTheSeedTextMakesAnotherKey) {
    const KeyDeriver deriver(crypto::secret32(base::Bytes(32, 1)));
    const auto user = AccountId::parse("alice.near").value();
    const auto receiver = AccountId::parse("count.near").value();
    const std::vector<std::string> seeds = {
        wallet_seed_text("w", "near"),
        wallet_seed_text("W", "near"),
        wallet_seed_text("w", "solana"),
        policy_seed_text("w"),
        direct_user_full_access_seed_text("w", user),
        direct_user_full_access_seed_text("w", receiver),
        direct_user_function_call_seed_text("w", user, user, receiver, method_names_hash({"a"})),
        direct_user_function_call_seed_text("w", user, user, receiver, method_names_hash({"b"})),
        direct_user_function_call_seed_text("w", user, receiver, receiver, method_names_hash({}))};
    for (std::size_t i = 0; i < seeds.size(); ++i) {
        for (std::size_t j = 0; j < seeds.size(); ++j) {
            EXPECT_EQ(
                deriver.derive(seeds[i]).public_key() == deriver.derive(seeds[j]).public_key(),
                i == j);
        }
    }
}

}  // namespace
}  // namespace adyton::near
