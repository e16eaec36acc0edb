#include "apps/dev_fund_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "apps/command.h"
#include "apps/node_connection.h"
#include "base/json.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::chrono::milliseconds kPollPeriod{200};

struct FundOptions {
    std::string url = "http://127.0.0.1:50012";
    std::string near_url = "http://127.0.0.1:3030";
    std::string address;
    std::string token = "GAS";
    std::string amount;
    unsigned wait_seconds = 30;
};

Json one(std::string text) {
    Json params = Json::array();
    params.push_back(Json::string(std::move(text)));
    return params;
}

// The log's first execution once the transaction is in a block; nothing: not within the time.
std::optional<Json> wait_for_log(
    NodeConnection& node, const std::string& hash, unsigned wait_seconds) {
    const auto tries = std::chrono::seconds(wait_seconds) / kPollPeriod;
    for (auto i = tries; i > 0; --i) {
        const auto log = node.call("getapplicationlog", one(hash));
        const Json* const runs = log ? log->find("executions") : nullptr;
        if (runs != nullptr && runs->is_array() && runs->size() == 1) return runs->items()[0];
        node.pause(kPollPeriod);
    }
    return std::nullopt;
}

// The faucet's name of a token of the NEAR chain; nothing: a token of the Neo chain.
std::optional<std::string> near_token(const std::string& token) {
    if (token == "NEAR") return "NEAR";
    if (token == "wNEAR") return "wrap";
    if (token == "intents") return "intents";
    return std::nullopt;
}

// The result of the payment's transaction once all of it is executed.
Result<Json> wait_for_near(NodeConnection& node, const Json& paid, unsigned wait_seconds) {
    const Json* const hash = paid.find("hash");
    const Json* const sender = paid.find("sender_account_id");
    if (hash == nullptr || !hash->is_string() || sender == nullptr) {
        return Error::corrupt_data("the node did not say which transaction pays");
    }
    Json params = Json::object();
    params.set("tx_hash", *hash).set("sender_account_id", *sender);
    params.set("wait_until", Json::string("NONE"));
    const auto tries = std::chrono::seconds(wait_seconds) / kPollPeriod;
    for (auto i = tries; i > 0; --i) {
        auto status = node.call("tx", params);
        const Json* const level = status ? status->find("final_execution_status") : nullptr;
        if (level != nullptr && level->is_string() && level->string_value() != "INCLUDED" &&
            level->string_value() != "INCLUDED_FINAL") {
            return status;
        }
        node.pause(kPollPeriod);
    }
    return Error::outcome_unknown(hash->string_value() + " is not executed yet");
}

Result<void> fund_near(
    Process& process, const FundOptions& options, const std::string& token, bool json) {
    TRY(const http::Url url, http::Url::parse(options.near_url));
    NodeConnection node(options.near_url);
    Json asked = Json::object()
                     .set("account_id", Json::string(options.address))
                     .set("token", Json::string(token))
                     .set("amount", Json::string(options.amount));
    TRY(Json paid, node.call("adyton_faucet", std::move(asked)));
    if (options.wait_seconds > 0) {
        TRY(const Json done, wait_for_near(node, paid, options.wait_seconds));
        const Json* const status = done.find("status");
        if (status == nullptr || status->find("SuccessValue") == nullptr) {
            return Error::unprocessable("the payment was executed and moved nothing");
        }
        paid.set("status", *status);
    }
    if (json) {
        process.console.print_json(paid);
    } else {
        process.console.print(printable(fmt::format(
            "{} yocto of {} to {}{}: {}", options.amount, options.token, options.address,
            options.wait_seconds > 0 ? ", executed" : ", sent",
            paid.find("hash")->string_value())));
    }
    return {};
}

Result<void> fund(Process& process, const FundOptions& options, bool json) {
    if (const auto token = near_token(options.token)) {
        return fund_near(process, options, *token, json);
    }
    TRY(const http::Url url, http::Url::parse(options.url));
    NodeConnection node(options.url);
    Json asked = Json::object()
                     .set("address", Json::string(options.address))
                     .set("token", Json::string(options.token))
                     .set("amount", Json::string(options.amount));
    Json params = Json::array();
    params.push_back(std::move(asked));
    TRY(Json paid, node.call("adyton_faucet", std::move(params)));
    const Json* const hash = paid.find("hash");
    if (hash == nullptr || !hash->is_string()) {
        return Error::corrupt_data("the node did not say which transaction pays");
    }
    const std::string text = hash->string_value();
    if (options.wait_seconds > 0) {
        const auto log = wait_for_log(node, text, options.wait_seconds);
        const Json* const state = log.has_value() ? log->find("vmstate") : nullptr;
        if (state == nullptr) return Error::outcome_unknown(text + " is in no block yet");
        if (!state->is_string() || state->string_value() != "HALT") {
            return Error::unprocessable(text + " was executed and moved nothing");
        }
        paid.set("vmstate", *state);
    }
    if (json) {
        process.console.print_json(paid);
    } else {
        process.console.print(printable(fmt::format(
            "{} of {} (smallest unit) to {}{}: {}", options.amount, options.token, options.address,
            options.wait_seconds > 0 ? ", confirmed" : ", sent", text)));
    }
    return {};
}

}  // namespace

void add_dev_fund_command(CLI::App& dev, Invocation& invocation) {
    CLI::App& command = add_command(
        dev, invocation,
        {.name = "fund",
         .summary = "Give an account of a local chain GAS, NEO or TEST, NEAR or wNEAR",
         .details =
             "Asks the faucet of the simulated Neo or NEAR chain that `adyton dev` runs, and waits "
             "until the payment is in a block. NEAR, wNEAR and intents (wNEAR inside the intents "
             "contract) are in yocto. No real network has this.",
         .examples = {
             "adyton dev fund --address N... --amount 1000000000",
             "adyton dev fund --address N... --token NEO --amount 5 --json",
             "adyton dev fund --address mike.near --token intents --amount "
             "1000000000000000000000000"}});
    const auto options = std::make_shared<FundOptions>();  // shared: the callback is copied
    command
        .add_option(
            "--address", options->address, "Who gets it: N..., a script hash, or a NEAR account")
        ->required();
    command
        .add_option(
            "--token", options->token, "GAS, NEO, TEST or a contract hash; NEAR, wNEAR, intents")
        ->capture_default_str();
    command.add_option("--amount", options->amount, "In the smallest unit: 1 GAS is 100000000")
        ->required();
    command.add_option("--near-url", options->near_url, "The local NEAR chain's JSON-RPC")
        ->envname("ADYTON_NEAR_RPC_URL")
        ->capture_default_str();
    command.add_option("--url", options->url, "The local Neo chain's JSON-RPC")
        ->envname("ADYTON_NEO_RPC_URL")
        ->capture_default_str();
    command.add_option("--wait", options->wait_seconds, "Seconds to wait for a block; 0: none")
        ->capture_default_str();
    on_run(command, invocation, [options, &invocation](Process& process) {
        const Result<void> done = fund(process, *options, invocation.json);
        if (done) return Exit::Ok;
        process.console.fail(done.error(), invocation.json);
        return Exit::Failed;
    });
}

}  // namespace adyton::apps
