#include "compute/fetch_policy.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace adyton::compute {
namespace {

using base::Json;

constexpr std::size_t kListMax = 100;
constexpr std::size_t kBytesMax = 1024 * 1024;
constexpr std::array<std::string_view, 6> kMethods = {"GET", "HEAD",  "POST",
                                                      "PUT", "PATCH", "DELETE"};

Error wrong(const std::string& rule, std::string_view what) {
    return Error::invalid_argument("compute.fetch, rule " + rule + ": " + std::string(what));
}

Result<std::vector<std::string>> texts(
    const Json& json, const std::string& rule, std::string_view name) {
    std::vector<std::string> out;
    const Json* const list = json.find(name);
    if (list == nullptr) return out;
    if (!list->is_array() || list->size() > kListMax) {
        return wrong(rule, std::string(name) + " must be a list of at most 100 texts");
    }
    for (const Json& item : list->items()) {
        if (!item.is_string() || item.string_value().empty()) {
            return wrong(rule, std::string(name) + " must be a list of texts");
        }
        out.push_back(item.string_value());
    }
    return out;
}

Result<std::uint64_t> number(
    const Json& json, const std::string& rule, std::string_view name, std::uint64_t otherwise,
    std::uint64_t max) {
    const Json* const found = json.find(name);
    if (found == nullptr) return otherwise;
    const auto value = found->as_uint64();
    if (!value || *value == 0 || *value > max) {
        return wrong(rule, std::string(name) + " must be 1 to " + std::to_string(max));
    }
    return *value;
}

bool is_host_pattern(std::string_view text) {
    if (text.starts_with("*.")) text.remove_prefix(2);
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-._:";
    return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<void> check_keys(const Json& json, const std::string& rule) {
    constexpr std::array<std::string_view, 12> kKnown = {
        "name",      "users",   "apps",  "schemes",           "hosts",
        "ports",     "methods", "paths", "request_bytes_max", "response_bytes_max",
        "count_max", "timeout"};
    for (const Json::Member& member : json.members()) {
        if (std::find(kKnown.begin(), kKnown.end(), member.first) == kKnown.end()) {
            return wrong(rule, "unknown key " + member.first);
        }
    }
    return {};
}

Result<void> read_targets(const Json& json, FetchRule& out) {
    TRY(out.hosts, texts(json, out.name, "hosts"));
    if (out.hosts.empty() || !std::all_of(out.hosts.begin(), out.hosts.end(), is_host_pattern)) {
        return wrong(out.name, "hosts must name hosts in lower case, or *.HOST");
    }
    TRY(const auto schemes, texts(json, out.name, "schemes"));
    for (const std::string& scheme : schemes) {
        if (scheme != "https" && scheme != "http") {
            return wrong(out.name, "schemes are https and http");
        }
        out.plain_http = out.plain_http || scheme == "http";
    }
    const Json* const ports = json.find("ports");
    if (ports != nullptr && !ports->is_array()) return wrong(out.name, "ports must be a list");
    for (std::size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
        const auto port = ports->items()[i].as_uint64();
        if (!port || *port == 0 || *port > 65'535) return wrong(out.name, "ports are 1 to 65535");
        out.ports.push_back(static_cast<std::uint16_t>(*port));
    }
    if (out.ports.empty()) {
        out.ports.push_back(443);
        if (out.plain_http) out.ports.push_back(80);
    }
    return {};
}

Result<void> read_requests(const Json& json, FetchRule& out) {
    TRY(out.methods, texts(json, out.name, "methods"));
    if (out.methods.empty()) out.methods = {"GET"};
    for (const std::string& method : out.methods) {
        if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
            return wrong(out.name, "methods are GET, HEAD, POST, PUT, PATCH and DELETE");
        }
    }
    TRY(out.paths, texts(json, out.name, "paths"));
    if (out.paths.empty()) out.paths = {"/"};
    for (const std::string& path : out.paths) {
        if (path.front() != '/') return wrong(out.name, "paths begin with '/'");
    }
    TRY(out.request_bytes_max,
        number(json, out.name, "request_bytes_max", out.request_bytes_max, kBytesMax));
    TRY(out.response_bytes_max,
        number(json, out.name, "response_bytes_max", out.response_bytes_max, kBytesMax));
    TRY(const auto count, number(json, out.name, "count_max", out.count_max, 100));
    out.count_max = static_cast<std::uint32_t>(count);
    const Json* const timeout = json.find("timeout");
    if (timeout == nullptr) return {};
    const auto duration = timeout->is_string() ? base::parse_go_duration(timeout->string_value())
                                               : Result<base::Duration>(wrong(out.name, ""));
    if (!duration || *duration <= base::Duration::zero() || *duration > std::chrono::minutes(2)) {
        return wrong(out.name, "timeout must be a duration of at most 2m");
    }
    out.timeout = *duration;
    return {};
}

Result<FetchRule> read_rule(const Json& json, std::size_t index) {
    FetchRule out;
    out.name = "number " + std::to_string(index + 1);
    if (!json.is_object()) return wrong(out.name, "must be a table");
    const Json* const name = json.find("name");
    if (name != nullptr && name->is_string()) out.name = name->string_value();
    TRY_VOID(check_keys(json, out.name));
    TRY(out.users, texts(json, out.name, "users"));
    TRY(out.apps, texts(json, out.name, "apps"));
    if (out.users.empty() && out.apps.empty()) {
        return wrong(out.name, "must say which users or apps; \"*\" means all");
    }
    TRY_VOID(read_targets(json, out));
    TRY_VOID(read_requests(json, out));
    return out;
}

bool names(const std::vector<std::string>& list, std::string_view item) {
    return std::any_of(list.begin(), list.end(), [item](const std::string& one) {
        return one == item || one == "*";
    });
}

// A list that is not given does not restrict; one of the two is.
bool is_for(const FetchRule& rule, std::string_view user, std::string_view app_id) {
    return (rule.users.empty() || names(rule.users, user)) &&
           (rule.apps.empty() || names(rule.apps, app_id));
}

bool host_matches(std::string_view pattern, std::string_view host) {
    if (!pattern.starts_with("*.")) return pattern == host;
    pattern.remove_prefix(1);  // ".example.com"
    return host.size() > pattern.size() && host.ends_with(pattern);
}

// "/v1" and "/v1/" both mean /v1 and what is below it, never /v10.
bool path_matches(std::string_view prefix, std::string_view path) {
    if (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
    if (prefix == "/") return true;
    if (!path.starts_with(prefix)) return false;
    return path.size() == prefix.size() || path[prefix.size()] == '/';
}

// "/..;a=b/": a dot segment to servers that cut parameters off a segment first.
bool has_dots_with_parameters(std::string_view path) {
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view segment = path.substr(at, end - at);
        const std::string_view name = segment.substr(0, segment.find(';'));
        if (name == "." || name == "..") return true;
        at = end + 1;
    }
    return false;
}

// The path as the server will understand it; nothing for paths with dot segments, encoded slashes
// and the like, which two programs may read differently.
bool plain_path(const http::Url& url, std::string& out) {
    const std::string_view target = url.target;
    const auto parsed = http::parse_path(target.substr(0, target.find('?')), out);
    return parsed.has_value() && !has_dots_with_parameters(out);
}

bool allows(const FetchRule& rule, const FetchQuestion& question, std::string_view path) {
    const http::Url& url = question.url;
    if (!is_for(rule, question.user, question.app_id)) return false;
    if (!url.tls && !rule.plain_http) return false;
    if (std::find(rule.ports.begin(), rule.ports.end(), url.port) == rule.ports.end()) return false;
    if (std::find(rule.methods.begin(), rule.methods.end(), question.method) ==
        rule.methods.end()) {
        return false;
    }
    const bool host = std::any_of(
        rule.hosts.begin(), rule.hosts.end(),
        [&url](const std::string& pattern) { return host_matches(pattern, url.host); });
    const bool below = std::any_of(
        rule.paths.begin(), rule.paths.end(),
        [path](const std::string& prefix) { return path_matches(prefix, path); });
    return host && below && question.request_bytes <= rule.request_bytes_max &&
           question.sequence < rule.count_max;
}

}  // namespace

Result<FetchPolicy> FetchPolicy::parse(const Json& section) {
    FetchPolicy out;
    for (const Json::Member& member : section.members()) {
        if (member.first != "rules") {
            return Error::invalid_argument("compute.fetch: unknown key " + member.first);
        }
    }
    const Json* const rules = section.find("rules");
    if (rules == nullptr) return out;
    if (!rules->is_array() || rules->size() > kRulesMax) {
        return Error::invalid_argument("compute.fetch.rules must be a list of at most 1000");
    }
    for (std::size_t i = 0; i < rules->size(); ++i) {
        TRY(auto rule, read_rule(rules->items()[i], i));
        out.rules_.push_back(std::move(rule));
    }
    return out;
}

bool FetchPolicy::concerns(std::string_view user, std::string_view app_id) const {
    return std::any_of(rules_.begin(), rules_.end(), [&](const FetchRule& rule) {
        return is_for(rule, user, app_id);
    });
}

std::uint32_t FetchPolicy::count_max(std::string_view user, std::string_view app_id) const {
    std::uint32_t most = 0;
    for (const FetchRule& rule : rules_) {
        if (is_for(rule, user, app_id)) most = std::max(most, rule.count_max);
    }
    return most;
}

const FetchRule* FetchPolicy::find(const FetchQuestion& question) const {
    std::string path;
    if (!plain_path(question.url, path)) return nullptr;
    for (const FetchRule& rule : rules_) {
        if (allows(rule, question, path)) return &rule;
    }
    return nullptr;
}

}  // namespace adyton::compute
