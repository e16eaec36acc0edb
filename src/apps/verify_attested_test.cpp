#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "apps/command_test_support.h"
#include "attest/attestation_bundle.h"
#include "attest/refusal.h"
#include "attest/test_quote_pki.h"
#include "compute/receipt.h"
#include "coordinator/evidence.h"

// `adyton verify receipt|workflow|audit --attestation`: the whole command, from the statement's
// file to the words, with quotes of a test PKI that bind the signer's key.
namespace adyton::apps {
namespace {

using base::Json;

std::string golden(const std::string& path) {
    std::ifstream file("tests/golden/" + path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// Claims of a service whose statements carry these keys.
attest::AttestationClaims claims_of(std::map<std::string, std::string> signing_keys) {
    attest::AttestationClaims out;
    out.service_id = "a-service";
    out.purpose = "test";
    out.public_key = base::Bytes(33, 2);
    out.algorithm = "p256";
    out.issued_at = 1750000000;
    out.version = "0.1.0";
    out.build_id = "00ff";
    out.signing_keys = std::move(signing_keys);
    return out;
}

// Valid at any time at which this test is likely to run.
attest::QuotePlan lasting_plan(int version, const attest::AttestationClaims& claims) {
    attest::QuotePlan plan;
    plan.version = version;
    plan.documents_until = plan.crl_until = plan.pck_until = std::chrono::hours(24 * 365 * 50);
    const attest::ReportData bound = claims.report_data();
    const std::ptrdiff_t at = version == 3 ? 320 : 520;
    plan.change_body = [bound, at](base::Bytes& body) {
        std::copy(bound.begin(), bound.end(), body.begin() + at);
    };
    return plan;
}

struct Evidence {
    attest::AttestationBundle bundle;
    std::string root;
};

Evidence minted(const attest::AttestationClaims& claims, const attest::QuotePlan& plan) {
    const attest::MintedQuote quote = attest::mint_quote(plan);
    Evidence out;
    out.bundle.claims = claims;
    out.bundle.evidence.type =
        plan.version == 3 ? attest::EvidenceType::SgxDcap : attest::EvidenceType::TdxDcap;
    out.bundle.evidence.bytes = quote.quote;
    out.bundle.collateral = quote.collateral;
    out.root = quote.root.to_hex();
    return out;
}

Evidence minted(const attest::AttestationClaims& claims, int version = 3) {
    return minted(claims, lasting_plan(version, claims));
}

Json simulated(const attest::AttestationClaims& claims) {
    attest::AttestationBundle bundle;
    bundle.claims = claims;
    bundle.evidence.type = attest::EvidenceType::Simulated;
    bundle.evidence.bytes = attest::simulated_evidence_bytes(claims.report_data());
    return bundle.to_json();
}

// One kind of statement: its file, and the claims of the program that signed it.
struct Statement {
    std::string command;  // below `verify`
    std::string text;
    attest::AttestationClaims claims;
    std::string key_name;  // the signing key that `claims` must have
    std::string accepted;  // what the command says at the end
};

Statement receipt() {
    Statement out{"receipt", golden("compute/receipt.json"), {}, "receipt-p256", "valid"};
    const auto parsed = compute::parse_receipt(out.text).value();
    out.claims = claims_of({{out.key_name, parsed.p256_key.to_hex()}});
    const auto key = base::hex_decode(parsed.ed25519_key.to_hex()).value();
    out.claims.public_key = key;
    out.claims.algorithm = "ed25519";
    return out;
}

Statement workflow() {
    coordinator::EvidenceStatement statement;
    statement.request_id = "6f1c2a9e-6f0f-4d0b-9a50-0d6f3c1f4a11";
    statement.wallet_id = "wallet-1";
    statement.endpoint = "workflow";
    statement.idempotency_key = "job";
    statement.body_sha256 = std::string(64, 'a');
    statement.created_at = "2026-04-24T20:00:00Z";
    statement.gate_id = "gate.sequential.near";
    statement.calls = {
        {"intents.near", "execute_intents", "100", "0", std::string(64, 'c'), "hash", "delegate",
         "submit", "40"}};
    statement.dispatches = {
        {"40", "receipt", "intents.near", "execute_intents", "100", "110", "success"}};
    statement.plan = {{"gate_proxy", "intents.near", "execute_intents", ""}};
    statement.policy_decisions = {{"0", "intents_transfer", "true", "default"}};
    statement.resume_tx_hash = "resume";
    statement.batch_id = "5";
    statement.status = "succeeded";
    statement.final_status = "success";
    const auto bundle = signed_by_coordinator(statement);
    return {
        "workflow", coordinator::to_json(bundle).dump(),
        claims_of({{"workflow-ed25519", bundle.public_key.to_hex()}}), "workflow-ed25519",
        "all holds"};
}

Statement audit_export() {
    return {
        "audit", golden("audit/export.jsonl"),
        claims_of(
            {{"audit-ed25519",
              "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"}}),
        "audit-ed25519", "intact"};
}

std::string spoiled(std::string text, std::string_view at) {
    const std::size_t found = text.find(at);
    EXPECT_NE(found, std::string::npos) << at;
    char& last = text[found + at.size()];
    last = last == '1' ? '2' : '1';
    return text;
}

class VerifyAttestedTest : public testing::TestWithParam<Statement (*)()> {
protected:
    VerifyAttestedTest() : statement_(GetParam()()) {
        std::string pattern = testing::TempDir() + "adyton-verify-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        write("statement", statement_.text);
    }
    ~VerifyAttestedTest() override { std::filesystem::remove_all(directory_); }

    std::string write(const std::string& name, const std::string& text) const {
        std::string path = directory_ + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    Outcome run(std::vector<std::string> more, bool json = true) const {
        std::vector<std::string> line = {"verify", statement_.command, directory_ + "/statement"};
        line.insert(line.end(), more.begin(), more.end());
        if (json) line.emplace_back("--json");
        return run_command(line);
    }
    Outcome with(const Evidence& evidence, std::vector<std::string> more = {}, bool json = true) {
        more.insert(
            more.end(), {"--attestation", write("bundle", evidence.bundle.to_json().dump()),
                         "--attestation-root", evidence.root});
        return run(std::move(more), json);
    }

    Statement statement_;
    std::string directory_;
};

TEST_P(VerifyAttestedTest, AStatementOfTheAttestedKeyIsAccepted) {
    for (const int version : {3, 4}) {
        const Outcome good = with(minted(statement_.claims, version), {}, false);
        ASSERT_EQ(good.exit, Exit::Ok) << good.err;
        EXPECT_NE(good.out.find("attested by a-service"), std::string::npos) << good.out;
        EXPECT_NE(good.out.find("--attestation-policy"), std::string::npos)
            << "without a policy nobody compared the program: " << good.out;
        EXPECT_NE(good.out.find(statement_.accepted), std::string::npos) << good.out;
        const Outcome json = with(minted(statement_.claims, version));
        EXPECT_TRUE(Json::parse(json.out));
        EXPECT_NE(json.out.find("a-service"), std::string::npos) << json.out;
    }
}

TEST_P(VerifyAttestedTest, APolicyNamesTheProgram) {
    const Evidence evidence = minted(statement_.claims);
    const auto policy = [&](std::string mrenclave) {
        return write(
            "policy", R"({"accept":[{"type":"sgx-dcap","mrenclave":")" + mrenclave +
                          R"("}],"tcb_status":["UpToDate"]})");
    };
    const std::string ours =
        base::hex_encode(base::ByteView(evidence.bundle.evidence.bytes).subspan(48 + 64, 32));
    const Outcome good = with(evidence, {"--attestation-policy", policy(ours)}, false);
    ASSERT_EQ(good.exit, Exit::Ok) << good.err;
    EXPECT_EQ(good.out.find("--attestation-policy"), std::string::npos) << good.out;
    const Outcome other = with(evidence, {"--attestation-policy", policy(std::string(64, 'b'))});
    EXPECT_TRUE(other.refused_for(attest::kMeasurementMismatch)) << other.err;
}

TEST_P(VerifyAttestedTest, ASignerThatIsNotInTheEvidenceIsRefused) {
    auto other = statement_.claims;
    std::string& key = other.signing_keys[statement_.key_name];
    key.back() = key.back() == '0' ? '1' : '0';
    EXPECT_EQ(with(minted(other)).exit, Exit::Failed);
    auto none = statement_.claims;
    none.signing_keys = {{"something-else", key}};
    const Outcome absent = with(minted(none));
    EXPECT_TRUE(absent.refused_for(attest::kBindingMismatch)) << absent.err;
    none.signing_keys.clear();
    EXPECT_TRUE(with(minted(none)).refused_for(attest::kBindingMismatch));
}

TEST_P(VerifyAttestedTest, TamperedEvidenceIsRefused) {
    const Evidence good = minted(statement_.claims);
    Evidence body = good;
    body.bundle.evidence.bytes[48 + 64] ^= 1;  // MRENCLAVE
    EXPECT_TRUE(with(body).refused_for(attest::kBadSignature));
    Evidence cut = good;
    cut.bundle.evidence.bytes.resize(400);
    EXPECT_TRUE(with(cut).refused_for(attest::kMalformed));
    Evidence claims = good;  // its report data is of the claims again, the quote's is not
    claims.bundle.claims.version = "0.1.1";
    EXPECT_TRUE(with(claims).refused_for(attest::kBindingMismatch));
    Evidence type = good;
    type.bundle.evidence.type = attest::EvidenceType::TdxDcap;
    EXPECT_EQ(with(type).exit, Exit::Failed);
    Evidence root = good;
    root.root = std::string(64, 'a');
    EXPECT_TRUE(with(root).refused_for(attest::kUntrusted));
    const std::string file = write("plain", good.bundle.to_json().dump());
    EXPECT_TRUE(run({"--attestation", file}).refused_for(attest::kUntrusted))
        << "a test's root counts only where it is named";
}

TEST_P(VerifyAttestedTest, StaleCollateralAndABrokenBundleAreRefused) {
    attest::QuotePlan plan = lasting_plan(3, statement_.claims);
    plan.documents_until = std::chrono::hours(24 * 30);
    const Outcome stale = with(minted(statement_.claims, plan));
    EXPECT_TRUE(stale.refused_for(attest::kExpired)) << stale.err;
    for (const char* const text : {"", "{}", "[]", "{\"format\":\"adyton/attest/v1\"}"}) {
        const Outcome bad = run({"--attestation", write("bad", text)});
        EXPECT_TRUE(bad.refused_for(attest::kMalformed)) << text << bad.err;
    }
    EXPECT_EQ(run({"--attestation", directory_ + "/absent"}).exit, Exit::Failed);
    EXPECT_EQ(
        run({"--attestation", write("large", std::string(5UL << 20U, ' '))}).exit, Exit::Failed);
}

TEST_P(VerifyAttestedTest, SimulatedEvidenceCountsOnlyForWhoAsksForIt) {
    const std::string file = write("bundle", simulated(statement_.claims).dump());
    const Outcome refused = run({"--attestation", file});
    EXPECT_TRUE(refused.refused_for(attest::kUnsupported)) << refused.err;
    const Outcome taken = run({"--attestation", file, "--allow-simulated"}, false);
    ASSERT_EQ(taken.exit, Exit::Ok) << taken.err;
    EXPECT_NE(taken.out.find("no hardware vouches"), std::string::npos) << taken.out;
    // What is simulated binds its claims too.
    auto other = statement_.claims;
    other.signing_keys[statement_.key_name] = std::string(64, '0');
    const std::string spoiled_file = write("bundle", simulated(other).dump());
    EXPECT_EQ(run({"--attestation", spoiled_file, "--allow-simulated"}).exit, Exit::Failed);
    EXPECT_EQ(run({"--allow-simulated"}).exit, Exit::Usage) << "of what?";
}

TEST_P(VerifyAttestedTest, AGoodAttestationDoesNotMendABadStatement) {
    const Evidence good = minted(statement_.claims);
    ASSERT_EQ(with(good).exit, Exit::Ok);
    const char* const mark = statement_.command == "receipt" ? "\"gas_used\":" : "\"sequence\":";
    write("statement", spoiled(statement_.text, mark));
    const Outcome refused = with(good);
    EXPECT_EQ(refused.exit, Exit::Failed);
}

INSTANTIATE_TEST_SUITE_P(
    Statements, VerifyAttestedTest, testing::Values(&receipt, &workflow, &audit_export),
    [](const auto& one) { return one.param().command; });

}  // namespace
}  // namespace adyton::apps
