#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "apps/command.h"
#include "attest/secret_source.h"
#include "base/json.h"
#include "coordinator/evidence.h"

// For tests of commands: the whole command line, and a statement as a coordinator signs it.
namespace adyton::apps {

struct Outcome {
    Exit exit = Exit::Failed;
    std::string out;
    std::string err;

    // Of a command that was given --json.
    bool refused_for(std::string_view reason) const {
        return exit == Exit::Failed &&
               err.find("\"reason\":\"" + std::string(reason) + "\"") != std::string::npos;
    }
};

// The command line without the program's name.
inline Outcome run_command(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    Console console(out, err, Console::Kind::Plain);
    attest::SecretSource secrets;
    const service::ConfigInputs environment{};
    const crypto::Hardening hardening{};
    Process process{console, secrets, environment, hardening, "adyton"};
    Outcome outcome;
    outcome.exit = run_command_line(arguments, process);
    outcome.out = out.str();
    outcome.err = err.str();
    return outcome;
}

// With the audit record that its coordinator would have, under a fixed key.
inline coordinator::EvidenceBundle signed_by_coordinator(
    const coordinator::EvidenceStatement& statement) {
    using base::Json;
    audit::AuditRecord record;
    record.chain = 1;
    record.sequence = 2;
    record.recorded_at = base::parse_rfc3339("2026-04-24T20:00:09Z").value();
    record.kind = "coordinator.workflow_final";
    record.actor = "system:coordinator";
    record.body =
        Json::object()
            .set("request_id", Json::string(statement.request_id))
            .set("facts_sha256", Json::string(coordinator::facts_digest(statement).to_hex()))
            .dump();
    record.hash = audit::record_hash(record);
    crypto::SecretBytes<32> seed;
    seed.expose_mutable()[0] = 9;
    const crypto::Ed25519KeyPair key(std::move(seed));
    return coordinator::sign_evidence(statement, record, key);
}

}  // namespace adyton::apps
