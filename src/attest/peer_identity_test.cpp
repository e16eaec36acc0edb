#include "attest/peer_identity.h"

#include <gtest/gtest.h>

#include "attest/internal/certificate.h"
#include "http/test_pki.h"

namespace adyton::attest {
namespace {

using http::TestCa;

// What a test says about a leaf, in any part.
struct Leaf {
    std::string common_name = "leaf";
    std::vector<std::string> dns_names = {};
    std::vector<std::string> uris = {};
    std::vector<std::string> marble_types = {};
};

http::PemIdentity issue(const TestCa& ca, const Leaf& leaf) {
    http::LeafOptions options;
    options.common_name = leaf.common_name;
    options.dns_names = leaf.dns_names;
    options.uris = leaf.uris;
    options.marble_types = leaf.marble_types;
    return ca.issue(options);
}

ServiceId id(std::string_view text) {
    return ServiceId::parse(text).value();
}

base::Bytes der_of(const std::string& pem) {
    return read_pem_certificates(pem).value().front();
}

// The authorities of the tests, made once: key generation is the slow part.
struct Authorities {
    TestCa mesh = TestCa::create_root("mesh root");
    TestCa gateway = TestCa::create_root("gateway root");
    TestCa stranger = TestCa::create_root("stranger");
};
const Authorities& authorities() {
    static const Authorities all;
    return all;
}

IssuerProfile mesh_profile() {
    IssuerProfile profile;
    profile.name = "mesh";
    profile.anchors = {der_of(authorities().mesh.certificate_pem())};
    profile.allowed = known_services();
    return profile;
}

IssuerProfile gateway_profile(IdentitySource source = IdentitySource::IssuerOnly) {
    IssuerProfile profile;
    profile.name = "gateway";
    profile.anchors = {der_of(authorities().gateway.certificate_pem())};
    profile.source = source;
    profile.allowed = {id("gateway")};
    return profile;
}

IdentityOptions strict_options(std::vector<IssuerProfile> issuers) {
    IdentityOptions options;
    options.issuers = std::move(issuers);
    options.aliases = known_aliases();
    return options;
}

Result<Caller> identify(const IdentityOptions& options, const TestCa& ca, const Leaf& leaf) {
    const auto identifier = CertificateIdentifier::create(options).value();
    const base::Bytes leaf_der = der_of(issue(ca, leaf).certificate_chain_pem);
    const base::Bytes anchor_der = der_of(ca.certificate_pem());
    return identifier.identify({leaf_der, anchor_der});
}

void expect_refused(const Result<Caller>& caller, ErrorCode code, std::string_view reason) {
    ASSERT_FALSE(caller) << caller->service_id.text();
    EXPECT_EQ(caller.error().code(), code);
    EXPECT_EQ(caller.error().reason(), reason);
}

TEST(PeerIdentityTest, TheMarbleTypeOfTheLeafNamesTheService) {
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().mesh,
        {.common_name = "some-uuid", .marble_types = {"neocompute"}});
    ASSERT_TRUE(caller) << caller.error().message();
    EXPECT_EQ(caller->service_id.text(), "neocompute");
    EXPECT_EQ(caller->how, IdentitySource::MarbleType);
    EXPECT_EQ(caller->issuer, "mesh");
}

TEST(PeerIdentityTest, AnAliasInACertificateStandsForItsService) {
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().mesh, {.marble_types = {"accountpool"}});
    ASSERT_TRUE(caller) << caller.error().message();
    EXPECT_EQ(caller->service_id.text(), "neoaccounts");
}

TEST(PeerIdentityTest, ACertificateWithoutTheExtensionIsNobody) {
    // also what MarbleRun issues for secrets of type cert-*: the right name everywhere but there
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().mesh,
        {.common_name = "neoaccounts", .dns_names = {"neoaccounts", "localhost"}});
    expect_refused(caller, ErrorCode::Unauthenticated, "no_identity");
}

TEST(PeerIdentityTest, TwoExtensionsAreRefusedEvenWhenEqual) {
    for (const auto& types : std::vector<std::vector<std::string>>{
             {"neocompute", "neoaccounts"}, {"neocompute", "neocompute"}}) {
        const auto caller =
            identify(strict_options({mesh_profile()}), authorities().mesh, {.marble_types = types});
        expect_refused(caller, ErrorCode::Unauthenticated, "ambiguous_identity");
    }
}

TEST(PeerIdentityTest, AMarbleTypeIsComparedExactly) {
    for (const std::string& type :
         {std::string("NeoCompute"), std::string("neocompute "), std::string("neocompute.x"),
          std::string("neocompute\0", 11), std::string(65, 'a'), std::string("AccountPool")}) {
        const auto caller = identify(
            strict_options({mesh_profile()}), authorities().mesh, {.marble_types = {type}});
        expect_refused(caller, ErrorCode::Unauthenticated, "malformed_identity");
    }
}

TEST(PeerIdentityTest, AServiceOutsideTheAllowedSetIsRefused) {
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().mesh, {.marble_types = {"neocomputex"}});
    expect_refused(caller, ErrorCode::PermissionDenied, "service_not_allowed");
}

