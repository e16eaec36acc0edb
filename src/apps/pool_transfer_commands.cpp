#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "apps/pool_commands.h"
#include "base/time.h"

// `adyton pool transfer|transfers`: moving tokens, and what became of it.

namespace adyton::apps {
namespace {

using api::TransferInfo;

constexpr auto kLookPeriod = std::chrono::milliseconds(500);

std::string block_text(const TransferInfo& transfer) {
    return transfer.block_index ? std::to_string(*transfer.block_index) : std::string("-");
}

// Datoshi as GAS: "0.11208300".
std::string gas_text(std::int64_t datoshi) {
    std::string digits = std::to_string(std::max<std::int64_t>(datoshi, 0));
    if (digits.size() <= 8) digits.insert(0, 9 - digits.size(), '0');
    digits.insert(digits.size() - 8, ".");
    return digits + " GAS";
}

void print_transfer(Console& console, const TransferInfo& transfer) {
    Table table({{"TRANSFER"}, {transfer.transfer_id}});
    table.add({"status", std::string(to_string(transfer.status))});
    if (!transfer.reason.empty()) table.add({"reason", transfer.reason});
    table.add({"transaction", transfer.tx_hash});
    table.add({"from account", transfer.account_id});
    table.add({"to", transfer.to_address});
    table.add({"amount", transfer.amount.to_string() + " (smallest unit)"});
    table.add({"token", transfer.token_address});
    if (!transfer.fee_account_id.empty()) table.add({"fees paid by", transfer.fee_account_id});
    table.add({"fees", gas_text(transfer.system_fee + transfer.network_fee)});
    table.add({"block", block_text(transfer)});
    if (!is_final(transfer.status)) {
        table.add({"can land until block", std::to_string(transfer.valid_until_block)});
    }
    table.add({"created", base::to_rfc3339_seconds(transfer.created_at)});
    console.print_table(table);
}

// ----- transfer ---------------------------------------------------------------------------------

struct TransferOptions {
    api::TransferRequest request;
    std::string amount;
    std::string key;
    bool no_wait = false;
    unsigned wait_seconds = 120;
};

Task<bool> pause(base::Duration duration) {
    auto sleeping = base::sleep_for(*base::Executor::current(), duration);
    co_await std::move(sleeping);
    co_return true;
}

void note_that_it_goes_on(Process& process, const TransferInfo& transfer) {
    process.console.note(
        "the transfer goes on; look again with: adyton pool transfers " + transfer.transfer_id);
}

// Says where it stands until it is final, or patience ends.
Exit follow(
    Process& process, Connection& connection, const TransferOptions& options, bool json,
    TransferInfo transfer) {
    const auto looks = std::chrono::seconds(options.wait_seconds) / kLookPeriod;
    for (std::int64_t look = 0; look < looks && !options.no_wait && !is_final(transfer.status);
         ++look) {
        process.console.progress(
            fmt::format(
                "{} is {}, can land until block {}; seconds", transfer.tx_hash,
                to_string(transfer.status), transfer.valid_until_block),
            static_cast<std::uint64_t>(look / 2), options.wait_seconds);
        connection.run(pause(kLookPeriod));
        const auto reply = connection.run(connection.pool().transfer_status(transfer.transfer_id));
        if (!reply) {
            process.console.end_progress();
            fail_call(process.console, reply.error(), reply.call, json);
            note_that_it_goes_on(process, transfer);
            return Exit::Failed;
        }
        transfer = *reply;
    }
    process.console.end_progress();
    if (json) {
        print_as_json(process.console, transfer);
    } else {
        print_transfer(process.console, transfer);
    }
    if (options.no_wait) return Exit::Ok;
    if (!is_final(transfer.status)) note_that_it_goes_on(process, transfer);
    return transfer.status == api::TransferStatus::Confirmed ? Exit::Ok : Exit::Failed;
}

Exit run_transfer(
    Process& process, Connection& connection, const TransferOptions& options, bool json) {
    auto request = options.request;
    auto amount = base::Amount::parse(options.amount);
    if (!amount || *amount == base::Amount()) {
        process.console.fail(
            Error::invalid_argument(
                "AMOUNT wants a whole number above zero, in the token's smallest unit"),
            json);
        return Exit::Usage;
    }
    request.amount = *amount;
    request.form = api::AmountForm::Text;
    api::CallOptions call;
    call.idempotency_key = options.key;
    const auto reply = connection.run(connection.pool().transfer(std::move(request), call));
    if (!reply) {
        fail_call(process.console, reply.error(), reply.call, json);
        if (reply.error().code() == ErrorCode::OutcomeUnknown) {
            process.console.note(
                "it may or may not be under way; ask again with --idempotency-key " +
                reply.call.idempotency_key);
        }
        return Exit::Failed;
    }
    return follow(process, connection, options, json, *reply);
}

void add_transfer(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "transfer",
         .summary = "Move GAS, NEO or another NEP-17 token out of an account that you hold",
         .details =
             "Waits until the transfer is final, and says where it stands meanwhile. AMOUNT is in "
             "the token's smallest unit: 100000000 is one GAS, 1 is one NEO. A transfer that is "
             "repeated with the same --idempotency-key happens once.",
         .examples = {
             "adyton pool transfer ACCOUNT_ID NVg7LjGcUSrgxgjX3zEgqaksfMaiS8Z6e1 150000000",
             "adyton pool transfer ACCOUNT_ID NVg7Lj... 3 --token NEO --fees-from ACCOUNT_ID_2",
             "adyton pool transfer ACCOUNT_ID 0x... 1 --no-wait --json"}});
    auto options = std::make_shared<TransferOptions>();
    command->add_option("account", options->request.account_id, "Id of an account that you hold")
        ->required();
    command->add_option("to", options->request.to_address, "Address or script hash")->required();
    command->add_option("amount", options->amount, "In the token's smallest unit")->required();
    command
        ->add_option(
            "--token", options->request.token_address,
            "GAS, NEO, a symbol of neo.tokens, or a contract hash")
        ->capture_default_str();
    command->add_option("--data", options->request.data, "Text for the receiving contract");
    command->add_option(
        "--fees-from", options->request.fee_account_id,
        "Id of another account of yours that pays the fees");
    command->add_option("--lock", options->request.lock_id, "Only under this lock");
    command->add_option("--idempotency-key", options->key, "Of this transfer; default: fresh");
    command->add_flag("--no-wait", options->no_wait, "Return as soon as it is broadcast");
    command->add_option("--wait", options->wait_seconds, "Seconds to follow it, at most")
        ->check(CLI::Range(1, 86'400))
        ->capture_default_str();
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_transfer(process, connection, *options, shared->json());
        });
}

