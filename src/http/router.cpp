#include "http/router.h"

#include <algorithm>

namespace adyton::http {
namespace {

std::vector<std::string> split_segments(std::string_view path) {
    std::vector<std::string> segments;
    std::size_t start = 1;
    while (start <= path.size()) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        segments.emplace_back(path.substr(start, end - start));
        start = end + 1;
    }
    return segments;
}

bool is_placeholder(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// Whether the path fits; `params` is filled then, and left in any state otherwise.
bool match(const std::vector<std::string>& segments, std::string_view path, Parameters& params) {
    params.clear();
    std::size_t start = 1;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (start > path.size()) return false;
        const std::size_t end = std::min(path.find('/', start), path.size());
        const std::string_view part = path.substr(start, end - start);
        const std::string& segment = segments[i];
        if (is_placeholder(segment)) {
            if (part.empty()) return false;
            params.add(segment.substr(1, segment.size() - 2), std::string(part));
        } else if (part != segment) {
            return false;
        }
        start = end + 1;
    }
    return start == path.size() + 1;
}

}  // namespace

ErrorInfo ErrorInfo::of(Status status, std::string message, std::string trace_id) {
    ErrorInfo info;
    info.status = status;
    info.code = "HTTP_" + std::to_string(status_number(status));
    info.message = std::move(message);
    info.trace_id = std::move(trace_id);
    return info;
}

ErrorInfo ErrorInfo::of(const Error& error, std::string trace_id) {
    const bool hidden =
        error.code() == ErrorCode::Internal || error.code() == ErrorCode::CorruptData;
    ErrorInfo info =
        of(status_of(error.code()), hidden ? "internal server error" : error.message(),
           std::move(trace_id));
    if (!error.reason().empty()) {
        info.details = base::Json::object();
        info.details.set("reason", base::Json::string(error.reason()));
    }
    if (info.status == Status::TooManyRequests || info.status == Status::ServiceUnavailable) {
        info.retry_after = std::chrono::seconds(1);
    }
    return info;
}

Response render_error_envelope(const ErrorInfo& error) {
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object();
    writer.member("code", error.code).member("message", error.message);
    if (error.details.is_object() && error.details.size() > 0) {
        std::string details;
        error.details.dump_to(details);
        writer.key("details").raw(details);
    }
    if (!error.trace_id.empty()) writer.member("trace_id", error.trace_id);
    writer.end_object();
    body.push_back('\n');
    return Response::json(error.status, std::move(body));
}

Router::Router(ErrorRenderer renderer) : renderer_(std::move(renderer)) {
    CHECK(renderer_);
}

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
    CHECK(!method.empty() && handler);
    CHECK(!pattern.empty() && pattern.front() == '/');
    std::vector<std::string> segments = split_segments(pattern);
    const bool exact = std::none_of(segments.begin(), segments.end(), is_placeholder);
    Route* route = nullptr;
    if (exact) {
        auto& slot = exact_[std::string(pattern)];
        if (!slot) slot = std::make_unique<Route>();
        route = slot.get();
    } else {
        for (const auto& known : patterns_) {
            if (known->pattern == pattern) route = known.get();
        }
        if (route == nullptr) route = patterns_.emplace_back(std::make_unique<Route>()).get();
    }
    route->pattern = std::string(pattern);
    route->segments = std::move(segments);
    CHECK(route->methods.emplace(std::string(method), std::move(handler)).second);
}

const Router::Route* Router::find_route(Request& request) const {
    const auto found = exact_.find(std::string_view(request.path));
    if (found != exact_.end()) return found->second.get();
    for (const auto& route : patterns_) {
        if (match(route->segments, request.path, request.path_params)) return route.get();
    }
    request.path_params.clear();
    return nullptr;
}

Task<Response> Router::dispatch(Request& request) const {
    request.path_params.clear();
    request.route = {};
    const Route* route = find_route(request);
    if (route == nullptr) {
        return refuse(ErrorInfo::of(Status::NotFound, "not found", request.trace_id), {});
    }
    request.route = route->pattern;
    const auto handler = route->methods.find(std::string_view(request.method));
    if (handler != route->methods.end()) return handler->second(request);
    std::string allow;
    for (const auto& [method, unused] : route->methods) {
        if (!allow.empty()) allow += ", ";
        allow += method;
    }
    return refuse(
        ErrorInfo::of(Status::MethodNotAllowed, "method not allowed", request.trace_id),
        std::move(allow));
}

Task<Response> Router::refuse(ErrorInfo info, std::string allow) const {
    Response response = error(info);
    if (!allow.empty()) response.headers.set("Allow", allow);
    co_return response;
}

Response Router::error(const ErrorInfo& info) const {
    Response response = renderer_(info);
    if (info.retry_after) {
        response.headers.set("Retry-After", std::to_string(info.retry_after->count()));
    }
    return response;
}

Response Router::error(const Error& error, const Request& request) const {
    return this->error(ErrorInfo::of(error, request.trace_id));
}

std::vector<Router::RouteName> Router::routes() const {
    std::vector<RouteName> names;
    const auto list = [&](const Route& route) {
        for (const auto& [method, unused] : route.methods) names.push_back({method, route.pattern});
    };
    for (const auto& [path, route] : exact_) list(*route);
    for (const auto& route : patterns_) list(*route);
    std::sort(names.begin(), names.end(), [](const RouteName& a, const RouteName& b) {
        return std::tie(a.pattern, a.method) < std::tie(b.pattern, b.method);
    });
    return names;
}

}  // namespace adyton::http
