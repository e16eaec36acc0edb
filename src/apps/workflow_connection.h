#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attest/secret_source.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/secret.h"
#include "http/client.h"

namespace adyton::apps {

// The token of `adyton dev`: everybody knows it, so it opens nothing but a loopback listener in
// development identity.
inline constexpr std::string_view kDevelopmentInternalToken = "adyton-dev-internal-wallet-token";

// How a command reaches a coordinator, as given on the command line.
struct WorkflowConnectionOptions {
    std::string url = "http://127.0.0.1:8080";
    std::string wallet;      // with the internal token
    std::string token_file;  // empty: INTERNAL_WALLET_AUTH_TOKEN, else that of `adyton dev`
    std::string key_file;    // an API key (wk_...) instead
    std::string ca;          // path of a PEM file, for https
    unsigned timeout_seconds = 60;
};

// A client with the event loop it runs on. One thread.
class WorkflowConnection {
public:
    // InvalidArgument: a bad URL, nothing to show who calls, a token over http to another machine.
    static Result<std::unique_ptr<WorkflowConnection>> open(
        const WorkflowConnectionOptions& options, attest::SecretSource& secrets);

    struct Reply {
        int status = 0;
        base::Json body;
    };
    // Whatever the status says. CorruptData: an answer that is no JSON. Errors of http::Transport.
    Result<Reply> ask(std::string method, std::string path, std::string body = {});
    void pause(base::Duration delay);

private:
    WorkflowConnection() : workers_(1), loop_(workers_) {}
    Task<Result<http::Response>> send(std::string method, std::string path, std::string body);

    base::WorkerThreads workers_;  // for name resolution
    base::EventLoop loop_;
    std::unique_ptr<http::Client> client_;
    std::string base_url_;
    std::string wallet_;
    bool is_api_key_ = false;
    crypto::SecretBuffer secret_;
    base::Duration timeout_{};
};

}  // namespace adyton::apps
