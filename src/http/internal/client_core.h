#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/task.h"
#include "http/client.h"
#include "http/guarded_client.h"
#include "http/internal/input_buffer.h"
#include "http/internal/response_parser.h"
#include "http/internal/stream.h"
#include "http/url.h"

namespace adyton::http {
namespace internal {

class ClientConnection;

// The connections to one scheme, host and port.
struct HostPool {
    std::vector<std::shared_ptr<ClientConnection>> idle;  // shared with the set of all; newest last
    std::size_t open = 0;  // idle ones, busy ones and those being made
    // Sends that wait for a connection or for the right to open one. They call back once.
    std::deque<std::function<bool()>> waiting;
};

}  // namespace internal

// On the loop's thread, except for what Client::send hands over.
struct Client::Core : std::enable_shared_from_this<Client::Core> {
    Core(base::EventLoop& event_loop, ClientOptions client_options);

    Task<Result<Response>> send(ClientRequest request);

    struct Lease {
        std::shared_ptr<internal::ClientConnection> connection;
        bool reused = false;
    };
    Task<Result<Lease>> acquire(const Url& url, base::SteadyTime deadline);
    Task<Result<bool>> wait_for_turn(internal::HostPool& pool, base::SteadyTime deadline);
    Task<Result<std::shared_ptr<internal::ClientConnection>>> connect(
        const Url& url, const std::string& key, base::SteadyTime deadline);
    std::shared_ptr<internal::ClientConnection> take_idle(internal::HostPool& pool);
    // The connection may carry another request.
    void give_back(std::shared_ptr<internal::ClientConnection> connection);
    void forget(const std::shared_ptr<internal::ClientConnection>& connection);
    void connection_gone(const std::string& key);
    void wake_one(internal::HostPool& pool);
    void start_ticking(base::Duration period);
    void note_active();
    void tick();
    // What goes with the client; busy connections end by themselves.
    void close();

    base::EventLoop& loop;
    const ClientOptions options;
    std::shared_ptr<const TlsContext> tls;
    std::unordered_map<std::string, internal::HostPool> pools;
    std::unordered_set<internal::ClientConnection*> connections;
    std::size_t waiting_count = 0;
    base::Executor::TimerId tick_timer = 0;
    bool ticking = false;
    bool ticking_slowly = false;
    bool closed = false;
    AddressCheck allow_address;  // empty: all
};

namespace internal {

// Core::send, from any executor.
Task<Result<Response>> send_on_loop(std::shared_ptr<Client::Core> core, ClientRequest request);

// One connection of a client. Busy with one exchange, or idle in its pool.
class ClientConnection final : public std::enable_shared_from_this<ClientConnection>,
                               private Stream::IdleListener {
public:
    ClientConnection(std::shared_ptr<Client::Core> core, std::string key, int fd);
    ~ClientConnection() override;

    // Waits for the TCP connection. Unavailable, DeadlineExceeded.
    Task<Result<void>> finish_connect(base::SteadyTime deadline);
    // Unavailable, DeadlineExceeded, Unauthenticated.
    Task<Result<void>> finish_tls(
        std::shared_ptr<const TlsContext> context, const std::string& host,
        base::SteadyTime deadline);

    struct Outgoing {
        std::string head;  // and the body when it is small
        std::string body;  // what is not in `head`
        ResponseParser::AnswerTo method = ResponseParser::AnswerTo::Other;
    };
    // After it, reusable() says whether the connection lives on.
    Task<Result<Response>> exchange(const Outgoing& outgoing, base::SteadyTime deadline);
    bool reusable() const { return reusable_; }

    void become_idle(base::SteadyTime until);
    // Whether an idle connection still looks usable.
    bool still_good(base::SteadyTime now);
    bool idle() const { return idle_; }
    bool is_due(base::SteadyTime now) const { return now >= deadline_; }
    void expire();
    void close() { stream_.close(); }
    const std::string& key() const { return key_; }

private:
    enum class Sending { Sent, EarlyAnswer, Broken, Expired };
    Task<Sending> write(std::string_view bytes);
    Task<Result<Response>> read_answer(Response response);
    Error broken_error() const;
    bool try_read();
    void on_unexpected_event() override;

    const std::shared_ptr<Client::Core> core_;
    const std::string key_;
    Stream stream_;
    InputBuffer in_;
    ResponseParser parser_;
    base::SteadyTime deadline_ = base::SteadyTime::max();
    base::SteadyTime idle_since_{};
    std::uint64_t answer_count_ = 0;
    bool sent_any_ = false;
    bool reusable_ = false;
    bool idle_ = false;
    bool ended_ = false;
};

}  // namespace internal
}  // namespace adyton::http
