#include "service/hosted_openapi.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"

namespace adyton::service {
namespace {

using base::Json;

struct Operation {
    std::string_view path;
    std::string_view method;
    std::string_view text;  // the operation but for the responses that all have
    std::vector<std::string_view> refusals = {};  // statuses besides those of GET /info
};

constexpr std::string_view kAttestationSchema = R"({
"type": "object",
"properties": {
 "format": {"type": "string", "enum": ["adyton/attest/v1"]},
 "type": {"type": "string", "enum": ["sgx-dcap", "tdx-dcap", "sev-snp", "simulated"]},
 "evidence": {"type": "string",
  "description": "base64; simulated evidence is no quote of any kind."},
 "aux": {"type": "object"},
 "claims": {"type": "object",
  "description": "What the evidence binds: service, keys, build, nonce."},
 "report_data": {"type": "string", "pattern": "^[0-9a-f]{128}$"}
},
"required": ["format", "type", "evidence", "claims", "report_data"]})";

constexpr std::string_view kAttestation =
    R"({
"operationId": "attestation",
"summary": "What this program states about itself, for `adyton verify attestation`",
"parameters": [{"name": "nonce", "in": "query", "required": false,
 "description": "base64url without padding, 1 to 64 bytes. The evidence then binds it.",
 "schema": {"type": "string", "pattern": "^(?:(?:[A-Za-z0-9_-]{4}){1,21}|)"
    R"((?:[A-Za-z0-9_-]{4}){0,21}[A-Za-z0-9_-][AQgw]|)"
    R"((?:[A-Za-z0-9_-]{4}){0,20}[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])$"}}],
"responses": {"200": {"description": "Claims and the evidence that binds them.",
 "headers": {"Cache-Control": {"schema": {"type": "string"}}},
 "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Attestation"}}}}},
"security": []})";

constexpr std::string_view kHeads = R"({"type": "object", "properties": {"heads": {"type": "array",
"items": {"type": "object"}}}, "required": ["heads"]})";

constexpr std::string_view kWitness = R"({
"operationId": "witness",
"summary": "The heads of the caller's audit chains, as it last told them",
"responses": {"200": {"description": "Nothing that was told is an empty list.",
 "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WitnessedHeads"}}}}}})";

constexpr std::string_view kTellWitness = R"({
"operationId": "tellWitness",
"summary": "Remember how far the caller's audit chains have come; they never go back",
"requestBody": {"required": true,
 "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WitnessedHeads"}}}},
"responses": {"200": {"description": "The heads as they are remembered now.",
 "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WitnessedHeads"}}}}}})";

constexpr std::string_view kChallenge = R"({
"operationId": "releaseChallenge",
"summary": "A challenge for one release of secrets, good for a minute",
"responses": {"200": {"description": "base64url.",
 "content": {"application/json": {"schema": {"type": "object",
  "properties": {"challenge": {"type": "string"}}, "required": ["challenge"]}}}}},
"security": []})";

constexpr std::string_view kRelease = R"({
"operationId": "release",
"summary": "Secrets of a booting program, for evidence that fits a grant and binds the challenge",
"requestBody": {"required": true,
 "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Attestation"}}}},
"responses": {"200": {"description": "Sealed to the key that the evidence binds.",
 "content": {"application/json": {"schema": {"type": "object",
  "properties": {"key": {"type": "string"}, "sealed": {"type": "string"}},
  "required": ["key", "sealed"]}}}}},
"security": []})";

std::vector<Operation> operations_of(HostedRoutes routes) {
    switch (routes) {
        case HostedRoutes::Attestation:
            return {{"/attestation", "get", kAttestation, {"429"}}};
        case HostedRoutes::Witness:
            return {
                {"/witness", "get", kWitness, {"401", "403"}},
                {"/witness", "post", kTellWitness, {"401", "403", "409"}}};
        case HostedRoutes::Release:
            return {
                {"/release/challenge", "get", kChallenge}, {"/release", "post", kRelease, {"403"}}};
    }
    CHECK(false);
    return {};
}

Json parsed(std::string_view text) {
    auto json = Json::parse(text);
    CHECK(json);
    return *std::move(json);
}

Json member(const Json& object, std::string_view name) {
    const Json* const found = object.find(name);
    CHECK(found != nullptr);
    return *found;
}

Json refusal(std::string_view status) {
    const Json schema = Json::object().set("$ref", Json::string("#/components/schemas/Error"));
    const Json content =
        Json::object().set("application/json", Json::object().set("schema", schema));
    return Json::object()
        .set("description", Json::string("Refused with " + std::string(status) + "."))
        .set("content", content);
}

Json operation(const Operation& its, const Json& common) {
    Json out = parsed(its.text);
    Json responses = member(out, "responses");
    for (const auto& [status, response] : common.members()) {
        if (responses.find(status) == nullptr) responses.set(status, response);
    }
    for (const std::string_view status : its.refusals) {
        if (responses.find(status) == nullptr) responses.set(std::string(status), refusal(status));
    }
    out.set("responses", std::move(responses));
    return out;
}

}  // namespace

std::string document_hosted_routes(std::string_view openapi, HostedRoutes routes) {
    Json document = parsed(openapi);
    Json paths = member(document, "paths");
    const Json common = member(member(member(paths, "/info"), "get"), "responses");
    for (const Operation& its : operations_of(routes)) {
        const std::string path(its.path);
        Json methods = paths.find(path) == nullptr ? Json::object() : member(paths, path);
        if (methods.find(its.method) != nullptr) continue;
        methods.set(std::string(its.method), operation(its, common));
        paths.set(path, std::move(methods));
    }
    Json components = member(document, "components");
    Json schemas = member(components, "schemas");
    CHECK(schemas.find("Error") != nullptr);
    const auto define = [&schemas](const char* name, std::string_view text) {
        if (schemas.find(name) == nullptr) schemas.set(name, parsed(text));
    };
    define("Attestation", kAttestationSchema);
    if (routes == HostedRoutes::Witness) define("WitnessedHeads", kHeads);
    components.set("schemas", std::move(schemas));
    document.set("paths", std::move(paths));
    document.set("components", std::move(components));
    return document.dump();
}

}  // namespace adyton::service
