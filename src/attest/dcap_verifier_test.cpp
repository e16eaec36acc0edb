#include "attest/dcap_verifier.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "attest/refusal.h"
#include "attest/test_quote_pki.h"

namespace adyton::attest {
namespace {

Result<DcapVerdict> verify(const MintedQuote& minted) {
    TRY(const Quote quote, parse_quote(minted.quote));
    return verify_dcap(quote, minted.collateral, {minted.at, minted.root});
}
Result<DcapVerdict> verify(const QuotePlan& plan) {
    return verify(mint_quote(plan));
}

#define EXPECT_STATUS(plan, expected)                                                          \
    do {                                                                                       \
        const auto outcome = verify(plan);                                                     \
        ASSERT_TRUE(outcome) << outcome.error().reason() << ": " << outcome.error().message(); \
        EXPECT_EQ(to_string(outcome->status), expected);                                       \
    } while (false)
#define EXPECT_REFUSED(plan, expected)                                              \
    do {                                                                            \
        const auto outcome = verify(plan);                                          \
        ASSERT_FALSE(outcome);                                                      \
        EXPECT_EQ(outcome.error().reason(), expected) << outcome.error().message(); \
    } while (false)

QuotePlan sgx() {
    return {};
}
QuotePlan tdx() {
    QuotePlan plan;
    plan.version = 4;
    return plan;
}
// TDX 1.5 with module version 1 at SVN 4, which is out of date: 6 is the newest.
QuotePlan tdx15() {
    QuotePlan plan;
    plan.version = 5;
    plan.body_type = 3;
    plan.change_body = [](base::Bytes& body) {
        body[1] = 1;  // module version 1
        body[584] = 6;
        body[585] = 1;
        body[586] = 5;  // TEE_TCB_SVN2: module SVN 6, version 1, microcode 5
    };
    plan.modules = {{"TDX_01", {{6, "UpToDate"}, {2, "OutOfDate"}}}};
    plan.levels = {{plan.platform_svn, {6, 1, 5}, plan.platform_pce_svn, "UpToDate", {}}};
    return plan;
}

TEST(DcapVerifierTest, AGoodQuoteOfEveryVersionIsUpToDate) {
    EXPECT_STATUS(sgx(), "UpToDate");
    EXPECT_STATUS(tdx(), "UpToDate");
    for (const int type : {1, 2}) {
        QuotePlan plan;
        plan.version = 5;
        plan.body_type = type;
        EXPECT_STATUS(plan, "UpToDate");
    }
}

TEST(DcapVerifierTest, AnotherRootIsUntrusted) {
    MintedQuote minted = mint_quote(sgx());
    minted.root.bytes[0] ^= 1;
    EXPECT_REFUSED(minted, kUntrusted);
    QuotePlan plan;
    plan.foreign_root = true;
    EXPECT_REFUSED(plan, kUntrusted);
    const auto intel =
        verify_dcap_signatures(parse_quote(mint_quote(sgx()).quote).value(), intel_sgx_root());
    ASSERT_FALSE(intel);
    EXPECT_EQ(intel.error().reason(), kUntrusted);
}

TEST(DcapVerifierTest, ALeafThatIsNoPckCertificateIsUntrusted) {
    QuotePlan plan;
    plan.pck_common_name = "Something Else";
    EXPECT_REFUSED(plan, kUntrusted);
}

TEST(DcapVerifierTest, ForgedPartsAreBadSignatures) {
    QuotePlan key;
    key.key_not_vouched = true;
    EXPECT_REFUSED(key, kBadSignature);
    QuotePlan body;
    body.change_quote = [](base::Bytes& quote) { quote[48 + 320] ^= 1; };  // report data
    EXPECT_REFUSED(body, kBadSignature);
    MintedQuote tcb = mint_quote(sgx());
    tcb.collateral.tcb_info.insert(1, " ");
    EXPECT_REFUSED(tcb, kBadSignature);
    MintedQuote qe = mint_quote(sgx());
    qe.collateral.qe_identity_signature[5] ^= 1;
    EXPECT_REFUSED(qe, kBadSignature);
    MintedQuote crl = mint_quote(sgx());
    crl.collateral.pck_crl.back() ^= 1;
    EXPECT_REFUSED(crl, kBadSignature);
}

TEST(DcapVerifierTest, RevokedCertificatesAreRevokedWhereverTheyStand) {
    QuotePlan leaf;
    leaf.pck_revoked = true;
    EXPECT_REFUSED(leaf, kRevoked);
    QuotePlan authority;
    authority.authority_revoked = true;
    EXPECT_REFUSED(authority, kRevoked);
    QuotePlan signer;
    signer.signer_revoked = true;
    EXPECT_REFUSED(signer, kRevoked);
}

TEST(DcapVerifierTest, WhatIsOutOfDateIsExpired) {
    QuotePlan pck;
    pck.pck_until = std::chrono::hours(-1);
    EXPECT_REFUSED(pck, kExpired);
    QuotePlan crl;
    crl.crl_until = std::chrono::hours(-1);
    EXPECT_REFUSED(crl, kExpired);
    QuotePlan documents;
    documents.documents_until = std::chrono::hours(-1);
    EXPECT_REFUSED(documents, kExpired);
    MintedQuote early = mint_quote(sgx());
    early.at -= std::chrono::hours(48);  // before the documents were issued
    EXPECT_REFUSED(early, kExpired);
}

TEST(DcapVerifierTest, RevokedComesBeforeExpired) {
    QuotePlan plan;
    plan.pck_revoked = true;
    plan.documents_until = std::chrono::hours(-1);
    EXPECT_REFUSED(plan, kRevoked);
}

TEST(DcapVerifierTest, CollateralOfAnotherPlatformOrTeeIsNotAccepted) {
    QuotePlan platform;
    platform.tcb_fmspc = "00a067110001";
    EXPECT_REFUSED(platform, kTcbNotAccepted);
    QuotePlan tee;
    tee.tcb_id = "TDX";
    const auto verdict = verify(tee);  // as SGX levels it lacks what TDX needs
    EXPECT_FALSE(verdict);
    QuotePlan qe;
    qe.qe_id = "TD_QE";
    EXPECT_REFUSED(qe, kTcbNotAccepted);
}

TEST(DcapVerifierTest, TheQuotingEnclaveMustBeThePublishedOne) {
    QuotePlan signer;
    signer.other_qe_signer = true;
    EXPECT_REFUSED(signer, kTcbNotAccepted);
    QuotePlan debug;
    debug.qe_debug = true;
    EXPECT_REFUSED(debug, kTcbNotAccepted);
    QuotePlan old;
    old.qe_isv_svn = 4;  // below every level
    EXPECT_REFUSED(old, kTcbNotAccepted);
}

// Levels in the wrong order on purpose: their order in the text must not count.
QuotePlan with_levels(const std::vector<std::pair<int, std::string>>& by_first_component) {
    QuotePlan plan;
    for (const auto& [first, status] : by_first_component) {
        MintedLevel level;
        level.sgx = plan.platform_svn;
        level.sgx[0] = static_cast<std::uint8_t>(first);
        level.pce_svn = plan.platform_pce_svn;
        level.status = status;
        level.advisories = {"INTEL-SA-0000" + std::to_string(first)};
        plan.levels.push_back(level);
    }
    return plan;
}

TEST(DcapVerifierTest, TheHighestLevelThatIsMetCounts) {
    const QuotePlan plan = with_levels(
        {{2, "Revoked"}, {9, "UpToDate"}, {4, "OutOfDate"}, {5, "ConfigurationNeeded"}});
    const auto verdict = verify(plan);
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->status, TcbStatus::ConfigurationNeeded);
    EXPECT_EQ(verdict->advisories, std::vector<std::string>{"INTEL-SA-00005"});
}

TEST(DcapVerifierTest, EveryComponentAndThePceMustReachTheLevel) {
    QuotePlan pce = with_levels({{5, "UpToDate"}});
    pce.levels[0].pce_svn = pce.platform_pce_svn + 1;
    EXPECT_REFUSED(pce, kTcbNotAccepted);
    for (std::size_t i = 0; i < 16; ++i) {
        QuotePlan plan = with_levels({{5, "UpToDate"}});
        plan.levels[0].sgx.at(i) = static_cast<std::uint8_t>(plan.platform_svn.at(i) + 1);
        EXPECT_REFUSED(plan, kTcbNotAccepted);
    }
}

TEST(DcapVerifierTest, ARevokedLevelIsAStatusForPolicyToRefuse) {
    EXPECT_STATUS(with_levels({{5, "Revoked"}}), "Revoked");
}

TEST(DcapVerifierTest, AnOldQuotingEnclaveMakesThePlatformOutOfDate) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"UpToDate", "OutOfDate"},
        {"SWHardeningNeeded", "OutOfDate"},
        {"ConfigurationNeeded", "OutOfDateConfigurationNeeded"},
        {"ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded"},
        {"OutOfDate", "OutOfDate"},
        {"OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded"},
        {"Revoked", "Revoked"}};
    for (const auto& [platform, merged] : cases) {
        QuotePlan plan = with_levels({{5, platform}});
        plan.qe_isv_svn = 6;  // OutOfDate
        EXPECT_STATUS(plan, merged);
    }
    QuotePlan revoked;
    revoked.qe_levels = {{8, "Revoked"}};
    EXPECT_STATUS(revoked, "Revoked");
}

