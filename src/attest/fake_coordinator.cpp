#include "attest/fake_coordinator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"

namespace adyton::attest {
namespace {

// lint-allow-file(thread): a Coordinator is another process; its thread stands for that
// lint-allow-file(sleep): the pause of a peer that drips

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<&EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Deleter<&X509_free>>;
using Ssl = std::unique_ptr<SSL, Deleter<&SSL_free>>;
using Context = std::unique_ptr<SSL_CTX, Deleter<&SSL_CTX_free>>;
using Bio = std::unique_ptr<BIO, Deleter<&BIO_free_all>>;
using Session = std::unique_ptr<nghttp2_session, Deleter<&nghttp2_session_del>>;

constexpr const char* kIntermediateName = "MarbleRun Coordinator - Intermediate CA";

Key new_key() {
    Key out(EVP_EC_gen("P-384"));
    CHECK(out != nullptr);
    return out;
}

void add(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, nullptr, nullptr, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    CHECK(made != nullptr && X509_add_ext(certificate, made, -1) == 1);
    X509_EXTENSION_free(made);
}

void add_marble_type(X509* certificate, const std::string& type) {
    ASN1_OBJECT* const oid = OBJ_txt2obj("1.3.9903.2.1", 1);
    ASN1_OCTET_STRING* const text = ASN1_OCTET_STRING_new();
    CHECK(
        ASN1_OCTET_STRING_set(
            text, reinterpret_cast<const unsigned char*>(type.data()),
            static_cast<int>(type.size())) == 1);
    X509_EXTENSION* const made = X509_EXTENSION_create_by_OBJ(nullptr, oid, 0, text);
    CHECK(made != nullptr && X509_add_ext(certificate, made, -1) == 1);
    X509_EXTENSION_free(made);
    ASN1_OCTET_STRING_free(text);
    ASN1_OBJECT_free(oid);
}

void set_name(X509_NAME* name, const std::string& common_name) {
    CHECK(
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name.c_str()),
            -1, -1, 0) == 1);
}

struct Plan {
    std::string subject;
    EVP_PKEY* key = nullptr;
    X509* issuer = nullptr;  // null: itself
    EVP_PKEY* issuer_key = nullptr;
    bool authority = false;
    std::vector<std::string> marble_types;
};

Cert certificate(const Plan& plan) {
    Cert out(X509_new());
    CHECK(out != nullptr && X509_set_version(out.get(), X509_VERSION_3) == 1);
    std::uint64_t serial = 0;
    CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), serial >> 1U) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(out.get()), -60) != nullptr);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(out.get()), 3600L * 24) != nullptr);
    set_name(X509_get_subject_name(out.get()), plan.subject);
    X509* const issuer = plan.issuer == nullptr ? out.get() : plan.issuer;
    CHECK(X509_set_issuer_name(out.get(), X509_get_subject_name(issuer)) == 1);
    CHECK(X509_set_pubkey(out.get(), plan.key) == 1);
    add(out.get(), NID_basic_constraints,
        plan.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add(out.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add(out.get(), NID_key_usage,
        plan.authority ? "critical,keyCertSign,cRLSign,digitalSignature"
                       : "critical,digitalSignature,keyAgreement");
    add(out.get(), NID_ext_key_usage, "serverAuth,clientAuth");
    for (const std::string& type : plan.marble_types) add_marble_type(out.get(), type);
    EVP_PKEY* const signer = plan.issuer_key == nullptr ? plan.key : plan.issuer_key;
    CHECK(X509_sign(out.get(), signer, EVP_sha384()) > 0);
    return out;
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<std::size_t>(size));
}

std::string pem_of(X509* one) {
    const Bio bio(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_X509(bio.get(), one) == 1);
    return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(bio.get());
}

base::Bytes der_of(X509* one) {
    unsigned char* data = nullptr;
    const int size = i2d_X509(one, &data);
    CHECK(size > 0);
    base::Bytes out(data, data + size);
    OPENSSL_free(data);
    return out;
}

