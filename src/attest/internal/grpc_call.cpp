#include "attest/internal/grpc_call.h"

#include <fcntl.h>
#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace adyton::attest::internal {
namespace {

// lint-allow-file(clock): an activation runs in main, before there is an executor to ask
using Steady = std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::size_t kFrameHead = 5;  // compressed flag, u32be length
constexpr std::size_t kMessageShown = 256;
constexpr std::size_t kHeadersMax = 64;

struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
template <typename T>
using Handle = std::unique_ptr<T, SslDeleter>;

// Memory for libnghttp2: the size stands in front of each block, and frees wipe.
constexpr std::size_t kBlockHead = alignof(std::max_align_t);

void* take_block(std::size_t size) {
    if (size > SIZE_MAX - kBlockHead) return nullptr;
    auto* const block = static_cast<std::uint8_t*>(std::malloc(size + kBlockHead));
    if (block == nullptr) return nullptr;
    std::memcpy(block, &size, sizeof(size));
    return block + kBlockHead;
}

std::size_t size_of_block(const void* memory) {
    std::size_t size = 0;
    std::memcpy(&size, static_cast<const std::uint8_t*>(memory) - kBlockHead, sizeof(size));
    return size;
}

void give_block(void* memory) {
    if (memory == nullptr) return;
    auto* const block = static_cast<std::uint8_t*>(memory) - kBlockHead;
    OPENSSL_cleanse(block, size_of_block(memory) + kBlockHead);
    std::free(block);
}

void* mem_malloc(std::size_t size, void* /*unused*/) {
    return take_block(size);
}
void mem_free(void* memory, void* /*unused*/) {
    give_block(memory);
}
void* mem_calloc(std::size_t count, std::size_t size, void* /*unused*/) {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    void* const out = take_block(count * size);
    if (out != nullptr) std::memset(out, 0, count * size);
    return out;
}
void* mem_realloc(void* memory, std::size_t size, void* /*unused*/) {
    void* const out = take_block(size);
    if (out != nullptr && memory != nullptr) {
        std::memcpy(out, memory, std::min(size, size_of_block(memory)));
        give_block(memory);
    }
    return out;
}

class Deadline {
public:
    explicit Deadline(std::chrono::milliseconds timeout) : at_(Steady::now() + timeout) {}
    int left_ms() const {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(at_ - Steady::now()).count();
        return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
    }
    bool passed() const { return left_ms() == 0; }

private:
    Steady::time_point at_;
};

Error out_of_time() {
    return Error::deadline_exceeded("the Coordinator did not answer in time");
}

class Socket {
public:
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    Socket& operator=(Socket&&) = delete;
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const { return fd_; }

    Result<void> wait(short events, const Deadline& deadline) const {
        for (;;) {
            pollfd one{fd_, events, 0};
            const int ready = ::poll(&one, 1, deadline.left_ms());
            if (ready > 0) return {};
            if (ready == 0 || deadline.passed()) return out_of_time();
            if (errno != EINTR) return Error::unavailable("poll failed");
        }
    }

private:
    int fd_;
};

struct HostAndPort {
    std::string host;
    std::string port;
};

Result<HostAndPort> split(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
        return Error::invalid_argument("the Coordinator's address wants HOST:PORT");
    }
    HostAndPort out{address.substr(0, colon), address.substr(colon + 1)};
    if (out.host.front() == '[' && out.host.back() == ']') {
        out.host = out.host.substr(1, out.host.size() - 2);
    }
    return out;
}

Result<Socket> connect_one(const addrinfo& one, const Deadline& deadline) {
    Socket out(
        ::socket(one.ai_family, one.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one.ai_protocol));
    if (out.fd() < 0) return Error::unavailable("no socket");
    if (::connect(out.fd(), one.ai_addr, one.ai_addrlen) != 0) {
        if (errno != EINPROGRESS) return Error::unavailable("the Coordinator cannot be reached");
        TRY_VOID(out.wait(POLLOUT, deadline));
        int cause = 0;
        socklen_t size = sizeof(cause);
        ::getsockopt(out.fd(), SOL_SOCKET, SO_ERROR, &cause, &size);
        if (cause != 0) {
            return Error::unavailable(
                std::string("the Coordinator cannot be reached: ") + std::strerror(cause));
        }
    }
    return out;
}

Result<Socket> connect_to(const std::string& address, const Deadline& deadline) {
    TRY(const HostAndPort target, split(address));
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found) != 0) {
        return Error::unavailable("the Coordinator's name has no address");
    }
    const Handle<addrinfo> list(found);
    Error last = Error::unavailable("the Coordinator has no address");
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
        auto made = connect_one(*one, deadline);
        if (made || deadline.passed()) return made;
        last = made.error();
    }
    return last;
}

