#include "neo/transaction.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "crypto/test_bytes.h"

namespace adyton::neo {
namespace {

using crypto::from_hex;

crypto::P256PublicKey some_key() {
    return crypto::P256PublicKey::parse(
               from_hex("03b552f1472939298040553d49f1245a617dd25a86b9757fbcaa3343ea19360ae2"))
        .value();
}

ScriptHash account(std::uint8_t number) {
    return ScriptHash::from_wire(base::Bytes(20, number)).value();
}

Signer signer(std::uint8_t number) {
    return {account(number), kScopeCalledByEntry, {}, {}, {}};
}

Transaction simple() {
    Transaction out;
    out.nonce = 7;
    out.system_fee = 100;
    out.network_fee = 200;
    out.valid_until_block = 1000;
    out.signers = {signer(1)};
    out.script = {0x11, 0x40};
    return out;
}

WitnessCondition nested(std::size_t depth) {
    WitnessCondition out;
    out.type = WitnessCondition::Type::CalledByEntry;
    for (std::size_t i = 1; i < depth; ++i) {
        WitnessCondition outer;
        outer.type = WitnessCondition::Type::Not;
        outer.conditions = {std::move(out)};
        out = std::move(outer);
    }
    return out;
}

Transaction with_everything() {
    Transaction out = simple();
    Signer rich = signer(2);
    rich.scopes =
        kScopeCalledByEntry | kScopeCustomContracts | kScopeCustomGroups | kScopeWitnessRules;
    rich.allowed_contracts = {account(9), account(8)};
    rich.allowed_groups = {some_key()};
    WitnessCondition any;
    any.type = WitnessCondition::Type::Or;
    for (const auto type :
         {WitnessCondition::Type::ScriptHash, WitnessCondition::Type::CalledByContract}) {
        WitnessCondition part;
        part.type = type;
        part.hash = account(5);
        any.conditions.push_back(part);
    }
    WitnessCondition group;
    group.type = WitnessCondition::Type::CalledByGroup;
    group.group = {some_key()};
    any.conditions.push_back(group);
    rich.rules = {{true, any}, {false, nested(kConditionDepthMax)}};
    WitnessCondition flag;
    flag.boolean = true;
    rich.rules.push_back({true, flag});
    out.signers.push_back(rich);
    out.signers.push_back({account(3), kScopeGlobal, {}, {}, {}});
    out.attributes = {
        HighPriority{},
        NotValidBefore{5},
        Conflicts{TransactionHash::from_wire(base::Bytes(32, 4)).value()},
        Conflicts{TransactionHash()},
        NotaryAssisted{3},
        OracleResponse{17, 0, {1, 2}}};
    return out;
}

void expect_round_trip(const Transaction& transaction) {
    ASSERT_TRUE(check(transaction)) << check(transaction).error().message();
    const auto unsigned_again = parse_unsigned_transaction(serialize_unsigned(transaction));
    ASSERT_TRUE(unsigned_again) << unsigned_again.error().message();
    Transaction bare = transaction;
    bare.witnesses.clear();
    EXPECT_EQ(*unsigned_again, bare);
    if (transaction.witnesses.empty()) return;
    const auto again = parse_transaction(serialize(transaction));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, transaction);
    EXPECT_EQ(hash(*again), hash(bare));
}

void expect_refused(const Transaction& transaction, ErrorCode code = ErrorCode::InvalidArgument) {
    const auto checked = check(transaction);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), code) << checked.error().message();
    Transaction witnessed = transaction;
    if (witnessed.witnesses.empty()) witnessed.witnesses.resize(transaction.signers.size());
    EXPECT_FALSE(parse_transaction(serialize(witnessed)));
}

TEST(TransactionTest, EveryPartOfTheFormatIsWrittenAndReadTheSame) {
    expect_round_trip(simple());
    Transaction all = with_everything();
    expect_round_trip(all);
    all.witnesses = {{{1}, {2}}, {base::Bytes(1024, 1), base::Bytes(1024, 2)}, {}};
    expect_round_trip(all);
}

