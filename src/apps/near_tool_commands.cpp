#include "apps/near_tool_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <memory>
#include <utility>

#include "near/delegate.h"
#include "near/intents.h"
#include "near/transaction.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kContentBytesMax = 4 * near::kTransactionBytesMax;

struct NearOptions {
    std::string text;
    std::string file;
    std::string wrap_contract = "wrap.near";
    std::uint64_t height = 0;
};

Result<std::string> read_all(std::istream& in) {
    std::string out;
    char buffer[4096];
    while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
        out.append(buffer, static_cast<std::size_t>(in.gcount()));
        if (out.size() > kContentBytesMax) return Error::too_large("this is too long");
    }
    return out;
}

// The argument, the file or standard input, without the white space around it.
Result<std::string> load_text(const NearOptions& options) {
    if (!options.text.empty() && !options.file.empty()) {
        return Error::invalid_argument("give the text or --file, not both");
    }
    std::string text = options.text;
    if (!options.file.empty()) {
        std::ifstream file(options.file, std::ios::binary);
        if (!file) return Error::not_found("cannot open " + options.file);
        TRY(text, read_all(file));
    } else if (text.empty()) {
        TRY(text, read_all(std::cin));
    }
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string::npos) return Error::invalid_argument("there is nothing to read");
    return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Base64, or hex with an even number of lower-case digits.
Result<base::Bytes> parse_bytes(std::string_view text) {
    const bool is_hex = text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (is_hex && text.size() % 2 == 0) return base::hex_decode(text);
    return base::base64_decode(text);
}

