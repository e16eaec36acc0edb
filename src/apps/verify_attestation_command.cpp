#include "apps/verify_attestation_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command.h"
#include "apps/files.h"
#include "attest/attestation_bundle.h"
#include "attest/attestation_policy.h"
#include "attest/collateral.h"
#include "attest/dcap_verifier.h"
#include "attest/quote.h"
#include "attest/refusal.h"
#include "attest/snp_report.h"
#include "base/bytes.h"
#include "base/event_loop.h"
#include "base/json.h"

namespace adyton::apps {
namespace {

using base::Json;
namespace fs = std::filesystem;

struct AttestationOptions {
    std::string file;
    std::string collateral;
    std::string key;
    std::string chain;
    std::string crl;
    std::string policy;
    std::string report_data;
    std::string at;
    std::string product;
    std::string root;
    std::string nonce;
    std::string tls_spki;
    std::optional<std::uint64_t> age_max;
    std::uint32_t vmpl = 0;
    bool allow_debug = false;
    bool allow_simulated = false;
};

// What was found, told before the judgement so that a refusal still says about what.
struct Findings {
    Json details = Json::object();
    std::vector<std::string> lines;
    std::optional<attest::EvidenceFacts> facts;
    std::string acceptance;
    bool policy_given = false;
};

Result<std::string> read_text(const std::string& path) {
    constexpr std::size_t kBytesMax = 4UL * 1024 * 1024;
    return read_file(path, kBytesMax);
}

// A certificate or list as its file has it: DER or PEM, which the verifier tells apart.
Result<base::Bytes> read_bytes(const std::string& path) {
    TRY(const std::string text, read_text(path));
    const base::ByteView view = base::as_bytes(text);
    return base::Bytes(view.begin(), view.end());
}

Result<base::Timestamp> time_of(const AttestationOptions& options) {
    if (options.at.empty()) {
        base::WorkerThreads workers(1);
        const base::EventLoop clock(workers);
        return clock.now();
    }
    const auto at = base::parse_rfc3339(options.at);
    if (!at) return Error::invalid_argument("--at wants a time such as 2025-07-04T10:00:00Z");
    return *at;
}

// A directory with the PCS's answers, or one JSON document.
Result<attest::DcapCollateral> read_collateral(const std::string& path) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
        TRY(const std::string json, read_text(path));
        return attest::DcapCollateral::parse_bundle(json);
    }
    const std::string dir = path + "/";
    TRY(const std::string tcb, read_text(dir + "tcb_info.response.json"));
    TRY(const std::string tcb_chain, read_text(dir + "tcb_info_issuer_chain.pem"));
    TRY(const std::string qe, read_text(dir + "qe_identity.response.json"));
    TRY(const std::string qe_chain, read_text(dir + "qe_identity_issuer_chain.pem"));
    TRY(const std::string crl_chain, read_text(dir + "pck_crl_issuer_chain.pem"));
    TRY(const base::Bytes pck_crl, read_bytes(dir + "pck_crl.der"));
    TRY(const base::Bytes root_crl, read_bytes(dir + "root_ca_crl.der"));
    return attest::DcapCollateral::from_pcs(
        {tcb, tcb_chain, qe, qe_chain, pck_crl, crl_chain, root_crl});
}

Result<attest::AttestationPolicy> read_policy(const AttestationOptions& options) {
    attest::AttestationPolicy policy;
    if (!options.policy.empty()) {
        TRY(const std::string text, read_text(options.policy));
        const auto json = Json::parse(text);
        if (!json) return Error::invalid_argument("the policy is not JSON");
        TRY(policy, attest::AttestationPolicy::parse(*json));
    }
    policy.allow_debug = policy.allow_debug || options.allow_debug;
    policy.allow_simulated = policy.allow_simulated || options.allow_simulated;
    return policy;
}

Result<std::optional<crypto::Sha256Digest>> digest_option(
    const std::string& hex, std::string_view name) {
    if (hex.empty()) return std::optional<crypto::Sha256Digest>();
    const auto bytes = base::hex_decode(hex);
    if (!bytes || bytes->size() != 32) {
        return Error::invalid_argument(std::string(name) + " wants a SHA-256, 64 hex digits");
    }
    TRY(const auto digest, crypto::Sha256Digest::parse(*bytes));
    return std::optional<crypto::Sha256Digest>(digest);
}

