#include "apps/neo_tx_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "neo/explain.h"
#include "neo/transaction.h"
#include "neo/witness.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kContentBytesMax = 4 * neo::kTransactionBytesMax;

struct TxOptions {
    std::string transaction;
    std::string file;
    std::string network;
};

struct Loaded {
    neo::Transaction transaction;
    bool is_signed = false;
    bool shortest_form = true;
    std::size_t bytes = 0;
    std::optional<neo::NetworkMagic> network;
};

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Result<std::string> read_all(std::istream& in) {
    std::string out;
    char buffer[4096];
    while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
        out.append(buffer, static_cast<std::size_t>(in.gcount()));
        if (out.size() > kContentBytesMax) {
            return Error::too_large("this is longer than any transaction");
        }
    }
    return out;
}

// Signed or not: a witness part tells.
Result<Loaded> parse(const base::Bytes& bytes) {
    Loaded out;
    out.bytes = bytes.size();
    auto whole = neo::parse_transaction(bytes);
    if (whole) {
        out.transaction = std::move(*whole);
        out.is_signed = true;
        out.shortest_form = neo::serialize(out.transaction) == bytes;
        return out;
    }
    TRY(out.transaction, neo::parse_unsigned_transaction(bytes));
    return out;
}

Result<Loaded> load(const TxOptions& options) {
    if (!options.transaction.empty() && !options.file.empty()) {
        return Error::invalid_argument("give the transaction or --file, not both");
    }
    base::Bytes bytes;
    if (options.transaction.empty()) {
        TRY(bytes, read_transaction_file(options.file.empty() ? "-" : options.file));
    } else {
        TRY(bytes, parse_transaction_text(options.transaction));
    }
    TRY(auto out, parse(bytes));
    if (!options.network.empty()) {
        TRY(out.network, parse_network(options.network));
    }
    return out;
}

// What the witnesses are worth on that network.
std::string witness_state(const Loaded& loaded) {
    if (!loaded.is_signed) return "none: unsigned";
    if (!loaded.network) return "not checked: give --network";
    const auto verified = neo::verify_witnesses(loaded.transaction, *loaded.network);
    return verified ? "valid" : "NOT VALID: " + verified.error().message();
}

void add_common(Json& out, const Loaded& loaded) {
    out.set("signed", Json::boolean(loaded.is_signed));
    out.set("bytes", Json::unsigned_integer(loaded.bytes));
    if (!loaded.network) return;
    out.set("network", Json::unsigned_integer(static_cast<std::uint32_t>(*loaded.network)));
    out.set(
        "sign_digest",
        Json::string(neo::sign_digest(*loaded.network, loaded.transaction).to_hex()));
    if (!loaded.is_signed) return;
    const auto verified = neo::verify_witnesses(loaded.transaction, *loaded.network);
    out.set("witnesses_valid", Json::boolean(verified.has_value()));
    if (!verified) out.set("witnesses_reason", Json::string(verified.error().message()));
}

