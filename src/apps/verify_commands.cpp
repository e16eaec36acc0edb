#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "apps/attested_keys.h"
#include "apps/command.h"
#include "apps/verify_attestation_command.h"
#include "apps/verify_receipt_command.h"
#include "apps/workflow_commands.h"
#include "audit/verify.h"
#include "base/bytes.h"

namespace adyton::apps {
namespace {

using base::Json;

struct AuditOptions {
    std::string file;
    std::vector<std::string> keys;
    std::string pin;
    AttestedKeyOptions attested;
};

// The key under which an attested service signs its checkpoints.
constexpr std::string_view kAuditKey = "audit-ed25519";

Result<crypto::Sha256Digest> parse_digest(std::string_view hex) {
    TRY(const base::Bytes bytes, base::hex_decode(hex));
    return crypto::Sha256Digest::parse(bytes);
}

// "NUMBER:HASH".
Result<audit::PinnedCheckpoint> parse_pin(std::string_view text) {
    const Error bad = Error::invalid_argument("--checkpoint wants NUMBER:HASH, as in 12:9f2c...");
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return bad;
    audit::PinnedCheckpoint pin;
    const char* const end = text.data() + colon;
    const auto [rest, status] = std::from_chars(text.data(), end, pin.number);
    if (status != std::errc() || rest != end || pin.number < 1) return bad;
    const auto hash = parse_digest(text.substr(colon + 1));
    if (!hash) return bad;
    pin.hash = *hash;
    return pin;
}

Result<audit::VerifyOptions> parse_options(const AuditOptions& options) {
    audit::VerifyOptions out;
    for (const std::string& hex : options.keys) {
        const auto bytes = base::hex_decode(hex);
        if (!bytes) return Error::invalid_argument("--key wants 64 hex digits");
        const auto key = crypto::Ed25519PublicKey::parse(*bytes);
        if (!key) return Error::invalid_argument("--key is not an Ed25519 public key");
        out.trusted_keys.push_back(*key);
    }
    if (!options.pin.empty()) {
        TRY(out.pinned, parse_pin(options.pin));
    }
    return out;
}

Json to_json(const audit::AuditFault& fault) {
    Json out = Json::object();
    out.set("line", Json::integer(fault.line));
    if (fault.chain.has_value()) out.set("chain", Json::integer(*fault.chain));
    if (fault.sequence.has_value()) out.set("sequence", Json::integer(*fault.sequence));
    if (fault.checkpoint.has_value()) out.set("checkpoint", Json::integer(*fault.checkpoint));
    out.set("what", Json::string(fault.what));
    return out;
}

Json to_json(const audit::AuditReport& report) {
    Json heads = Json::array();
    for (const audit::ChainHead& head : report.heads) {
        heads.push_back(Json::object()
                            .set("chain", Json::integer(head.chain))
                            .set("sequence", Json::integer(head.sequence))
                            .set("hash", Json::string(head.hash.to_hex())));
    }
    Json out = Json::object();
    out.set("intact", Json::boolean(report.intact()));
    if (report.fault.has_value()) out.set("fault", to_json(*report.fault));
    out.set("lines", Json::integer(report.lines));
    out.set("records", Json::integer(report.records));
    out.set("checkpoints", Json::integer(report.checkpoints));
    out.set("heads", std::move(heads));
    if (report.last_checkpoint.has_value()) {
        out.set("last_checkpoint", Json::integer(*report.last_checkpoint));
    }
    if (report.last_checkpoint_at.has_value()) {
        out.set("last_checkpoint_at", Json::string(base::to_rfc3339(*report.last_checkpoint_at)));
    }
    out.set("records_after_checkpoint", Json::integer(report.records_after_checkpoint));
    if (report.key.has_value()) out.set("key", Json::string(report.key->to_hex()));
    out.set("key_trusted", Json::boolean(report.key_trusted));
    out.set("trailer_signed", Json::boolean(report.trailer_signed));
    return out;
}

void print_report(Console& console, const audit::AuditReport& report) {
    Table heads({{"CHAIN", Table::Align::Right}, {"RECORDS", Table::Align::Right}, {"HEAD"}});
    for (const audit::ChainHead& head : report.heads) {
        heads.add(
            {std::to_string(head.chain), grouped(static_cast<std::uint64_t>(head.sequence)),
             head.hash.to_hex()});
    }
    if (!heads.empty()) console.print_table(heads);
    console.print(fmt::format(
        "{}, {}, {} after the last checkpoint",
        counted(static_cast<std::uint64_t>(report.records), "record"),
        counted(static_cast<std::uint64_t>(report.checkpoints), "checkpoint"),
        grouped(static_cast<std::uint64_t>(report.records_after_checkpoint))));
    if (report.key.has_value()) {
        console.print(fmt::format(
            "signed by {}{}", report.key->to_hex(),
            report.key_trusted ? "" : " (taken from the file: compare it, or give --key)"));
    } else {
        console.print("no signature");
    }
}

Result<audit::AuditReport> verify(const AuditOptions& options, audit::VerifyOptions parsed) {
    if (options.file == "-") return audit::verify_export(std::cin, std::move(parsed));
    std::ifstream file(options.file, std::ios::binary);
    if (!file) return Error::not_found("cannot open " + options.file);
    return audit::verify_export(file, std::move(parsed));
}

// Makes the attested service's key the only one that counts.
Result<AttestedKeys> trust_attested_key(
    const AttestedKeyOptions& options, audit::VerifyOptions& parsed) {
    TRY(auto attested, verify_attested_keys(options));
    TRY(const std::string hex, attested_signing_key(attested, kAuditKey));
    TRY(const base::Bytes bytes, base::hex_decode(hex));
    TRY(const auto key, crypto::Ed25519PublicKey::parse(bytes));
    parsed.trusted_keys = {key};
    return attested;
}

Exit run_verify_audit(Process& process, const AuditOptions& options, bool json) {
    auto parsed = parse_options(options);
    if (!parsed) {
        process.console.fail(parsed.error(), json);
        return Exit::Usage;
    }
    std::optional<AttestedKeys> attested;
    if (options.attested.given()) {
        auto known = trust_attested_key(options.attested, *parsed);
        if (!known) {
            process.console.fail(known.error(), json);
            return Exit::Failed;
        }
        attested = *std::move(known);
    }
    const auto report = verify(options, std::move(*parsed));
    if (!report) {
        process.console.fail(report.error(), json);
        return Exit::Failed;
    }
    if (json) {
        Json out = to_json(*report);
        if (attested) {
            out.set("attested", Json::string(std::string(to_string(attested->acceptance))));
            out.set("attested_service", Json::string(attested->claims.service_id));
        }
        process.console.print_json(out);
    } else {
        print_report(process.console, *report);
        if (attested) process.console.print(printable(attested->to_string()));
        if (report->intact()) {
            process.console.print("intact");
        } else {
            process.console.error(printable(report->fault->to_string()));
        }
    }
    return report->intact() ? Exit::Ok : Exit::Failed;
}

}  // namespace

void add_verify_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& group =
        add_group(root, {.name = "verify", .summary = "Check evidence offline, without a server"});
    CLI::App& command = add_command(
        group, invocation,
        {.name = "audit",
         .summary = "Check an export of the audit log and name the first bad record",
         .details =
             "Every record must continue its chain, every checkpoint must be signed and name the "
             "heads reached, and the trailer must close the file. Give the signer's key, noted "
             "from GET /info or an earlier export, or the file is taken at its word about who "
             "signed it; and a checkpoint noted earlier, to notice a log that was wound back.",
         .examples = {
             "adyton pool audit export --out audit.jsonl && adyton verify audit audit.jsonl",
             "adyton verify audit audit.jsonl --key 5f0c... --checkpoint 12:9f2c...",
             "zcat audit.jsonl.gz | adyton verify audit - --json"}});
    const auto options = std::make_shared<AuditOptions>();  // shared: the callback is copied
    command.add_option("file", options->file, "The export; - for standard input")->required();
    command.add_option(
        "--key", options->keys, "A trusted Ed25519 public key, 64 hex digits; may be repeated");
    command.add_option("--checkpoint", options->pin, "NUMBER:HASH that the log must contain");
    add_attested_key_options(command, options->attested);
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_verify_audit(process, *options, invocation.json);
    });
    add_verify_attestation(group, invocation);
    add_verify_receipt(group, invocation);
    add_verify_workflow(group, invocation);
}

}  // namespace adyton::apps
