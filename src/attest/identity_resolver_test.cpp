#include <gtest/gtest.h>

#include "attest/peer_identity.h"
#include "http/test_pki.h"

namespace adyton::attest {
namespace {

using http::TestCa;

std::string der_text(const std::string& pem) {
    const auto der = read_pem_certificates(pem).value().front();
    return std::string(base::as_text(der));
}

class IdentityResolverTest : public ::testing::Test {
protected:
    static const TestCa& mesh() {
        static const TestCa ca = TestCa::create_root("mesh");
        return ca;
    }

    static CertificateIdentifier identifier(IdentityMode mode) {
        IssuerProfile profile;
        profile.name = "mesh";
        profile.anchors = read_pem_certificates(mesh().certificate_pem()).value();
        profile.allowed = known_services();
        IdentityOptions options;
        options.mode = mode;
        options.issuers = {std::move(profile)};
        options.aliases = known_aliases();
        return CertificateIdentifier::create(std::move(options)).value();
    }

    IdentityResolverTest()
        : strict_(create_identity_resolver(identifier(IdentityMode::Strict))),
          development_(create_identity_resolver(identifier(IdentityMode::Development))) {
        request_.peer = std::make_shared<http::PeerInfo>();
        request_.peer->remote_address = "127.0.0.1:40000";
    }

    void connect_as(const std::string& marble_type) {
        http::LeafOptions options;
        options.marble_types = {marble_type};
        const auto leaf = mesh().issue(options);
        request_.peer->tls = true;
        request_.peer->verified_chain_der = {
            der_text(leaf.certificate_chain_pem), der_text(mesh().certificate_pem())};
        request_.peer->identity_cache.reset();
    }

    void expect_refused(const IdentityResolver& resolver, ErrorCode code, std::string_view reason) {
        const auto caller = resolver.resolve(request_);
        ASSERT_FALSE(caller) << (*caller)->service_id.text();
        EXPECT_EQ(caller.error().code(), code) << caller.error().message();
        EXPECT_EQ(caller.error().reason(), reason);
    }

