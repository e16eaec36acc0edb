#pragma once

#include <memory>
#include <string>
#include <utility>

#include "api/pool_client.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/random.h"
#include "http/client.h"

namespace adyton::apps {

// How a command reaches a pool, as given on the command line.
struct ConnectionOptions {
    std::string url = "http://127.0.0.1:8085";
    std::string service;      // development: who we say we are
    std::string certificate;  // strict: paths of PEM files
    std::string key;
    std::string ca;
    unsigned timeout_seconds = 90;
    unsigned attempt_seconds = 30;  // of the timeout, for one attempt
    std::size_t response_bytes_max = 8 * 1024 * 1024;
};

// A client with the event loop it runs on. One thread.
class Connection {
public:
    // InvalidArgument: a bad URL, https without a CA or a certificate without its key, unreadable
    // PEM. Errors of attest::SecretSource for the files. Nothing is sent yet.
    static Result<std::unique_ptr<Connection>> open(const ConnectionOptions& options);

    api::PoolClient& pool() { return *pool_; }
    // Runs the loop until the task ends.
    template <typename T>
    T run(Task<T> task) {
        return loop_.run_until_done(std::move(task));
    }

private:
    Connection() : workers_(1), loop_(workers_) {}

    base::WorkerThreads workers_;  // for name resolution
    base::EventLoop loop_;
    crypto::SystemRandom random_;
    std::unique_ptr<http::Client> client_;
    std::unique_ptr<api::PoolClient> pool_;
};

}  // namespace adyton::apps