// Root, intermediate and its self-signed twin, which serves TLS.
struct Pki {
    Key root_key = new_key();
    Cert root;
    Key intermediate_key;
    Cert intermediate;
    Cert marble_root;

    Pki() {
        root = certificate({"MarbleRun Coordinator", root_key.get(), nullptr, nullptr, true, {}});
        renew();
    }
    void renew() {
        intermediate_key = new_key();
        intermediate = certificate(
            {kIntermediateName, intermediate_key.get(), root.get(), root_key.get(), true, {}});
        marble_root =
            certificate({kIntermediateName, intermediate_key.get(), nullptr, nullptr, true, {}});
    }
};

void put(ActivationParameters& out, const std::string& name, std::string_view value) {
    auto made = crypto::SecretBuffer::copy_of(base::as_bytes(value));
    CHECK(made.has_value());
    out.env.insert_or_assign(name, std::move(*made));
}

// One connection's request and what goes back.
struct Stream {
    const FakeCoordinator::Behaviour* behaviour = nullptr;
    std::function<std::pair<int, internal::WipingBytes>(base::ByteView)> answer;
    base::Bytes request;
    base::Bytes body;
    std::size_t sent = 0;
    int status = 0;
    std::int32_t id = 0;
    std::string status_text;
    bool done = false;
};

nghttp2_nv header(const char* name, const std::string& value) {
    return {
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
        std::char_traits<char>::length(name), value.size(), NGHTTP2_NV_FLAG_NONE};
}

ssize_t give(
    nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t size,
    std::uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const std::size_t count = std::min(size, stream.body.size() - stream.sent);
    std::copy_n(stream.body.begin() + static_cast<std::ptrdiff_t>(stream.sent), count, out);
    stream.sent += count;
    if (stream.sent == stream.body.size()) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!stream.behaviour->no_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            const nghttp2_nv trailers[] = {
                header("grpc-status", stream.status_text),
                header("grpc-message", stream.status_text)};
            nghttp2_submit_trailer(session, id, trailers, 2);
        }
    }
    return static_cast<ssize_t>(count);
}

int on_data(
    nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t /*id*/,
    const std::uint8_t* data, std::size_t size, void* user) {
    Stream& stream = *static_cast<Stream*>(user);
    stream.request.insert(stream.request.end(), data, data + size);
    return 0;
}

void respond(nghttp2_session* session, Stream& stream) {
    auto [status, message] = stream.answer(stream.request);
    stream.status_text = std::to_string(status);
    if (status == 0) {
        const std::size_t size = message.size() + stream.behaviour->claimed_more;
        stream.body = {
            stream.behaviour->compressed ? std::uint8_t{1} : std::uint8_t{0},
            static_cast<std::uint8_t>(size >> 24U), static_cast<std::uint8_t>(size >> 16U),
            static_cast<std::uint8_t>(size >> 8U), static_cast<std::uint8_t>(size)};
        stream.body.insert(stream.body.end(), message.begin(), message.end());
    }
    const std::string code = std::to_string(stream.behaviour->http_status);
    const std::string type = "application/grpc";
    const nghttp2_nv headers[] = {header(":status", code), header("content-type", type)};
    nghttp2_data_provider data{};
    data.source.ptr = &stream;
    data.read_callback = &give;
    CHECK(nghttp2_submit_response(session, stream.id, headers, 2, &data) == 0);
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Stream& stream = *static_cast<Stream*>(user);
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_DATA && ends && !stream.behaviour->hang) {
        stream.id = frame->hd.stream_id;
        respond(session, stream);
    }
    return 0;
}

int on_close(
    nghttp2_session* /*session*/, std::int32_t /*id*/, std::uint32_t /*code*/, void* user) {
    static_cast<Stream*>(user)->done = true;
    return 0;
}

int choose_h2(
    SSL* /*ssl*/, const unsigned char** out, unsigned char* size, const unsigned char* offered,
    unsigned offered_size, void* user) {
    static constexpr unsigned char kH2[] = {2, 'h', '2'};
    if (*static_cast<const bool*>(user)) return SSL_TLSEXT_ERR_NOACK;
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, size, kH2, sizeof(kH2), offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int accept_any(int /*verified*/, X509_STORE_CTX* /*store*/) {
    return 1;
}

}  // namespace