TEST(PeerIdentityTest, AlternativeNamesAndCommonNameCannotChooseAnotherService) {
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().mesh,
        {.common_name = "neoaccounts",
         .dns_names = {"neoaccounts", "gateway.example.org"},
         .uris = {"spiffe://mesh/neoaccounts"},
         .marble_types = {"neocompute"}});
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->service_id.text(), "neocompute");
}

TEST(PeerIdentityTest, AnAuthorityOfNoProfileIsRefused) {
    const auto caller = identify(
        strict_options({mesh_profile()}), authorities().stranger, {.marble_types = {"neocompute"}});
    expect_refused(caller, ErrorCode::Unauthenticated, "unknown_issuer");
}

TEST(PeerIdentityTest, TheGatewayAuthorityMayOnlyMakeTheGateway) {
    const auto options = strict_options({mesh_profile(), gateway_profile()});
    const auto gateway =
        identify(options, authorities().gateway, {.dns_names = {"edge.example.org"}});
    ASSERT_TRUE(gateway);
    EXPECT_EQ(gateway->service_id.text(), "gateway");
    EXPECT_EQ(gateway->issuer, "gateway");

    const auto claims_marble =
        identify(options, authorities().gateway, {.marble_types = {"neoaccounts"}});
    expect_refused(claims_marble, ErrorCode::Unauthenticated, "ambiguous_identity");
    const auto from_type = identify(
        strict_options({gateway_profile(IdentitySource::MarbleType)}), authorities().gateway,
        {.marble_types = {"neoaccounts"}});
    expect_refused(from_type, ErrorCode::PermissionDenied, "service_not_allowed");
}

TEST(PeerIdentityTest, ASpiffeNameNamesTheServiceOfItsTrustDomainOnly) {
    IssuerProfile profile = mesh_profile();
    profile.source = IdentitySource::UriSan;
    profile.trust_domain = "prod.example";
    const auto options = strict_options({profile});
    const auto by_uri = [&](std::vector<std::string> uris) {
        return identify(options, authorities().mesh, {.uris = std::move(uris)});
    };
    const auto caller = by_uri({"spiffe://prod.example/neocompute"});
    ASSERT_TRUE(caller) << caller.error().message();
    EXPECT_EQ(caller->service_id.text(), "neocompute");
    EXPECT_EQ(caller->how, IdentitySource::UriSan);
    for (const char* uri :
         {"spiffe://test.example/neocompute", "spiffe://prod.example/ns/neocompute",
          "spiffe://prod.example/", "https://prod.example/neocompute",
          "spiffe://prod.example.evil/neocompute", "SPIFFE://prod.example/neocompute",
          "spiffe://prod.example/neocompute?x", "spiffe://prod.example/neocompute/"}) {
        expect_refused(by_uri({uri}), ErrorCode::Unauthenticated, "malformed_identity");
    }
    expect_refused(by_uri({}), ErrorCode::Unauthenticated, "no_identity");
    expect_refused(
        by_uri({"spiffe://prod.example/neocompute", "spiffe://prod.example/gateway"}),
        ErrorCode::Unauthenticated, "ambiguous_identity");
}

TEST(PeerIdentityTest, ADnsNameCountsWholeAndAlone) {
    IssuerProfile profile = mesh_profile();
    profile.source = IdentitySource::DnsSanExact;
    profile.unsafe_dns_names = true;
    const auto options = strict_options({profile});
    const auto by_name = [&](std::vector<std::string> names) {
        return identify(options, authorities().mesh, {.dns_names = std::move(names)});
    };
    EXPECT_EQ(by_name({"neocompute"})->service_id.text(), "neocompute");
    expect_refused(
        by_name({"neocompute.example.org"}), ErrorCode::Unauthenticated, "malformed_identity");
    expect_refused(
        by_name({"neocompute", "gateway"}), ErrorCode::Unauthenticated, "ambiguous_identity");
    expect_refused(by_name({"x"}), ErrorCode::PermissionDenied, "service_not_allowed");
}

TEST(PeerIdentityTest, APinnedKeyIsItsService) {
    const auto pinned = issue(authorities().mesh, {.common_name = "pinned"});
    const base::Bytes leaf = der_of(pinned.certificate_chain_pem);
    const base::Bytes anchor = der_of(authorities().mesh.certificate_pem());
    IssuerProfile profile = mesh_profile();
    profile.source = IdentitySource::SpkiPin;
    profile.pins.emplace(internal::read_certificate(leaf)->spki, id("neooracle"));
    const auto options = strict_options({profile});
    const auto identifier = CertificateIdentifier::create(options).value();
    EXPECT_EQ(identifier.identify({leaf, anchor})->service_id.text(), "neooracle");
    expect_refused(
        identify(options, authorities().mesh, {.common_name = "pinned"}),
        ErrorCode::Unauthenticated, "no_identity");
}

