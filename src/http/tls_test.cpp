#include "http/tls.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "http/http_test_support.h"
#include "http/test_pki.h"

namespace adyton::http::testing {
namespace {

Task<Response> describe_peer(Request& request) {
    std::string text = request.peer->tls ? "tls " : "plain ";
    text += std::to_string(request.peer->verified_chain_der.size());
    co_return Response::text(Status::Ok, text);
}

// Counts the requests of a connection in the slot that services use for identities.
Task<Response> count_on_connection(Request& request) {
    const int* known = std::any_cast<int>(&request.peer->identity_cache);
    const int count = known == nullptr ? 1 : *known + 1;
    request.peer->identity_cache = count;
    co_return Response::text(Status::Ok, std::to_string(count));
}

LeafOptions server_leaf() {
    LeafOptions leaf;
    leaf.common_name = "pool";
    leaf.dns_names = {"pool.test"};
    leaf.ip_addresses = {"127.0.0.1"};
    leaf.for_client = false;
    return leaf;
}

LeafOptions client_leaf() {
    LeafOptions leaf;
    leaf.common_name = "compute";
    leaf.marble_types = {"neocompute"};
    leaf.for_server = false;
    return leaf;
}

// A handshake with settings that our own client does not offer.
struct RawHandshake {
    int maximum_version = TLS1_3_VERSION;
    std::string alpn;  // in wire form

    bool done = false;
    bool answered = false;  // a request got its answer
    std::string cipher;
    std::string chosen_alpn;
    bool resumable = false;

    void run(std::uint16_t port, const PemIdentity& identity) {
        RawClient socket(port);
        SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(context, maximum_version);
        use(context, identity);
        SSL* const ssl = SSL_new(context);
        if (!alpn.empty()) {
            SSL_set_alpn_protos(
                ssl, reinterpret_cast<const unsigned char*>(alpn.data()),
                static_cast<unsigned>(alpn.size()));
        }
        SSL_set_fd(ssl, socket.fd());
        done = SSL_connect(ssl) == 1;
        if (done) {
            const std::string request = request_text("GET", "/peer");
            char answer[1024];
            answered = SSL_write(ssl, request.data(), static_cast<int>(request.size())) > 0 &&
                       SSL_read(ssl, answer, sizeof(answer)) > 0;
            cipher = SSL_get_cipher_name(ssl);
            const unsigned char* name = nullptr;
            unsigned size = 0;
            SSL_get0_alpn_selected(ssl, &name, &size);
            if (size > 0) chosen_alpn.assign(reinterpret_cast<const char*>(name), size);
            resumable = SSL_SESSION_is_resumable(SSL_get0_session(ssl)) == 1;
        }
        SSL_free(ssl);
        SSL_CTX_free(context);
    }

private:
    static void use(SSL_CTX* context, const PemIdentity& identity) {
        BIO* const chain = BIO_new_mem_buf(identity.certificate_chain_pem.data(), -1);
        BIO* const key_text = BIO_new_mem_buf(identity.private_key_pem.data(), -1);
        X509* const leaf = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
        EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
        SSL_CTX_use_certificate(context, leaf);
        SSL_CTX_use_PrivateKey(context, key);
        X509_free(leaf);
        EVP_PKEY_free(key);
        BIO_free(chain);
        BIO_free(key_text);
    }
};

class TlsTest : public ::testing::Test {
protected:
    TlsTest()
        : root_(TestCa::create_root("root")),
          intermediate_(root_.create_intermediate("intermediate")),
          other_root_(TestCa::create_root("other root")) {}

