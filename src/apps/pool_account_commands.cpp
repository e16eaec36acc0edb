#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>
#include <utility>

#include "apps/neo_tx_command.h"
#include "apps/pool_commands.h"
#include "base/bytes.h"
#include "base/time.h"
#include "crypto/p256.h"
#include "neo/explain.h"
#include "neo/sign_data.h"
#include "neo/transaction.h"
#include "neo/verification_script.h"

// `adyton pool info|request|release|renew|accounts|sign`: what services do all day.

namespace adyton::apps {
namespace {

using api::AccountInfo;

std::string time_text(const std::optional<base::Timestamp>& time) {
    return time.has_value() ? base::to_rfc3339_seconds(*time) : std::string("-");
}

// "12.5 GAS" of 1250000000 with 8 decimals.
std::string amount_text(const api::TokenBalance& balance) {
    std::string digits = std::to_string(balance.amount);
    const auto decimals =
        static_cast<std::size_t>(std::clamp<std::int64_t>(balance.decimals, 0, 18));
    if (decimals > 0) {
        if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
        digits.insert(digits.size() - decimals, ".");
        digits.erase(digits.find_last_not_of('0') + 1);
        if (digits.back() == '.') digits.pop_back();
    }
    return digits + " " + balance.token_type;
}

std::string balances_text(const AccountInfo& account) {
    std::string out;
    for (const auto& [name, balance] : account.balances) {
        if (balance.amount == 0 && !balance.drift) continue;
        if (!out.empty()) out += ", ";
        out += amount_text(balance);
        if (balance.drift) out += " (on chain " + balance.drift->on_chain + ")";
    }
    return out.empty() ? "-" : out;
}

void print_accounts(Console& console, const std::vector<AccountInfo>& accounts) {
    if (accounts.empty()) {
        console.print("no accounts");
        return;
    }
    Table table(
        {{"ACCOUNT"},
         {"ADDRESS"},
         {"TX", Table::Align::Right},
         {"BALANCES"},
         {"LOCKED BY"},
         {"UNTIL"},
         {"FENCING", Table::Align::Right}});
    for (const AccountInfo& account : accounts) {
        const bool locked = !account.locked_by.empty();
        table.add(
            {account.id, account.address, std::to_string(account.tx_count), balances_text(account),
             locked ? account.locked_by : "-", locked ? time_text(account.lock_expires_at) : "-",
             locked ? std::to_string(account.fencing) : "-"});
    }
    console.print_table(table);
}

Result<std::optional<std::int64_t>> parse_ttl(const std::string& text) {
    if (text.empty()) return std::optional<std::int64_t>();
    TRY(const auto duration, base::parse_go_duration(text));
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(duration);
    if (whole != duration || whole.count() < 1 || whole.count() > api::kLockTtlSecondsMax) {
        return Error::invalid_argument("--ttl wants whole seconds from 1s to 24h, as in 90s or 2h");
    }
    return std::optional<std::int64_t>(whole.count());
}

// ----- info -------------------------------------------------------------------------------------

Exit run_info(Process& process, Connection& connection, bool json) {
    const auto reply = connection.run(connection.pool().pool_info());
    if (const auto exit = settled(process, reply, json)) return *exit;
    const auto number = [](std::int64_t value) {
        return grouped(static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)));
    };
    Table accounts({{"ACCOUNTS"}, {"COUNT", Table::Align::Right}});
    accounts.add({"free", number(reply->active_accounts)});
    accounts.add({"locked", number(reply->locked_accounts)});
    accounts.add({"retiring", number(reply->retiring_accounts)});
    accounts.add({"all", number(reply->total_accounts)});
    process.console.print_table(accounts);
    if (reply->token_stats.empty()) return Exit::Ok;
    process.console.print("");
    Table tokens(
        {{"TOKEN"},
         {"TOTAL", Table::Align::Right},
         {"LOCKED", Table::Align::Right},
         {"AVAILABLE", Table::Align::Right},
         {"SCRIPT HASH"}});
    for (const auto& [name, stats] : reply->token_stats) {
        tokens.add(
            {name, number(stats.total_balance), number(stats.locked_balance),
             number(stats.available_balance), stats.script_hash});
    }
    process.console.print_table(tokens);
    return Exit::Ok;
}

void add_info(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "info",
         .summary = "Show how many accounts are free, locked and retiring, and what they hold",
         .details = "Token amounts are in the token's smallest unit.",
         .examples = {"adyton pool info", "adyton pool info --json | jq .active_accounts"}});
    on_pool_run(*command, shared, [shared = shared](Process& process, Connection& connection) {
        return run_info(process, connection, shared->json());
    });
}

