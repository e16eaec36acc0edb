#include "http/internal/stream.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/check.h"
#include "http/internal/tls_handle.h"

namespace adyton::http::internal {

// The transport under SSL: recv and send on the stream's socket, without SIGPIPE.
struct StreamBio {
    static int read(BIO* bio, char* to, int size) {
        auto* const stream = static_cast<Stream*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const auto got = ::recv(stream->fd_, to, static_cast<std::size_t>(size), 0);
        if (got == 0) stream->eof_seen_ = true;
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            stream->blocked_ = Stream::Outcome::WantRead;
            BIO_set_retry_read(bio);
        }
        return static_cast<int>(got);
    }
    static int write(BIO* bio, const char* from, int size) {
        auto* const stream = static_cast<Stream*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const auto put = ::send(stream->fd_, from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
            stream->blocked_ = Stream::Outcome::WantWrite;
            BIO_set_retry_write(bio);
        }
        return static_cast<int>(put);
    }
    static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
        auto* const stream = static_cast<Stream*>(BIO_get_data(bio));
        if (command == BIO_CTRL_FLUSH) return 1;
        if (command == BIO_CTRL_EOF) return stream->eof_seen_ ? 1 : 0;
        return 0;
    }
    static void on_information(const SSL* ssl, int where, int value) {
        if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
        static_cast<Stream*>(SSL_get_app_data(ssl))->alert_ = value & 0xff;
    }
    static BIO_METHOD* method() {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* const fresh =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "adyton stream");
            CHECK(fresh != nullptr);
            BIO_meth_set_read(fresh, read);
            BIO_meth_set_write(fresh, write);
            BIO_meth_set_ctrl(fresh, control);
            return fresh;
        }();
        return made;
    }
};

void Stream::SslDeleter::operator()(ssl_st* ssl) const {
    SSL_free(ssl);
}

Stream::Stream(base::EventLoop& loop, int fd) : loop_(loop), fd_(fd) {}

Stream::~Stream() {
    close();
}

void Stream::close() {
    if (fd_ < 0) return;
    if (armed_ != 0) loop_.unwatch(fd_);
    armed_ = 0;
    ::close(fd_);
    fd_ = -1;
}

Result<void> Stream::attach_tls(std::shared_ptr<const TlsContext> context) {
    context_ = std::move(context);
    ssl_.reset(SSL_new(context_->handle().context.get()));
    BIO* const bio = BIO_new(StreamBio::method());
    if (!ssl_ || bio == nullptr) {
        BIO_free(bio);
        return Error::internal("TLS connection cannot be made");
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_info_callback(ssl_.get(), StreamBio::on_information);
    return {};
}

Result<void> Stream::start_tls_server(std::shared_ptr<const TlsContext> context) {
    TRY_VOID(attach_tls(std::move(context)));
    SSL_set_accept_state(ssl_.get());
    return {};
}

Result<void> Stream::start_tls_client(
    std::shared_ptr<const TlsContext> context, const std::string& host) {
    TRY_VOID(attach_tls(std::move(context)));
    const std::string& named = context_->handle().server_name;
    const std::string& name = named.empty() ? host : named;
    unsigned char address[sizeof(in6_addr)];
    const bool numeric = ::inet_pton(AF_INET, name.c_str(), address) == 1 ||
                         ::inet_pton(AF_INET6, name.c_str(), address) == 1;
    bool set = false;
    if (numeric) {
        set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), name.c_str()) == 1;
    } else {
        SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        set = SSL_set1_host(ssl_.get(), name.c_str()) == 1 &&
              SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1;
    }
    if (!set) return Error::internal("TLS host name cannot be set");
    SSL_set_connect_state(ssl_.get());
    return {};
}

void Stream::note_tls_failure() {
    const unsigned long code = ERR_peek_last_error();
    const char* const text = ERR_reason_error_string(code);
    failure_reason_ = text != nullptr ? std::string_view(text) : "connection lost";
    if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
        ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        peer_not_verified_ = true;
    }
    switch (alert_) {
        case SSL3_AD_BAD_CERTIFICATE:
        case SSL3_AD_UNSUPPORTED_CERTIFICATE:
        case SSL3_AD_CERTIFICATE_REVOKED:
        case SSL3_AD_CERTIFICATE_EXPIRED:
        case SSL3_AD_CERTIFICATE_UNKNOWN:
        case TLS1_AD_UNKNOWN_CA:
        case TLS1_AD_ACCESS_DENIED:
        case TLS13_AD_CERTIFICATE_REQUIRED:
            certificate_refused_ = true;
            break;
        default:
            break;
    }
    ERR_clear_error();
}

Stream::Io Stream::tls_outcome(int returned, std::size_t bytes) {
    if (returned > 0) return {Outcome::Done, bytes};
    // The socket and the alerts are asked, not SSL_get_error: that needs the thread's error queue
    // to be empty, and emptying it before each call is not free.
    if (blocked_ != Outcome::Done) return {blocked_};
    const bool shut = (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (shut && alert_ == SSL3_AD_CLOSE_NOTIFY) return {Outcome::End};
    tls_broken_ = broken_ = true;
    note_tls_failure();
    return {Outcome::Failed};
}

Stream::Io Stream::handshake() {
    if (closed()) return {Outcome::Failed};
    if (!ssl_) return {Outcome::Done};
    ERR_clear_error();
    blocked_ = Outcome::Done;
    return tls_outcome(SSL_do_handshake(ssl_.get()), 0);
}

Stream::Io Stream::read(char* to, std::size_t size) {
    if (closed() || tls_broken_) return {Outcome::Failed};
    if (ssl_) {
        std::size_t got = 0;
        blocked_ = Outcome::Done;
        const int returned = SSL_read_ex(ssl_.get(), to, size, &got);
        return tls_outcome(returned, got);
    }
    return drain(to, size);
}

Stream::Io Stream::drain(char* to, std::size_t size) {
    if (closed()) return {Outcome::Failed};
    const auto got = ::recv(fd_, to, size, 0);
    if (got > 0) return {Outcome::Done, static_cast<std::size_t>(got)};
    if (got == 0) return {Outcome::End};
    if (errno == EAGAIN || errno == EINTR) return {Outcome::WantRead};
    broken_ = true;
    return {Outcome::Failed};
}

Stream::Io Stream::write(std::string_view bytes) {
    if (closed() || tls_broken_) return {Outcome::Failed};
    if (ssl_) {
        std::size_t put = 0;
        blocked_ = Outcome::Done;
        const int returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
        return tls_outcome(returned, put);
    }
    const auto put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) return {Outcome::Done, static_cast<std::size_t>(put)};
    if (errno == EAGAIN || errno == EINTR) return {Outcome::WantWrite};
    // Not broken: an answer may have come before the reset.
    return {Outcome::Failed};
}

bool Stream::has_pending() const {
    return ssl_ && !tls_broken_ && SSL_has_pending(ssl_.get()) == 1;
}

void Stream::shutdown_write() {
    if (closed()) return;
    if (ssl_ && !tls_broken_ && SSL_is_init_finished(ssl_.get()) == 1) {
        ERR_clear_error();
        SSL_shutdown(ssl_.get());
    }
    ::shutdown(fd_, SHUT_WR);
}

Stream::Waiter Stream::wait_readable() {
    return {*this, EPOLLIN};
}

Stream::Waiter Stream::wait_writable() {
    return {*this, EPOLLOUT};
}

Stream::Waiter Stream::wait_readable_or_writable() {
    return {*this, EPOLLIN | EPOLLOUT};
}

void Stream::arm(std::uint32_t interest) {
    if (armed_ == interest) return;
    const auto armed =
        armed_ == 0 ? loop_.watch(fd_, interest, *this) : loop_.modify(fd_, interest, *this);
    if (armed) armed_ = interest;
}

bool Stream::suspend(std::coroutine_handle<> handle, std::uint32_t interest) {
    CHECK(!waiter_);
    if (!closed()) arm(interest);
    if (closed() || armed_ != interest) {
        wake_ = Wake::Expired;
        return false;
    }
    waiter_ = handle;
    return true;
}

void Stream::listen_while_idle() {
    if (!closed()) arm(EPOLLIN);
}

void Stream::resume(Wake wake) {
    wake_ = wake;
    const auto handle = std::exchange(waiter_, nullptr);
    handle.resume();  // may destroy this stream
}

void Stream::on_events(std::uint32_t /*events*/) {
    // Which events does not matter: the waiter tries its call and sees.
    if (waiter_) return resume(Wake::Ready);
    loop_.unwatch(fd_);
    armed_ = 0;
    if (idle_listener_ != nullptr) idle_listener_->on_unexpected_event();
}

void Stream::expire() {
    if (waiter_) resume(Wake::Expired);
}

std::vector<std::string> Stream::verified_chain() const {
    std::vector<std::string> chain;
    if (!ssl_ || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return chain;
    X509* const leaf = SSL_get0_peer_certificate(ssl_.get());
    const STACK_OF(X509)* const verified = SSL_get0_verified_chain(ssl_.get());
    if (leaf == nullptr || verified == nullptr) return chain;
    for (int i = 0; i < sk_X509_num(verified); ++i) {
        unsigned char* der = nullptr;
        const int size = i2d_X509(sk_X509_value(verified, i), &der);
        if (size <= 0) return {};
        chain.emplace_back(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
        OPENSSL_free(der);
    }
    return chain;
}

}  // namespace adyton::http::internal