    std::shared_ptr<const TlsContext> server_context(
        const PemIdentity& identity, bool required = true) const {
        ServerTlsOptions options;
        options.certificate_chain_pem = identity.certificate_chain_pem;
        options.private_key_pem = identity.private_key_pem;
        options.client_ca_pem = {root_.certificate_pem()};
        options.require_client_certificate = required;
        return TlsContext::create_server(options).value();
    }
    std::shared_ptr<const TlsContext> client_context(
        const PemIdentity& identity, const TestCa& trusted,
        TlsVersion minimum = TlsVersion::Tls13) const {
        ClientTlsOptions options;
        options.certificate_chain_pem = identity.certificate_chain_pem;
        options.private_key_pem = identity.private_key_pem;
        options.server_ca_pem = {trusted.certificate_pem()};
        options.minimum_version = minimum;
        return TlsContext::create_client(options).value();
    }
    void start(std::shared_ptr<const TlsContext> context, base::Duration header_timeout = 10s) {
        ServerOptions options;
        options.tls = std::move(context);
        options.limits.tick = 5ms;
        options.limits.header_timeout = header_timeout;
        server_ = std::make_unique<TestServer>(options);
        server_->router().add("GET", "/peer", describe_peer);
        server_->router().add("GET", "/count", count_on_connection);
        server_->router().add("POST", "/echo", echo);
        server_->start();
    }
    void start() { start(server_context(intermediate_.issue(server_leaf()))); }

    // What a client with that certificate gets.
    Result<Response> ask(const PemIdentity& identity) {
        return ask(client_context(identity, root_));
    }
    Result<Response> ask(std::shared_ptr<const TlsContext> context) {
        ClientOptions options;
        options.tls = std::move(context);
        TestClient client(options);
        return client.get(server_->url("/peer"));
    }
    ErrorCode refusal_of(const PemIdentity& identity) {
        const auto response = ask(identity);
        EXPECT_FALSE(response);
        return response ? ErrorCode::Internal : response.error().code();
    }

    TestCa root_;
    TestCa intermediate_;
    TestCa other_root_;
    std::unique_ptr<TestServer> server_;
};

TEST_F(TlsTest, BothSidesVerifyAndTheChainIsKnown) {
    start();
    const auto response = ask(intermediate_.issue(client_leaf()));
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "tls 3");  // leaf, intermediate, root
    EXPECT_EQ(ask(root_.issue(client_leaf()))->body, "tls 2");
}

TEST_F(TlsTest, ClientsWithoutAnAcceptableCertificateAreRefused) {
    start();
    EXPECT_EQ(refusal_of(other_root_.issue(client_leaf())), ErrorCode::Unauthenticated);
    EXPECT_EQ(refusal_of(TestCa::self_signed(client_leaf())), ErrorCode::Unauthenticated);
    LeafOptions expired = client_leaf();
    expired.valid_from = -2h;
    expired.valid_until = -1h;
    EXPECT_EQ(refusal_of(root_.issue(expired)), ErrorCode::Unauthenticated);
    LeafOptions early = client_leaf();
    early.valid_from = 1h;
    EXPECT_EQ(refusal_of(root_.issue(early)), ErrorCode::Unauthenticated);
    LeafOptions wrong_usage = client_leaf();
    wrong_usage.for_client = false;
    wrong_usage.for_server = true;
    EXPECT_EQ(refusal_of(root_.issue(wrong_usage)), ErrorCode::Unauthenticated);
    // The intermediate is missing from what the client sends.
    PemIdentity lone = intermediate_.issue(client_leaf());
    const std::string end = "-----END CERTIFICATE-----\n";
    lone.certificate_chain_pem.resize(lone.certificate_chain_pem.find(end) + end.size());
    EXPECT_EQ(refusal_of(lone), ErrorCode::Unauthenticated);
    EXPECT_TRUE(eventually([&] { return server_->observer().handshakes_failed() == 6; }));
    EXPECT_EQ(server_->observer().begun(), 0U);
}

TEST_F(TlsTest, AClientWithoutACertificateIsRefused) {
    start();
    ClientTlsOptions options;
    options.server_ca_pem = {root_.certificate_pem()};
    const auto response = ask(TlsContext::create_client(options).value());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code(), ErrorCode::Unauthenticated);
    EXPECT_TRUE(eventually([&] { return server_->observer().handshakes_failed() == 1; }));
}