TEST(DcapVerifierTest, TdxComponentsCountAndTheModuleReplacesTheFirstTwo) {
    QuotePlan plain = tdx();  // module version 0: all sixteen count
    plain.levels = {{plain.platform_svn, {5}, plain.platform_pce_svn, "UpToDate", {}}};
    EXPECT_REFUSED(plain, kTcbNotAccepted);
    QuotePlan module = plain;
    module.change_body = [](base::Bytes& body) { body[1] = 1; };
    module.modules = {{"TDX_01", {{4, "UpToDate"}}}};
    EXPECT_STATUS(module, "UpToDate");
    module.modules = {{"TDX_01", {{5, "UpToDate"}}}};  // SVN 4 is below every level
    EXPECT_REFUSED(module, kTcbNotAccepted);
    module.modules = {{"TDX_03", {{4, "UpToDate"}}}};
    EXPECT_REFUSED(module, kTcbNotAccepted);
}

TEST(DcapVerifierTest, AnOtherModuleSignerOrAttributesAreNotAccepted) {
    for (const std::size_t at : {std::size_t{64}, std::size_t{112}}) {
        QuotePlan plan = tdx();
        plan.change_body = [at](base::Bytes& body) { body[at] = 1; };
        EXPECT_REFUSED(plan, kTcbNotAccepted);
    }
}

