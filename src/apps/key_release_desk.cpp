#include "apps/key_release_desk.h"

#include <algorithm>
#include <array>
#include <utility>

#include "attest/attestation_bundle.h"
#include "service/settings.h"

namespace adyton::apps {
namespace {

using base::Json;
namespace settings = service::settings;

constexpr std::array<std::string_view, 5> kMembers = {
    "policy", "env", "collateral", "snp_key", "snp_chain"};

Error wants(const std::string& path) {
    return Error::invalid_argument(
        path +
        ": wants {policy = \"FILE\", env = {VARIABLE = \"file:PATH\"}} and, if the evidence needs "
        "them, the files collateral, snp_key and snp_chain");
}

// The text of the file that a member names; empty when it is not there.
Result<std::string> text_of(
    const std::string& path, const Json& table, std::string_view member,
    const attest::SecretSource& secrets) {
    const Json* const file = table.find(member);
    if (file == nullptr) return std::string();
    if (!file->is_string()) return wants(path);
    return secrets.read_public_text({attest::SecretReference::Kind::File, file->string_value()});
}

Result<void> read_environment(
    const std::string& path, const Json& env, attest::SecretSource& secrets,
    attest::ReleaseGrant& out) {
    for (const auto& [name, value] : env.members()) {
        if (!value.is_string()) return wants(path);
        auto reference = attest::SecretReference::parse(value.string_value());
        if (!reference) return std::move(reference).error().with_context(path + ".env." + name);
        auto secret = secrets.read(*reference);
        if (!secret) return std::move(secret).error().with_context(path + ".env." + name);
        out.env.emplace(name, *std::move(secret));
    }
    return {};
}

Result<attest::ReleaseGrant> read_grant(
    const std::string& path, const Json& table, attest::SecretSource& secrets) {
    const Json* const env = table.find("env");
    if (!table.is_object() || env == nullptr || !env->is_object()) return wants(path);
    for (const auto& [member, value] : table.members()) {
        if (std::find(kMembers.begin(), kMembers.end(), member) == kMembers.end()) {
            return wants(path);
        }
    }
    attest::ReleaseGrant out;
    TRY(const std::string policy, text_of(path, table, "policy", secrets));
    const auto json = Json::parse(policy);
    if (!json) return Error::invalid_argument(path + ".policy: is not JSON");
    auto parsed = attest::AttestationPolicy::parse(*json);
    if (!parsed) return std::move(parsed).error().with_context(path + ".policy");
    out.policy = *std::move(parsed);
    TRY(const std::string collateral, text_of(path, table, "collateral", secrets));
    if (!collateral.empty()) {
        TRY(out.collateral, attest::DcapCollateral::parse_bundle(collateral));
    }
    TRY(out.snp_key, text_of(path, table, "snp_key", secrets));
    TRY(out.snp_chain, text_of(path, table, "snp_chain", secrets));
    TRY_VOID(read_environment(path, *env, secrets, out));
    return out;
}

std::string record_of(
    const attest::AttestationBundle& bundle, const attest::KeyReleaser::Released& released) {
    Json body = Json::object();
    body.set("marble_type", Json::string(bundle.claims.service_id));
    body.set("acceptance", Json::string(std::string(attest::to_string(released.acceptance))));
    body.set("version", Json::string(bundle.claims.version));
    body.set("evidence", attest::to_json(released.facts));
    return body.dump();
}

}  // namespace

Result<std::unique_ptr<KeyReleaseDesk>> KeyReleaseDesk::open(ProductGround& ground) {
    std::map<std::string, attest::ReleaseGrant> grants;
    const Json& section = ground.config().get(settings::kReleaseGrants);
    for (const auto& [type, table] : section.members()) {
        TRY(auto grant, read_grant("release.grants." + type, table, ground.inputs.secrets));
        grants.emplace(type, std::move(grant));
    }
    if (grants.empty()) return std::unique_ptr<KeyReleaseDesk>();
    return std::unique_ptr<KeyReleaseDesk>(new KeyReleaseDesk(ground, std::move(grants)));
}

KeyReleaseDesk::KeyReleaseDesk(
    ProductGround& ground, std::map<std::string, attest::ReleaseGrant> grants)
    : ground_(ground), releaser_(ground.loop(), ground.random, std::move(grants)) {}

KeyReleaseDesk::~KeyReleaseDesk() = default;

void KeyReleaseDesk::register_routes(service::ServiceFrame& frame) {
    frame.add("GET", "/release/challenge", service::Access::Public, [this](service::Call) {
        return challenge();
    });
    frame.add("POST", "/release", service::Access::Public, [this](service::Call call) {
        return release(call);
    });
}

Task<Result<http::Response>> KeyReleaseDesk::challenge() {
    Json out = Json::object();
    out.set("challenge", Json::string(attest::base64url_encode(releaser_.challenge())));
    co_return service::json_answer(out.dump());
}

Task<Result<http::Response>> KeyReleaseDesk::release(service::Call call) {
    CO_TRY(const auto bundle, attest::AttestationBundle::parse_answer(call.request.body));
    const auto released = releaser_.release(bundle);
    if (!released) {
        ground_.logger->warning(
            "a release was refused",
            {{"reason", released.error().reason()}, {"remote", call.request.peer->remote_address}});
        co_return released.error();
    }
    const std::string body = record_of(bundle, *released);
    auto unit = [this, &body](storage::Transaction& tx) {
        return ground_.audit->append(tx, {"keystore.release", "system:release", body});
    };
    auto recording = ground_.database->write(std::move(unit));
    CO_TRY(const auto recorded, co_await std::move(recording));
    (void)recorded;
    auto response = service::json_answer(released->answer.to_json().dump());
    response.headers.add("Cache-Control", "no-store");
    co_return response;
}

}  // namespace adyton::apps