TEST(TransactionTest, TheHashCoversAllButTheWitnesses) {
    Transaction transaction = with_everything();
    const auto before = hash(transaction);
    transaction.witnesses.resize(3);
    EXPECT_EQ(hash(transaction), before);
    transaction.nonce ^= 1;
    EXPECT_NE(hash(transaction), before);
}

TEST(TransactionTest, FeesMustNotBeNegativeNorOverflowTogether) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    Transaction transaction = simple();
    transaction.system_fee = kMax - 200;
    expect_round_trip(transaction);
    transaction.system_fee = kMax - 199;
    expect_refused(transaction);
    transaction.system_fee = -1;
    expect_refused(transaction);
    transaction = simple();
    transaction.network_fee = -1;
    expect_refused(transaction);
}

TEST(TransactionTest, SignersAreOneToSixteenAndDistinct) {
    Transaction transaction = simple();
    transaction.signers.clear();
    expect_refused(transaction);
    for (std::uint8_t i = 1; i <= 16; ++i) transaction.signers.push_back(signer(i));
    expect_round_trip(transaction);
    transaction.signers.push_back(signer(17));
    expect_refused(transaction);
    transaction.signers.pop_back();
    transaction.signers[15] = signer(1);
    expect_refused(transaction);
}

TEST(TransactionTest, SignersAndAttributesShareSixteenPlaces) {
    Transaction transaction = simple();
    for (std::uint8_t i = 0; i < 15; ++i) {
        transaction.attributes.push_back(
            Conflicts{TransactionHash::from_wire(base::Bytes(32, i)).value()});
    }
    expect_round_trip(transaction);
    transaction.attributes.push_back(Conflicts{});
    expect_refused(transaction);
}

TEST(TransactionTest, AnAttributeStandsOnceUnlessItIsConflicts) {
    for (const Attribute& attribute :
         {Attribute(HighPriority{}), Attribute(NotValidBefore{1}), Attribute(NotaryAssisted{1}),
          Attribute(OracleResponse{1, 0, {}})}) {
        Transaction transaction = simple();
        transaction.attributes = {attribute};
        expect_round_trip(transaction);
        transaction.attributes.push_back(attribute);
        expect_refused(transaction);
    }
}

TEST(TransactionTest, OracleFailuresCarryNoResultAndKnownCodes) {
    Transaction transaction = simple();
    transaction.attributes = {OracleResponse{1, 0x10, {}}};
    expect_round_trip(transaction);
    transaction.attributes = {OracleResponse{1, 0x10, {1}}};
    expect_refused(transaction);
    transaction.attributes = {OracleResponse{1, 0x11, {}}};
    expect_refused(transaction);
}

TEST(TransactionTest, ScopesMustBeKnownAndGlobalAlone) {
    for (const unsigned scopes : {0x02U, 0x04U, 0x08U, 0x81U, 0x90U, 0xffU}) {
        Transaction transaction = simple();
        transaction.signers[0].scopes = static_cast<std::uint8_t>(scopes);
        ASSERT_FALSE(check(transaction)) << scopes;
        EXPECT_FALSE(parse_unsigned_transaction(serialize_unsigned(transaction))) << scopes;
    }
}

TEST(TransactionTest, ListsOfASignerHoldSixteen) {
    Transaction transaction = simple();
    Signer& rich = transaction.signers[0];
    rich.scopes = kScopeCustomContracts | kScopeCustomGroups | kScopeWitnessRules;
    expect_round_trip(transaction);  // empty lists are allowed
    rich.allowed_contracts.assign(16, account(1));
    rich.allowed_groups.assign(16, some_key());
    rich.rules.assign(16, {true, nested(1)});
    expect_round_trip(transaction);
    rich.allowed_contracts.push_back(account(1));
    expect_refused(transaction);
    rich.allowed_contracts.pop_back();
    rich.allowed_groups.push_back(some_key());
    expect_refused(transaction);
    rich.allowed_groups.pop_back();
    rich.rules.push_back({true, nested(1)});
    expect_refused(transaction);
    // A list without its scope would vanish on the way.
    rich.rules.pop_back();
    rich.scopes = kScopeCustomContracts | kScopeCustomGroups;
    EXPECT_FALSE(check(transaction));
}

