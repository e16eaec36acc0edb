#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <functional>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/keystore_connection.h"
#include "apps/workflow_commands.h"
#include "crypto/p256.h"
#include "crypto/secret_base58.h"
#include "near/keys.h"
#include "policy/approval.h"

namespace adyton::apps {
namespace {

using base::Json;

struct WalletOptions {
    KeystoreConnectionOptions connection;
    std::string id;
    std::string file;
    std::string policy_file;
    std::string action;
    std::string note;
    std::string approver;
    std::string key_file;
    std::int64_t version = 0;
};
using Shared = std::shared_ptr<WalletOptions>;  // shared: callbacks of CLI11 are copied

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

Json wallet_body(const WalletOptions& options) {
    return Json::object().set("wallet_id", text(options.id));
}

// A command with the options that say which keystore.
std::pair<CLI::App*, Shared> add_wallet_command(
    CLI::App& parent, Invocation& invocation, const CommandHelp& help) {
    CLI::App& command = add_command(parent, invocation, help);
    auto shared = std::make_shared<WalletOptions>();
    KeystoreConnectionOptions& to = shared->connection;
    const std::string group = "Which keystore";
    command.add_option("--url", to.url, "The keystore's address")
        ->envname("KEYSTORE_URL")
        ->capture_default_str()
        ->group(group);
    command
        .add_option(
            "--token-file", to.token_file,
            "File of mode 0600 with the bearer token; else KEYSTORE_AUTH_TOKEN, else that of "
            "`adyton dev`")
        ->group(group);
    command.add_option("--ca", to.ca, "Roots that the server's certificate must lead to, PEM")
        ->envname("ADYTON_CA")
        ->group(group);
    command.add_option("--timeout", to.timeout_seconds, "Seconds for an attempt")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str()
        ->group(group);
    return {&command, std::move(shared)};
}

// Opens the connection, lets `work` make its calls, and prints what they answer.
using Work = std::function<Result<Json>(Process&, KeystoreConnection&, const WalletOptions&)>;

void on_wallet_run(CLI::App& command, Invocation& invocation, Shared shared, Work work) {
    on_run(
        command, invocation,
        [shared = std::move(shared), work = std::move(work), &invocation](Process& process) {
            auto connection = KeystoreConnection::open(shared->connection, process.secrets);
            if (!connection) {
                process.console.fail(connection.error(), invocation.json);
                return Exit::Usage;
            }
            const auto answer = work(process, **connection, *shared);
            if (!answer) {
                process.console.fail(answer.error(), invocation.json);
                return Exit::Failed;
            }
            process.console.print_json(*answer);
            return Exit::Ok;
        });
}

// A command that is one call with the wallet's id.
void add_simple(
    CLI::App& parent, Invocation& invocation, const CommandHelp& help, std::string path) {
    auto [command, shared] = add_wallet_command(parent, invocation, help);
    command->add_option("wallet", shared->id, "The wallet's id")->required();
    on_wallet_run(
        *command, invocation, shared,
        [path = std::move(path)](
            Process&, KeystoreConnection& connection, const WalletOptions& options) {
            return connection.run(connection.keystore().post(path, wallet_body(options).dump()));
        });
}

Result<Json> read_json_file(Process& process, const std::string& path) {
    TRY(const std::string content,
        process.secrets.read_public_text({attest::SecretReference::Kind::File, path}));
    auto json = path.ends_with(".toml") ? service::parse_toml(content, path) : Json::parse(content);
    if (!json) return std::move(json).error().with_context(path);
    return json;
}

void add_create(CLI::App& wallet, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        wallet, invocation,
        {.name = "create",
         .summary = "Create a wallet, or show the one of that id",
         .examples = {"adyton wallet create", "adyton wallet create --id treasury"}});
    command->add_option("--id", shared->id, "The wallet's id [a fresh UUID]");
    on_wallet_run(
        *command, invocation, shared,
        [](Process&, KeystoreConnection& connection, const WalletOptions& options) {
            Json body = Json::object();
            if (!options.id.empty()) body.set("wallet_id", text(options.id));
            return connection.run(connection.keystore().post("/wallet/create", body.dump()));
        });
}

void add_address(CLI::App& wallet, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        wallet, invocation,
        {.name = "address",
         .summary = "The wallet's NEAR account",
         .examples = {"adyton wallet address treasury"}});
    command->add_option("wallet", shared->id, "The wallet's id")->required();
    command->add_option("--key-version", shared->version, "Of the wallet's keys [the current one]");
    on_wallet_run(
        *command, invocation, shared,
        [](Process&, KeystoreConnection& connection, const WalletOptions& options) {
            Json body = wallet_body(options);
            body.set("chain", text("near"));
            if (options.version != 0) body.set("key_version", Json::integer(options.version));
            return connection.run(
                connection.keystore().post("/wallet/derive-address", body.dump()));
        });
}