TEST_F(TlsTest, ACertificateMayBeOptional) {
    start(server_context(root_.issue(server_leaf()), false));
    ClientTlsOptions options;
    options.server_ca_pem = {root_.certificate_pem()};
    EXPECT_EQ(ask(TlsContext::create_client(options).value())->body, "tls 0");
    EXPECT_EQ(ask(root_.issue(client_leaf()))->body, "tls 2");
    EXPECT_EQ(refusal_of(other_root_.issue(client_leaf())), ErrorCode::Unauthenticated);
}

TEST_F(TlsTest, ServersThatDoNotVerifyAreRefused) {
    start();
    const auto wrong_root = ask(client_context(root_.issue(client_leaf()), other_root_));
    ASSERT_FALSE(wrong_root);
    EXPECT_EQ(wrong_root.error().code(), ErrorCode::Unauthenticated);

    LeafOptions elsewhere = server_leaf();
    elsewhere.ip_addresses = {"127.0.0.2"};
    start(server_context(root_.issue(elsewhere)));
    EXPECT_EQ(refusal_of(root_.issue(client_leaf())), ErrorCode::Unauthenticated);

    LeafOptions client_only = server_leaf();
    client_only.for_server = false;
    client_only.for_client = true;
    start(server_context(root_.issue(client_only)));
    EXPECT_EQ(refusal_of(root_.issue(client_leaf())), ErrorCode::Unauthenticated);
    EXPECT_EQ(server_->observer().begun(), 0U);
}

TEST_F(TlsTest, TheServerNameMayBeSetApartFromTheAddress) {
    LeafOptions named = server_leaf();
    named.ip_addresses.clear();
    start(server_context(root_.issue(named)));
    const PemIdentity identity = root_.issue(client_leaf());
    ClientTlsOptions options;
    options.certificate_chain_pem = identity.certificate_chain_pem;
    options.private_key_pem = identity.private_key_pem;
    options.server_ca_pem = {root_.certificate_pem()};
    EXPECT_FALSE(ask(TlsContext::create_client(options).value()));
    options.server_name = "pool.test";
    EXPECT_TRUE(ask(TlsContext::create_client(options).value()));
    options.server_name = "other.test";
    EXPECT_FALSE(ask(TlsContext::create_client(options).value()));
}

TEST_F(TlsTest, OnlyTls13IsSpoken) {
    start();
    RawHandshake old;
    old.maximum_version = TLS1_2_VERSION;
    old.run(server_->port(), root_.issue(client_leaf()));
    EXPECT_FALSE(old.done);
    RawHandshake current;
    current.run(server_->port(), root_.issue(client_leaf()));
    EXPECT_TRUE(current.done);
    EXPECT_TRUE(current.answered);
    EXPECT_EQ(current.cipher, "TLS_AES_128_GCM_SHA256");
}

TEST_F(TlsTest, NoSessionCanBeResumed) {
    start();
    RawHandshake handshake;
    handshake.run(server_->port(), root_.issue(client_leaf()));
    ASSERT_TRUE(handshake.answered);
    EXPECT_FALSE(handshake.resumable);
}

TEST_F(TlsTest, OnlyHttp11IsAgreedOn) {
    start();
    const PemIdentity identity = root_.issue(client_leaf());
    RawHandshake both;
    both.alpn = "\x02h2\x08http/1.1";
    both.run(server_->port(), identity);
    EXPECT_TRUE(both.answered);
    EXPECT_EQ(both.chosen_alpn, "http/1.1");
    RawHandshake other;
    other.alpn = "\x02h2";
    other.run(server_->port(), identity);
    EXPECT_FALSE(other.done);
}

TEST_F(TlsTest, PlainHttpToATlsPortIsNotAnswered) {
    start();
    RawClient client(server_->port());
    client.send(request_text("GET", "/peer"));
    EXPECT_EQ(client.read_to_end().find("HTTP/"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return server_->observer().handshakes_failed() == 1; }));
}

TEST_F(TlsTest, ASilentHandshakeTimesOut) {
    start(server_context(intermediate_.issue(server_leaf())), 500ms);
    RawClient client(server_->port());
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_EQ(server_->observer().handshakes_failed(), 1U);
}