TEST(TransactionTest, WitnessRulesNestThreeDeep) {
    Transaction transaction = simple();
    transaction.signers[0].scopes = kScopeWitnessRules;
    transaction.signers[0].rules = {{true, nested(3)}};
    expect_round_trip(transaction);
    transaction.signers[0].rules = {{true, nested(4)}};
    expect_refused(transaction);
}

TEST(TransactionTest, ConditionsHaveTheirOwnPartsOnly) {
    Transaction transaction = simple();
    transaction.signers[0].scopes = kScopeWitnessRules;
    transaction.signers[0].rules.resize(1);
    WitnessCondition& condition = transaction.signers[0].rules[0].condition;
    condition.type = WitnessCondition::Type::And;
    expect_refused(transaction);  // no parts
    condition.conditions.assign(16, nested(1));
    expect_round_trip(transaction);
    condition.conditions.push_back(nested(1));
    expect_refused(transaction);
    condition = nested(1);
    condition.hash = account(1);
    EXPECT_FALSE(check(transaction));
    condition = nested(1);
    condition.group = {some_key()};
    EXPECT_FALSE(check(transaction));
    condition = nested(1);
    condition.type = static_cast<WitnessCondition::Type>(0x21);
    expect_refused(transaction);
}

TEST(TransactionTest, TheScriptHasOneTo65535Bytes) {
    Transaction transaction = simple();
    transaction.script.clear();
    expect_refused(transaction);
    transaction.script.assign(65535, 0x11);
    expect_round_trip(transaction);
    transaction.script.push_back(0x11);
    expect_refused(transaction);
}

TEST(TransactionTest, WitnessesAreOnePerSignerAndShort) {
    Transaction transaction = simple();
    transaction.witnesses = {{}, {}};
    expect_refused(transaction);
    transaction.witnesses = {{base::Bytes(1025), {}}};
    expect_refused(transaction);
    transaction.witnesses = {{{}, base::Bytes(1025)}};
    expect_refused(transaction);
    transaction.witnesses = {{base::Bytes(1024), base::Bytes(1024)}};
    expect_round_trip(transaction);
}

TEST(TransactionTest, TheWholeIsAtMost102400Bytes) {
    Transaction transaction = simple();
    transaction.script.assign(65535, 0x11);
    transaction.attributes = {OracleResponse{1, 0, {}}};
    const std::size_t rest = serialize(transaction).size() + 2;  // the result's length takes 3
    auto& response = std::get<OracleResponse>(transaction.attributes[0]);
    response.result.assign(kTransactionBytesMax - rest, 1);
    ASSERT_EQ(serialize(transaction).size(), kTransactionBytesMax);
    expect_round_trip(transaction);
    response.result.push_back(1);
    expect_refused(transaction, ErrorCode::TooLarge);
}

TEST(TransactionTest, OtherVersionsAreRefused) {
    Transaction transaction = simple();
    transaction.version = 1;
    expect_refused(transaction);
}

TEST(TransactionTest, NothingMayFollow) {
    Transaction transaction = simple();
    auto bytes = serialize_unsigned(transaction);
    EXPECT_TRUE(parse_unsigned_transaction(bytes));
    bytes.push_back(0);  // a witness count of zero
    EXPECT_TRUE(parse_unsigned_transaction(bytes));
    bytes.push_back(0);
    EXPECT_FALSE(parse_unsigned_transaction(bytes));
    bytes.resize(bytes.size() - 2);
    bytes.push_back(1);
    EXPECT_FALSE(parse_unsigned_transaction(bytes));
    transaction.witnesses.resize(1);
    bytes = serialize(transaction);
    EXPECT_TRUE(parse_transaction(bytes));
    bytes.push_back(0);
    EXPECT_FALSE(parse_transaction(bytes));
}

