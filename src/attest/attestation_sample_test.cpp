#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "attest/dcap_verifier.h"
#include "attest/quote.h"
#include "attest/refusal.h"
#include "attest/snp_report.h"
#include "base/json.h"

// Third parties' quotes and reports, read where they are: ADYTON_ATTESTATION_SAMPLES names the
// directory, each sample is one of its directories with an expected.json. Never part of the
// project.
namespace adyton::attest {
namespace {

namespace fs = std::filesystem;
using base::Json;

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.good()) << path;
    return {std::istreambuf_iterator<char>(in), {}};
}

base::Bytes read_bytes(const fs::path& path) {
    const std::string text = read_file(path);
    const base::ByteView view = base::as_bytes(text);
    return {view.begin(), view.end()};
}

struct Sample {
    std::string name;
    fs::path directory;
    Json expected;

    const Json* find(std::initializer_list<std::string_view> path) const {
        const Json* at = &expected;
        for (const std::string_view part : path) {
            if (at == nullptr) return nullptr;
            at = at->find(part);
        }
        return at != nullptr && !at->is_null() ? at : nullptr;
    }
    std::string text(std::initializer_list<std::string_view> path) const {
        const Json* const found = find(path);
        return found != nullptr && found->is_string() ? found->string_value() : "";
    }
};

std::optional<fs::path> sample_root() {
    const char* const path = std::getenv("ADYTON_ATTESTATION_SAMPLES");
    if (path == nullptr || *path == '\0') return std::nullopt;
    return fs::path(path);
}

std::vector<Sample> samples(std::string_view kind) {
    std::vector<Sample> out;
    for (const auto& entry : fs::directory_iterator(*sample_root())) {
        const fs::path expected = entry.path() / "expected.json";
        if (!fs::exists(expected)) continue;
        auto json = Json::parse(read_file(expected));
        EXPECT_TRUE(json) << expected;
        if (!json) continue;
        Sample sample{entry.path().filename().string(), entry.path(), std::move(*json)};
        if (sample.text({"kind"}) == kind) out.push_back(std::move(sample));
    }
    return out;
}

base::Bytes quote_of(const Sample& sample) {
    for (const char* name : {"quote.bin", "quote.dat"}) {
        if (fs::exists(sample.directory / name)) return read_bytes(sample.directory / name);
    }
    ADD_FAILURE() << sample.name << " has no quote";
    return {};
}

std::optional<Result<DcapCollateral>> collateral_of(const Sample& sample) {
    const fs::path& dir = sample.directory;
    if (fs::exists(dir / "collateral.json")) {
        return DcapCollateral::parse_bundle(read_file(dir / "collateral.json"));
    }
    if (!fs::exists(dir / "tcb_info.response.json")) return std::nullopt;
    const std::string tcb = read_file(dir / "tcb_info.response.json");
    const std::string tcb_chain = read_file(dir / "tcb_info_issuer_chain.pem");
    const std::string qe = read_file(dir / "qe_identity.response.json");
    const std::string qe_chain = read_file(dir / "qe_identity_issuer_chain.pem");
    const std::string crl_chain = read_file(dir / "pck_crl_issuer_chain.pem");
    const base::Bytes pck_crl = read_bytes(dir / "pck_crl.der");
    const base::Bytes root_crl = read_bytes(dir / "root_ca_crl.der");
    return DcapCollateral::from_pcs({tcb, tcb_chain, qe, qe_chain, pck_crl, crl_chain, root_crl});
}

#define ADYTON_SKIP_WITHOUT_SAMPLES()                                                    \
    if (!sample_root()) {                                                                \
        GTEST_SKIP() << "NOT RUN: ADYTON_ATTESTATION_SAMPLES names no sample directory"; \
    }

// The bytes as a strict verifier takes them: what a source appended is told and cut off.
base::Bytes without_foreign_tail(const Sample& sample) {
    base::Bytes quote = quote_of(sample);
    const Json* const zero = sample.find({"quote", "trailing_all_zero"});
    if (zero == nullptr || zero->boolean_value()) return quote;
    const auto parsed = parse_quote(quote);
    EXPECT_FALSE(parsed) << sample.name;
    if (!parsed) {
        EXPECT_EQ(parsed.error().reason(), kMalformed) << sample.name;
    }
    const auto tail = sample.find({"quote", "trailing_bytes"})->as_uint64().value();
    quote.resize(quote.size() - tail);
    return quote;
}