TEST(PeerIdentityTest, GarbageForALeafIsRefused) {
    const auto identifier = CertificateIdentifier::create(strict_options({mesh_profile()})).value();
    const base::Bytes anchor = der_of(authorities().mesh.certificate_pem());
    base::Bytes leaf =
        der_of(issue(authorities().mesh, {.marble_types = {"neocompute"}}).certificate_chain_pem);
    leaf.push_back(0);
    expect_refused(
        identifier.identify({leaf, anchor}), ErrorCode::Unauthenticated, "bad_certificate");
    leaf.resize(leaf.size() / 2);
    expect_refused(
        identifier.identify({leaf, anchor}), ErrorCode::Unauthenticated, "bad_certificate");
    expect_refused(
        identifier.identify({{}, anchor}), ErrorCode::Unauthenticated, "bad_certificate");
}

void expect_invalid(const IdentityOptions& options, std::string_view part) {
    const auto identifier = CertificateIdentifier::create(options);
    ASSERT_FALSE(identifier) << part;
    EXPECT_EQ(identifier.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(identifier.error().message().find(part), std::string::npos)
        << identifier.error().message();
}

TEST(PeerIdentityTest, ProfilesThatCannotBeRightAreRefused) {
    IssuerProfile profile = mesh_profile();
    profile.allowed.clear();
    expect_invalid(strict_options({profile}), "no allowed service");

    profile = mesh_profile();
    profile.anchors.clear();
    expect_invalid(strict_options({profile}), "no certificate authority");

    profile = mesh_profile();
    profile.anchors.front().pop_back();
    expect_invalid(strict_options({profile}), "no certificate");

    profile = gateway_profile();
    profile.anchors = mesh_profile().anchors;
    expect_invalid(strict_options({mesh_profile(), profile}), "stands twice");

    profile = mesh_profile();
    profile.source = IdentitySource::UriSan;
    expect_invalid(strict_options({profile}), "trust_domain");

    profile = mesh_profile();
    profile.source = IdentitySource::SpkiPin;
    expect_invalid(strict_options({profile}), "pins");
    profile.pins.emplace(crypto::Sha256Digest{}, id("not-allowed"));
    expect_invalid(strict_options({profile}), "not allowed");

    profile = mesh_profile();
    profile.source = IdentitySource::IssuerOnly;
    expect_invalid(strict_options({profile}), "exactly one");

    profile = mesh_profile();
    profile.source = IdentitySource::DevelopmentHeader;
    expect_invalid(strict_options({profile}), "no part of a certificate");
}

TEST(PeerIdentityTest, StrictModeTakesDnsNamesOnlyWithTheUnsafeFlag) {
    IssuerProfile profile = mesh_profile();
    profile.source = IdentitySource::DnsSanExact;
    expect_invalid(strict_options({profile}), "unsafe_dns_names");
    IdentityOptions development = strict_options({profile});
    development.mode = IdentityMode::Development;
    EXPECT_TRUE(CertificateIdentifier::create(development));
}

TEST(PeerIdentityTest, AClaimIsComparedExactlyAndAliasesDoNotHelp) {
    const Caller caller{id("neoaccounts"), IdentitySource::MarbleType, "mesh"};
    EXPECT_TRUE(check_claimed(caller, ""));
    EXPECT_TRUE(check_claimed(caller, "neoaccounts"));
    for (const char* claimed : {"NeoAccounts", "accountpool", "neoaccounts ", "gateway"}) {
        const auto checked = check_claimed(caller, claimed);
        ASSERT_FALSE(checked) << claimed;
        EXPECT_EQ(checked.error().code(), ErrorCode::PermissionDenied);
        EXPECT_EQ(checked.error().reason(), "service_id_mismatch");
        EXPECT_EQ(checked.error().message(), "service_id does not match authenticated service");
    }
}

TEST(PeerIdentityTest, SourcesHaveNamesAndTheHeaderIsNoSource) {
    for (const IdentitySource source :
         {IdentitySource::MarbleType, IdentitySource::UriSan, IdentitySource::DnsSanExact,
          IdentitySource::SpkiPin, IdentitySource::IssuerOnly}) {
        EXPECT_EQ(parse_identity_source(to_string(source)).value(), source);
    }
    EXPECT_FALSE(parse_identity_source("development-header"));
    EXPECT_FALSE(parse_identity_source("cn"));
}

TEST(PeerIdentityTest, PemTextsGiveEveryCertificateOrARefusal) {
    const std::string one = authorities().mesh.certificate_pem();
    const std::string two = one + "\nsome words\n" + authorities().gateway.certificate_pem();
    EXPECT_EQ(read_pem_certificates(one)->size(), 1U);
    EXPECT_EQ(read_pem_certificates(two)->size(), 2U);
    EXPECT_FALSE(read_pem_certificates(""));
    EXPECT_FALSE(read_pem_certificates("no certificate here"));
    std::string broken = two;
    broken[broken.size() / 2 + 200] = '!';
    EXPECT_FALSE(read_pem_certificates(broken));
    EXPECT_FALSE(read_pem_certificates(one + one.substr(0, one.size() / 2)));
}

}  // namespace
}  // namespace adyton::attest
