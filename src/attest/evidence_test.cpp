#include "attest/evidence.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attest/attestation_bundle.h"
#include "attest/refusal.h"
#include "attest/test_quote_pki.h"
#include "base/random.h"

namespace adyton::attest {
namespace {

AttestationClaims claims() {
    AttestationClaims out;
    out.service_id = "neoaccounts";
    out.purpose = "pool-master";
    out.public_key = base::Bytes(33, 2);
    out.algorithm = "p256";
    out.nonce = {1, 2, 3};
    out.issued_at = 1750000000;
    out.version = "0.1.0";
    out.signing_keys = {{"checkpoint-ed25519", std::string(64, 'a')}};
    out.build_id = "00ff";
    return out;
}

// A quote by the test PKI that binds `report_data`.
MintedQuote minted(int version, const ReportData& report_data) {
    QuotePlan plan;
    plan.version = version;
    const std::size_t at = version == 3 ? 320 : 520;
    plan.change_body = [at, report_data](base::Bytes& body) {
        std::copy(
            report_data.begin(), report_data.end(), body.begin() + static_cast<std::ptrdiff_t>(at));
    };
    return mint_quote(plan);
}

// Stands in for a kernel: files by path, with hooks.
class FakeFiles final : public FileOperations {
public:
    std::map<std::string, base::Bytes> files;
    std::set<std::string> directories;
    std::function<void(const std::string&, base::ByteView)> on_write = [](auto&&...) {};
    std::function<void(const std::string&)> on_read = [](auto&&...) {};
    std::function<Result<void>(const std::string&)> on_make = [](auto&&...) {
        return Result<void>();
    };