bool unsupported_kind(const Sample& sample) {
    const Json* const type = sample.find({"quote", "cert_type"});
    return type != nullptr && type->as_int64().value() != 5;
}

void expect_fields(const Sample& sample, const Quote& quote) {
    const auto hex = [](const auto& bytes) { return base::hex_encode(bytes); };
    const Json* const q = sample.find({"quote"});
    ASSERT_NE(q, nullptr);
    EXPECT_EQ(quote.version, q->find("version")->as_int64().value());
    EXPECT_EQ(
        static_cast<std::int64_t>(quote.signed_bytes.size()),
        q->find("signed_len")->as_int64().value());
    EXPECT_EQ(
        static_cast<std::int64_t>(quote.qe_auth_data.size()),
        q->find("qe_auth_len")->as_int64().value());
    EXPECT_EQ(hex(quote.report_data()), sample.text({"quote", "report_data"}));
    if (const auto* sgx = std::get_if<SgxReport>(&quote.body)) {
        EXPECT_EQ(hex(sgx->mr_enclave), sample.text({"quote", "mrenclave"}));
        EXPECT_EQ(hex(sgx->mr_signer), sample.text({"quote", "mrsigner"}));
        EXPECT_EQ(hex(sgx->attributes), sample.text({"quote", "attributes"}));
        EXPECT_EQ(sgx->isv_prod_id, q->find("isv_prod_id")->as_int64().value());
        EXPECT_EQ(sgx->isv_svn, q->find("isv_svn")->as_int64().value());
        return;
    }
    const auto& td = std::get<TdReport>(quote.body);
    EXPECT_EQ(hex(td.tee_tcb_svn), sample.text({"quote", "tee_tcb_svn"}));
    EXPECT_EQ(hex(td.mr_seam), sample.text({"quote", "mr_seam"}));
    EXPECT_EQ(hex(td.td_attributes), sample.text({"quote", "td_attributes"}));
    EXPECT_EQ(hex(td.xfam), sample.text({"quote", "xfam"}));
    EXPECT_EQ(hex(td.mr_td), sample.text({"quote", "mr_td"}));
    EXPECT_EQ(hex(td.mr_config_id), sample.text({"quote", "mr_config_id"}));
    for (std::size_t i = 0; i < td.rtmr.size(); ++i) {
        EXPECT_EQ(hex(td.rtmr.at(i)), q->find("rtmr")->items().at(i).string_value());
    }
}

base::Timestamp time_of(const Sample& sample) {
    return base::parse_rfc3339(sample.text({"evaluate_at"})).value();
}

TEST(AttestationSampleTest, EveryQuoteIsReadAsItIs) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    const std::vector<Sample> all = samples("dcap");
    ASSERT_FALSE(all.empty());
    for (const Sample& sample : all) {
        SCOPED_TRACE(sample.name);
        const auto quote = parse_quote(without_foreign_tail(sample));
        if (unsupported_kind(sample)) {
            ASSERT_FALSE(quote);
            EXPECT_EQ(quote.error().reason(), kUnsupported) << quote.error().message();
            continue;
        }
        ASSERT_TRUE(quote) << quote.error().message();
        expect_fields(sample, *quote);
        const auto signatures = verify_dcap_signatures(*quote, intel_sgx_root());
        if (sample.text({"expected", "signatures"}) == "ok") {
            EXPECT_TRUE(signatures) << signatures.error().message();
        }
    }
}

