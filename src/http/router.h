#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "http/status.h"

namespace adyton::http {

// A refusal before it takes a service's own JSON form.
struct ErrorInfo {
    Status status = Status::InternalServerError;
    std::string code;  // "HTTP_404" unless the service says otherwise
    std::string message;
    base::Json details;  // an object, or null when there are none
    std::string trace_id;
    std::optional<std::chrono::seconds> retry_after;

    static ErrorInfo of(Status status, std::string message, std::string trace_id = {});
    // Status from the table of status.h; a reason becomes details.reason. The message of Internal
    // and CorruptData is not shown to callers: log it.
    static ErrorInfo of(const Error& error, std::string trace_id = {});
};

// How a service words its errors. Must be thread safe and must not throw.
using ErrorRenderer = std::function<Response(const ErrorInfo&)>;
// `{"code","message","details","trace_id"}`, the last two left out when empty (services.md 1.3).
Response render_error_envelope(const ErrorInfo& error);

// Answers one request. The request stays alive until the task ends, also when the client has gone.
using Handler = std::function<Task<Response>(Request&)>;

// Paths to handlers. Filled before use, then read by any number of threads.
//
// A pattern is an exact path, or has whole segments `{name}` that match any one non-empty segment.
// An exact path wins over a pattern. A trailing slash is another path. HEAD is not GET.
class Router {
public:
    struct RouteName {
        std::string method;
        std::string pattern;
    };

    explicit Router(ErrorRenderer renderer = render_error_envelope);
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    // CHECKs that the pattern is well formed and that the pair is new.
    void add(std::string_view method, std::string_view pattern, Handler handler);

    // Finds the route, sets request.route and request.path_params, and starts its handler; without
    // one the answer is 404, or 405 with Allow. `request` must outlive the task.
    Task<Response> dispatch(Request& request) const;

    // The service's answer for a refusal, with Retry-After where it says so.
    Response error(const ErrorInfo& info) const;
    Response error(const Error& error, const Request& request) const;

    std::vector<RouteName> routes() const;

private:
    struct Route {
        std::string pattern;
        std::vector<std::string> segments;
        std::map<std::string, Handler, std::less<>> methods;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    const Route* find_route(Request& request) const;
    Task<Response> refuse(ErrorInfo info, std::string allow) const;

    ErrorRenderer renderer_;
    std::unordered_map<std::string, std::unique_ptr<Route>, Hash, std::equal_to<>> exact_;
    std::vector<std::unique_ptr<Route>> patterns_;
};

}  // namespace adyton::http