void print_lines(Console& console, std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        console.print(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

Exit run_explain(Process& process, const TxOptions& options, bool json) {
    auto loaded = load(options);
    if (!loaded) {
        process.console.fail(loaded.error(), json);
        return Exit::Failed;
    }
    auto explanation = neo::explain(loaded->transaction);
    if (!loaded->shortest_form) {
        explanation.warnings.emplace_back(
            "these bytes are not in the shortest form: nodes may disagree on their hash");
    }
    if (json) {
        Json out = neo::to_json(explanation);
        add_common(out, *loaded);
        process.console.print_json(out);
        return Exit::Ok;
    }
    print_lines(process.console, neo::to_text(explanation));
    process.console.print(
        fmt::format("Witnesses    {} ({} bytes)", witness_state(*loaded), loaded->bytes));
    return Exit::Ok;
}

Exit run_hash(Process& process, const TxOptions& options, bool json) {
    const auto loaded = load(options);
    if (!loaded) {
        process.console.fail(loaded.error(), json);
        return Exit::Failed;
    }
    const std::string hash = neo::hash(loaded->transaction).to_string();
    if (json) {
        Json out = Json::object().set("hash", Json::string(hash));
        add_common(out, *loaded);
        process.console.print_json(out);
        return Exit::Ok;
    }
    process.console.print(hash);
    if (!loaded->network) return Exit::Ok;
    process.console.print(fmt::format(
        "sign digest  {}", neo::sign_digest(*loaded->network, loaded->transaction).to_hex()));
    return Exit::Ok;
}

std::shared_ptr<TxOptions> add_options(CLI::App& command) {
    auto options = std::make_shared<TxOptions>();  // shared: the callback is copied
    command.add_option(
        "transaction", options->transaction,
        "The transaction, signed or not: base64 or hex. Without it: --file or standard input");
    command.add_option("--file", options->file, "Read it from this file: base64, hex or raw bytes");
    command.add_option(
        "--network", options->network,
        "mainnet, testnet or a magic number: show what is signed, check witnesses");
    return options;
}

}  // namespace

Result<base::Bytes> parse_transaction_text(std::string_view content) {
    if (!content.empty() && content.front() == '\0') {
        const auto bytes = base::as_bytes(content);
        return base::Bytes(bytes.begin(), bytes.end());
    }
    std::string_view text = trim(content);
    if (text.empty()) return Error::invalid_argument("there is no transaction");
    if (text.starts_with("0x")) text.remove_prefix(2);
    if (text.starts_with('A')) return base::base64_decode(text);
    if (text.starts_with("00")) return base::hex_decode(text);
    return Error::invalid_argument("a transaction is base64 (AA...) or hex (00...)");
}

Result<base::Bytes> read_transaction_file(const std::string& path) {
    if (path == "-") {
        TRY(const auto content, read_all(std::cin));
        return parse_transaction_text(content);
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) return Error::not_found("cannot open " + path);
    TRY(const auto content, read_all(file));
    if (file.bad()) return Error::unavailable("cannot read " + path);
    return parse_transaction_text(content);
}

Result<neo::NetworkMagic> parse_network(std::string_view text) {
    if (text == "mainnet" || text == "main") return neo::NetworkMagic::MainNet;
    if (text == "testnet" || text == "test") return neo::NetworkMagic::TestNet;
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        return Error::invalid_argument("a network is mainnet, testnet or its magic number");
    }
    return neo::NetworkMagic{number};
}

void add_neo_tx_commands(CLI::App& tool, Invocation& invocation) {
    CLI::App& group = add_group(
        tool, {.name = "neo-tx", .summary = "What a Neo N3 transaction does, and its hash"});
    CLI::App& explain = add_command(
        group, invocation,
        {.name = "explain",
         .summary = "Say what a transaction does: calls, amounts, receivers, signers, fees",
         .details = "Reads the bytes alone and asks nobody. A script counts as understood when it "
                    "is nothing but token transfers and reads, and no signer's witness reaches "
                    "further than the contracts called.",
         .examples = {
             "adyton tool neo-tx explain --file unsigned.b64 --network mainnet",
             "adyton tool neo-tx explain --json < unsigned.b64"}});
    const auto explain_options = add_options(explain);
    on_run(explain, invocation, [explain_options, &invocation](Process& process) {
        return run_explain(process, *explain_options, invocation.json);
    });
    CLI::App& hash = add_command(
        group, invocation,
        {.name = "hash",
         .summary = "Show a transaction's hash, and with --network the digest that is signed",
         .examples = {"adyton tool neo-tx hash --file unsigned.b64 --network testnet"}});
    const auto hash_options = add_options(hash);
    on_run(hash, invocation, [hash_options, &invocation](Process& process) {
        return run_hash(process, *hash_options, invocation.json);
    });
}

}  // namespace adyton::apps
