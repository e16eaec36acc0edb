#include "apps/webhook_connection.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "apps/token_connection.h"
#include "compute/public_address.h"
#include "http/tls.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::array<std::string_view, 6> kMembers = {"url",    "wallets", "events",
                                                      "secret", "ca",      "private_addresses"};
// Nothing of a receiver's answer but its status is read.
constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kConnectionsMax = 16;

Error wrong(const std::string& path, std::string_view what) {
    return Error::invalid_argument(path + ": " + std::string(what));
}

Result<std::vector<std::string>> texts(
    const std::string& path, const Json& table, std::string_view name) {
    std::vector<std::string> out;
    const Json* const list = table.find(name);
    if (list == nullptr) return out;
    const Error bad = wrong(path, std::string(name) + " is a list of texts");
    if (!list->is_array()) return bad;
    for (const Json& item : list->items()) {
        if (!item.is_string() || item.string_value().empty()) return bad;
        out.push_back(item.string_value());
    }
    return out;
}

Result<attest::SecretReference> reference_of(
    const std::string& path, const Json& table, std::string_view name) {
    const Json* const found = table.find(name);
    std::string text;
    if (found != nullptr && found->is_string()) text = found->string_value();
    if (found != nullptr && found->is_object() && found->size() == 1) {
        const Json::Member& only = found->members().front();
        if (only.second.is_string()) text = only.first + ":" + only.second.string_value();
    }
    if (text.empty()) {
        return wrong(path, std::string(name) + " is missing, or no reference (\"file:PATH\")");
    }
    auto reference = attest::SecretReference::parse(text);
    if (!reference) return std::move(reference).error().with_context(path);
    return reference;
}

Result<coordinator::WebhookEndpoint> read_endpoint(
    const std::string& name, const std::string& path, const Json& table,
    attest::SecretSource& secrets) {
    if (!table.is_object()) return wrong(path, "is no table");
    for (const Json::Member& member : table.members()) {
        if (std::find(kMembers.begin(), kMembers.end(), member.first) == kMembers.end()) {
            return wrong(path, "unknown key " + member.first);
        }
    }
    coordinator::WebhookEndpoint out;
    out.name = name;
    const Json* const url = table.find("url");
    if (url == nullptr || !url->is_string()) return wrong(path, "url is missing, or no text");
    out.url = url->string_value();
    TRY(out.wallets, texts(path, table, "wallets"));
    TRY(out.events, texts(path, table, "events"));
    TRY(const auto reference, reference_of(path, table, "secret"));
    auto text = read_line_secret(secrets, reference);
    if (!text) return std::move(text).error().with_context(path);
    auto parsed = coordinator::parse_webhook_secrets(text->expose());
    if (!parsed) return std::move(parsed).error().with_context(path);
    out.secrets = *std::move(parsed);
    return out;
}

Result<bool> private_addresses_of(const std::string& path, const Json& table) {
    const Json* const found = table.find("private_addresses");
    if (found == nullptr) return false;
    if (!found->is_boolean()) return wrong(path, "private_addresses is true or false");
    return found->boolean_value();
}

Result<std::unique_ptr<http::GuardedClient>> open_client(
    const std::string& path, const Json& table, const attest::SecretSource& secrets,
    base::EventLoop& loop) {
    TRY(const bool anywhere, private_addresses_of(path, table));
    http::ClientTlsOptions tls;
    tls.minimum_version = http::TlsVersion::Tls12;  // servers of others
    std::string ca;
    if (table.find("ca") != nullptr) {
        TRY(const auto reference, reference_of(path, table, "ca"));
        TRY(ca, secrets.read_public_text(reference));
        tls.server_ca_pem.push_back(ca);
    }
    http::ClientOptions options;
    TRY(options.tls, http::TlsContext::create_client(tls));
    options.response_bytes_max = kAnswerBytesMax;
    options.connections_per_host_max = kConnectionsMax;
    http::AddressCheck allow = &compute::is_public_address;
    if (anywhere) allow = [](base::ByteView) { return true; };
    return std::make_unique<http::GuardedClient>(loop, std::move(options), std::move(allow));
}

}  // namespace

Result<WebhookConnection> WebhookConnection::open(
    const Json& section, attest::SecretSource& secrets, base::EventLoop& loop) {
    WebhookConnection out;
    if (section.is_null()) return out;
    if (!section.is_object()) return wrong("coordinator.webhooks", "is a table of tables");
    for (const Json::Member& member : section.members()) {
        const std::string path = "coordinator.webhooks." + member.first;
        TRY(auto endpoint, read_endpoint(member.first, path, member.second, secrets));
        TRY(auto client, open_client(path, member.second, secrets, loop));
        endpoint.transport = client.get();
        out.clients_.push_back(std::move(client));
        out.endpoints_.push_back(std::move(endpoint));
    }
    return out;
}

}  // namespace adyton::apps