TEST(DcapVerifierTest, AnOldModuleMakesThePlatformOutOfDate) {
    QuotePlan plan = tdx();
    plan.change_body = [](base::Bytes& body) { body[1] = 1; };
    plan.modules = {{"TDX_01", {{6, "UpToDate"}, {2, "OutOfDate"}}}};
    EXPECT_STATUS(plan, "OutOfDate");
    plan.modules = {{"TDX_01", {{2, "Revoked"}}}};
    EXPECT_STATUS(plan, "Revoked");
}

TEST(DcapVerifierTest, ARelaunchIsAdvisedWhenItWouldCure) {
    EXPECT_STATUS(tdx15(), "TDRelaunchAdvised");
    QuotePlan configuration = tdx15();
    configuration.levels[0].status = "ConfigurationNeeded";
    EXPECT_STATUS(configuration, "TDRelaunchAdvisedConfigurationNeeded");
    QuotePlan no_cure = tdx15();
    no_cure.modules = {{"TDX_01", {{7, "UpToDate"}, {2, "OutOfDate"}}}};
    EXPECT_STATUS(no_cure, "OutOfDate");
    QuotePlan old_qe = tdx15();
    old_qe.qe_isv_svn = 6;
    EXPECT_STATUS(old_qe, "OutOfDate");
    QuotePlan no_module = tdx15();
    no_module.change_body = [](base::Bytes& body) {
        body[1] = 1;
        body[584] = 6;
        body[585] = 9;
    };
    EXPECT_REFUSED(no_module, kTcbNotAccepted);
}