    std::unique_ptr<IdentityResolver> strict_;
    std::unique_ptr<IdentityResolver> development_;
    http::Request request_;
};

TEST_F(IdentityResolverTest, StrictModeTakesTheCertificateAndFillsTheCallerIn) {
    connect_as("neocompute");
    const auto caller = strict_->resolve(request_);
    ASSERT_TRUE(caller) << caller.error().message();
    EXPECT_EQ((*caller)->service_id.text(), "neocompute");
    EXPECT_EQ(latest_caller(*request_.peer), caller->get());
}

TEST_F(IdentityResolverTest, StrictModeBelievesNoHeaderWithoutACertificate) {
    request_.headers.add("X-Service-ID", "neocompute");
    request_.headers.add("X-Forwarded-Client-Cert", "By=neocompute");
    expect_refused(*strict_, ErrorCode::Unauthenticated, "no_certificate");
    EXPECT_EQ(latest_caller(*request_.peer), nullptr);
}

TEST_F(IdentityResolverTest, AHeaderThatRepeatsTheCertificateIsFine) {
    connect_as("neocompute");
    request_.headers.add("x-service-id", "neocompute");
    EXPECT_TRUE(strict_->resolve(request_));
    request_.headers.set("X-Service-ID", "");
    EXPECT_TRUE(strict_->resolve(request_));
}

TEST_F(IdentityResolverTest, AHeaderThatContradictsTheCertificateIsRefusedNotIgnored) {
    connect_as("accountpool");
    for (const char* claimed : {"gateway", "NeoAccounts", "accountpool", "neoaccounts,gateway"}) {
        request_.headers.set("X-Service-ID", claimed);
        expect_refused(*strict_, ErrorCode::PermissionDenied, "service_id_mismatch");
        expect_refused(*development_, ErrorCode::PermissionDenied, "service_id_mismatch");
        request_.peer->identity_cache.reset();
    }
}

TEST_F(IdentityResolverTest, ARefusedContradictionStillNamesTheCertificateForTheLog) {
    connect_as("neocompute");
    request_.headers.add("X-Service-ID", "gateway");
    EXPECT_FALSE(strict_->resolve(request_));
    ASSERT_NE(latest_caller(*request_.peer), nullptr);
    EXPECT_EQ(latest_caller(*request_.peer)->service_id.text(), "neocompute");
}

TEST_F(IdentityResolverTest, ADuplicateHeaderIsRefusedEvenWhenBothAgree) {
    connect_as("neocompute");
    request_.headers.add("X-Service-ID", "neocompute");
    request_.headers.add("X-SERVICE-ID", "neocompute");
    expect_refused(*strict_, ErrorCode::InvalidArgument, "duplicate_header");
    request_.peer->verified_chain_der.clear();
    expect_refused(*development_, ErrorCode::InvalidArgument, "duplicate_header");
}

TEST_F(IdentityResolverTest, TheCertificateIsReadOnceAConnection) {
    connect_as("neocompute");
    const auto first = strict_->resolve(request_).value();
    // were it read again, this would be a refusal
    request_.peer->verified_chain_der.front() = "garbage";
    const auto second = strict_->resolve(request_).value();
    EXPECT_EQ(first.get(), second.get());
}

TEST_F(IdentityResolverTest, ARefusalIsKeptForTheConnectionToo) {
    connect_as("unknown-service");
    expect_refused(*strict_, ErrorCode::PermissionDenied, "service_not_allowed");
    expect_refused(*strict_, ErrorCode::PermissionDenied, "service_not_allowed");
}

TEST_F(IdentityResolverTest, ReloadedTrustCountsForNewConnectionsOnly) {
    connect_as("neocompute");
    ASSERT_TRUE(strict_->resolve(request_));
    IdentityOptions none;
    strict_->reload(CertificateIdentifier::create(none).value());
    EXPECT_TRUE(strict_->resolve(request_));  // the kept connection
    connect_as("neocompute");
    expect_refused(*strict_, ErrorCode::Unauthenticated, "unknown_issuer");
}

TEST_F(IdentityResolverTest, DevelopmentModeBelievesTheHeaderOfThisMachine) {
    request_.headers.add("X-Service-ID", "neocompute");
    for (const char* remote :
         {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", ""}) {
        request_.peer->remote_address = remote;
        request_.peer->identity_cache.reset();
        const auto caller = development_->resolve(request_);
        ASSERT_TRUE(caller) << remote << caller.error().message();
        EXPECT_EQ((*caller)->service_id.text(), "neocompute");
        EXPECT_EQ((*caller)->how, IdentitySource::DevelopmentHeader);
    }
    for (const char* remote :
         {"10.0.0.1:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1", "128.0.0.1:1"}) {
        request_.peer->remote_address = remote;
        request_.peer->identity_cache.reset();
        expect_refused(*development_, ErrorCode::PermissionDenied, "not_loopback");
    }
}

TEST_F(IdentityResolverTest, DevelopmentModeWantsAWellFormedHeaderEachTime) {
    expect_refused(*development_, ErrorCode::Unauthenticated, "no_service_header");
    request_.headers.set("X-Service-ID", "Neo Compute");
    expect_refused(*development_, ErrorCode::InvalidArgument, "malformed_service_id");
    request_.headers.set("X-Service-ID", "neocompute");
    ASSERT_TRUE(development_->resolve(request_));
    request_.headers.set("X-Service-ID", "gateway");
    EXPECT_EQ(development_->resolve(request_).value()->service_id.text(), "gateway");
    request_.headers.remove("X-Service-ID");
    expect_refused(*development_, ErrorCode::Unauthenticated, "no_service_header");
    EXPECT_EQ(latest_caller(*request_.peer), nullptr);
}

TEST_F(IdentityResolverTest, ACertificateWinsInDevelopmentModeToo) {
    connect_as("neocompute");
    EXPECT_EQ(development_->resolve(request_).value()->how, IdentitySource::MarbleType);
}

TEST_F(IdentityResolverTest, ACallerOutlivesTheCacheThatGaveIt) {
    request_.headers.set("X-Service-ID", "neocompute");
    const auto kept = development_->resolve(request_).value();
    request_.headers.set("X-Service-ID", "gateway");
    ASSERT_TRUE(development_->resolve(request_));
    request_.peer.reset();
    EXPECT_EQ(kept->service_id.text(), "neocompute");
}

}  // namespace
}  // namespace adyton::attest