Result<attest::EvidenceFacts> verify_quote(
    const AttestationOptions& options, base::ByteView bytes, base::Timestamp at,
    Findings& findings) {
    TRY(const attest::Quote quote, attest::parse_quote(bytes));
    const char* const kind = quote.tee == attest::TeeType::Sgx ? "SGX enclave" : "TDX trust domain";
    findings.lines.push_back(
        fmt::format("a DCAP quote of version {}, of an {}", quote.version, kind));
    TRY(const auto root, digest_option(options.root, "--root"));
    attest::DcapOptions dcap;
    dcap.at = at;
    dcap.root = root.value_or(attest::intel_sgx_root());
    if (options.collateral.empty()) {
        TRY_VOID(attest::verify_dcap_signatures(quote, dcap.root));
        findings.lines.emplace_back("its signatures reach Intel's root");
        return Error::invalid_argument(
            "say --collateral FILE: without it nobody knows whether the platform is current or "
            "revoked");
    }
    TRY(const attest::DcapCollateral collateral, read_collateral(options.collateral));
    TRY(const attest::DcapVerdict verdict, attest::verify_dcap(quote, collateral, dcap));
    findings.lines.push_back(fmt::format(
        "its signatures reach {}; nothing of the chain is revoked",
        root ? "the root that you named" : "Intel's root"));
    findings.lines.push_back(fmt::format(
        "TCB status {}, quoting enclave {}, platform kind {}, judged by evaluation {}",
        attest::to_string(verdict.status), attest::to_string(verdict.qe_status), verdict.fmspc,
        verdict.tcb_evaluation_data_number));
    if (verdict.module_status) {
        findings.lines.push_back(fmt::format(
            "TDX module {}: {}", verdict.module_id, attest::to_string(*verdict.module_status)));
    }
    findings.details.set("quote_version", Json::integer(quote.version));
    findings.details.set("fmspc", Json::string(verdict.fmspc));
    findings.details.set(
        "collateral_expires", Json::string(base::to_rfc3339(verdict.collateral_expires)));
    return attest::facts_of(quote, verdict);
}

Result<attest::EvidenceFacts> verify_report(
    const AttestationOptions& options, base::ByteView bytes, base::Timestamp at,
    Findings& findings) {
    TRY(const attest::SnpReport report, attest::parse_snp_report(bytes));
    findings.lines.push_back(fmt::format("a SEV-SNP report of version {}", report.version));
    if (options.key.empty() || options.chain.empty()) {
        return Error::invalid_argument(
            "say --key VCEK.der and --chain ASK_ARK.pem: the report does not bring them");
    }
    attest::SnpOptions snp;
    snp.at = at;
    snp.vmpl = options.vmpl;
    TRY(snp.root, digest_option(options.root, "--root"));
    if (!options.product.empty()) {
        TRY(snp.product, attest::parse_snp_product(options.product));
    }
    TRY(const base::Bytes key, read_bytes(options.key));
    TRY(const std::string chain, read_text(options.chain));
    base::Bytes crl;
    if (!options.crl.empty()) {
        TRY(crl, read_bytes(options.crl));
    }
    TRY(const attest::SnpVerdict verdict, attest::verify_snp(report, {key, chain, crl}, snp));
    findings.lines.push_back(fmt::format(
        "signed by the {} of a {} chip; the chain reaches {}{}", verdict.vlek ? "VLEK" : "VCEK",
        attest::to_string(verdict.product), snp.root ? "the root that you named" : "AMD's root",
        verdict.revocation_checked ? "" : "; revocation was not checked (--crl)"));
    findings.details.set("product", Json::string(std::string(attest::to_string(verdict.product))));
    findings.details.set("revocation_checked", Json::boolean(verdict.revocation_checked));
    return attest::facts_of(report, verdict);
}

Result<attest::BundleOptions> bundle_options(
    const AttestationOptions& options, base::Timestamp at) {
    attest::BundleOptions out;
    out.at = at;
    out.age_seconds_max = options.age_max;
    TRY(out.root, digest_option(options.root, "--root"));
    TRY(out.tls_spki, digest_option(options.tls_spki, "--tls-spki"));
    if (!options.nonce.empty()) {
        const auto nonce = attest::base64url_decode(options.nonce);
        if (!nonce) return Error::invalid_argument("--nonce wants base64url without padding");
        out.nonce = *nonce;
    }
    if (!options.collateral.empty()) {
        TRY(out.collateral, read_collateral(options.collateral));
    }
    if (!options.key.empty()) {
        TRY(out.snp_key, read_text(options.key));
    }
    if (!options.chain.empty()) {
        TRY(out.snp_chain, read_text(options.chain));
    }
    return out;
}