TEST(TransactionTest, EveryCutIsRefused) {
    Transaction transaction = with_everything();
    transaction.witnesses.resize(3);
    const auto bytes = serialize(transaction);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(parse_transaction(base::ByteView(bytes).first(size))) << size;
    }
    const auto bare = serialize_unsigned(transaction);
    for (std::size_t size = 0; size < bare.size(); ++size) {
        EXPECT_FALSE(parse_unsigned_transaction(base::ByteView(bare).first(size))) << size;
    }
}

TEST(TransactionTest, LongerVarIntsAreReadButNeverSigned) {
    const Transaction transaction = simple();
    const auto bytes = serialize_unsigned(transaction);
    // The signer count, the attribute count and the script length, each in three longer forms.
    const std::size_t places[] = {25, 25 + 1 + 21, 25 + 1 + 21 + 1};
    for (const std::size_t place : places) {
        for (const std::size_t width : {2U, 4U, 8U}) {
            base::Bytes longer(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(place));
            longer.push_back(static_cast<std::uint8_t>(
                width == 2   ? 0xfd
                : width == 4 ? 0xfe
                             : 0xff));
            longer.push_back(bytes[place]);
            longer.insert(longer.end(), width - 1, 0);
            longer.insert(
                longer.end(), bytes.begin() + static_cast<std::ptrdiff_t>(place) + 1, bytes.end());
            EXPECT_FALSE(parse_unsigned_transaction(longer)) << place << " " << width;
            longer.insert(longer.end(), {1, 0, 0});  // one empty witness
            const auto read = parse_transaction(longer);
            ASSERT_TRUE(read) << place << " " << width;
            EXPECT_EQ(hash(*read), hash(transaction));
        }
    }
}

TEST(TransactionTest, HugeCountsAreRefusedBeforeAnythingIsMade) {
    auto bytes = serialize_unsigned(simple());
    base::Bytes huge(bytes.begin(), bytes.begin() + 25);
    huge.insert(huge.end(), {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    EXPECT_FALSE(parse_unsigned_transaction(huge));
    EXPECT_FALSE(parse_transaction(huge));
}

TEST(TransactionTest, ScopesHaveTheNamesOfJsonRpc) {
    EXPECT_EQ(scopes_to_string(0), "None");
    EXPECT_EQ(scopes_to_string(0x11), "CalledByEntry, CustomContracts");
    EXPECT_EQ(scopes_to_string(0x80), "Global");
    for (const unsigned number : {0x00U, 0x01U, 0x10U, 0x20U, 0x40U, 0x71U, 0x80U}) {
        const auto scopes = static_cast<std::uint8_t>(number);
        EXPECT_EQ(parse_scopes(scopes_to_string(scopes)).value(), scopes);
    }
    EXPECT_EQ(parse_scopes("CalledByEntry,CustomGroups").value(), 0x21);
    for (const char* const bad :
         {"", "global", "CalledByEntry,", "None, CalledByEntry", "Global, CalledByEntry",
          "CalledByEntry CustomGroups"}) {
        EXPECT_FALSE(parse_scopes(bad)) << bad;
    }
}

TEST(TransactionTest, ChangedBytesNeverReadAsTheSameTransaction) {
    constexpr std::uint64_t kSeed = 1121;
    SCOPED_TRACE(kSeed);
    std::mt19937_64 random(kSeed);
    const Transaction transaction = with_everything();
    const auto bytes = serialize_unsigned(transaction);
    for (int i = 0; i < 5000; ++i) {
        auto changed = bytes;
        changed[random() % changed.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
        const auto read = parse_unsigned_transaction(changed);
        if (!read) continue;
        EXPECT_NE(*read, transaction);
        EXPECT_EQ(serialize_unsigned(*read), changed);
    }
}

}  // namespace
}  // namespace adyton::neo
