// lint-allow-file(thread): the server runs beside the blocking client
// lint-allow-file(sleep): real sockets are tested in real time
// lint-allow-file(clock): real sockets are tested in real time
#include "http/http_test_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/check.h"

namespace adyton::http::testing {
namespace {

constexpr auto kPatience = 5s;

int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    timeval patience{};
    patience.tv_sec = 5;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

bool send_all_bytes(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
}

}  // namespace

void RecordingObserver::on_request_begin(const Request& /*request*/) {
    ++begun_;
}

void RecordingObserver::on_request_end(const RequestRecord& record) {
    CHECK(record.peer != nullptr);
    SeenRequest seen;
    seen.method = record.method;
    seen.path = record.path;
    seen.route = record.route;
    seen.trace_id = record.trace_id;
    seen.status = record.status;
    seen.duration = record.duration;
    seen.request_body_bytes = record.request_body_bytes;
    seen.response_body_bytes = record.response_body_bytes;
    seen.delivered = record.delivered;
    const std::scoped_lock lock(mutex_);
    ended_.push_back(std::move(seen));
}

void RecordingObserver::on_connection_opened(const PeerInfo& /*peer*/) {
    ++opened_;
}
void RecordingObserver::on_connection_closed(const PeerInfo& /*peer*/) {
    ++closed_;
}
void RecordingObserver::on_handshake_failed(const PeerInfo& /*peer*/, std::string_view /*reason*/) {
    ++handshakes_failed_;
}

std::vector<SeenRequest> RecordingObserver::ended() const {
    const std::scoped_lock lock(mutex_);
    return ended_;
}

bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
        if (condition()) return true;
        std::this_thread::sleep_for(2ms);
    }
    return condition();
}

TestServer::TestServer(ServerOptions options, unsigned loop_count) : tls_(options.tls != nullptr) {
    std::vector<base::EventLoop*> loops;
    for (unsigned i = 0; i < loop_count; ++i) {
        loops_.push_back(std::make_unique<base::EventLoop>(workers_));
        loops.push_back(loops_.back().get());
    }
    server_ = std::make_unique<Server>(loops, std::move(options), router_, observer_);
}

void TestServer::start() {
    const Result<void> started = server_->start();
    CHECK(started);
    port_ = server_->bound_port();
    for (const auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
}

TestServer::~TestServer() {
    for (const auto& loop : loops_) loop->stop();
    for (std::thread& thread : threads_) thread.join();
    server_.reset();
    loops_.clear();
}

void TestServer::drain(base::Duration deadline) {
    std::promise<void> done;
    constexpr auto kDrain = [](Server& server, base::Duration time,
                               std::promise<void>& promise) -> Task<void> {
        co_await server.drain(time);
        promise.set_value();
    };
    base::spawn(*loops_[0], kDrain(*server_, deadline, done));
    done.get_future().wait();
}

void TestServer::destroy_server() {
    std::promise<void> done;
    loops_[0]->post([&] {
        server_.reset();
        done.set_value();
    });
    done.get_future().wait();
}

std::string TestServer::url(std::string_view path) const {
    return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_) +
           std::string(path);
}

std::string RawResponse::header(std::string_view name) const {
    std::size_t start = head.find("\r\n");
    while (start != std::string::npos && start + 2 < head.size()) {
        start += 2;
        const std::size_t end = head.find("\r\n", start);
        const std::string_view line = std::string_view(head).substr(start, end - start);
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) {
            return std::string(line.substr(std::min(colon + 2, line.size())));
        }
        start = end;
    }
    return {};
}

RawClient::RawClient(std::uint16_t port) : fd_(connect_to(port)) {}

RawClient::~RawClient() {
    close();
}

void RawClient::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

void RawClient::reset() {
    linger abort{};
    abort.l_onoff = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    close();
}

bool RawClient::send(std::string_view bytes) {
    return send_all_bytes(fd_, bytes);
}

void RawClient::shutdown_write() {
    ::shutdown(fd_, SHUT_WR);
}

bool RawClient::fill() {
    char bytes[16384];
    const auto got = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
}