// TLS on a socket that does not block, against a deadline.
class TlsStream {
public:
    static Result<TlsStream> open(const GrpcCall& call, const Deadline& deadline) {
        TRY(auto socket, connect_to(call.address, deadline));
        Handle<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
        if (context == nullptr) return Error::internal("no TLS context");
        SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
        SSL_CTX_set_options(context.get(), SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
        // Whom we speak to is judged after the answer (enclave.md 1.14); the request is no secret.
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
        constexpr unsigned char kProtocols[] = {2, 'h', '2'};
        SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof(kProtocols));
        SSL_CTX_set1_groups_list(context.get(), "P-256:P-384");
        const MarbleRequestKey& own = *call.identity;
        const bool usable =
            SSL_CTX_use_certificate_ASN1(
                context.get(), static_cast<int>(own.certificate.size()), own.certificate.data()) ==
                1 &&
            SSL_CTX_use_PrivateKey(context.get(), static_cast<EVP_PKEY*>(own.key.get())) == 1;
        if (!usable) return Error::internal("the client certificate is unusable");
        TlsStream out(std::move(socket), std::move(context));
        TRY_VOID(out.handshake(deadline));
        return out;
    }

    base::Bytes peer_certificate() const {
        const Handle<X509> peer(SSL_get1_peer_certificate(ssl_.get()));
        if (peer == nullptr) return {};
        const int size = i2d_X509(peer.get(), nullptr);
        base::Bytes out(static_cast<std::size_t>(std::max(size, 0)));
        std::uint8_t* at = out.data();
        if (size > 0) i2d_X509(peer.get(), &at);
        return out;
    }

    Result<void> write(base::ByteView bytes, const Deadline& deadline) {
        while (!bytes.empty()) {
            std::size_t done = 0;
            const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &done);
            if (result == 1) {
                bytes = bytes.subspan(done);
                continue;
            }
            TRY_VOID(wait_for(result, deadline));
        }
        return {};
    }

    // At least one byte, or none when the peer closed.
    Result<std::size_t> read(std::span<std::uint8_t> out, const Deadline& deadline) {
        for (;;) {
            if (deadline.passed()) return out_of_time();
            std::size_t got = 0;
            const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &got);
            if (result == 1) return got;
            if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
            TRY_VOID(wait_for(result, deadline));
        }
    }

private:
    TlsStream(Socket socket, Handle<SSL_CTX> context)
        : socket_(std::move(socket)), context_(std::move(context)), ssl_(SSL_new(context_.get())) {}

    Result<void> handshake(const Deadline& deadline) {
        if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket_.fd()) != 1) {
            return Error::internal("no TLS connection");
        }
        for (;;) {
            const int result = SSL_connect(ssl_.get());
            if (result == 1) break;
            TRY_VOID(wait_for(result, deadline));
        }
        const unsigned char* protocol = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
        if (size != 2 || std::memcmp(protocol, "h2", 2) != 0) {
            return Error::unavailable("whoever answers does not speak HTTP/2");
        }
        return {};
    }

    Result<void> wait_for(int result, const Deadline& deadline) {
        switch (SSL_get_error(ssl_.get(), result)) {
            case SSL_ERROR_WANT_READ:
                return socket_.wait(POLLIN, deadline);
            case SSL_ERROR_WANT_WRITE:
                return socket_.wait(POLLOUT, deadline);
            default:
                return Error::unavailable("TLS with the Coordinator failed");
        }
    }

    Socket socket_;
    Handle<SSL_CTX> context_;
    Handle<SSL> ssl_;
};

// The state of the one stream, filled by libnghttp2's callbacks.
struct Exchange {
    base::ByteView unsent;
    std::size_t bytes_max = 0;
    WipingBytes body;
    int http_status = 0;
    std::optional<int> grpc_status;
    std::string grpc_message;
    std::size_t headers = 0;
    bool too_large = false;
    bool closed = false;
};

Exchange& exchange_of(void* user) {
    return *static_cast<Exchange*>(user);
}

std::optional<int> small_number(std::string_view text) {
    if (text.empty() || text.size() > 3) return std::nullopt;
    int out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        out = out * 10 + (c - '0');
    }
    return out;
}

int on_header(
    nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, const std::uint8_t* name,
    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
    std::uint8_t /*flags*/, void* user) {
    Exchange& state = exchange_of(user);
    if (++state.headers > kHeadersMax) return NGHTTP2_ERR_CALLBACK_FAILURE;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") state.http_status = small_number(text).value_or(0);
    if (key == "grpc-status") state.grpc_status = small_number(text).value_or(2);
    if (key == "grpc-message") {
        for (const char c : text.substr(0, kMessageShown)) {
            state.grpc_message.push_back(c >= 0x20 && c < 0x7f ? c : '?');
        }
    }
    return 0;
}