TEST(DcapVerifierTest, SizesThatLieAreMalformed) {
    const base::Bytes good = mint_quote(sgx()).quote;
    const std::vector<std::size_t> length_fields = {
        432, 432 + 4 + 128 + 384 + 64, 432 + 4 + 128 + 384 + 64 + 2 + 32 + 2};
    for (const std::size_t at : length_fields) {
        for (const std::uint8_t value : {std::uint8_t{0xff}, std::uint8_t{0}}) {
            base::Bytes bad = good;
            bad[at] = value;
            bad[at + 1] = value;
            const auto quote = parse_quote(bad);
            ASSERT_FALSE(quote) << at;
            EXPECT_EQ(quote.error().reason(), kMalformed);
        }
    }
    base::Bytes padded = good;
    padded.resize(good.size() + 70);
    EXPECT_TRUE(parse_quote(padded));
    padded.back() = 1;
    EXPECT_FALSE(parse_quote(padded));
    EXPECT_FALSE(parse_quote(base::Bytes(kQuoteBytesMax + 1, 3)));
}

// The sweeps over real quotes need the samples; these run everywhere.
std::vector<MintedQuote> one_of_each() {
    std::vector<MintedQuote> out = {mint_quote(sgx()), mint_quote(tdx()), mint_quote(tdx15())};
    return out;
}

TEST(DcapVerifierTest, AFlippedBitOfAMintedQuoteIsRefusedWhereverItStands) {
    const std::vector<MintedQuote> quotes = one_of_each();
    constexpr std::size_t kStride = 11;
    for (std::size_t which = 0; which < quotes.size(); ++which) {
        MintedQuote bad = quotes[which];
        ASSERT_TRUE(verify(bad)) << which;
        for (std::size_t at = which; at < bad.quote.size(); at += kStride) {
            const auto mask = static_cast<std::uint8_t>(1U << (at % 8));
            bad.quote[at] ^= mask;
            EXPECT_FALSE(verify(bad)) << which << " at " << at;
            bad.quote[at] ^= mask;
        }
    }
}

TEST(DcapVerifierTest, AMintedQuoteCutOffAnywhereIsMalformed) {
    const std::vector<MintedQuote> quotes = one_of_each();
    for (const MintedQuote& one : quotes) {
        for (std::size_t size = 0; size < one.quote.size(); ++size) {
            const auto cut = parse_quote(base::ByteView(one.quote).first(size));
            ASSERT_FALSE(cut) << size;
            EXPECT_TRUE(cut.error().reason() == kMalformed || cut.error().reason() == kUnsupported)
                << size << " " << cut.error().reason();
        }
    }
}

// The verifier's own clock, whichever way it is wrong, never makes anything acceptable.
TEST(DcapVerifierTest, AClockThatIsFarOffRefusesAndGrantsNothing) {
    const MintedQuote good = mint_quote(sgx());
    for (const int years : {-100, -20, -1, 1, 20, 200}) {
        MintedQuote off = good;
        off.at += std::chrono::hours(24 * 365) * years;
        EXPECT_REFUSED(off, kExpired);
        QuotePlan revoked;
        revoked.pck_revoked = true;
        MintedQuote both = mint_quote(revoked);
        both.at = off.at;
        EXPECT_REFUSED(both, kRevoked);
    }
    MintedQuote epoch = good;
    epoch.at = base::Timestamp();
    EXPECT_REFUSED(epoch, kExpired);
}

TEST(DcapVerifierTest, ABundleGoesRound) {
    const MintedQuote minted = mint_quote(sgx());
    const auto again = DcapCollateral::parse_bundle(minted.collateral.to_bundle());
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->to_bundle(), minted.collateral.to_bundle());
    EXPECT_FALSE(DcapCollateral::parse_bundle("{}"));
    EXPECT_FALSE(DcapCollateral::parse_bundle(R"({"tcb_info":1})"));
    EXPECT_FALSE(DcapCollateral::parse_bundle(R"({"unknown":"x"})"));
}

}  // namespace
}  // namespace adyton::attest