void print_lines(Console& console, std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        console.print(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

struct Answer {
    Json json;
    std::string text;
};

Result<Answer> explain_transaction(const NearOptions& options) {
    TRY(const std::string content, load_text(options));
    TRY(const auto bytes, parse_bytes(content));
    const auto signed_transaction = near::parse_signed_transaction(bytes);
    if (signed_transaction) {
        std::string text = near::explain(signed_transaction->transaction);
        text += near::verify(*signed_transaction) ? "signature   valid\n" : "signature   WRONG\n";
        return Answer{near::to_json(*signed_transaction), std::move(text)};
    }
    TRY(const auto transaction, near::parse_transaction(bytes));
    return Answer{
        near::to_json(transaction), near::explain(transaction) + "signature   none: unsigned\n"};
}

Result<Answer> explain_delegate(const NearOptions& options) {
    TRY(const std::string content, load_text(options));
    TRY(const auto bytes, parse_bytes(content));
    TRY(const auto value, near::parse_signed_delegate(bytes));
    near::GateLimits limits;
    limits.current_block_height = options.height;
    const auto gate = near::check_gate_rules(value, limits);
    Json json = near::to_json(value.delegate_action);
    json.set("hash", Json::string(near::hash(value.delegate_action).to_string()));
    json.set("signature", Json::string(value.signature.to_string()));
    json.set("signature_valid", Json::boolean(near::verify(value)));
    json.set("gate_accepts", Json::boolean(gate.has_value()));
    if (!gate) json.set("gate_reason", Json::string(gate.error().message()));
    return Answer{
        std::move(json),
        near::explain(value) + (gate ? std::string("gate        would take it\n")
                                     : "gate        refuses: " + gate.error().message() + "\n")};
}

Json facts_json(const near::IntentFacts& facts) {
    Json outflows = Json::array();
    for (const near::IntentMovement& each : facts.outflows) {
        Json row = Json::object();
        row.set("token", Json::string(each.token));
        row.set("amount", Json::string(each.amount.to_string()));
        row.set("to", each.to.has_value() ? Json::string(each.to->text()) : Json());
        row.set("leaves_contract", Json::boolean(each.leaves_contract));
        outflows.push_back(std::move(row));
    }
    Json inflows = Json::array();
    for (const near::TokenAmount& each : facts.inflows) {
        Json row = Json::object();
        row.set("token", Json::string(each.token.text()));
        row.set("amount", Json::string(each.amount.to_string()));
        inflows.push_back(std::move(row));
    }
    Json out = Json::object();
    out.set("intent", Json::string(facts.kind));
    out.set("understood", Json::boolean(facts.understood));
    if (!facts.understood) out.set("reason", Json::string(facts.reason));
    out.set("outflows", std::move(outflows));
    out.set("inflows", std::move(inflows));
    if (facts.called_contract.has_value()) {
        out.set("calls", Json::string(facts.called_contract->text()));
    }
    out.set("changes_authority", Json::boolean(facts.changes_authority));
    out.set("async_effects", Json::boolean(facts.async_effects));
    return out;
}

std::string facts_text(const near::IntentFacts& facts) {
    std::string out = fmt::format("intent      {}\n", printable(facts.kind));
    if (!facts.understood) out += fmt::format("  NOT UNDERSTOOD: {}\n", printable(facts.reason));
    for (const near::IntentMovement& each : facts.outflows) {
        out += fmt::format(
            "  gives {} of {} to {}{}\n", each.amount.to_string(), printable(each.token),
            each.to.has_value() ? each.to->text() : "whoever takes the offer",
            each.leaves_contract ? ", out of the contract" : "");
    }
    for (const near::TokenAmount& each : facts.inflows) {
        out += fmt::format(
            "  wants {} of {}\n", each.amount.to_string(), printable(each.token.text()));
    }
    if (facts.called_contract.has_value()) {
        out += fmt::format("  calls {}\n", facts.called_contract->text());
    }
    if (facts.changes_authority) out += "  CHANGES WHO MAY SIGN\n";
    return out;
}

// A signed payload, or the bare text of a message.
Result<Answer> explain_intents(const NearOptions& options) {
    TRY(const std::string content, load_text(options));
    TRY(const auto wrap, near::AccountId::parse(options.wrap_contract));
    TRY(const auto json, Json::parse(content));
    std::string message_text = content;
    Json out = Json::object();
    std::string text;
    if (json.find("standard") != nullptr) {
        TRY(const auto payload, near::parse_multi_payload(json));
        if (!payload.nep413.has_value()) {
            return Error::invalid_argument("only nep413 payloads are explained");
        }
        message_text = payload.nep413->payload.message;
        const std::string hash = near::hash(payload.nep413->payload).to_string();
        const bool valid = near::verify(payload);
        out.set("intent_hash", Json::string(hash));
        out.set("public_key", Json::string(payload.nep413->public_key.to_string()));
        out.set("recipient", Json::string(payload.nep413->payload.recipient));
        out.set("signature_valid", Json::boolean(valid));
        text += fmt::format(
            "hash        {}\nkey         {}\nrecipient   {}\nsignature   {}\n", hash,
            payload.nep413->public_key.to_string(), printable(payload.nep413->payload.recipient),
            valid ? "valid" : "WRONG");
    }
    TRY(const auto message, near::parse_intents_message(message_text));
    out.set("signer_id", Json::string(message.signer_id.text()));
    out.set("deadline", Json::string(near::deadline_text(message.deadline)));
    text += fmt::format(
        "signer      {}\ndeadline    {}\n", message.signer_id.text(),
        near::deadline_text(message.deadline));
    Json intents = Json::array();
    for (const near::IntentFacts& facts : near::facts_of(message, wrap)) {
        intents.push_back(facts_json(facts));
        text += facts_text(facts);
    }
    out.set("intents", std::move(intents));
    return Answer{std::move(out), std::move(text)};
}

using Explainer = Result<Answer> (*)(const NearOptions&);

Exit run_explain(Process& process, Explainer explainer, const NearOptions& options, bool json) {
    const auto answer = explainer(options);
    if (!answer) {
        process.console.fail(answer.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(answer->json);
    } else {
        print_lines(process.console, answer->text);
    }
    return Exit::Ok;
}

struct Tool {
    std::string name;
    std::string group_summary;
    CommandHelp help;
    std::string input;
    Explainer explainer;
};

std::pair<CLI::App*, std::shared_ptr<NearOptions>> add_explain(
    CLI::App& tool, Invocation& invocation, const Tool& what) {
    CLI::App& group = add_group(tool, {.name = what.name, .summary = what.group_summary});
    CLI::App& command = add_command(group, invocation, what.help);
    const auto options = std::make_shared<NearOptions>();  // shared: the callback is copied
    command.add_option("text", options->text, what.input + " Without it: --file or standard input");
    command.add_option("--file", options->file, "Read it from this file");
    on_run(
        command, invocation, [options, explainer = what.explainer, &invocation](Process& process) {
            return run_explain(process, explainer, *options, invocation.json);
        });
    return {&command, options};
}

}  // namespace

void add_near_tool_commands(CLI::App& tool, Invocation& invocation) {
    add_explain(
        tool, invocation,
        {.name = "near-tx",
         .group_summary = "What a NEAR transaction does",
         .help =
             {.name = "explain",
              .summary = "Say what a NEAR transaction does: every action, key and amount",
              .details = "Reads the bytes alone and asks nobody. Knows transactions of version 0 "
                         "with every kind of action, signed or not.",
              .examples = {"adyton tool near-tx explain --file signed.b64"}},
         .input = "The transaction: base64 or hex.",
         .explainer = explain_transaction});
    const auto delegate = add_explain(
        tool, invocation,
        {.name = "near-delegate",
         .group_summary = "What a signed NEP-366 delegate does",
         .help =
             {.name = "explain",
              .summary = "Say what a delegate does, and whether the gate would take it",
              .details = "Reads the bare SignedDelegateAction, as the gate's submit_intent takes "
                         "it, and checks its signature.",
              .examples = {"adyton tool near-delegate explain --height 194854000 < delegate.b64"}},
         .input = "The delegate: base64 or hex.",
         .explainer = explain_delegate});
    delegate.first->add_option(
        "--height", delegate.second->height, "The current block height, for the gate's rules");
    const auto intents = add_explain(
        tool, invocation,
        {.name = "near-intents",
         .group_summary = "What a NEAR Intents message gives away",
         .help =
             {.name = "explain",
              .summary = "Say what a signed payload or a message gives, wants and changes",
              .details = "Reads a MultiPayload of the standard nep413, or the text of its message.",
              .examples = {"adyton tool near-intents explain --file payload.json"}},
         .input = "JSON of the payload or of the message.",
         .explainer = explain_intents});
    intents.first->add_option(
        "--wrap-contract", intents.second->wrap_contract,
        "The wNEAR contract that native amounts come from");
}

}  // namespace adyton::apps
