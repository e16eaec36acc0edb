#include "service/hosted_openapi.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace adyton::service {
namespace {

using base::Json;

constexpr std::string_view kDocument = R"({"openapi": "3.1.0", "paths": {"/info": {"get": {
"responses": {"200": {"description": "Done."}, "400": {"$ref": "#/components/responses/BadRequest"},
"500": {"$ref": "#/components/responses/Internal"}}}}},
"components": {"schemas": {"Error": {"type": "object"}}, "responses": {}}})";

const Json& at(const Json& json, std::initializer_list<const char*> path) {
    const Json* found = &json;
    for (const char* const name : path) {
        found = found->find(name);
        EXPECT_NE(found, nullptr) << name;
        if (found == nullptr) return json;
    }
    return *found;
}

TEST(HostedOpenapiTest, EachRouteOfTheHostStandsInTheDocument) {
    std::string text(kDocument);
    for (const HostedRoutes routes :
         {HostedRoutes::Attestation, HostedRoutes::Witness, HostedRoutes::Release}) {
        text = document_hosted_routes(text, routes);
    }
    const auto document = Json::parse(text);
    ASSERT_TRUE(document) << document.error().message();
    const Json& paths = at(*document, {"paths"});
    EXPECT_EQ(paths.size(), 5U);
    const Json& attestation = at(paths, {"/attestation", "get", "responses"});
    EXPECT_EQ(
        at(attestation, {"200", "description"}).string_value(),
        "Claims and the evidence that binds them.");
    for (const char* const status : {"400", "429", "500"}) {
        EXPECT_NE(attestation.find(status), nullptr) << status;
    }
    EXPECT_EQ(attestation.find("403"), nullptr);
    EXPECT_NE(at(paths, {"/witness", "post", "responses"}).find("409"), nullptr);
    EXPECT_NE(paths.find("/witness")->find("get"), nullptr);
    EXPECT_NE(at(paths, {"/release", "post"}).find("requestBody"), nullptr);
    EXPECT_NE(at(paths, {"/release/challenge", "get"}).find("responses"), nullptr);
    for (const char* const name : {"Error", "Attestation", "WitnessedHeads"}) {
        EXPECT_NE(at(*document, {"components", "schemas"}).find(name), nullptr) << name;
    }
}

TEST(HostedOpenapiTest, WhatTheProductDocumentsItselfIsLeftAlone) {
    const std::string once = document_hosted_routes(kDocument, HostedRoutes::Attestation);
    EXPECT_EQ(document_hosted_routes(once, HostedRoutes::Attestation), once);
    std::string own(kDocument);
    own.replace(
        own.find("\"/info\""), 7,
        R"("/attestation": {"get": {"summary": "its own", "responses": {}}}, "/info")");
    const auto document = Json::parse(document_hosted_routes(own, HostedRoutes::Attestation));
    ASSERT_TRUE(document);
    EXPECT_EQ(at(*document, {"paths", "/attestation", "get", "summary"}).string_value(), "its own");
    EXPECT_EQ(at(*document, {"paths"}).size(), 2U);
}

}  // namespace
}  // namespace adyton::service