void add_list(CLI::App& wallet, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        wallet, invocation, {.name = "list", .summary = "Wallets that were created here"});
    command->add_option("--after", shared->id, "Those with ids behind this one");
    on_wallet_run(
        *command, invocation, shared,
        [](Process&, KeystoreConnection& connection, const WalletOptions& options) {
            const Json body = Json::object().set("after", text(options.id));
            return connection.run(connection.keystore().post("/wallet/list", body.dump()));
        });
}

void add_freezes(CLI::App& wallet, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        wallet, invocation,
        {.name = "freeze",
         .summary = "From now on nothing of the wallet is signed",
         .examples = {"adyton wallet freeze treasury --reason 'incident 7'"}});
    command->add_option("wallet", shared->id, "The wallet's id")->required();
    command->add_option("--reason", shared->note, "Why, for people");
    on_wallet_run(
        *command, invocation, shared,
        [](Process&, KeystoreConnection& connection, const WalletOptions& options) {
            const Json body = wallet_body(options).set("reason", text(options.note));
            return connection.run(connection.keystore().post("/wallet/freeze", body.dump()));
        });
    add_simple(
        wallet, invocation, {.name = "unfreeze", .summary = "Lift the freeze"}, "/wallet/unfreeze");
}

// ----- policies ---------------------------------------------------------------------------------

void add_policy_put(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        group, invocation,
        {.name = "put",
         .summary = "Store the next version of the wallet's policy",
         .details = "The file is JSON, or TOML if its name says so: our form, or OutLayer's.",
         .examples = {"adyton wallet policy put treasury policy.json --note 'raise the cap'"}});
    command->add_option("wallet", shared->id, "The wallet's id")->required();
    command->add_option("file", shared->file, "The policy")->required();
    command->add_option("--note", shared->note, "Why, for the history");
    command->add_option(
        "--expected-version", shared->version, "Refuse if another version stands than this");
    on_wallet_run(
        *command, invocation, shared,
        [](Process& process, KeystoreConnection& connection,
           const WalletOptions& options) -> Result<Json> {
            TRY(auto policy, read_json_file(process, options.file));
            Json body = wallet_body(options);
            body.set("policy", std::move(policy)).set("note", text(options.note));
            if (options.version != 0) body.set("expected_version", Json::integer(options.version));
            return connection.run(connection.keystore().post("/wallet/policy/put", body.dump()));
        });
}

void add_policy_import(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        group, invocation,
        {.name = "import", .summary = "Store a policy that `export` gave, as the next version"});
    command->add_option("file", shared->file, "The exported policy, JSON")->required();
    on_wallet_run(
        *command, invocation, shared,
        [](Process& process, KeystoreConnection& connection,
           const WalletOptions& options) -> Result<Json> {
            TRY(auto exported, read_json_file(process, options.file));
            const Json body = Json::object().set("exported", std::move(exported));
            return connection.run(connection.keystore().post("/wallet/policy/import", body.dump()));
        });
}

void add_policy_test(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_wallet_command(
        group, invocation,
        {.name = "test",
         .summary = "What a policy would say to an action, and why; nothing is reserved",
         .details =
             "The action is described as for /wallet/check-policy. With --policy that file is "
             "asked instead of the stored policy.",
         .examples = {
             R"(adyton wallet policy test treasury --action '{"type":"transfer","to":"bob.near","amount":"1"}')"}});
    command->add_option("wallet", shared->id, "The wallet's id")->required();
    command->add_option("--action", shared->action, "The action, JSON")->required();
    command->add_option("--policy", shared->policy_file, "A policy to try, JSON or TOML");
    on_wallet_run(
        *command, invocation, shared,
        [](Process& process, KeystoreConnection& connection,
           const WalletOptions& options) -> Result<Json> {
            auto action = Json::parse(options.action);
            if (!action) return std::move(action).error().with_context("--action");
            Json body = wallet_body(options).set("action", *std::move(action));
            if (!options.policy_file.empty()) {
                TRY(auto policy, read_json_file(process, options.policy_file));
                body.set("policy", std::move(policy));
            }
            return connection.run(connection.keystore().post("/wallet/policy/test", body.dump()));
        });
}

void add_policies(CLI::App& wallet, Invocation& invocation) {
    CLI::App& group = add_group(
        wallet, {.name = "policy", .summary = "What a wallet may sign: store, show, try"});
    add_policy_put(group, invocation);
    add_simple(
        group, invocation, {.name = "get", .summary = "The policy that holds"},
        "/wallet/policy/get");
    add_simple(
        group, invocation, {.name = "history", .summary = "All versions, newest first"},
        "/wallet/policy/history");
    add_simple(
        group, invocation, {.name = "remove", .summary = "From now on no policy"},
        "/wallet/policy/remove");
    add_simple(
        group, invocation, {.name = "export", .summary = "The policy, for `import` elsewhere"},
        "/wallet/policy/export");
    add_policy_import(group, invocation);
    add_policy_test(group, invocation);
}

// ----- approvals --------------------------------------------------------------------------------

Result<Json> find_request(KeystoreConnection& connection, const std::string& id) {
    const Json body = Json::object().set("request_id", text(id));
    TRY(const Json answer,
        connection.run(connection.keystore().post("/wallet/approvals", body.dump())));
    const Json* const list = answer.find("approvals");
    if (list == nullptr || list->size() != 1) {
        return Error::corrupt_data("the keystore did not answer with the request");
    }
    return list->items().front();
}

Result<std::string> member(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_string()) {
        return Error::corrupt_data("the keystore's answer lacks " + std::string(name));
    }
    return found->string_value();
}

Result<policy::ApprovalStatement> statement_of(
    const Json& request, const std::string& approver, policy::ApprovalDecision decision) {
    policy::ApprovalStatement out;
    TRY(out.request_id, member(request, "id"));
    TRY(out.subject, member(request, "subject"));
    TRY(const auto operation, member(request, "operation"));
    TRY(const auto bytes, base::hex_decode(operation));
    TRY(out.operation, crypto::Sha256Digest::parse(bytes));
    TRY(const auto expires, member(request, "expires_at"));
    TRY(out.expires_at, base::parse_rfc3339(expires));
    out.approver_id = approver;
    out.decision = decision;
    return out;
}

// An approver's signature over the digest, with the key of a file: "ed25519:" as near/keys.h has
// it, or "p256:" and base58 of the 32 bytes of the scalar.
Result<base::Bytes> sign_as_approver(base::ByteView text, const crypto::Sha256Digest& digest) {
    constexpr std::string_view kP256 = "p256:";
    while (!text.empty() && std::isspace(text.back()) != 0) text = text.first(text.size() - 1);
    if (!base::as_text(text).starts_with(kP256)) {
        TRY(const auto key, near::parse_secret_key(text));
        const auto signature = key.sign(digest.view());
        return base::Bytes(signature.bytes.begin(), signature.bytes.end());
    }
    crypto::SecretBytes<crypto::P256PrivateKey::kSize> scalar;
    const auto size =
        crypto::base58_decode_secret(text.subspan(kP256.size()), scalar.expose_mutable());
    if (!size || *size != crypto::P256PrivateKey::kSize) {
        return Error::invalid_argument("a p256 key is p256: and base58 of 32 bytes");
    }
    TRY(const auto key, crypto::P256PrivateKey::from_scalar(std::move(scalar)));
    TRY(const auto signature, crypto::sign_rfc6979_low_s(key, digest, crypto::SelfCheck::On));
    return base::Bytes(signature.bytes.begin(), signature.bytes.end());
}