TEST_F(TlsTest, AConnectionKeepsItsIdentitySlot) {
    start();
    ClientOptions options;
    options.tls = client_context(root_.issue(client_leaf()), root_);
    TestClient client(options);
    EXPECT_EQ(client.get(server_->url("/count"))->body, "1");
    EXPECT_EQ(client.get(server_->url("/count"))->body, "2");
    TestClient other(options);
    EXPECT_EQ(other.get(server_->url("/count"))->body, "1");
}

TEST_F(TlsTest, LargeBodiesPassBothWays) {
    start();
    ClientOptions options;
    options.tls = client_context(root_.issue(client_leaf()), root_);
    TestClient client(options);
    std::string body(5 * 1024 * 1024, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 251);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{16383}, std::size_t{16384},
          std::size_t{16385}, std::size_t{70000}, body.size()}) {
        const auto response = client.post(server_->url("/echo"), body.substr(0, size));
        ASSERT_TRUE(response) << response.error().message();
        EXPECT_TRUE(response->body == body.substr(0, size)) << size;
    }
    EXPECT_EQ(server_->observer().opened(), 1U);
}

TEST_F(TlsTest, AReloadTakesEffectForNewConnectionsOnly) {
    start();
    ClientOptions options;
    options.tls = client_context(root_.issue(client_leaf()), root_);
    TestClient old_client(options);
    ASSERT_TRUE(old_client.get(server_->url("/peer")));

    // The new server identity and trust come from another root.
    const PemIdentity identity = other_root_.issue(server_leaf());
    ServerTlsOptions renewed;
    renewed.certificate_chain_pem = identity.certificate_chain_pem;
    renewed.private_key_pem = identity.private_key_pem;
    renewed.client_ca_pem = {other_root_.certificate_pem()};
    server_->server().reload_tls(TlsContext::create_server(renewed).value());

    EXPECT_TRUE(old_client.get(server_->url("/peer")));  // keep-alive across the reload
    EXPECT_EQ(refusal_of(root_.issue(client_leaf())), ErrorCode::Unauthenticated);
    EXPECT_EQ(ask(client_context(other_root_.issue(client_leaf()), other_root_))->body, "tls 2");
}

TEST(TlsContextTest, MaterialThatDoesNotFitIsRefused) {
    const TestCa root = TestCa::create_root("root");
    const PemIdentity one = root.issue(server_leaf());
    const PemIdentity two = root.issue(server_leaf());
    const auto refused = [&](std::string_view chain, std::string_view key, std::string_view ca) {
        ServerTlsOptions options;
        options.certificate_chain_pem = chain;
        options.private_key_pem = key;
        if (!ca.empty()) options.client_ca_pem = {ca};
        const auto made = TlsContext::create_server(options);
        return !made && made.error().code() == ErrorCode::InvalidArgument;
    };
    const std::string& ca = root.certificate_pem();
    EXPECT_FALSE(refused(one.certificate_chain_pem, one.private_key_pem, ca));
    EXPECT_TRUE(refused(one.certificate_chain_pem, two.private_key_pem, ca));
    EXPECT_TRUE(refused("", one.private_key_pem, ca));
    EXPECT_TRUE(refused(one.certificate_chain_pem, "", ca));
    EXPECT_TRUE(refused("junk", one.private_key_pem, ca));
    EXPECT_TRUE(refused(one.certificate_chain_pem, "junk", ca));
    EXPECT_TRUE(refused(one.certificate_chain_pem, one.private_key_pem, "junk"));
    EXPECT_TRUE(refused(one.certificate_chain_pem, one.private_key_pem, ""));
    EXPECT_TRUE(refused(one.private_key_pem, one.certificate_chain_pem, ca));
    std::string cut = one.certificate_chain_pem;
    cut.resize(cut.size() / 2);
    EXPECT_TRUE(refused(cut, one.private_key_pem, ca));
}

}  // namespace
}  // namespace adyton::http::testing
