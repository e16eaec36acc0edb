#pragma once

#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/result.h"
#include "http/client.h"

namespace adyton::apps {

// Questions of a command to one JSON-RPC node, one after the other. For one thread.
class NodeConnection {
public:
    explicit NodeConnection(std::string url) : url_(std::move(url)) {}

    // `result`. Unprocessable with the node's words when it answers with an error; errors of
    // http::Client.
    Result<base::Json> call(std::string_view method, base::Json params);
    void pause(base::Duration span);

private:
    const std::string url_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    http::Client client_{loop_, {}};
};

}  // namespace adyton::apps