int on_data(
    nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t /*stream*/,
    const std::uint8_t* data, std::size_t size, void* user) {
    Exchange& state = exchange_of(user);
    if (size > state.bytes_max + kFrameHead - state.body.size()) {
        state.too_large = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    state.body.insert(state.body.end(), data, data + size);
    return 0;
}

int on_close(
    nghttp2_session* /*session*/, std::int32_t /*stream*/, std::uint32_t /*error*/, void* user) {
    exchange_of(user).closed = true;
    return 0;
}

ssize_t give_data(
    nghttp2_session* /*session*/, std::int32_t /*stream*/, std::uint8_t* out, std::size_t size,
    std::uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    Exchange& state = *static_cast<Exchange*>(source->ptr);
    const std::size_t count = std::min(size, state.unsent.size());
    std::copy_n(state.unsent.begin(), count, out);
    state.unsent = state.unsent.subspan(count);
    if (state.unsent.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
}

nghttp2_nv header(std::string_view name, std::string_view value) {
    // libnghttp2 copies both; its interface is older than const.
    return {
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
        NGHTTP2_NV_FLAG_NONE};
}

Result<Handle<nghttp2_session>> open_session(Exchange& state, const GrpcCall& call) {
    nghttp2_session_callbacks* raw = nullptr;
    if (nghttp2_session_callbacks_new(&raw) != 0) return Error::internal("no HTTP/2 session");
    const Handle<nghttp2_session_callbacks> callbacks(raw);
    nghttp2_session_callbacks_set_on_header_callback(raw, &on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, &on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(raw, &on_close);
    nghttp2_mem memory{nullptr, &mem_malloc, &mem_free, &mem_calloc, &mem_realloc};
    nghttp2_session* made = nullptr;
    if (nghttp2_session_client_new3(&made, raw, &state, nullptr, &memory) != 0) {
        return Error::internal("no HTTP/2 session");
    }
    Handle<nghttp2_session> session(made);
    constexpr std::array<nghttp2_settings_entry, 3> kSettings = {
        {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1U << 20U},
         {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16U * 1024U}}};
    const std::array<nghttp2_nv, 7> headers = {
        header(":method", "POST"),
        header(":scheme", "https"),
        header(":authority", call.address),
        header(":path", call.path),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
        header("user-agent", "adyton")};
    nghttp2_data_provider data{};
    data.source.ptr = &state;
    data.read_callback = &give_data;
    const bool ready =
        nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, kSettings.data(), kSettings.size()) == 0 &&
        nghttp2_submit_request(made, nullptr, headers.data(), headers.size(), &data, nullptr) > 0;
    if (!ready) return Error::internal("no HTTP/2 request");
    return session;
}

Result<void> send_pending(nghttp2_session* session, TlsStream& stream, const Deadline& deadline) {
    for (;;) {
        const std::uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session, &data);
        if (size < 0) return Error::unavailable("HTTP/2 with the Coordinator failed");
        if (size == 0) return {};
        TRY_VOID(stream.write({data, static_cast<std::size_t>(size)}, deadline));
    }
}

Result<void> exchange(
    nghttp2_session* session, TlsStream& stream, Exchange& state, const Deadline& deadline) {
    WipingBytes piece(kPieceBytes);
    TRY_VOID(send_pending(session, stream, deadline));
    while (!state.closed) {
        TRY(const std::size_t got, stream.read(piece, deadline));
        if (got == 0) return Error::unavailable("the Coordinator closed the connection");
        const ssize_t used = nghttp2_session_mem_recv(session, piece.data(), got);
        if (state.too_large) {
            return Error::too_large("the Coordinator's answer is larger than an activation");
        }
        if (used < 0) return Error::unavailable("HTTP/2 with the Coordinator failed");
        TRY_VOID(send_pending(session, stream, deadline));
    }
    return {};
}

// The one message of the answer, out of its frame.
Result<void> unframe(WipingBytes& body) {
    if (body.size() < kFrameHead) return Error::corrupt_data("the answer holds no gRPC message");
    std::size_t size = 0;
    for (std::size_t i = 1; i < kFrameHead; ++i) size = (size << 8U) | body[i];
    if (body[0] != 0) return Error::corrupt_data("the answer is compressed");
    if (size != body.size() - kFrameHead) {
        return Error::corrupt_data("the answer is not one gRPC message");
    }
    WipingBytes message(body.begin() + kFrameHead, body.end());
    body = std::move(message);
    return {};
}

}  // namespace

Result<GrpcAnswer> call_grpc(const GrpcCall& call) {
    const Deadline deadline(call.timeout);
    TRY(auto stream, TlsStream::open(call, deadline));
    base::Bytes framed = {
        0, static_cast<std::uint8_t>(call.request.size() >> 24U),
        static_cast<std::uint8_t>(call.request.size() >> 16U),
        static_cast<std::uint8_t>(call.request.size() >> 8U),
        static_cast<std::uint8_t>(call.request.size())};
    framed.insert(framed.end(), call.request.begin(), call.request.end());
    Exchange state;
    state.unsent = framed;
    state.bytes_max = call.response_bytes_max;
    // Growing would leave no copy behind, but why grow.
    state.body.reserve(call.response_bytes_max + kFrameHead);
    TRY(const auto session, open_session(state, call));
    TRY_VOID(exchange(session.get(), stream, state, deadline));
    if (state.http_status != 200)
        return Error::unavailable("the Coordinator's HTTP status is not 200");
    if (!state.grpc_status) return Error::corrupt_data("the answer has no gRPC status");
    GrpcAnswer out;
    out.status = *state.grpc_status;
    out.message = std::move(state.grpc_message);
    out.certificate = stream.peer_certificate();
    if (out.status != 0) return out;
    TRY_VOID(unframe(state.body));
    out.body = std::move(state.body);
    return out;
}

}  // namespace adyton::attest::internal