// ----- transfers --------------------------------------------------------------------------------

struct ListOptions {
    std::string id;
    api::TransfersQuery query;
    std::string status;
};

Exit run_one(Process& process, Connection& connection, const std::string& id, bool json) {
    const auto reply = connection.run(connection.pool().transfer_status(id));
    if (const auto exit = settled(process, reply, json)) return *exit;
    print_transfer(process.console, *reply);
    return Exit::Ok;
}

void print_list(Console& console, const api::TransfersResponse& response) {
    if (response.transfers.empty()) {
        console.print("no transfers");
        return;
    }
    Table table(
        {{"TRANSFER"},
         {"STATUS"},
         {"ACCOUNT"},
         {"TO"},
         {"AMOUNT", Table::Align::Right},
         {"BLOCK", Table::Align::Right},
         {"CREATED"}});
    for (const TransferInfo& transfer : response.transfers) {
        table.add(
            {transfer.transfer_id, std::string(to_string(transfer.status)), transfer.account_id,
             transfer.to_address, transfer.amount.to_string(), block_text(transfer),
             base::to_rfc3339_seconds(transfer.created_at)});
    }
    console.print_table(table);
    if (!response.next_cursor.empty()) {
        console.note("more: --cursor " + response.next_cursor);
    }
}

Exit run_list(Process& process, Connection& connection, const ListOptions& options, bool json) {
    if (!options.id.empty()) return run_one(process, connection, options.id, json);
    api::TransfersQuery query = options.query;
    if (!options.status.empty()) {
        const auto status = api::parse_transfer_status(options.status);
        if (!status) {
            process.console.fail(status.error(), json);
            return Exit::Usage;
        }
        query.status = *status;
    }
    const auto reply = connection.run(connection.pool().transfers(query));
    if (const auto exit = settled(process, reply, json)) return *exit;
    print_list(process.console, *reply);
    return Exit::Ok;
}

void add_transfers(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "transfers",
         .summary = "List your transfers, the newest first, or show one",
         .examples = {
             "adyton pool transfers --status unknown", "adyton pool transfers --account ACCOUNT_ID",
             "adyton pool transfers TRANSFER_ID"}});
    auto options = std::make_shared<ListOptions>();
    command->add_option("transfer", options->id, "Show this one");
    command->add_option("--account", options->query.account_id, "Only of this account");
    command->add_option(
        "--status", options->status,
        "Only prepared, broadcast, unknown, confirmed, failed or expired ones");
    command->add_option("--cursor", options->query.cursor, "Where the page before ended");
    command->add_option("--limit", options->query.limit, "How many at most")
        ->check(CLI::Range(1, 200))
        ->capture_default_str();
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_list(process, connection, *options, shared->json());
        });
}

}  // namespace

void add_transfer_commands(CLI::App& pool, Invocation& invocation) {
    add_transfer(pool, invocation);
    add_transfers(pool, invocation);
}

}  // namespace adyton::apps