Result<attest::EvidenceFacts> verify_bundle_text(
    const AttestationOptions& options, std::string_view text, base::Timestamp at,
    Findings& findings) {
    TRY(const attest::AttestationBundle bundle, attest::AttestationBundle::parse_answer(text));
    const attest::AttestationClaims& claims = bundle.claims;
    findings.lines.push_back(fmt::format(
        "a statement of {} {} about its key {}, with evidence of type {}", claims.service_id,
        claims.version, claims.purpose, attest::to_string(bundle.evidence.type)));
    findings.lines.push_back("key                  " + base::hex_encode(claims.public_key));
    findings.details.set("claims", claims.to_json());
    TRY(const attest::BundleOptions wanted, bundle_options(options, at));
    TRY(const attest::BundleVerdict verdict, attest::verify_bundle(bundle, wanted));
    findings.lines.push_back(fmt::format(
        "the evidence binds this statement{}",
        wanted.nonce ? " and your nonce" : "; without --nonce it may be an old one"));
    return verdict.facts;
}

// A DCAP quote says its key type (2) in the bytes where a report's version has zeros.
bool looks_like_quote(base::ByteView bytes) {
    return bytes.size() >= 4 && (bytes[2] != 0 || bytes[3] != 0);
}

Result<void> check_report_data(
    const AttestationOptions& options, const attest::EvidenceFacts& facts) {
    if (options.report_data.empty()) return {};
    const auto wanted = base::hex_decode(options.report_data);
    if (!wanted || wanted->size() > 64) {
        return Error::invalid_argument("--report-data wants at most 64 bytes in hex");
    }
    base::Bytes padded = *wanted;
    padded.resize(64);
    if (base::hex_encode(padded) == facts.report_data) return {};
    return attest::refused(
        attest::kBindingMismatch, "the evidence does not bind the report data that you expect");
}

Result<void> judge(const AttestationOptions& options, Findings& findings) {
    TRY(const base::Timestamp at, time_of(options));
    TRY(const attest::AttestationPolicy policy, read_policy(options));
    TRY(const std::string text, read_text(options.file));
    const base::ByteView bytes = base::as_bytes(text);
    if (text.starts_with('{')) {
        TRY(findings.facts, verify_bundle_text(options, text, at, findings));
    } else if (looks_like_quote(bytes)) {
        TRY(findings.facts, verify_quote(options, bytes, at, findings));
    } else {
        TRY(findings.facts, verify_report(options, bytes, at, findings));
    }
    const attest::EvidenceFacts& facts = *findings.facts;
    findings.policy_given = !options.policy.empty();
    TRY(const attest::Acceptance acceptance, findings.policy_given
                                                 ? attest::evaluate(policy, facts)
                                                 : attest::evaluate_platform(policy, facts));
    TRY_VOID(check_report_data(options, facts));
    findings.acceptance = attest::to_string(acceptance);
    return {};
}

void describe_facts(Findings& findings) {
    if (!findings.facts) return;
    const attest::EvidenceFacts& facts = *findings.facts;
    const Json shown = attest::to_json(facts);
    for (const auto& [name, value] : shown.members()) {
        findings.details.set(name, value);
    }
    if (!facts.mr_enclave.empty()) {
        findings.lines.push_back("program (mrenclave)  " + facts.mr_enclave);
        findings.lines.push_back(fmt::format(
            "signer (mrsigner)    {}, product {}, version {}", facts.mr_signer, facts.isv_prod_id,
            facts.isv_svn));
    }
    if (!facts.mr_td.empty()) {
        findings.lines.push_back("firmware (mrtd)      " + facts.mr_td);
        for (std::size_t i = 0; i < facts.rtmr.size(); ++i) {
            findings.lines.push_back(fmt::format("rtmr {}               {}", i, facts.rtmr[i]));
        }
    }
    if (!facts.measurement.empty()) {
        findings.lines.push_back("guest (measurement)  " + facts.measurement);
        findings.lines.push_back("host data            " + facts.host_data);
    }
    findings.lines.push_back("report data          " + facts.report_data);
    if (facts.debug) findings.lines.emplace_back("DEBUG: the host can read its memory");
    for (const std::string& advisory : facts.advisories) {
        findings.lines.push_back("advisory " + advisory);
    }
}