// ----- request ----------------------------------------------------------------------------------

struct RequestOptions {
    std::int64_t count = 1;
    std::string purpose;
    std::string ttl;
    std::string idempotency_key;
};

Exit run_request(
    Process& process, Connection& connection, const RequestOptions& options, bool json) {
    api::AccountsRequest request;
    request.count = options.count;
    request.purpose = options.purpose;
    const auto ttl = parse_ttl(options.ttl);
    if (!ttl) {
        process.console.fail(ttl.error(), json);
        return Exit::Usage;
    }
    request.ttl_seconds = *ttl;
    api::CallOptions call;
    call.idempotency_key = options.idempotency_key;
    const auto reply = connection.run(connection.pool().request(request, call));
    if (const auto exit = settled(process, reply, json)) return *exit;
    print_accounts(process.console, reply->accounts);
    process.console.print(fmt::format(
        "lock {}{}", reply->lock_id,
        reply->expires_at ? ", expires " + time_text(reply->expires_at) : std::string()));
    return Exit::Ok;
}

void add_request(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "request",
         .summary = "Lock accounts for yourself; all that you ask for, or none",
         .details = "The lock has an id and an end. Renew it with `adyton pool renew`, give it "
                    "back with `adyton pool release --lock`.",
         .examples = {
             "adyton pool request --count 2",
             "adyton pool request --count 5 --purpose payouts --ttl 15m",
             "adyton pool request --json | jq -r .lock_id"}});
    const auto options = std::make_shared<RequestOptions>();  // shared: the callback is copied
    command->add_option("--count", options->count, "How many accounts")
        ->check(CLI::Range(std::int64_t{1}, api::kRequestCountMax))
        ->capture_default_str();
    command->add_option("--purpose", options->purpose, "Why; kept in the audit log");
    command->add_option("--ttl", options->ttl, "How long the lock holds, as in 15m (at most 24h)");
    command->add_option(
        "--idempotency-key", options->idempotency_key,
        "Ask for the outcome of an earlier request with this key");
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_request(process, connection, *options, shared->json());
        });
}

// ----- release, renew ---------------------------------------------------------------------------

struct ReleaseOptions {
    std::vector<std::string> accounts;
    std::string lock;
    bool all = false;
};

Exit run_release(
    Process& process, Connection& connection, const ReleaseOptions& options, bool json) {
    const bool some = !options.accounts.empty() || !options.lock.empty();
    if (some == options.all) {
        process.console.fail(
            Error::invalid_argument("say what to release: accounts, --lock ID, or --all"), json);
        return Exit::Usage;
    }
    api::ReleaseRequest request;
    request.account_ids = options.accounts;
    request.lock_id = options.lock;
    const auto reply = connection.run(connection.pool().release(request));
    if (const auto exit = settled(process, reply, json)) return *exit;
    process.console.print(
        "released " + counted(static_cast<std::uint64_t>(reply->released_count), "account"));
    return Exit::Ok;
}

void add_release(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "release",
         .summary = "Give accounts back",
         .details = "Accounts that you do not hold are passed over and not counted.",
         .examples = {
             "adyton pool release --lock 0b9f8e7a-...", "adyton pool release ACCOUNT_ID ACCOUNT_ID",
             "adyton pool release --all"}});
    const auto options = std::make_shared<ReleaseOptions>();  // shared: the callback is copied
    command->add_option("accounts", options->accounts, "Account ids");
    command->add_option("--lock", options->lock, "Everything of this allocation");
    command->add_flag("--all", options->all, "Everything that you hold");
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_release(process, connection, *options, shared->json());
        });
}

Exit run_renew(
    Process& process, Connection& connection, const std::string& lock, const std::string& ttl_text,
    bool json) {
    api::RenewRequest request;
    request.lock_id = lock;
    const auto ttl = parse_ttl(ttl_text);
    if (!ttl) {
        process.console.fail(ttl.error(), json);
        return Exit::Usage;
    }
    request.ttl_seconds = *ttl;
    const auto reply = connection.run(connection.pool().renew(request));
    if (const auto exit = settled(process, reply, json)) return *exit;
    process.console.print(fmt::format(
        "{} held until {}", counted(static_cast<std::uint64_t>(reply->account_count), "account"),
        base::to_rfc3339_seconds(reply->expires_at)));
    return Exit::Ok;
}

