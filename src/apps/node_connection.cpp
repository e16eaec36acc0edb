#include "apps/node_connection.h"

#include <utility>

#include "base/task.h"

namespace adyton::apps {
namespace {

using base::Json;

Task<bool> wait(base::Executor& executor, base::Duration span) {
    co_await base::sleep_for(executor, span);
    co_return true;
}

}  // namespace

Result<Json> NodeConnection::call(std::string_view method, Json params) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = url_;
    request.headers.add("Content-Type", "application/json");
    request.body = Json::object()
                       .set("jsonrpc", Json::string("2.0"))
                       .set("id", Json::integer(1))
                       .set("method", Json::string(std::string(method)))
                       .set("params", std::move(params))
                       .dump();
    TRY(const http::Response response, loop_.run_until_done(client_.send(std::move(request))));
    TRY(const Json answer, Json::parse(response.body));
    if (const Json* const result = answer.find("result")) return *result;
    const Json* const error = answer.find("error");
    const Json* const data = error == nullptr ? nullptr : error->find("data");
    const Json* const text = data != nullptr || error == nullptr ? data : error->find("message");
    return Error::unprocessable(
        text != nullptr && text->is_string() ? text->string_value() : "no JSON-RPC answer");
}

void NodeConnection::pause(base::Duration span) {
    loop_.run_until_done(wait(loop_, span));
}

}  // namespace adyton::apps
