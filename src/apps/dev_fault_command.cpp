#include "apps/dev_fault_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "apps/command.h"
#include "apps/node_connection.h"
#include "base/json.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

using base::Json;

struct FaultOptions {
    std::string chain;
    std::string fault;
    std::string method;
    std::optional<std::uint32_t> skip;
    std::optional<std::uint32_t> count;
    std::optional<std::uint32_t> per_mille;
    std::optional<std::uint32_t> http_status;
    std::optional<std::uint32_t> delay_ms;
    std::optional<std::uint32_t> blocks;
    std::optional<std::uint32_t> lag;
    std::optional<std::int64_t> height_lie;
    bool clear = false;
    std::string neo_url = "http://127.0.0.1:50012";
    std::string near_url = "http://127.0.0.1:3030";
};

Json wish_of(const FaultOptions& options) {
    Json out = Json::object();
    if (options.clear) out.set("clear", Json::boolean(true));
    if (!options.fault.empty()) out.set("fault", Json::string(options.fault));
    if (!options.method.empty()) out.set("method", Json::string(options.method));
    const auto number = [&out](const char* name, const auto& value) {
        if (value) out.set(name, Json::integer(*value));
    };
    number("skip", options.skip);
    number("count", options.count);
    number("per_mille", options.per_mille);
    number("http_status", options.http_status);
    number("delay_ms", options.delay_ms);
    number("blocks", options.blocks);
    number("lag", options.lag);
    number("height_lie", options.height_lie);
    return out;
}

Result<void> order(Process& process, const FaultOptions& options, bool json) {
    const std::string& url = options.chain == "neo" ? options.neo_url : options.near_url;
    TRY_VOID(http::Url::parse(url));
    Json params = Json::array();
    params.push_back(wish_of(options));
    NodeConnection node(url);
    TRY(const Json state, node.call("adyton_fault", std::move(params)));
    if (json) {
        process.console.print_json(state);
        return {};
    }
    const auto text = [&state](const char* name) {
        const Json* const found = state.find(name);
        return found == nullptr ? std::string("?") : found->dump();
    };
    process.console.print(printable(fmt::format(
        "the local {} chain: faults waiting {}, blocks behind {}, added to its height {}; struck "
        "so far {}",
        options.chain, text("waiting"), text("lag"), text("height_lie"), text("struck"))));
    return {};
}

}  // namespace

void add_dev_fault_command(CLI::App& dev, Invocation& invocation) {
    CLI::App& command = add_command(
        dev, invocation,
        {.name = "fault",
         .summary = "Make the node of a local chain fail, to see what your client does",
         .details =
             "Orders faults of the simulated Neo or NEAR node that `adyton dev` runs: answers that "
             "are lost, late, wrong or contradictory, transactions accepted and forgotten, a node "
             "that lags or lies about its height. Without a fault it says what is in force; an "
             "unknown one is answered with the list. docs/local-chain.md explains each. No real "
             "network has this.",
         .examples = {
             "adyton dev fault neo lose_answer --method sendrawtransaction",
             "adyton dev fault near unknown --method tx --count 0 --per-mille 300",
             "adyton dev fault neo --lag 5", "adyton dev fault near --clear"}});
    const auto options = std::make_shared<FaultOptions>();  // shared: the callback is copied
    command.add_option("chain", options->chain, "neo or near")
        ->required()
        ->check(CLI::IsMember({"neo", "near"}));
    command.add_option("fault", options->fault, "lose_answer, swallow, delay, http_status, ...");
    command.add_option("--method", options->method, "Only calls of this JSON-RPC method");
    command.add_option("--skip", options->skip, "Calls that go through first");
    command.add_option("--count", options->count, "Calls that are struck; 0: all from now on [1]");
    command.add_option("--per-mille", options->per_mille, "The chance of each of them [1000]");
    command.add_option("--http-status", options->http_status, "Of http_status [503]");
    command.add_option("--delay-ms", options->delay_ms, "Of delay [500]");
    command.add_option("--blocks", options->blocks, "Of NEAR's stale_* and other_height [10]");
    command.add_option("--lag", options->lag, "The node sees the chain this many blocks ago");
    command.add_option(
        "--height-lie", options->height_lie, "The node adds this to the height that it tells");
    command.add_flag("--clear", options->clear, "First forget all faults, the lag and the lie");
    command.add_option("--near-url", options->near_url, "The local NEAR chain's JSON-RPC")
        ->envname("ADYTON_NEAR_RPC_URL")
        ->capture_default_str();
    command.add_option("--url", options->neo_url, "The local Neo chain's JSON-RPC")
        ->envname("ADYTON_NEO_RPC_URL")
        ->capture_default_str();
    on_run(command, invocation, [options, &invocation](Process& process) {
        const Result<void> done = order(process, *options, invocation.json);
        if (done) return Exit::Ok;
        process.console.fail(done.error(), invocation.json);
        return Exit::Failed;
    });
}

}  // namespace adyton::apps