void add_renew(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "renew",
         .summary = "Hold an allocation longer",
         .examples = {"adyton pool renew LOCK_ID", "adyton pool renew LOCK_ID --ttl 2h"}});
    const auto lock = std::make_shared<std::string>();  // shared: the callback is copied
    const auto ttl = std::make_shared<std::string>();
    command->add_option("lock", *lock, "The lock id that `adyton pool request` printed")
        ->required();
    command->add_option("--ttl", *ttl, "From now, as in 15m; default: as when it was requested");
    on_pool_run(
        *command, shared, [shared = shared, lock, ttl](Process& process, Connection& connection) {
            return run_renew(process, connection, *lock, *ttl, shared->json());
        });
}

// ----- accounts ---------------------------------------------------------------------------------

struct AccountsOptions {
    std::string token;
    std::optional<std::int64_t> min_balance;
    bool low_balance = false;
    std::int64_t max_balance = api::LowBalanceQuery{}.max_balance;
    std::int64_t limit = 10;
};

Exit run_accounts(
    Process& process, Connection& connection, const AccountsOptions& options, bool json) {
    api::PoolClient& pool = connection.pool();
    api::AccountsQuery held;
    held.token = options.token;
    held.min_balance = options.min_balance;
    api::LowBalanceQuery low;
    if (!options.token.empty()) low.token = options.token;
    low.max_balance = options.max_balance;
    low.limit = options.limit;
    const auto reply =
        connection.run(options.low_balance ? pool.low_balance(low) : pool.accounts(held));
    if (const auto exit = settled(process, reply, json)) return *exit;
    print_accounts(process.console, reply->accounts);
    return Exit::Ok;
}

void add_accounts(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "accounts",
         .summary = "List the accounts that you hold, or those of anybody that run low",
         .details = "Amounts on the command line are in the token's smallest unit: 100000000 is "
                    "1 GAS.",
         .examples = {
             "adyton pool accounts", "adyton pool accounts --token GAS --min-balance 100000000",
             "adyton pool accounts --low-balance --max-balance 10000000 --limit 50"}});
    const auto options = std::make_shared<AccountsOptions>();  // shared: the callback is copied
    command->add_option("--token", options->token, "Token type, as in GAS");
    auto* const min = command->add_option(
        "--min-balance", options->min_balance, "Only accounts with at least this much of --token");
    auto* const low =
        command->add_flag("--low-balance", options->low_balance, "Accounts that hold too little");
    min->excludes(low);
    command->add_option("--max-balance", options->max_balance, "With --low-balance: below this")
        ->needs(low)
        ->capture_default_str();
    command->add_option("--limit", options->limit, "With --low-balance: how many")
        ->needs(low)
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_accounts(process, connection, *options, shared->json());
        });
}

// ----- sign -------------------------------------------------------------------------------------

struct SignOptions {
    std::string account;
    std::string digest;
    std::string transaction;  // a file
    std::string network;
    std::string lock;
    std::optional<std::int64_t> fencing;
};

// What the server is sent, and the digest that the signature must then be over.
struct SignInput {
    api::SignRequest request;
    crypto::Sha256Digest digest;
    std::optional<neo::Explanation> explanation;  // of a transaction, as read here
};

Result<SignInput> parse_transaction_to_sign(const SignOptions& options, SignInput input) {
    if (!options.digest.empty()) {
        return Error::invalid_argument("give a digest or --transaction, not both");
    }
    if (options.network.empty()) {
        return Error::invalid_argument(
            "--transaction needs --network: a signature is for one network");
    }
    TRY(const auto network, parse_network(options.network));
    TRY(input.request.item.transaction, read_transaction_file(options.transaction));
    input.request.item.network = static_cast<std::uint32_t>(network);
    TRY(const auto transaction, neo::parse_unsigned_transaction(input.request.item.transaction));
    input.explanation = neo::explain(transaction);
    input.digest = neo::sign_data_digest(network, input.explanation->hash);
    return input;
}

Result<SignInput> parse_digest_to_sign(const SignOptions& options, SignInput input) {
    api::SignItem& item = input.request.item;
    if (!options.network.empty()) {
        TRY(const auto network, parse_network(options.network));
        item.network_magic = static_cast<std::uint32_t>(network);
        const auto hash = neo::TransactionHash::parse(options.digest);
        if (!hash) {
            return Error::invalid_argument(
                "with --network the transaction's hash is wanted, 0x and 64 hex digits as "
                "explorers show it");
        }
        item.tx_hash.assign(hash->wire().begin(), hash->wire().end());
        input.digest = neo::sign_data_digest(network, *hash);
        return input;
    }
    auto bytes = base::hex_decode(options.digest);
    if (!bytes) bytes = base::base64_decode(options.digest);
    if (!bytes || bytes->size() != crypto::Sha256Digest::kSize) {
        return Error::invalid_argument(
            "the digest is 32 bytes: 64 hex digits, or base64; a whole transaction goes with "
            "--transaction FILE --network N");
    }
    item.tx_hash = std::move(*bytes);
    TRY(input.digest, crypto::Sha256Digest::parse(item.tx_hash));
    return input;
}