    Result<void> make_directory(const std::string& path) override {
        if (directories.count(path) != 0) return Error::conflict("exists");
        TRY_VOID(on_make(path));
        directories.insert(path);
        return {};
    }
    Result<void> remove_directory(const std::string& path) override {
        if (directories.erase(path) == 0) return Error::not_found("no such entry");
        return {};
    }
    Result<void> write_once(const std::string& path, base::ByteView bytes) override {
        on_write(path, bytes);
        return {};
    }
    Result<base::Bytes> read_all(const std::string& path, std::size_t size_max) override {
        on_read(path);
        const auto found = files.find(path);
        if (found == files.end()) return Error::not_found(path);
        if (found->second.size() > size_max) return Error::too_large(path);
        return found->second;
    }
};

base::Bytes text(std::string_view value) {
    return {value.begin(), value.end()};
}

ReportData to_report_data(base::ByteView bytes) {
    ReportData out{};
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

TEST(ClaimsTest, EveryFieldChangesTheReportData) {
    const ReportData good = claims().report_data();
    const std::vector<std::function<void(AttestationClaims&)>> changes = {
        [](auto& c) { c.service_id = "other"; },
        [](auto& c) { c.purpose = "other"; },
        [](auto& c) { c.public_key[0] = 3; },
        [](auto& c) { c.algorithm = "ed25519"; },
        [](auto& c) { c.tls_spki = crypto::sha256({}); },
        [](auto& c) { c.policy_digest = crypto::sha256({}); },
        [](auto& c) { c.nonce.clear(); },
        [](auto& c) { ++c.issued_at; },
        [](auto& c) { c.version = "0.1.1"; },
        [](auto& c) { c.coordinator_root = crypto::sha256({}); },
        [](auto& c) { c.signing_keys["checkpoint-ed25519"][0] = 'b'; },
        [](auto& c) { c.signing_keys.clear(); },
        [](auto& c) { c.build_id = "00fe"; }};
    std::set<ReportData> seen = {good};
    for (const auto& change : changes) {
        AttestationClaims one = claims();
        change(one);
        EXPECT_TRUE(seen.insert(one.report_data()).second);
        const auto again = AttestationClaims::parse(one.to_json());
        ASSERT_TRUE(again) << again.error().message();
        EXPECT_EQ(again->report_data(), one.report_data());
    }
}

// The bytes that are hashed, once and for all: a client in another language must build the same.
TEST(ClaimsTest, TheReportDataIsTheDocumentedTranscriptVector) {
    AttestationClaims one;
    one.service_id = "a";
    one.purpose = "b";
    one.public_key = {7};
    one.algorithm = "c";
    one.version = "d";
    base::Bytes transcript = text("adyton/attest/v1");
    const auto add = [&transcript](std::uint8_t tag, const base::Bytes& bytes) {
        transcript.push_back(tag);
        for (int i = 0; i < 3; ++i) transcript.push_back(0);
        transcript.push_back(static_cast<std::uint8_t>(bytes.size()));
        transcript.insert(transcript.end(), bytes.begin(), bytes.end());
    };
    transcript.insert(transcript.end(), {0, 0, 7});
    add(1, text("a"));
    add(2, text("b"));
    add(3, {7});
    add(4, text("c"));
    add(7, {});
    add(8, base::Bytes(8, 0));
    add(9, text("d"));
    EXPECT_EQ(one.report_data(), crypto::sha512(transcript).bytes);
}

TEST(ClaimsTest, WhatIsNotClaimsIsRefused) {
    for (const char* change :
         {"unknown", "service_id", "pubkey", "nonce", "issued_at", "signing_keys"}) {
        base::Json json = claims().to_json();
        json.set(change, base::Json::string("ZZ*"));
        const auto parsed = AttestationClaims::parse(json);
        if (std::string(change) == "service_id") {
            EXPECT_TRUE(parsed);  // any text names a service
        } else {
            EXPECT_FALSE(parsed) << change;
        }
    }
    EXPECT_FALSE(AttestationClaims::parse(base::Json::array()));
    EXPECT_FALSE(base64url_decode("a+b/"));
    EXPECT_FALSE(base64url_decode("a"));
    EXPECT_EQ(base64url_decode(base64url_encode(base::Bytes(64, 0xfb))).value().size(), 64U);
}

TEST(EvidenceTest, SimulationSaysSoAndIsNoQuote) {
    const auto provider = simulated_evidence();
    const auto evidence = provider->collect(claims().report_data());
    ASSERT_TRUE(evidence);
    EXPECT_EQ(evidence->type, EvidenceType::Simulated);
    EXPECT_FALSE(parse_quote(evidence->bytes));
    EXPECT_FALSE(parse_snp_report(evidence->bytes));
}

TEST(EvidenceTest, GramineGivesAQuoteThatBindsWhatWasAsked) {
    auto files = std::make_unique<FakeFiles>();
    FakeFiles& fake = *files;
    fake.files["/a/attestation_type"] = text("dcap");
    fake.on_write = [&fake](const std::string& path, base::ByteView bytes) {
        ASSERT_EQ(path, "/a/user_report_data");
        fake.files["/a/quote"] = minted(3, to_report_data(bytes)).quote;
    };
    const auto provider = gramine_evidence(std::move(files), "/a");
    ASSERT_TRUE(provider) << provider.error().message();
    const ReportData wanted = claims().report_data();
    const auto evidence = (*provider)->collect(wanted);
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(evidence->type, EvidenceType::SgxDcap);
    EXPECT_EQ(parse_quote(evidence->bytes).value().report_data(), wanted);
    // The device kept somebody else's report data.
    fake.on_write = [](auto&&...) {};
    const auto other = (*provider)->collect(ReportData{});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::CorruptData);
}

TEST(EvidenceTest, WithoutGramineThereIsNoProvider) {
    EXPECT_FALSE(gramine_evidence(std::make_unique<FakeFiles>(), "/a"));
    auto none = std::make_unique<FakeFiles>();
    none->files["/a/attestation_type"] = text("none");
    EXPECT_FALSE(gramine_evidence(std::move(none), "/a"));
}

// configfs-tsm as the kernel does it: an entry comes with its attributes, bytes arrive at close.
std::unique_ptr<FakeFiles> fake_tsm(std::string provider) {
    auto files = std::make_unique<FakeFiles>();
    FakeFiles& fake = *files;
    fake.on_make = [&fake, provider](const std::string& path) -> Result<void> {
        if (!path.starts_with("/t/report/")) return Error::not_found("no such directory");
        fake.files[path + "/generation"] = text("0\n");
        fake.files[path + "/provider"] = text(provider + "\n");
        return {};
    };
    fake.on_write = [&fake](const std::string& path, base::ByteView bytes) {
        ASSERT_EQ(bytes.size(), 64U);
        const std::string entry = path.substr(0, path.rfind('/'));
        fake.files[entry + "/generation"] = text("1\n");
        fake.files[entry + "/outblob"] = minted(4, to_report_data(bytes)).quote;
    };
    return files;
}

TEST(EvidenceTest, TsmGivesAQuoteAndLeavesNoEntryBehind) {
    base::SeededRandom random(1);
    auto files = fake_tsm("tdx_guest");
    FakeFiles& fake = *files;
    const auto provider = tsm_evidence(std::move(files), random, "/t");
    ASSERT_TRUE(provider) << provider.error().message();
    const auto evidence = (*provider)->collect(claims().report_data());
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(evidence->type, EvidenceType::TdxDcap);
    EXPECT_TRUE(fake.directories.empty());
}

TEST(EvidenceTest, ASwallowedErrorOrAnotherWriterIsNoticedByTheGeneration) {
    for (const char* generation : {"0\n", "2\n"}) {
        base::SeededRandom random(1);
        auto files = fake_tsm("tdx_guest");
        FakeFiles& fake = *files;
        const auto provider = tsm_evidence(std::move(files), random, "/t");
        ASSERT_TRUE(provider);
        fake.on_write = [&fake, generation](const std::string& path, base::ByteView bytes) {
            const std::string entry = path.substr(0, path.rfind('/'));
            fake.files[entry + "/generation"] = text(generation);
            fake.files[entry + "/outblob"] = minted(4, to_report_data(bytes)).quote;
        };
        const auto evidence = (*provider)->collect(claims().report_data());
        ASSERT_FALSE(evidence);
        EXPECT_EQ(evidence.error().code(), ErrorCode::CorruptData);
        EXPECT_TRUE(fake.directories.empty());
    }
}

TEST(EvidenceTest, OtherProvidersAndPlainMachinesAreRefused) {
    base::SeededRandom random(1);
    EXPECT_FALSE(tsm_evidence(fake_tsm("arm_cca_guest"), random, "/t"));
    EXPECT_FALSE(tsm_evidence(std::make_unique<FakeFiles>(), random, "/nowhere/that/exists"));
    auto occupied = fake_tsm("tdx_guest");
    occupied->on_make = [](const std::string&) -> Result<void> { return Error::conflict("taken"); };
    EXPECT_FALSE(tsm_evidence(std::move(occupied), random, "/t"));
}

struct Made {
    AttestationBundle bundle;
    BundleOptions options;
};
Made made(int version = 3) {
    Made out;
    out.bundle.claims = claims();
    const MintedQuote quote = minted(version, out.bundle.claims.report_data());
    out.bundle.evidence.type = version == 3 ? EvidenceType::SgxDcap : EvidenceType::TdxDcap;
    out.bundle.evidence.bytes = quote.quote;
    out.bundle.collateral = quote.collateral;
    out.options.at = quote.at;
    out.options.root = quote.root;
    return out;
}

TEST(AttestationBundleTest, AGoodBundleGoesRoundAndIsVerified) {
    for (const int version : {3, 4}) {
        const Made one = made(version);
        const auto again = AttestationBundle::parse(one.bundle.to_json());
        ASSERT_TRUE(again) << again.error().message();
        const auto verdict = verify_bundle(*again, one.options);
        ASSERT_TRUE(verdict) << verdict.error().message();
        EXPECT_EQ(verdict->facts.type, one.bundle.evidence.type);
    }
}

TEST(AttestationBundleTest, ChangedClaimsAreABindingMismatch) {
    Made one = made();
    one.bundle.claims.public_key[5] ^= 1;
    const auto verdict = verify_bundle(one.bundle, one.options);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().reason(), kBindingMismatch);
}

TEST(AttestationBundleTest, AnotherNonceTlsKeyOrTimeIsRefused) {
    Made nonce = made();
    nonce.options.nonce = base::Bytes{1, 2, 3};
    EXPECT_TRUE(verify_bundle(nonce.bundle, nonce.options));
    nonce.options.nonce = base::Bytes{1, 2, 4};
    EXPECT_EQ(verify_bundle(nonce.bundle, nonce.options).error().reason(), kBindingMismatch);
    Made tls = made();
    tls.options.tls_spki = crypto::sha256({});
    EXPECT_EQ(verify_bundle(tls.bundle, tls.options).error().reason(), kBindingMismatch);
    Made old = made();
    old.options.age_seconds_max = 900;
    EXPECT_TRUE(verify_bundle(old.bundle, old.options));
    old.options.at += std::chrono::seconds(901);
    EXPECT_EQ(verify_bundle(old.bundle, old.options).error().reason(), kStale);
    old.options.at -= std::chrono::seconds(1000);
    EXPECT_EQ(verify_bundle(old.bundle, old.options).error().reason(), kStale);
}

TEST(AttestationBundleTest, SimulatedEvidenceStaysSimulated) {
    AttestationBundle one;
    one.claims = claims();
    one.evidence = simulated_evidence()->collect(one.claims.report_data()).value();
    const auto verdict = verify_bundle(one, {});
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->facts.type, EvidenceType::Simulated);
    const auto plain = evaluate_platform({}, verdict->facts);
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().reason(), kUnsupported);
    one.evidence.bytes.back() ^= 1;
    EXPECT_EQ(verify_bundle(one, {}).error().reason(), kBindingMismatch);
}

TEST(AttestationBundleTest, AnAnswerMustAgreeWithItsAttestation) {
    const AttestationBundle one = made().bundle;
    const auto answer = [&one](const std::string& key, bool simulated) {
        return base::Json::object()
            .set("hash", base::Json::string(crypto::sha256(one.claims.public_key).to_hex()))
            .set("pubkey", base::Json::string(key))
            .set("source", base::Json::string("neoaccounts"))
            .set("simulated", base::Json::boolean(simulated))
            .set("attestation", one.to_json())
            .dump();
    };
    const std::string key = base::hex_encode(one.claims.public_key);
    EXPECT_TRUE(AttestationBundle::parse_answer(answer(key, false)));
    EXPECT_FALSE(AttestationBundle::parse_answer(answer(std::string(66, '3'), false)));
    EXPECT_FALSE(AttestationBundle::parse_answer(answer(key, true)));
    EXPECT_FALSE(AttestationBundle::parse_answer("{}"));
    EXPECT_FALSE(AttestationBundle::parse_answer("[]"));
    EXPECT_TRUE(AttestationBundle::parse_answer(one.to_json().dump()));
}

}  // namespace
}  // namespace adyton::attest