// Wrong words on the command line are Usage, everything about the evidence is Failed.
Exit tell(Process& process, Findings& findings, const Result<void>& judged, bool json) {
    describe_facts(findings);
    if (json) {
        Json out = Json::object();
        out.set("result", Json::string(judged ? findings.acceptance : "rejected"));
        if (judged) {
            out.set("measurement_compared", Json::boolean(findings.policy_given));
        } else {
            out.set("reason", Json::string(judged.error().reason()));
            out.set("message", Json::string(judged.error().message()));
        }
        for (const auto& [name, value] : findings.details.members()) out.set(name, value);
        process.console.print_json(out);
        return judged ? Exit::Ok : Exit::Failed;
    }
    for (const std::string& line : findings.lines) process.console.print(printable(line));
    if (!judged) {
        process.console.fail(judged.error(), false);
        process.console.print("rejected");
        return Exit::Failed;
    }
    if (!findings.policy_given) {
        process.console.warning(
            "no --policy: the platform is genuine, but nobody compared which program runs there");
    }
    process.console.print("accepted: " + findings.acceptance);
    return Exit::Ok;
}

}  // namespace

void add_verify_attestation(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "attestation",
         .summary = "Check a hardware quote or report and say what it proves",
         .details =
             "Takes the answer of GET /master-key (or its attestation alone), Intel DCAP quotes "
             "(SGX "
             "version 3 and 5, TDX version 4 and 5) and AMD SEV-SNP reports. Everything is checked "
             "here and now against a root pinned in this program: "
             "signatures, certificates, revocation, how current the platform is, debug mode and, "
             "with --policy, which program runs there. Nothing is fetched: Intel's collateral and "
             "AMD's certificates come as files.",
         .examples = {
             "adyton verify attestation quote.bin --collateral collateral.json --policy "
             "policy.json",
             "adyton verify attestation quote.bin --collateral pcs-answers/ --json",
             "adyton verify attestation report.bin --key vcek.der --chain ask_ark.pem"}});
    const auto options = std::make_shared<AttestationOptions>();  // shared: the callback is copied
    command
        .add_option(
            "file", options->file, "The answer as JSON, or the quote or report as raw bytes")
        ->required();
    command.add_option(
        "--collateral", options->collateral,
        "DCAP: a JSON document, or a directory with the PCS's answers");
    command.add_option("--key", options->key, "SNP: the certificate of VCEK or VLEK, DER");
    command.add_option("--chain", options->chain, "SNP: ASK (or ASVK) and ARK, PEM");
    command.add_option("--crl", options->crl, "SNP: AMD's revocation list, DER");
    command.add_option(
        "--product", options->product, "SNP: Milan, Genoa or Turin, if it is not said");
    command.add_option("--vmpl", options->vmpl, "SNP: the privilege level that asked (default 0)");
    command.add_option("--policy", options->policy, "Which programs and platforms to accept, JSON");
    command.add_option(
        "--report-data", options->report_data,
        "What the evidence must bind, hex, padded with zeros");
    command.add_option("--at", options->at, "Judge as of this time (default: now)");
    command.add_option("--nonce", options->nonce, "The nonce that you sent, base64url");
    command.add_option(
        "--tls-spki", options->tls_spki,
        "SHA-256 of the server's public key as TLS showed it, hex");
    command.add_option("--max-age", options->age_max, "Oldest statement to accept, in seconds");
    command.add_option(
        "--root", options->root, "Another root: SHA-256 of its certificate, hex. For tests");
    command.add_flag(
        "--allow-debug", options->allow_debug, "Accept debug mode; the result says so");
    command.add_flag(
        "--allow-simulated", options->allow_simulated,
        "Accept a simulated platform, which proves nothing; the result says so");
    on_run(command, invocation, [options, &invocation](Process& process) {
        Findings findings;
        const Result<void> judged = judge(*options, findings);
        return tell(process, findings, judged, invocation.json);
    });
}

}  // namespace adyton::apps
