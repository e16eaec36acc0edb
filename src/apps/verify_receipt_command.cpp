#include "apps/verify_receipt_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "apps/attested_keys.h"
#include "apps/files.h"
#include "base/json.h"
#include "compute/canonical_json.h"
#include "compute/job_answer.h"
#include "compute/receipt.h"
#include "crypto/digest.h"

namespace adyton::apps {
namespace {

using base::Json;
using compute::SignedReceipt;

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

struct ReceiptOptions {
    AttestedKeyOptions attested;
    std::string file;
    std::string key;
    std::string script;
    std::string input;
    std::string output;
};

Result<std::string> load(const std::string& path) {
    if (path != "-") return read_file(path, kFileBytesMax);
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// What an answer says under a name, as the receipt would state it; absent and null are nothing.
std::string said(const Json& answer, std::string_view name) {
    const Json* const found = answer.find(name);
    if (found == nullptr || found->is_null()) return {};
    return found->is_string() ? found->string_value() : found->dump();
}

std::string hex_or_nothing(const std::optional<crypto::Sha256Digest>& digest) {
    return digest ? digest->to_hex() : std::string();
}

std::string hash_of_output(const Json& answer) {
    const Json* const output = answer.find("output");
    if (output == nullptr) return {};
    return crypto::sha256(base::as_bytes(compute::canonical_text(*output))).to_hex();
}

std::string hash_of_sealed_output(const Json& answer) {
    const std::string text = said(answer, "sealed_output");
    if (text.empty()) return {};
    const auto box = base::base64_decode(text);
    return box ? crypto::sha256(*box).to_hex() : "no base64";
}

std::string layers_of(const Json& answer) {
    const Json* const list = answer.find("isolation");
    std::string out;
    if (list == nullptr || !list->is_array()) return said(answer, "isolation");
    for (const Json& layer : list->items()) {
        if (!out.empty()) out += ',';
        out += layer.is_string() ? layer.string_value() : layer.dump();
    }
    return out;
}

// The texts of a list; absent is an empty one. Null: something else.
std::optional<std::vector<std::string>> texts_of(const Json& answer, std::string_view name) {
    std::vector<std::string> out;
    const Json* const list = answer.find(name);
    if (list == nullptr) return out;
    if (!list->is_array()) return std::nullopt;
    for (const Json& text : list->items()) {
        if (!text.is_string()) return std::nullopt;
        out.push_back(text.string_value());
    }
    return out;
}

std::string hash_of_console(const Json& answer, const compute::Receipt& stated) {
    auto logs = texts_of(answer, "logs");
    const auto levels = texts_of(answer, "log_levels");
    if (!logs || !levels) return "no lines";
    const auto console = compute::console_of(*std::move(logs), *levels, stated);
    return console ? compute::console_hash(*console).to_hex() : "other lines";
}

// Everything in an answer that its receipt states says the same.
Result<void> check_answer(const Json& answer, const compute::Receipt& stated) {
    const bool completed = stated.status == "completed";
    const std::string hash = hex_or_nothing(stated.output_hash);
    // An output for the caller's key alone is not in the answer.
    const bool withheld = answer.find("output") == nullptr && stated.sealed_output_hash.has_value();
    const std::vector<std::array<std::string, 3>> members = {
        {"job_id", said(answer, "job_id"), stated.job_id},
        {"status", said(answer, "status"), completed ? "completed" : "failed"},
        {"phase", said(answer, "phase"), stated.status},
        {"error_code", said(answer, "error_code"), stated.error_code},
        {"output", withheld ? hash : hash_of_output(answer), hash},
        {"output_hash", said(answer, "output_hash"), hash},
        {"sealed_output", hash_of_sealed_output(answer), hex_or_nothing(stated.sealed_output_hash)},
        {"gas_used", said(answer, "gas_used"), std::to_string(stated.gas_used)},
        {"metered_gas", said(answer, "metered_gas"), std::to_string(stated.metered_gas)},
        {"isolation", layers_of(answer), stated.layers},
        {"logs", hash_of_console(answer, stated), stated.console_hash.to_hex()},
        {"started_at", said(answer, "started_at"), base::to_rfc3339(stated.started_at)},
        {"finished_at", said(answer, "finished_at"), base::to_rfc3339(stated.finished_at)}};
    for (const auto& [name, here, there] : members) {
        if (here == there) continue;
        return Error::permission_denied(
            "the answer's " + name + " is not what its receipt states", "other_answer");
    }
    return {};
}

struct ReceiptFile {
    SignedReceipt receipt;
    std::optional<Json> answer;  // around it
};

// A receipt alone, or an answer of the service with one in it.
Result<ReceiptFile> read_receipt(const std::string& text) {
    auto json = Json::parse(text);
    const Json* const inside = json ? json->find("receipt") : nullptr;
    if (inside != nullptr) {
        TRY(auto receipt, compute::parse_receipt(inside->dump()));
        return ReceiptFile{std::move(receipt), *std::move(json)};
    }
    TRY(auto receipt, compute::parse_receipt(text));
    return ReceiptFile{std::move(receipt), std::nullopt};
}

// Which of the two keys the caller trusts.
Result<bool> check_key(const SignedReceipt& receipt, const std::string& hex) {
    if (hex.empty()) return false;
    if (hex == receipt.ed25519_key.to_hex() || hex == receipt.p256_key.to_hex()) return true;
    return Error::permission_denied("the receipt was signed by another key", "other_key");
}

// Both keys of the receipt are those of the attested service: the one it states as its own, and the
// one among its signing keys.
Result<std::optional<AttestedKeys>> check_attested(
    const SignedReceipt& receipt, const AttestedKeyOptions& options) {
    if (!options.given()) return std::optional<AttestedKeys>();
    TRY(auto attested, verify_attested_keys(options));
    TRY_VOID(require_signing_key(attested, "receipt-p256", receipt.p256_key.to_hex()));
    if (base::hex_encode(attested.claims.public_key) != receipt.ed25519_key.to_hex()) {
        return Error::permission_denied(
            "the signer is another than the attested program", "binding_mismatch");
    }
    return std::optional<AttestedKeys>(std::move(attested));
}

Result<void> check_json(
    const std::string& path, std::string_view what,
    const std::optional<crypto::Sha256Digest>& stated) {
    TRY(const auto text, read_file(path, kFileBytesMax));
    TRY(const auto json, compute::parse_script_json(text));
    const auto hash = crypto::sha256(base::as_bytes(compute::canonical_text(json)));
    if (!stated || hash != *stated) {
        return Error::permission_denied(
            path + " is not the " + std::string(what) + " that the receipt states",
            "other_" + std::string(what));
    }
    return {};
}

Result<void> check_files(const SignedReceipt& receipt, const ReceiptOptions& options) {
    const compute::Receipt& stated = receipt.receipt;
    if (!options.script.empty()) {
        TRY(const auto script, read_file(options.script, kFileBytesMax));
        if (crypto::sha256(base::as_bytes(script)) != stated.code_hash) {
            return Error::permission_denied(
                options.script + " is not the script that the receipt states", "other_script");
        }
    }
    if (!options.input.empty()) {
        if (stated.input_form != "plain") {
            return Error::invalid_argument(
                "the input was sealed: the receipt states the hash of the sealed box");
        }
        TRY_VOID(check_json(options.input, "input", stated.input_hash));
    }
    if (!options.output.empty()) {
        TRY_VOID(check_json(options.output, "output", stated.output_hash));
    }
    return {};
}

struct Verdict {
    SignedReceipt receipt;
    bool key_trusted = false;
    std::optional<AttestedKeys> attested;
};

Result<Verdict> verify(const ReceiptOptions& options) {
    TRY(const auto text, load(options.file));
    TRY(auto file, read_receipt(text));
    SignedReceipt& receipt = file.receipt;
    TRY_VOID(compute::check_signatures(receipt));
    if (file.answer) {
        TRY_VOID(check_answer(*file.answer, receipt.receipt));
    }
    TRY(const bool trusted, check_key(receipt, options.key));
    TRY(auto attested, check_attested(receipt, options.attested));
    TRY_VOID(check_files(receipt, options));
    const bool known = trusted || attested.has_value();
    return Verdict{std::move(receipt), known, std::move(attested)};
}

void print(Console& console, const Verdict& verdict) {
    const compute::Receipt& r = verdict.receipt.receipt;
    console.print(fmt::format(
        "job {} of {}: {}{}", printable(r.job_id), printable(r.user), printable(r.status),
        r.error_code.empty() ? "" : " (" + printable(r.error_code) + ")"));
    console.print("code    " + r.code_hash.to_hex());
    console.print("input   " + r.input_hash.to_hex() + " (" + printable(r.input_form) + ")");
    if (r.output_hash) console.print("output  " + r.output_hash->to_hex());
    for (const auto& secret : r.secrets) {
        console.print(fmt::format(
            "secret  {}/{} version {}", printable(secret.owner), printable(secret.name),
            secret.version));
    }
    console.print("layers  " + printable(r.layers));
    console.print(fmt::format("gas     {}, metered {}", r.gas_used, r.metered_gas));
    console.print(fmt::format(
        "time    {} to {}", base::to_rfc3339(r.started_at), base::to_rfc3339(r.finished_at)));
    console.print(fmt::format(
        "signed by {}{}", verdict.receipt.ed25519_key.to_hex(),
        verdict.key_trusted ? "" : " (taken from the file: compare it with /info, or give --key)"));
    if (verdict.attested) console.print(printable(verdict.attested->to_string()));
    console.print("valid");
}

Exit run_verify_receipt(Process& process, const ReceiptOptions& options, bool json) {
    const auto verdict = verify(options);
    if (!verdict) {
        process.console.fail(verdict.error(), json);
        return Exit::Failed;
    }
    if (!json) {
        print(process.console, *verdict);
        return Exit::Ok;
    }
    const auto parsed = Json::parse(verdict->receipt.to_json_text());
    Json out = Json::object();
    out.set("valid", Json::boolean(true));
    out.set("key_trusted", Json::boolean(verdict->key_trusted));
    if (verdict->attested) {
        const AttestedKeys& attested = *verdict->attested;
        out.set("attested", Json::string(std::string(to_string(attested.acceptance))));
        out.set("attested_service", Json::string(attested.claims.service_id));
    }
    out.set("receipt", parsed ? *parsed : Json());
    process.console.print_json(out);
    return Exit::Ok;
}

}  // namespace

void add_verify_receipt(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "receipt",
         .summary = "Check the receipt of a job: both signatures over everything it states",
         .details =
             "FILE is a receipt as GET /jobs/{id}/receipt gave it, byte for byte, or an answer of "
             "the service that holds one: then its job, status, output, console lines, gas, "
             "isolation and times must be those of the receipt; its warnings and error text are "
             "not compared, for no receipt states them. Give the service's key, from GET /info and "
             "its attestation, or the file is "
             "taken at its word about who signed it.",
         .examples = {
             "curl -s URL/jobs/JOB_ID/receipt -H 'X-User-ID: me' > receipt.json",
             "adyton verify receipt receipt.json --key 94a1... --script script.js",
             "adyton verify receipt answer.json --output output.json --json"}});
    const auto options = std::make_shared<ReceiptOptions>();  // shared: the callback is copied
    command.add_option("file", options->file, "The receipt; - for standard input")->required();
    command.add_option(
        "--key", options->key, "The Ed25519 or P-256 public key that must have signed, in hex");
    command.add_option("--script", options->script, "A file that must be the script");
    command.add_option("--input", options->input, "A file of JSON that must be the input");
    command.add_option("--output", options->output, "A file of JSON that must be the output");
    add_attested_key_options(command, options->attested);
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_verify_receipt(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps
