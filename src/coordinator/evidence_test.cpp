#include "coordinator/evidence.h"

#include <gtest/gtest.h>

namespace adyton::coordinator {
namespace {

using base::Json;

crypto::Ed25519KeyPair key(std::uint8_t seed) {
    crypto::SecretBytes<32> bytes;
    bytes.expose_mutable()[0] = seed;
    return crypto::Ed25519KeyPair(std::move(bytes));
}

EvidenceStatement statement() {
    EvidenceStatement out;
    out.request_id = "6f1c2a9e-6f0f-4d0b-9a50-0d6f3c1f4a11";
    out.wallet_id = "wallet-1";
    out.endpoint = "workflow";
    out.idempotency_key = "dust-1";
    out.body_sha256 = std::string(64, 'a');
    out.created_at = "2026-04-24T20:00:00Z";
    out.gate_id = "gate.sequential.near";
    out.wallet_account = std::string(64, 'b');
    out.relayer_id = "relayer.sequential.near";
    out.approver_id = "approver.sequential.near";
    out.plan = {{"gate_proxy", "intents.near", "execute_intents", ""}};
    out.policy_decisions = {{"0", "intents_transfer", "true", "default"}};
    for (int i = 0; i < 2; ++i) {
        const std::string n = std::to_string(i);
        out.calls.push_back(
            {"intents.near", "execute_intents", "100", "0", std::string(64, 'c'), "hash" + n,
             "delegate" + n, "submit" + n, "4" + n});
        out.dispatches.push_back(
            {"4" + n, "receipt" + n, "intents.near", "execute_intents", "10" + n, "11" + n,
             "success"});
    }
    out.resume_tx_hash = "resume";
    out.batch_id = "5";
    out.balance_deltas = {{"nep141:wrap.near:intents", "-3"}};
    out.status = "succeeded";
    out.final_status = "success";
    return out;
}

EvidenceBundle bundle(EvidenceStatement its) {
    audit::AuditRecord record;
    record.chain = 3;
    record.sequence = 17;
    record.recorded_at = base::parse_rfc3339("2026-04-24T20:00:09Z").value();
    record.kind = "coordinator.workflow_final";
    record.actor = "system:coordinator";
    record.body = "{\"request_id\":\"" + its.request_id + "\",\"facts_sha256\":\"" +
                  facts_digest(its).to_hex() + "\"}";
    record.hash = audit::record_hash(record);
    return sign_evidence(std::move(its), std::move(record), key(9));
}

std::vector<std::string> problems(const EvidenceBundle& its) {
    return check_evidence(its, key(9).public_key()).problems;
}

TEST(EvidenceTest, WhatWasSignedHoldsAndReadsBack) {
    const EvidenceBundle made = bundle(statement());
    EXPECT_TRUE(problems(made).empty());
    const auto read = parse_evidence(Json::parse(to_json(made).dump()).value());
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->statement, made.statement);
    EXPECT_TRUE(problems(*read).empty());
}

// Golden: the layout of what is signed (decisions.md 17). A change is a new version of the format.
TEST(EvidenceTest, TheTranscriptIsTheOneThatWasPublished) {
    EXPECT_EQ(
        facts_digest(statement()).to_hex(),
        "a053b509c221a438e9f086892b18b07e32118af9c1404b3a75fd95d030e162d7");
    EXPECT_EQ(
        base::hex_encode(bundle(statement()).signature.bytes),
        "751ef93f941be0febb47a866e20d3222a141dfef52b4ab3c3cbcaab91c0c7d052763317063"
        "7bbaf1370c20054f1faafeba79d449ac064d79cdf052c1909e2508");
}

TEST(EvidenceTest, EveryChangedTextIsNoticed) {
    const Json json = to_json(bundle(statement()));
    const Json& fields = *json.find("statement");
    std::size_t changed = 0;
    for (const auto& [name, value] : fields.members()) {
        if (!value.is_string()) continue;
        Json other_fields = fields;
        other_fields.set(name, Json::string(value.string_value() + "x"));
        Json other = json;
        other.set("statement", std::move(other_fields));
        const auto read = parse_evidence(other);
        ASSERT_TRUE(read) << name;
        EXPECT_FALSE(problems(*read).empty()) << name;
        ++changed;
    }
    EXPECT_EQ(changed, 16U);
}

TEST(EvidenceTest, AnotherKeyAnotherAuditRecordAndAnotherFormatAreRefused) {
    EvidenceBundle made = bundle(statement());
    EXPECT_FALSE(check_evidence(made, key(8).public_key()).problems.empty());
    EXPECT_TRUE(check_evidence(made, std::nullopt).problems.empty());
    made.audit.sequence = 18;
    EXPECT_FALSE(problems(made).empty());
    const Json json = to_json(bundle(statement()));
    Json more = json;
    EXPECT_FALSE(parse_evidence(more.set("note", Json::string("x"))));
    Json format = json;
    EXPECT_FALSE(parse_evidence(format.set("format", Json::string("adyton/workflow/v2"))));
    EXPECT_FALSE(parse_evidence(Json::array()));
}

TEST(EvidenceTest, ASignedStatementThatContradictsItselfIsNoSuccess) {
    const auto spoiled = [](auto change) {
        EvidenceStatement its = statement();
        change(its);
        return problems(bundle(std::move(its)));
    };
    EXPECT_FALSE(spoiled([](auto& s) { std::swap(s.dispatches[0], s.dispatches[1]); }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.dispatches[1].block_height = "100"; }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.dispatches[1].status = "failure"; }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.dispatches.pop_back(); }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.resume_tx_hash.clear(); }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.calls[1].intent_id = s.calls[0].intent_id; }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.policy_decisions.clear(); }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.policy_decisions[0].allowed = "false"; }).empty());
    EXPECT_FALSE(spoiled([](auto& s) { s.final_status = "failed"; }).empty());
    EXPECT_TRUE(spoiled([](auto& s) {
                    s.status = "failed";
                    s.final_status = "failed";
                    s.dispatches[1].status = "failure";
                }).empty());
}

}  // namespace
}  // namespace adyton::coordinator