Result<SignInput> parse_sign(const SignOptions& options) {
    SignInput input;
    input.request.item.account_id = options.account;
    input.request.item.lock_id = options.lock;
    input.request.item.fencing = options.fencing;
    return options.transaction.empty() ? parse_digest_to_sign(options, std::move(input))
                                       : parse_transaction_to_sign(options, std::move(input));
}

// Nothing of the answer is believed that can be checked here.
Result<void> check_signature(const SignInput& input, const api::SignResponse& reply) {
    const auto key = crypto::P256PublicKey::parse(reply.public_key);
    const auto signature = crypto::P256Signature::parse(reply.signature);
    if (!key || !signature || !crypto::verify(*key, input.digest, *signature)) {
        return Error::corrupt_data("the server's signature does not verify; do not use it");
    }
    if (!input.explanation) return {};
    if (input.explanation->find_signer(neo::account_script_hash(*key)) == nullptr) {
        return Error::corrupt_data(
            "the server signed with a key that the transaction does not ask");
    }
    if (reply.tx_hash != input.explanation->hash.to_string()) {
        return Error::corrupt_data("the server read another transaction than was sent");
    }
    return {};
}

void print_signature(Console& console, const SignInput& input, const api::SignResponse& reply) {
    if (input.explanation) {
        std::istringstream lines(neo::to_text(*input.explanation));
        for (std::string line; std::getline(lines, line);) console.print(printable(line));
        console.print("");
    }
    console.print(fmt::format("account     {}", printable(reply.account_id)));
    console.print(fmt::format("public key  {}", base::hex_encode(reply.public_key)));
    console.print(fmt::format("digest      {}", input.digest.to_hex()));
    console.print(fmt::format("signature   {}", base::hex_encode(reply.signature)));
    console.print("verified    here, with the public key");
}

Exit run_sign(Process& process, Connection& connection, const SignOptions& options, bool json) {
    const auto input = parse_sign(options);
    if (!input) {
        process.console.fail(input.error(), json);
        return Exit::Usage;
    }
    const auto reply = connection.run(connection.pool().sign(input->request));
    if (!reply) {
        fail_call(process.console, reply.error(), reply.call, json);
        return Exit::Failed;
    }
    const auto checked = check_signature(*input, *reply);
    if (!checked) {
        fail_call(process.console, checked.error(), reply.call, json);
        return Exit::Failed;
    }
    if (json) {
        print_as_json(process.console, *reply);
        return Exit::Ok;
    }
    print_signature(process.console, *input, *reply);
    return Exit::Ok;
}

void add_sign(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "sign",
         .summary = "Sign a transaction, or 32 bytes, with an account that you hold",
         .details =
             "With --transaction the pool reads a whole unsigned Neo N3 transaction, judges what "
             "it does by its rules, and signs it; what it does is shown. A digest is signed as it "
             "is, whatever it stands for, where that is allowed (sign_digest). For the witness of "
             "a Neo N3 transaction whose hash alone you have give --network and the hash: what is "
             "signed then is SHA-256 of the network's magic number and the hash. With --fencing "
             "the signature is refused when the account has changed hands since. The signature is "
             "checked before it is shown.",
         .examples = {
             "adyton pool sign ACCOUNT_ID --transaction unsigned.b64 --network test",
             "adyton pool sign ACCOUNT_ID $(sha256sum file | cut -c 1-64)",
             "adyton pool sign ACCOUNT_ID 0xTRANSACTION_HASH --network test --lock LOCK_ID "
             "--fencing 7"}});
    const auto options = std::make_shared<SignOptions>();  // shared: the callback is copied
    command->add_option("account", options->account, "Account id")->required();
    command->add_option("digest", options->digest, "32 bytes as 64 hex digits or base64");
    command->add_option(
        "--transaction", options->transaction,
        "File with an unsigned transaction: base64, hex or raw bytes; - for standard input");
    command->add_option("--network", options->network, "main, test or a magic number");
    command->add_option("--lock", options->lock, "Only while this allocation holds it");
    command->add_option("--fencing", options->fencing, "Only if nobody held it since");
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_sign(process, connection, *options, shared->json());
        });
}

}  // namespace

void add_account_commands(CLI::App& pool, Invocation& invocation) {
    add_info(pool, invocation);
    add_request(pool, invocation);
    add_accounts(pool, invocation);
    add_sign(pool, invocation);
    add_renew(pool, invocation);
    add_release(pool, invocation);
}

}  // namespace adyton::apps
