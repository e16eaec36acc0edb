#pragma once

#include <memory>
#include <string>

#include "attest/secret_source.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "http/client.h"

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

// How a command reaches compute, as given on the command line.
struct ComputeConnectionOptions {
    std::string url = "http://127.0.0.1:8086";
    std::string user;      // development: whose jobs they are; default "developer"
    std::string key_file;  // empty: the variable ADYTON_COMPUTE_KEY, else none
    std::string ca;        // path of a PEM file, for https
    unsigned timeout_seconds = 150;
};
void add_compute_connection(CLI::App& command, ComputeConnectionOptions& options);

// A client with the event loop it runs on. One thread.
class ComputeConnection {
public:
    // InvalidArgument: a bad URL, a key that would travel in the clear, unreadable PEM. Errors of
    // SecretSource for the key. Nothing is sent yet.
    static Result<std::unique_ptr<ComputeConnection>> open(
        const ComputeConnectionOptions& options, attest::SecretSource& secrets);

    // The body of an answer. A refusal is an Error with the service's message and its reason;
    // other errors as http::Transport.
    Result<std::string> send(std::string method, std::string path, std::string body = {});
    // The same, parsed.
    Result<base::Json> ask(std::string method, std::string path, std::string body = {});

private:
    ComputeConnection() : workers_(1), loop_(workers_) {}
    Task<Result<std::string>> send_task(http::ClientRequest request);

    base::WorkerThreads workers_;  // for name resolution
    base::EventLoop loop_;
    std::unique_ptr<http::Client> client_;
    ComputeConnectionOptions options_;
    crypto::SecretBuffer key_;  // empty: none
};

}  // namespace adyton::apps
