#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command.h"
#include "apps/near_tool_commands.h"
#include "apps/neo_tx_command.h"
#include "base/bytes.h"
#include "crypto/secret_text.h"
#include "crypto/uuid.h"
#include "neo/account_key.h"
#include "neo/address.h"
#include "neo/verification_script.h"
#include "neo/wif.h"

namespace adyton::apps {
namespace {

using base::Json;

// What is public about a Neo account.
struct PublicAccount {
    std::optional<crypto::P256PublicKey> key;
    neo::ScriptHash script_hash;
};

Result<PublicAccount> account_of_key_text(std::string_view hex) {
    TRY(const base::Bytes bytes, base::hex_decode(hex));
    if (bytes.size() == crypto::P256PublicKey::kUncompressedSize) {
        TRY(const auto key, crypto::P256PublicKey::parse_uncompressed(bytes));
        return PublicAccount{key, neo::account_script_hash(key)};
    }
    TRY(const auto key, crypto::P256PublicKey::parse(bytes));
    return PublicAccount{key, neo::account_script_hash(key)};
}

// Tells by its shape what a text is. Never repeats it: it may be a secret in the wrong place.
Result<PublicAccount> parse_public(std::string_view text) {
    if (text.size() == neo::Address::kTextLength) {
        TRY(const auto address, neo::Address::parse(text));
        return PublicAccount{std::nullopt, address.script_hash()};
    }
    if (text.size() == 40 || text.size() == 42) {
        TRY(const auto hash, neo::ScriptHash::parse(text));
        return PublicAccount{std::nullopt, hash};
    }
    if (text.size() == 66 || text.size() == 130) return account_of_key_text(text);
    if (text.size() == 64 || text.size() == neo::kWifLength) {
        return Error::invalid_argument(
            "this has the length of a private key, which does not belong on a command line, where "
            "other users of the machine see it; pipe it into `adyton tool neo-key`");
    }
    return Error::invalid_argument(
        "not an address (34 characters), a script hash (40 hex digits) or a public key (66 or 130 "
        "hex digits)");
}

Json to_json(const PublicAccount& account) {
    Json out = Json::object();
    out.set("address", Json::string(neo::Address(account.script_hash).to_string()));
    out.set("script_hash", Json::string(account.script_hash.to_string()));
    if (account.key.has_value()) {
        out.set("public_key", Json::string(account.key->to_hex()));
        out.set(
            "verification_script",
            Json::string(base::hex_encode(neo::verification_script(*account.key))));
    }
    return out;
}

void print_public(Console& console, const PublicAccount& account) {
    console.print(
        fmt::format("address              {}", neo::Address(account.script_hash).to_string()));
    console.print(fmt::format("script hash          {}", account.script_hash.to_string()));
    if (!account.key.has_value()) return;
    console.print(fmt::format("public key           {}", account.key->to_hex()));
    console.print(fmt::format(
        "verification script  {}", base::hex_encode(neo::verification_script(*account.key))));
}

Exit run_neo_address(Process& process, const std::string& text, bool json) {
    const auto account = parse_public(text);
    if (!account) {
        process.console.fail(account.error(), json);
        return Exit::Usage;
    }
    if (json) {
        process.console.print_json(to_json(*account));
    } else {
        print_public(process.console, *account);
    }
    return Exit::Ok;
}

struct KeyOptions {
    std::string file;
    std::string account_id;
    bool as_variable = false;
    bool reveal = false;
    bool json = false;
};

Result<crypto::SecretBuffer> read_standard_input() {
    TRY(auto buffer, crypto::SecretBuffer::create(crypto::SecretBuffer::kSizeMax));
    std::size_t filled = 0;
    while (true) {
        const auto room = buffer.expose_mutable().subspan(filled);
        if (room.empty()) return Error::too_large("standard input is too long for a key");
        const ssize_t got = ::read(STDIN_FILENO, room.data(), room.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error::unavailable("cannot read standard input");
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    buffer.shrink(filled);
    if (filled == 0) return Error::invalid_argument("standard input is empty");
    return buffer;
}

void drop_line_end(crypto::SecretBuffer& text) {
    std::size_t size = text.size();
    while (size > 0 && (text.expose()[size - 1] == '\n' || text.expose()[size - 1] == '\r')) --size;
    text.shrink(size);
}

// A private key as WIF or as 64 hex digits.
Result<crypto::P256PrivateKey> parse_private(crypto::SecretBuffer text) {
    drop_line_end(text);
    if (text.size() == neo::kWifLength) return neo::decode_wif(text.expose());
    if (text.size() != 64) {
        return Error::invalid_argument("expected a WIF of 52 characters or 64 hex digits");
    }
    TRY(auto bytes, crypto::environment_secret_bytes(std::move(text)));
    if (bytes.size() != crypto::P256PrivateKey::kSize) {
        return Error::invalid_argument("expected a WIF of 52 characters or 64 hex digits");
    }
    crypto::SecretBytes<crypto::P256PrivateKey::kSize> scalar;
    std::copy(bytes.expose().begin(), bytes.expose().end(), scalar.expose_mutable().begin());
    return crypto::P256PrivateKey::from_scalar(std::move(scalar));
}

Result<crypto::P256PrivateKey> load_key(const KeyOptions& options) {
    TRY(auto content,
        options.file.empty() ? read_standard_input() : attest::read_secret_file(options.file));
    if (options.account_id.empty()) return parse_private(std::move(content));
    TRY(const std::string id, crypto::canonical_uuid(options.account_id));
    if (options.as_variable) {
        drop_line_end(content);
        TRY(const auto master, neo::MasterKey::parse_environment_text(std::move(content)));
        return neo::derive_account_key(master, id);
    }
    TRY(const auto master, neo::MasterKey::parse_file_content(std::move(content)));
    return neo::derive_account_key(master, id);
}

// Straight from locked memory to the descriptor: no copy in a string or a stream buffer.
Result<void> write_secret_line(
    std::string_view label, base::ByteView secret, std::string_view end) {
    for (const base::ByteView part : {base::as_bytes(label), secret, base::as_bytes(end)}) {
        std::size_t done = 0;
        while (done < part.size()) {
            const ssize_t put = ::write(STDOUT_FILENO, part.data() + done, part.size() - done);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return Error::unavailable("cannot write to standard output");
            done += static_cast<std::size_t>(put);
        }
    }
    return {};
}

Exit run_neo_key(Process& process, const KeyOptions& options) {
    const auto key = load_key(options);
    if (!key) {
        process.console.fail(key.error(), options.json);
        return Exit::Failed;
    }
    const crypto::P256PublicKey public_key = key->public_key();
    const PublicAccount account{public_key, neo::account_script_hash(public_key)};
    if (!options.reveal) {
        if (options.json) {
            process.console.print_json(to_json(account));
        } else {
            print_public(process.console, account);
        }
        return Exit::Ok;
    }
    const crypto::SecretBuffer wif = neo::encode_wif(*key);
    if (options.json) {
        std::string open = to_json(account).dump();
        open.pop_back();
        process.console.flush();
        return write_secret_line(open + ",\"wif\":\"", wif.expose(), "\"}\n") ? Exit::Ok
                                                                              : Exit::Failed;
    }
    print_public(process.console, account);
    process.console.flush();
    return write_secret_line("WIF (secret!)        ", wif.expose(), "\n") ? Exit::Ok : Exit::Failed;
}

void add_neo_address(CLI::App& tool, Invocation& invocation) {
    CLI::App& command = add_command(
        tool, invocation,
        {.name = "neo-address",
         .summary = "Show a Neo N3 account by its address, script hash or public key",
         .details = "Script hashes are shown as people and JSON-RPC write them: 0x and the bytes "
                    "reversed.",
         .examples = {
             "adyton tool neo-address NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM",
             "adyton tool neo-address 0xd2a4cff31913016155e38e474a2c06d08be276cf",
             "adyton tool neo-address "
             "03ea0e2a2f61cd0faca5d75fcf9f05569d5cc1b4bc3615253e098fa9d43acd033d --json"}});
    const auto text = std::make_shared<std::string>();  // shared: the callback is copied
    command.add_option("account", *text, "An address, a script hash or a public key")->required();
    on_run(command, invocation, [text, &invocation](Process& process) {
        return run_neo_address(process, *text, invocation.json);
    });
}

void add_neo_key(CLI::App& tool, Invocation& invocation) {
    CLI::App& command = add_command(
        tool, invocation,
        {.name = "neo-key",
         .summary = "Show the account of a private key, or derive a pool account's key",
         .details =
             "The secret comes from standard input or from a file that only you can read, never "
             "from the command line. Without --account-id it is a private key: a WIF or 64 hex "
             "digits. With --account-id it is a master key: 32 or more raw bytes, or hex: and hex "
             "digits, as in a key file; with --as-variable the text as it would stand in "
             "POOL_MASTER_KEY.",
         .examples = {
             "adyton tool neo-key --file wallet.wif",
             "adyton tool neo-key --account-id 2faa609a-660b-48d5-b0b0-d2dffa076f54 "
             "--file master.key",
             "adyton tool neo-key --reveal < wallet.wif   # prints the WIF too"}});
    const auto options = std::make_shared<KeyOptions>();  // shared: the callback is copied
    command.add_option("--file", options->file, "Read the secret from this file (mode 0600)");
    const auto* id = command.add_option(
        "--account-id", options->account_id, "The secret is a master key: derive this account");
    command
        .add_flag(
            "--as-variable", options->as_variable,
            "Read the master key as the text of POOL_MASTER_KEY")
        ->needs(const_cast<CLI::Option*>(id));
    command.add_flag("--reveal", options->reveal, "Print the private key as a WIF too");
    on_run(command, invocation, [options, &invocation](Process& process) {
        options->json = invocation.json;
        return run_neo_key(process, *options);
    });
}

}  // namespace

void add_tool_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& tool =
        add_group(root, {.name = "tool", .summary = "Small offline tools: no server needed"});
    add_neo_address(tool, invocation);
    add_neo_key(tool, invocation);
    add_neo_tx_commands(tool, invocation);
    add_near_tool_commands(tool, invocation);
}

}  // namespace adyton::apps
