#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "http/internal/server_core.h"

namespace adyton::http::internal {

// The listening socket, on the first loop; deals connections to the loops in turn.
class Acceptor final : public base::EventLoop::Watcher {
public:
    explicit Acceptor(Server::Core& core) : core_(core) {}
    ~Acceptor() override { close(); }
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    Result<void> open(const std::string& host, std::uint16_t port);
    void close();
    std::string bound_address() const;
    std::uint16_t bound_port() const;

private:
    void on_events(std::uint32_t events) override;
    bool accept_one();
    void pause();
    void turn_away(int fd);

    Server::Core& core_;
    int fd_ = -1;
    std::size_t next_loop_ = 0;
};

}  // namespace adyton::http::internal