std::string RawClient::take_line() {
    std::size_t end = buffer_.find("\r\n");
    while (end == std::string::npos) {
        if (!fill()) return {};
        end = buffer_.find("\r\n");
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
}

RawResponse RawClient::read_response() {
    RawResponse response;
    std::size_t end = buffer_.find("\r\n\r\n");
    while (end == std::string::npos) {
        if (!fill()) return {};
        end = buffer_.find("\r\n\r\n");
    }
    response.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    response.status = std::atoi(response.head.substr(9, 3).c_str());
    if (response.header("Transfer-Encoding") == "chunked") {
        for (;;) {
            const std::size_t size = std::strtoul(take_line().c_str(), nullptr, 16);
            while (buffer_.size() < size + 2) {
                if (!fill()) return {};
            }
            response.body += buffer_.substr(0, size);
            buffer_.erase(0, size + 2);
            if (size == 0) return response;
        }
    }
    const std::size_t length = std::strtoul(response.header("Content-Length").c_str(), nullptr, 10);
    while (buffer_.size() < length) {
        if (!fill()) return {};
    }
    response.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return response;
}

std::string RawClient::read_to_end() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
}

bool RawClient::is_closed_by_peer() {
    if (!buffer_.empty()) return false;
    char byte = 0;
    const auto got = ::recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

std::string request_text(
    std::string_view method, std::string_view target, std::string_view body,
    std::string_view more_headers) {
    std::string text;
    text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n");
    text.append(more_headers);
    if (!body.empty()) {
        text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    text.append("\r\n").append(body);
    return text;
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    CHECK(::listen(listener_, 16) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
        while (!stopping_) {
            pollfd ready{listener_, POLLIN, 0};
            if (::poll(&ready, 1, 10) <= 0) continue;
            const int fd = ::accept(listener_, nullptr, nullptr);
            if (fd < 0) continue;
            timeval patience{};
            patience.tv_sec = 5;
            ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
            ++connections_;
            script_(fd);
            ::close(fd);
        }
    });
}

ScriptedServer::~ScriptedServer() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
}

std::string ScriptedServer::url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::string ScriptedServer::read_until(int fd, std::string_view text) {
    std::string all;
    char bytes[4096];
    while (all.find(text) == std::string::npos) {
        const auto got = ::recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0) break;
        all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
}

void ScriptedServer::send_text(int fd, std::string_view text) {
    send_all_bytes(fd, text);
}

TestClient::TestClient(ClientOptions options)
    : client_(std::make_unique<Client>(loop_, std::move(options))) {}

Result<Response> TestClient::send(ClientRequest request) {
    return loop_.run_until_done(client_->send(std::move(request)));
}

Result<Response> TestClient::get(std::string url) {
    ClientRequest request;
    request.url = std::move(url);
    return send(std::move(request));
}

Result<Response> TestClient::post(std::string url, std::string body) {
    ClientRequest request;
    request.method = "POST";
    request.url = std::move(url);
    request.body = std::move(body);
    return send(std::move(request));
}

std::vector<Result<Response>> TestClient::send_all(std::vector<ClientRequest> requests) {
    constexpr auto kSendAll =
        [](Client& client, std::vector<ClientRequest> all) -> Task<std::vector<Result<Response>>> {
        std::vector<Task<Result<Response>>> tasks;
        tasks.reserve(all.size());
        for (ClientRequest& request : all) tasks.push_back(client.send(std::move(request)));
        co_return co_await base::when_all(std::move(tasks));
    };
    return loop_.run_until_done(kSendAll(*client_, std::move(requests)));
}

void TestClient::idle(base::Duration duration) {
    loop_.post_after(duration, [this] { loop_.stop(); });
    loop_.run();
}

Task<Response> echo(Request& request) {
    co_return Response::text(Status::Ok, request.body);
}

Task<Response> wait_as_told(Request& request) {
    const auto delay = std::chrono::milliseconds(std::atoi(request.body.c_str()));
    co_await base::sleep_for(*base::Executor::current(), delay);
    co_return Response::text(Status::Ok, "done");
}

}  // namespace adyton::http::testing