TEST(AttestationSampleTest, EveryQuoteWithCollateralGetsItsStatus) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    int judged = 0;
    for (const Sample& sample : samples("dcap")) {
        const auto collateral = collateral_of(sample);
        if (!collateral || unsupported_kind(sample)) continue;
        SCOPED_TRACE(sample.name);
        ++judged;
        ASSERT_TRUE(*collateral) << collateral->error().message();
        const auto quote = parse_quote(without_foreign_tail(sample));
        ASSERT_TRUE(quote);
        const auto verdict = verify_dcap(*quote, **collateral, {time_of(sample)});
        const std::string status = sample.text({"expected", "tcb_status"});
        if (status.empty()) {
            ASSERT_FALSE(verdict);
            EXPECT_EQ(verdict.error().reason(), kTcbNotAccepted) << verdict.error().message();
            continue;
        }
        ASSERT_TRUE(verdict) << verdict.error().reason() << ": " << verdict.error().message();
        EXPECT_EQ(to_string(verdict->status), status);
        EXPECT_EQ(to_string(verdict->qe_status), sample.text({"expected", "qe_status"}));
        EXPECT_EQ(verdict->fmspc, sample.text({"fmspc"}));
        std::vector<std::string> advisories;
        for (const Json& one : sample.find({"expected", "advisories"})->items()) {
            advisories.push_back(one.string_value());
        }
        EXPECT_EQ(verdict->advisories, advisories);
        EXPECT_EQ(quote->debug(), sample.find({"expected", "debug"})->boolean_value());
        if (const std::string module = sample.text({"expected", "tdx_module"}); !module.empty()) {
            ASSERT_TRUE(verdict->module_status.has_value());
            EXPECT_EQ(
                verdict->module_id + " " + std::string(to_string(*verdict->module_status)), module);
        }
    }
    EXPECT_GT(judged, 0);
}

TEST(AttestationSampleTest, OldCollateralIsExpiredAndFutureCollateralToo) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    for (const Sample& sample : samples("dcap")) {
        const auto collateral = collateral_of(sample);
        if (!collateral || unsupported_kind(sample)) continue;
        SCOPED_TRACE(sample.name);
        const auto quote = parse_quote(without_foreign_tail(sample));
        ASSERT_TRUE(quote && *collateral);
        for (const auto shift : {std::chrono::hours(24 * 4000), std::chrono::hours(-24 * 1000)}) {
            const auto verdict = verify_dcap(*quote, **collateral, {time_of(sample) + shift});
            ASSERT_FALSE(verdict);
            EXPECT_EQ(verdict.error().reason(), kExpired) << verdict.error().message();
        }
    }
}

// Whether a changed sample is refused, by whatever part.
bool refused_quote(
    const base::Bytes& bytes, const std::optional<DcapCollateral>& collateral, base::Timestamp at) {
    const auto quote = parse_quote(bytes);
    if (!quote) return true;
    if (!collateral) return !verify_dcap_signatures(*quote, intel_sgx_root());
    return !verify_dcap(*quote, *collateral, {at});
}

// A whole verification for each byte is minutes: every byte of the quote alone is tried against the
// quote's own signatures, which is all that covers it.
TEST(AttestationSampleTest, AFlippedByteAnywhereInAQuoteIsRefused) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    for (const Sample& sample : samples("dcap")) {
        if (unsupported_kind(sample)) continue;
        const base::Bytes good = without_foreign_tail(sample);
        ASSERT_FALSE(refused_quote(good, std::nullopt, {})) << sample.name;
        for (std::size_t i = 0; i < good.size(); ++i) {
            base::Bytes bad = good;
            bad[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
            ASSERT_TRUE(refused_quote(bad, std::nullopt, {})) << sample.name << " byte " << i;
        }
    }
}

TEST(AttestationSampleTest, AFlippedByteAnywhereInTheCollateralIsRefused) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    for (const Sample& sample : samples("dcap")) {
        const fs::path path = sample.directory / "collateral.json";
        if (!fs::exists(path)) continue;
        const auto quote = parse_quote(without_foreign_tail(sample));
        ASSERT_TRUE(quote);
        const std::string good = read_file(path);
        ASSERT_TRUE(
            verify_dcap(*quote, DcapCollateral::parse_bundle(good).value(), {time_of(sample)}));
        for (std::size_t i = 0; i < good.size(); i += 3) {
            std::string bad = good;
            bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 7)));
            const auto collateral = DcapCollateral::parse_bundle(bad);
            if (!collateral) continue;
            ASSERT_FALSE(verify_dcap(*quote, *collateral, {time_of(sample)}))
                << sample.name << " byte " << i;
        }
    }
}

