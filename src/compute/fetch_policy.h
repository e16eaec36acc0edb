#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "http/url.h"

namespace adyton::compute {

// What some scripts may reach. A request needs one rule that says yes to all of it.
struct FetchRule {
    std::string name;
    std::vector<std::string> users;  // "*": all
    std::vector<std::string> apps;   // "*": all
    bool plain_http = false;         // https alone otherwise
    std::vector<std::string> hosts;  // "api.example.com", or "*.example.com" for what is below it
    std::vector<std::uint16_t> ports;
    std::vector<std::string> methods;
    std::vector<std::string> paths;  // prefixes that end at a '/' or with the path
    std::size_t request_bytes_max = 64 * 1024;
    std::size_t response_bytes_max = 1024 * 1024;
    std::uint32_t count_max = 16;  // requests of one job
    base::Duration timeout = std::chrono::seconds(10);
};

// One request as rules see it.
struct FetchQuestion {
    std::string user;
    std::string app_id;
    std::string method;
    http::Url url;
    std::size_t request_bytes = 0;
    std::uint32_t sequence = 0;
};

// The section compute.fetch: {"rules": [{"name", "users" or "apps", "schemes", "hosts", "ports",
// "methods", "paths", "request_bytes_max", "response_bytes_max", "count_max", "timeout"}]}.
// Immutable, so thread safe.
class FetchPolicy {
public:
    static constexpr std::size_t kRulesMax = 1000;

    // InvalidArgument, naming the rule: an unknown key, a wrong type, no host, neither users nor
    // apps, a number out of range.
    static Result<FetchPolicy> parse(const base::Json& section);

    bool empty() const { return rules_.empty(); }
    // Whether any rule is for this user or app: only then a script has `fetch`.
    bool concerns(std::string_view user, std::string_view app_id) const;
    // The most requests that a rule for this user or app lets a job make; 0: there is none.
    std::uint32_t count_max(std::string_view user, std::string_view app_id) const;
    // The first rule that allows it; null: none does.
    const FetchRule* find(const FetchQuestion& question) const;

private:
    std::vector<FetchRule> rules_;
};

}  // namespace adyton::compute