struct FakeCoordinator::State {
    State() {
        std::signal(SIGPIPE, SIG_IGN);  // whoever we answer may have gone
        listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const at = reinterpret_cast<sockaddr*>(&where);
        CHECK(listener >= 0 && ::bind(listener, at, sizeof(where)) == 0);
        CHECK(::listen(listener, 8) == 0);
        socklen_t size = sizeof(where);
        CHECK(::getsockname(listener, at, &size) == 0);
        port = ntohs(where.sin_port);
        thread = std::thread([this] { serve(); });
    }
    ~State() {
        stopping = true;
        ::shutdown(listener, SHUT_RDWR);
        thread.join();
        ::close(listener);
    }

    void serve() {
        while (!stopping) {
            const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            // Who hangs is not waited for longer than the tests' own deadlines.
            timeval limit{2, 0};
            ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            serve_one(fd);
            // Closing with unread bytes would cut off what the marble has not read yet.
            ::shutdown(fd, SHUT_WR);
            std::uint8_t rest[1024];
            while (::recv(fd, rest, sizeof(rest), 0) > 0) {
            }
            ::close(fd);
        }
    }

    Context context(const Pki& pki, const Behaviour& now, bool& http1) {
        Context out(SSL_CTX_new(TLS_server_method()));
        CHECK(out != nullptr);
        const Key other = new_key();
        const Cert stranger =
            certificate({kIntermediateName, other.get(), nullptr, nullptr, true, {}});
        X509* const shown = now.foreign_server ? stranger.get() : pki.marble_root.get();
        EVP_PKEY* const key = now.foreign_server ? other.get() : pki.intermediate_key.get();
        CHECK(SSL_CTX_use_certificate(out.get(), shown) == 1);
        CHECK(SSL_CTX_use_PrivateKey(out.get(), key) == 1);
        SSL_CTX_set_verify(
            out.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &accept_any);
        http1 = now.http1;
        SSL_CTX_set_alpn_select_cb(out.get(), &choose_h2, &http1);
        return out;
    }

    void serve_one(int fd) {
        const std::lock_guard lock(mutex);
        const Behaviour now = behaviour;
        const Pki& pki = now.foreign_root ? foreign : own;
        bool http1 = false;
        const Context tls = context(pki, now, http1);
        const Ssl ssl(SSL_new(tls.get()));
        SSL_set_fd(ssl.get(), fd);
        if (SSL_accept(ssl.get()) != 1) return;
        const Cert peer(SSL_get1_peer_certificate(ssl.get()));
        last_client = der_of(peer.get());
        Stream stream;
        stream.behaviour = &now;
        stream.answer = [&](base::ByteView framed) { return answer(pki, now, framed); };
        nghttp2_session_callbacks* callbacks = nullptr;
        CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &on_close);
        nghttp2_session* made = nullptr;
        CHECK(nghttp2_session_server_new(&made, callbacks, &stream) == 0);
        nghttp2_session_callbacks_del(callbacks);
        const Session session(made);
        CHECK(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, nullptr, 0) == 0);
        talk(made, ssl.get(), stream, now);
        SSL_shutdown(ssl.get());
    }

    void talk(nghttp2_session* session, SSL* ssl, const Stream& stream, const Behaviour& now) {
        std::vector<std::uint8_t> piece(16 * 1024);
        while (!stopping) {
            if (!send_pending(session, ssl, now) || stream.done) return;
            const int got = SSL_read(ssl, piece.data(), static_cast<int>(piece.size()));
            if (got <= 0) return;
            const auto size = static_cast<std::size_t>(got);
            if (nghttp2_session_mem_recv(session, piece.data(), size) < 0) return;
        }
    }

    bool send_pending(nghttp2_session* session, SSL* ssl, const Behaviour& now) {
        for (;;) {
            const std::uint8_t* data = nullptr;
            const ssize_t size = nghttp2_session_mem_send(session, &data);
            if (size <= 0) return size == 0;
            const ssize_t step = now.drip ? 1 : size;
            for (ssize_t at = 0; at < size; at += step) {
                if (SSL_write(ssl, data + at, static_cast<int>(step)) <= 0) return false;
                if (now.drip) std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
        }
    }

    std::pair<int, internal::WipingBytes> answer(
        const Pki& pki, const Behaviour& now, base::ByteView framed) {
        if (framed.size() < 5) return {3, {}};
        auto request = ActivationRequest::parse(framed.subspan(5));
        if (!request) return {3, {}};
        seen.push_back(*request);
        if (!behaviour.statuses.empty()) {
            const int status = behaviour.statuses.front();
            behaviour.statuses.erase(behaviour.statuses.begin());
            return {status, {}};
        }
        ActivationParameters out = parameters(pki, now, *request);
        if (now.change) now.change(out);
        internal::WipingBytes bytes = out.encode();
        if (now.padding != 0) {  // field 15, length-delimited
            bytes.push_back(0x7a);
            std::size_t left = now.padding;
            for (; left >= 0x80; left >>= 7U)
                bytes.push_back(static_cast<std::uint8_t>(left | 0x80U));
            bytes.push_back(static_cast<std::uint8_t>(left));
            bytes.insert(bytes.end(), now.padding, std::uint8_t{7});
        }
        return {0, std::move(bytes)};
    }

    ActivationParameters parameters(
        const Pki& pki, const Behaviour& now, const ActivationRequest& request) {
        const Key key = new_key();
        Pki stranger;
        Plan plan;
        plan.subject = now.common_name.empty() ? request.uuid : now.common_name;
        plan.key = key.get();
        plan.issuer = pki.intermediate.get();
        plan.issuer_key =
            now.foreign_leaf ? stranger.intermediate_key.get() : pki.intermediate_key.get();
        plan.authority = now.leaf_is_ca;
        plan.marble_types = {now.marble_type.empty() ? request.marble_type : now.marble_type};
        if (now.second_type) plan.marble_types.push_back(request.marble_type);
        const Cert leaf = certificate(plan);
        ActivationParameters out;
        for (const auto& [name, value] : now.env) put(out, name, value);
        put(out, "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN",
            pem_of(leaf.get()) + pem_of(pki.intermediate.get()));
        put(out, "MARBLE_PREDEFINED_PRIVATE_KEY", pem_of(key.get()));
        put(out, "MARBLE_PREDEFINED_ROOT_CA", pem_of(pki.marble_root.get()));
        put(out, "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA", pem_of(pki.root.get()));
        out.argv = now.argv;
        return out;
    }

    mutable std::mutex mutex;
    Pki own;
    Pki foreign;
    Behaviour behaviour;
    std::vector<ActivationRequest> seen;
    base::Bytes last_client;
    int listener = -1;
    std::uint16_t port = 0;
    std::atomic<bool> stopping = false;
    std::thread thread;
};

FakeCoordinator::FakeCoordinator() : state_(std::make_unique<State>()) {}
FakeCoordinator::~FakeCoordinator() = default;

std::string FakeCoordinator::address() const {
    return "127.0.0.1:" + std::to_string(state_->port);
}

crypto::Sha256Digest FakeCoordinator::root() const {
    return crypto::sha256(der_of(state_->own.root.get()));
}

void FakeCoordinator::behave(Behaviour behaviour) {
    const std::lock_guard lock(state_->mutex);
    state_->behaviour = std::move(behaviour);
}

std::vector<ActivationRequest> FakeCoordinator::requests() const {
    const std::lock_guard lock(state_->mutex);
    return state_->seen;
}

base::Bytes FakeCoordinator::client_certificate() const {
    const std::lock_guard lock(state_->mutex);
    return state_->last_client;
}

void FakeCoordinator::update_manifest() {
    const std::lock_guard lock(state_->mutex);
    state_->own.renew();
}

}  // namespace adyton::attest
