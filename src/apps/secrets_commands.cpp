#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "apps/compute_connection.h"
#include "attest/value_file.h"
#include "base/json.h"
#include "crypto/secret.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kValueBytesMax = 65'536;

struct SecretsOptions {
    ComputeConnectionOptions connection;
    std::string name;
    std::string file;
    bool not_exportable = false;
    std::string on_leak = "refuse";
    bool any_code = false;
    std::vector<std::string> apps;
    std::vector<std::string> code_hashes;
    std::vector<std::string> users;
    std::vector<std::string> destinations;
};

void wipe_text(std::string& text) {
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    text.clear();
}

// Never from argv, where every user of the machine sees it.
Result<std::string> read_value(const SecretsOptions& options) {
    std::string value;
    if (!options.file.empty()) {
        TRY(value, attest::read_value_file(options.file, kValueBytesMax + 2));
    } else {
        value.reserve(kValueBytesMax + 4096);  // no copy is left behind by growing
        std::array<char, 4096> buffer{};
        for (;;) {
            const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (count < 0) return Error::unavailable("standard input cannot be read");
            if (count == 0) break;
            value.append(buffer.data(), static_cast<std::size_t>(count));
            if (value.size() > kValueBytesMax + 2) break;
        }
        crypto::wipe({reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size()});
    }
    // The newline that an editor or echo puts at the end is not meant.
    if (!value.empty() && value.back() == '\n') value.pop_back();
    if (!value.empty() && value.back() == '\r') value.pop_back();
    if (value.empty()) return Error::invalid_argument("the value is empty");
    if (value.size() > kValueBytesMax) {
        wipe_text(value);
        return Error::too_large("a secret has at most 65536 bytes");
    }
    if (!base::is_valid_utf8(value)) {
        wipe_text(value);
        return Error::invalid_argument("the value is not UTF-8; encode it, in base64 for example");
    }
    return value;
}

void write_list(
    base::JsonWriter& out, std::string_view name, const std::vector<std::string>& list) {
    if (list.empty()) return;
    out.key(name).begin_array();
    for (const std::string& item : list) out.value(std::string_view(item));
    out.end_array();
}

Result<Json> set_secret(Process& process, const SecretsOptions& options) {
    TRY(auto value, read_value(options));
    std::string body;
    body.reserve(value.size() * 6 + 4096);
    base::JsonWriter out(body);
    out.begin_object().member("value", std::string_view(value));
    wipe_text(value);
    out.member("exportable", !options.not_exportable);
    out.member("on_leak", std::string_view(options.on_leak));
    out.member("any_code", options.any_code);
    write_list(out, "apps", options.apps);
    write_list(out, "code_hashes", options.code_hashes);
    write_list(out, "users", options.users);
    write_list(out, "destinations", options.destinations);
    out.end_object();
    TRY(const auto connection, ComputeConnection::open(options.connection, process.secrets));
    return connection->ask(
        "PUT", "/secrets/" + http::percent_encode(options.name), std::move(body));
}

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr) return {};
    if (found->is_string()) return found->string_value();
    if (found->is_number()) return found->number_text();
    if (found->is_boolean()) return found->boolean_value() ? "yes" : "no";
    return {};
}

Exit run_set(Process& process, const SecretsOptions& options, bool json) {
    const auto info = set_secret(process, options);
    if (!info) {
        process.console.fail(info.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(*info);
    } else {
        process.console.print(
            "secret " + text_of(*info, "name") + ", version " + text_of(*info, "version"));
    }
    return Exit::Ok;
}

Exit run_list(Process& process, const SecretsOptions& options, bool json) {
    const auto connection = ComputeConnection::open(options.connection, process.secrets);
    const auto list =
        connection ? (*connection)->ask("GET", "/secrets") : Result<Json>(connection.error());
    if (!list || !list->is_array()) {
        process.console.fail(
            list ? Error::corrupt_data("the answer is no list") : list.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(*list);
        return Exit::Ok;
    }
    Table table({{"NAME"}, {"VERSION", Table::Align::Right}, {"EXPORTABLE"}, {"UPDATED"}});
    for (const Json& secret : list->items()) {
        table.add(
            {printable(text_of(secret, "name")), text_of(secret, "version"),
             text_of(secret, "exportable"), printable(text_of(secret, "updated_at"))});
    }
    if (table.empty()) {
        process.console.note("no secrets");
    } else {
        process.console.print_table(table);
    }
    return Exit::Ok;
}

Exit run_remove(Process& process, const SecretsOptions& options, bool json) {
    const auto connection = ComputeConnection::open(options.connection, process.secrets);
    const auto done =
        connection ? (*connection)->send("DELETE", "/secrets/" + http::percent_encode(options.name))
                   : Result<std::string>(connection.error());
    if (!done) {
        process.console.fail(done.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(Json::object().set("removed", Json::string(options.name)));
    }
    return Exit::Ok;
}

void add_set(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "set",
         .summary = "Store a secret, or its next version",
         .details =
             "The value is read from standard input, or from a file that nobody else may read; a "
             "final newline is dropped. It is stored sealed. Without --app, --code-hash or "
             "--any-code no script may read it where compute runs strictly.",
         .examples = {
             "printf %s \"$TOKEN\" | adyton secrets set api_key --any-code",
             "adyton secrets set api_key --file token.txt --app prices --not-exportable"}});
    const auto options = std::make_shared<SecretsOptions>();  // shared: the callback is copied
    command.add_option("name", options->name, "1 to 128 of A-Z a-z 0-9 _ - .")->required();
    command.add_option("--file", options->file, "Where the value is [standard input]");
    command.add_flag(
        "--not-exportable", options->not_exportable,
        "Results and console lines that hold it do not get out");
    command.add_option("--on-leak", options->on_leak, "What happens then: refuse or redact")
        ->check(CLI::IsMember({"refuse", "redact"}));
    command.add_flag("--any-code", options->any_code, "Every script of the user may read it");
    command.add_option("--app", options->apps, "An app that may read it; may be repeated");
    command.add_option(
        "--code-hash", options->code_hashes,
        "SHA-256 of a script that may read it; may be repeated");
    command.add_option("--share-with", options->users, "Another user who may use it");
    command.add_option(
        "--destination", options->destinations,
        "A host it may be sent to; scripts then never see the value");
    add_compute_connection(command, options->connection);
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_set(process, *options, invocation.json);
    });
}

}  // namespace

void add_secrets_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& group = add_group(root, {.name = "secrets", .summary = "Secrets that scripts use"});
    add_set(group, invocation);
    CLI::App& list = add_command(
        group, invocation,
        {.name = "list",
         .summary = "Names, versions and policies; never values",
         .examples = {"adyton secrets list"}});
    const auto list_options = std::make_shared<SecretsOptions>();  // shared: the callback is copied
    add_compute_connection(list, list_options->connection);
    on_run(list, invocation, [list_options, &invocation](Process& process) {
        return run_list(process, *list_options, invocation.json);
    });
    CLI::App& remove = add_command(
        group, invocation,
        {.name = "rm", .summary = "Forget a secret", .examples = {"adyton secrets rm api_key"}});
    const auto options = std::make_shared<SecretsOptions>();  // shared: the callback is copied
    remove.add_option("name", options->name, "Which one")->required();
    add_compute_connection(remove, options->connection);
    on_run(remove, invocation, [options, &invocation](Process& process) {
        return run_remove(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps
