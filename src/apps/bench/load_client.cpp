#include "apps/bench/load_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace adyton::apps::bench {
namespace {

struct OpenSslFree {
    void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
    void operator()(SSL* p) const { SSL_free(p); }
    void operator()(BIO* p) const { BIO_free(p); }
    void operator()(X509* p) const { X509_free(p); }
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, OpenSslFree>;

Owned<X509> read_certificate(const std::string& pem) {
    const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Owned<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Result<Owned<SSL_CTX>> make_context(const LoadTls& tls) {
    Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
    const Owned<X509> ca = read_certificate(tls.ca);
    const Owned<X509> certificate = read_certificate(tls.certificate);
    const Owned<BIO> bio(BIO_new_mem_buf(tls.key.data(), static_cast<int>(tls.key.size())));
    const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!context || !ca || !certificate || !key ||
        SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get()) != 1 ||
        SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
        return Error::internal("the benchmark's certificates cannot be loaded");
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return context;
}

class Load;

// One connection. A plain state machine: handshake, then write, read, write, read...
class Connection final : public base::EventLoop::Watcher {
public:
    Connection(Load& load, Dialogue& dialogue) : load_(load), dialogue_(dialogue) {}
    ~Connection() override {
        if (fd_ >= 0) ::close(fd_);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<void> open(SSL_CTX* context, std::uint16_t port);
    int descriptor() const { return fd_; }
    void on_events(std::uint32_t events) override;

private:
    Result<void> advance();
    Result<bool> handshake();
    Result<void> send_next();
    Result<bool> flush();
    Result<bool> receive();
    Result<bool> take_answer();
    // True when the call must be repeated on an event.
    Result<bool> must_wait(int returned);

    Load& load_;
    Dialogue& dialogue_;
    int fd_ = -1;
    Owned<SSL> ssl_;
    bool connected_ = false;
    std::uint32_t watched_ = EPOLLOUT;
    std::string out_;
    std::size_t sent_ = 0;
    std::string in_;
    base::SteadyTime started_{};
    bool piece_ended_ = true;
};

class Load {
public:
    Load(base::EventLoop& loop, const LoadOptions& options) : loop_(loop), options_(options) {}

    Result<LoadResult> run(SSL_CTX* context, std::vector<std::unique_ptr<Dialogue>>& dialogues);

    base::EventLoop& loop() { return loop_; }
    bool ended() const { return ended_; }
    void fail(Error error) {
        if (!error_.has_value()) error_ = std::move(error);
        end();
    }
    void count(std::uint64_t units, base::SteadyTime sent, base::SteadyTime now) {
        if (now < begin_ || units == 0) return;
        result_.units += units;
        ++result_.pieces;
        latencies_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(now - sent).count(),
            std::numeric_limits<std::uint32_t>::max())));
    }

private:
    void end() {
        ended_ = true;
        loop_.stop();
    }
    std::int64_t percentile(double share) {
        if (latencies_.empty()) return 0;
        const auto at =
            static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
        std::nth_element(latencies_.begin(), latencies_.begin() + at, latencies_.end());
        return latencies_[static_cast<std::size_t>(at)];
    }

    base::EventLoop& loop_;
    const LoadOptions& options_;
    base::SteadyTime begin_{};
    bool ended_ = false;
    std::optional<Error> error_;
    LoadResult result_;
    std::vector<std::uint32_t> latencies_;  // us
};

// Keeps the loop polling while `*on` (LoadOptions::stay_awake).
void stay_awake(base::EventLoop& loop, const std::shared_ptr<bool>& on) {
    if (*on) loop.post([&loop, on] { stay_awake(loop, on); });
}

Result<LoadResult> Load::run(SSL_CTX* context, std::vector<std::unique_ptr<Dialogue>>& dialogues) {
    latencies_.reserve(4'000'000);
    begin_ = loop_.steady_now() + options_.warm_up;
    std::vector<std::unique_ptr<Connection>> connections;
    for (const auto& dialogue : dialogues) {
        connections.push_back(std::make_unique<Connection>(*this, *dialogue));
        TRY_VOID(connections.back()->open(context, options_.port));
        TRY_VOID(loop_.watch(connections.back()->descriptor(), EPOLLOUT, *connections.back()));
    }
    loop_.post_after(options_.warm_up + options_.duration, [this] { end(); });
    const auto awake = std::make_shared<bool>(options_.stay_awake);
    stay_awake(loop_, awake);
    loop_.run();
    *awake = false;
    for (const auto& connection : connections) loop_.unwatch(connection->descriptor());
    if (error_.has_value()) return *error_;
    result_.seconds = std::chrono::duration<double>(loop_.steady_now() - begin_).count();
    result_.per_s = static_cast<double>(result_.units) / result_.seconds;
    result_.p50_us = percentile(0.50);
    result_.p99_us = percentile(0.99);
    return result_;
}

Result<void> Connection::open(SSL_CTX* context, std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return Error::unavailable(
            fmt::format("cannot connect to port {}: {}", port, std::strerror(errno)));
    }
    // Non-blocking from here on: connecting over loopback is instant.
    const int flags = ::fcntl(fd_, F_GETFL);
    ::fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
    ssl_.reset(SSL_new(context));
    if (!ssl_ || SSL_set_fd(ssl_.get(), fd_) != 1 ||
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), "127.0.0.1") != 1) {
        return Error::internal("cannot set up TLS");
    }
    SSL_set_connect_state(ssl_.get());
    in_.reserve(64 * 1024);
    return {};
}

void Connection::on_events(std::uint32_t /*events*/) {
    if (load_.ended()) return;
    auto done = advance();
    if (!done) load_.fail(std::move(done).error());
}

Result<bool> Connection::must_wait(int returned) {
    const int error = SSL_get_error(ssl_.get(), returned);
    std::uint32_t wanted = EPOLLIN;
    if (error == SSL_ERROR_WANT_WRITE) {
        wanted = EPOLLOUT;
    } else if (error != SSL_ERROR_WANT_READ) {
        const char* const why = ERR_reason_error_string(ERR_peek_error());
        return Error::unavailable(fmt::format(
            "a connection of the benchmark broke: {}", why == nullptr ? "closed" : why));
    }
    if (wanted != watched_) {
        TRY_VOID(load_.loop().modify(fd_, wanted, *this));
        watched_ = wanted;
    }
    return true;
}

Result<bool> Connection::handshake() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    if (done == 1) {
        connected_ = true;
        return true;
    }
    TRY_VOID(must_wait(done));
    return false;
}

Result<void> Connection::send_next() {
    out_.clear();
    sent_ = 0;
    in_.clear();
    dialogue_.next_request(out_);
    if (piece_ended_) started_ = load_.loop().steady_now();
    return {};
}

Result<bool> Connection::flush() {
    while (sent_ < out_.size()) {
        ERR_clear_error();
        const int put =
            SSL_write(ssl_.get(), out_.data() + sent_, static_cast<int>(out_.size() - sent_));
        if (put <= 0) {
            TRY_VOID(must_wait(put));
            return false;
        }
        sent_ += static_cast<std::size_t>(put);
    }
    return true;
}

Result<bool> Connection::receive() {
    std::array<char, 16 * 1024> buffer;
    while (true) {
        ERR_clear_error();
        const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
        if (got <= 0) {
            TRY_VOID(must_wait(got));
            return false;
        }
        in_.append(buffer.data(), static_cast<std::size_t>(got));
        TRY(const bool complete, take_answer());
        if (complete) return true;
    }
}

Result<bool> Connection::take_answer() {
    const std::string_view text(in_);
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string_view::npos) return false;
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t field = text.substr(0, head + 2).find(kLength);
    if (field == std::string_view::npos || text.substr(0, 9) != "HTTP/1.1 ") {
        return Error::corrupt_data("the server's answer has no Content-Length");
    }
    std::size_t length = 0;
    const char* const digits = text.data() + field + kLength.size();
    std::from_chars(digits, text.data() + head, length);
    if (text.size() < head + 4 + length) return false;
    unsigned status = 0;
    std::from_chars(text.data() + 9, text.data() + 12, status);
    TRY(const auto units, dialogue_.on_answer(status, text.substr(head + 4, length)));
    load_.count(units, started_, load_.loop().steady_now());
    piece_ended_ = units > 0;
    return true;
}

Result<void> Connection::advance() {
    if (!connected_) {
        TRY(const bool done, handshake());
        if (!done) return {};
        TRY_VOID(send_next());
    }
    while (!load_.ended()) {
        TRY(const bool sent, flush());
        if (!sent) return {};
        TRY(const bool answered, receive());
        if (!answered) return {};
        TRY_VOID(send_next());
    }
    return {};
}

}  // namespace

Result<LoadResult> run_load(
    base::EventLoop& loop, const LoadTls& tls, const LoadOptions& options,
    std::vector<std::unique_ptr<Dialogue>>& dialogues) {
    TRY(const auto context, make_context(tls));
    Load load(loop, options);
    return load.run(context.get(), dialogues);
}

void append_post(std::string& out, std::string_view path, std::string_view body) {
    fmt::format_to(
        std::back_inserter(out),
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        path, body.size(), body);
}

void append_get(std::string& out, std::string_view path) {
    fmt::format_to(std::back_inserter(out), "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
}

}  // namespace adyton::apps::bench
