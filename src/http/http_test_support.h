#pragma once

// lint-allow-file(thread): the server runs beside the blocking client

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/event_loop.h"
#include "http/client.h"
#include "http/server.h"

namespace adyton::http::testing {

using namespace std::chrono_literals;

// What a RequestRecord said, with owned texts.
struct SeenRequest {
    std::string method;
    std::string path;
    std::string route;
    std::string trace_id;
    Status status = Status::Ok;
    base::Duration duration{};
    std::uint64_t request_body_bytes = 0;
    std::uint64_t response_body_bytes = 0;
    bool delivered = false;
};

class RecordingObserver final : public ServerObserver {
public:
    void on_request_begin(const Request& request) override;
    void on_request_end(const RequestRecord& record) override;
    void on_connection_opened(const PeerInfo& peer) override;
    void on_connection_closed(const PeerInfo& peer) override;
    void on_handshake_failed(const PeerInfo& peer, std::string_view reason) override;

    std::vector<SeenRequest> ended() const;
    std::size_t begun() const { return begun_; }
    std::size_t opened() const { return opened_; }
    std::size_t closed() const { return closed_; }
    std::size_t handshakes_failed() const { return handshakes_failed_; }

private:
    mutable std::mutex mutex_;
    std::vector<SeenRequest> ended_;
    std::atomic<std::size_t> begun_{0};
    std::atomic<std::size_t> opened_{0};
    std::atomic<std::size_t> closed_{0};
    std::atomic<std::size_t> handshakes_failed_{0};
};

// Waits up to five seconds for it.
bool eventually(const std::function<bool()>& condition);

// A server on its own threads. Add routes, then start().
class TestServer {
public:
    explicit TestServer(ServerOptions options = {}, unsigned loop_count = 1);
    ~TestServer();

    void start();
    void drain(base::Duration deadline);
    // Ends the server while its loops run on, as a failing start-up would.
    void destroy_server();

    Router& router() { return router_; }
    RecordingObserver& observer() { return observer_; }
    Server& server() { return *server_; }
    std::uint16_t port() const { return port_; }
    std::string url(std::string_view path) const;

private:
    base::WorkerThreads workers_{1};
    std::vector<std::unique_ptr<base::EventLoop>> loops_;
    Router router_;
    RecordingObserver observer_;
    std::unique_ptr<Server> server_;
    std::vector<std::thread> threads_;
    std::uint16_t port_ = 0;
    bool tls_ = false;
};

struct RawResponse {
    int status = 0;
    std::string head;  // with the status line
    std::string body;  // chunks joined
    // The value of a header, or empty.
    std::string header(std::string_view name) const;
};

// A blocking TCP client that sends exactly what it is told. Reads give up after five seconds.
class RawClient {
public:
    explicit RawClient(std::uint16_t port);
    ~RawClient();
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    // False: the connection is gone.
    bool send(std::string_view bytes);
    void shutdown_write();
    void close();
    void reset();  // closes with RST
    // One response; status 0 when none came.
    RawResponse read_response();
    // Everything until the peer closes.
    std::string read_to_end();
    // The peer closes within five seconds and sends nothing more.
    bool is_closed_by_peer();
    int fd() const { return fd_; }

private:
    bool fill();
    std::string take_line();

    int fd_ = -1;
    std::string buffer_;
};

// "METHOD target" with Host and a body of known length.
std::string request_text(
    std::string_view method, std::string_view target, std::string_view body = {},
    std::string_view more_headers = {});

// A server that plays a script: for each connection, it reads until `until` has come, then sends
// `reply`, and closes when told so.
class ScriptedServer {
public:
    using Script = std::function<void(int fd)>;  // owns the conversation; the fd is closed after it
    explicit ScriptedServer(Script script);
    ~ScriptedServer();
    std::uint16_t port() const { return port_; }
    std::string url(std::string_view path) const;
    std::size_t connections() const { return connections_; }

    // For scripts: reads until the text has come or the peer closes; gives what was read.
    static std::string read_until(int fd, std::string_view text);
    static void send_text(int fd, std::string_view text);

private:
    int listener_ = -1;
    std::uint16_t port_ = 0;
    Script script_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> connections_{0};
    std::thread thread_;
};

// A client with its own loop, used from the test's thread.
class TestClient {
public:
    explicit TestClient(ClientOptions options = {});
    Result<Response> send(ClientRequest request);
    Result<Response> get(std::string url);
    Result<Response> post(std::string url, std::string body);
    // All at once; the answers in order.
    std::vector<Result<Response>> send_all(std::vector<ClientRequest> requests);
    // Lets the loop run for a while.
    void idle(base::Duration duration);
    Client& client() { return *client_; }
    base::EventLoop& loop() { return loop_; }

private:
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    std::unique_ptr<Client> client_;
};

// Handlers of tests, as plain functions: a coroutine must not be a lambda with captures.
Task<Response> echo(Request& request);  // the body back, as text
// Waits as many milliseconds as the body says, then "done".
Task<Response> wait_as_told(Request& request);

}  // namespace adyton::http::testing