TEST(AttestationSampleTest, AQuoteCutOffAnywhereIsRefused) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    for (const Sample& sample : samples("dcap")) {
        if (unsupported_kind(sample)) continue;
        base::Bytes quote = without_foreign_tail(sample);
        while (!quote.empty() && quote.back() == 0) quote.pop_back();  // padding may go
        for (std::size_t size = 0; size < quote.size(); ++size) {
            // The one NUL that may end the certificates belongs to the sizes that the quote says.
            ASSERT_FALSE(parse_quote(base::ByteView(quote).first(size))) << sample.name << size;
        }
    }
}

TEST(AttestationSampleTest, CollateralOfAnotherPlatformIsRefused) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    const std::vector<Sample> all = samples("dcap");
    for (const Sample& one : all) {
        for (const Sample& other : all) {
            const auto collateral = collateral_of(other);
            if (one.name == other.name || !collateral || unsupported_kind(one)) continue;
            if (unsupported_kind(other)) continue;
            const auto quote = parse_quote(without_foreign_tail(one));
            ASSERT_TRUE(quote && *collateral);
            const auto verdict = verify_dcap(*quote, **collateral, {time_of(other)});
            EXPECT_FALSE(verdict) << one.name << " with the collateral of " << other.name;
        }
    }
}

struct SnpFiles {
    base::Bytes report;
    base::Bytes key;
    std::string chain;
};

SnpFiles snp_files(const Sample& sample) {
    return {
        read_bytes(sample.directory / "report.bin"), read_bytes(sample.directory / "vcek.der"),
        read_file(*sample_root() / sample.text({"chain"}))};
}

Result<SnpVerdict> verify_files(const SnpFiles& files, base::Timestamp at) {
    TRY(const SnpReport report, parse_snp_report(files.report));
    SnpOptions options;
    options.at = at;
    return verify_snp(report, {files.key, files.chain, {}}, options);
}

const base::Timestamp kSnpTime = base::parse_rfc3339("2024-01-01T00:00:00Z").value();

TEST(AttestationSampleTest, EverySnpReportIsReadAndVerified) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    const std::vector<Sample> all = samples("snp");
    ASSERT_FALSE(all.empty());
    for (const Sample& sample : all) {
        SCOPED_TRACE(sample.name);
        const SnpFiles files = snp_files(sample);
        const auto report = parse_snp_report(files.report);
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(base::hex_encode(report->measurement), sample.text({"report", "measurement"}));
        EXPECT_EQ(base::hex_encode(report->report_data), sample.text({"report", "report_data"}));
        EXPECT_EQ(base::hex_encode(report->chip_id), sample.text({"report", "chip_id"}));
        EXPECT_EQ(base::hex_encode(report->host_data), sample.text({"report", "host_data"}));
        EXPECT_EQ(report->policy, sample.find({"report", "policy"})->as_uint64().value());
        EXPECT_EQ(report->debug(), sample.find({"expected", "debug"})->boolean_value());
        EXPECT_EQ(report->smt_allowed(), sample.find({"expected", "smt_allowed"})->boolean_value());
        const auto verdict = verify_files(files, kSnpTime);
        ASSERT_TRUE(verdict) << verdict.error().reason() << ": " << verdict.error().message();
        EXPECT_EQ(to_string(verdict->product), sample.text({"product"}));
    }
}

TEST(AttestationSampleTest, AFlippedByteAnywhereInASnpReportOrItsKeyIsRefused) {
    ADYTON_SKIP_WITHOUT_SAMPLES();
    for (const Sample& sample : samples("snp")) {
        const SnpFiles good = snp_files(sample);
        for (std::size_t i = 0; i < good.report.size(); ++i) {
            SnpFiles bad = good;
            bad.report[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
            ASSERT_FALSE(verify_files(bad, kSnpTime)) << sample.name << " byte " << i;
        }
        for (std::size_t i = 0; i < good.key.size(); ++i) {
            SnpFiles bad = good;
            bad.key[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
            ASSERT_FALSE(verify_files(bad, kSnpTime)) << sample.name << " key byte " << i;
        }
        for (std::size_t size = 0; size < good.report.size(); ++size) {
            ASSERT_FALSE(parse_snp_report(base::ByteView(good.report).first(size)));
        }
    }
}

}  // namespace
}  // namespace adyton::attest