Result<Json> vote(
    Process& process, KeystoreConnection& connection, const WalletOptions& options,
    policy::ApprovalDecision decision) {
    TRY(const Json request, find_request(connection, options.id));
    TRY(const auto statement, statement_of(request, options.approver, decision));
    process.console.note("signing this:");
    process.console.note(request.dump_pretty());
    TRY(const auto secret,
        process.secrets.read({attest::SecretReference::Kind::File, options.key_file}));
    TRY(const auto signature, sign_as_approver(secret.expose(), statement.digest()));
    const Json body = Json::object()
                          .set("request_id", text(statement.request_id))
                          .set("approver_id", text(options.approver))
                          .set("decision", text(policy::to_string(decision)))
                          .set("signature_base64", text(base::base64_encode(signature)));
    return connection.run(connection.keystore().post("/wallet/approvals/vote", body.dump()));
}

void add_vote(
    CLI::App& group, Invocation& invocation, const CommandHelp& help,
    policy::ApprovalDecision decision) {
    auto [command, shared] = add_wallet_command(group, invocation, help);
    command->add_option("request", shared->id, "The approval request's id")->required();
    command->add_option("--as", shared->approver, "Your id among the policy's approvers")
        ->required();
    command
        ->add_option(
            "--key", shared->key_file,
            "Your key, a file of mode 0600 with the text ed25519:<base58> or p256:<base58>")
        ->required();
    on_wallet_run(
        *command, invocation, shared,
        [decision](Process& process, KeystoreConnection& connection, const WalletOptions& options) {
            return vote(process, connection, options, decision);
        });
}

void add_approvals(CLI::App& wallet, Invocation& invocation) {
    CLI::App& group =
        add_group(wallet, {.name = "approvals", .summary = "Operations that wait for approvers"});
    auto [command, shared] = add_wallet_command(
        group, invocation, {.name = "list", .summary = "Approval requests, newest first"});
    command->add_option("wallet", shared->id, "Only of this wallet");
    on_wallet_run(
        *command, invocation, shared,
        [](Process&, KeystoreConnection& connection, const WalletOptions& options) {
            Json body = Json::object();
            if (!options.id.empty()) body.set("wallet_id", text(options.id));
            return connection.run(connection.keystore().post("/wallet/approvals", body.dump()));
        });
    add_vote(
        group, invocation,
        {.name = "approve",
         .summary = "Sign your approval of an operation",
         .examples = {"adyton wallet approvals approve REQUEST --as ann --key ann.key"}},
        policy::ApprovalDecision::Approve);
    add_vote(
        group, invocation, {.name = "reject", .summary = "Sign your rejection of an operation"},
        policy::ApprovalDecision::Reject);
}

}  // namespace

void add_wallet_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& wallet = add_group(
        root, {.name = "wallet",
               .summary = "NEAR wallets of a keystore: create, policies, freezes, approvals",
               .details = "The keystore's address and your token come from options or from "
                          "KEYSTORE_URL and KEYSTORE_AUTH_TOKEN.",
               .examples = {
                   "adyton wallet create --id treasury", "adyton wallet policy put treasury p.json",
                   "adyton wallet freeze treasury --reason 'incident 7'"}});
    add_create(wallet, invocation);
    add_address(wallet, invocation);
    add_list(wallet, invocation);
    add_simple(
        wallet, invocation,
        {.name = "rotate", .summary = "Give the wallet its next key; the old ones stay usable"},
        "/wallet/rotate-key");
    add_policies(wallet, invocation);
    add_freezes(wallet, invocation);
    add_approvals(wallet, invocation);
    add_workflow_commands(wallet, invocation);
}

}  // namespace adyton::apps
