#include "compute/http_fetch_broker.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/json.h"
#include "compute/job_plan.h"
#include "compute/leak_guard.h"
#include "crypto/secret.h"

namespace adyton::compute {
namespace {

using base::Json;
using script::HostReply;

constexpr std::size_t kHeadersMax = 64;
constexpr std::string_view kOpen = "{{secret:";
constexpr std::string_view kClose = "}}";

// A request as the script wrote it, placeholders included.
struct Wanted {
    std::string url;
    std::string method = "GET";
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

HostReply refused(std::string_view why) {
    return {false, "fetch refused: " + std::string(why)};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

// Headers that are the broker's, or that decide about connections and credentials of others.
bool is_forbidden(std::string_view name) {
    constexpr std::array<std::string_view, 11> kNames = {
        "host",    "content-length",      "transfer-encoding", "connection", "upgrade", "te",
        "trailer", "proxy-authorization", "proxy-connection",  "keep-alive", "expect"};
    return std::find(kNames.begin(), kNames.end(), lower(name)) != kNames.end();
}

Result<void> read_headers(const Json& json, Wanted& out) {
    const Json* const headers = json.find("headers");
    if (headers == nullptr || headers->is_null()) return {};
    if (!headers->is_object() || headers->size() > kHeadersMax) {
        return Error::invalid_argument("headers are no object of at most 64");
    }
    for (const Json::Member& member : headers->members()) {
        if (!member.second.is_string()) {
            return Error::invalid_argument("a header's value is no text");
        }
        if (is_forbidden(member.first)) {
            return Error::invalid_argument("the header " + member.first + " is not the script's");
        }
        out.headers.emplace_back(member.first, member.second.string_value());
    }
    return {};
}

Result<Wanted> read_wanted(const std::string& text) {
    TRY(const Json json, Json::parse(text));
    Wanted out;
    const Json* const url = json.find("url");
    if (url == nullptr || !url->is_string()) return Error::invalid_argument("there is no URL");
    out.url = url->string_value();
    const Json* const method = json.find("method");
    if (method != nullptr && method->is_string()) out.method = method->string_value();
    TRY_VOID(read_headers(json, out));
    const Json* const body = json.find("body");
    const Json* const encoded = json.find("body_base64");
    if (encoded != nullptr && encoded->is_string()) {
        TRY(const auto bytes, base::base64_decode(encoded->string_value()));
        out.body = base::as_text(bytes);
    } else if (body != nullptr && body->is_string()) {
        out.body = body->string_value();
    }
    return out;
}

bool may_go_to(const GrantedSecret& secret, const http::Url& url) {
    const auto& hosts = secret.sealed.info.policy.destinations;
    return url.tls && std::find(hosts.begin(), hosts.end(), url.host) != hosts.end();
}

// Whether an answer from there could repeat a secret that the script must not see.
bool may_repeat_secret(const JobPlan& plan, const http::Url& url) {
    return std::any_of(
        plan.secrets.begin(), plan.secrets.end(),
        [&url](const GrantedSecret& secret) { return may_go_to(secret, url); });
}

// Headers that ask for an answer in parts or compressed, in which a secret would not be found.
bool asks_for_another_form(std::string_view name) {
    constexpr std::array<std::string_view, 3> kNames = {"range", "if-range", "accept-encoding"};
    return std::find(kNames.begin(), kNames.end(), lower(name)) != kNames.end();
}

bool has_another_form(const http::Response& answer) {
    if (http::status_number(answer.status) == 206) return true;
    for (std::size_t i = 0; i < answer.headers.size(); ++i) {
        const auto header = answer.headers.at(i);
        if (lower(header.name) != "content-encoding") continue;
        if (!header.value.empty() && lower(header.value) != "identity") return true;
    }
    return false;
}

const GrantedSecret* find_secret(const JobPlan& plan, std::string_view key) {
    for (const GrantedSecret& secret : plan.secrets) {
        if (secret.key == key && secret.sealed.info.policy.bound()) return &secret;
    }
    return nullptr;
}

// The text with the values of bound secrets in place. PermissionDenied: one that may not go there.
Result<script::SensitiveBytes> fill_in(
    const ComputeKeys& keys, const JobPlan& plan, const http::Url& url, std::string_view text) {
    script::SensitiveBytes out;
    for (;;) {
        const std::size_t open = text.find(kOpen);
        const std::size_t close =
            open == std::string_view::npos ? open : text.find(kClose, open + kOpen.size());
        if (close == std::string_view::npos) break;
        const std::string_view key = text.substr(open + kOpen.size(), close - open - kOpen.size());
        const GrantedSecret* const secret = find_secret(plan, key);
        out.append(text.substr(0, open));
        if (secret == nullptr) {
            out.append(text.substr(open, close + kClose.size() - open));
        } else {
            if (!may_go_to(*secret, url)) {
                return Error::permission_denied(
                    "the secret " + secret->key +
                    (url.tls ? " may not be sent to this host" : " is sent over https alone"));
            }
            TRY(const auto value, open_secret(keys, secret->sealed));
            out.append(value.expose_text());
        }
        text.remove_prefix(close + kClose.size());
    }
    out.append(text);
    return out;
}

Result<http::ClientRequest> make_request(
    const ComputeKeys& keys, const JobPlan& plan, const http::Url& url, const Wanted& wanted,
    const FetchRule& rule) {
    if (wanted.url.find(kOpen) != std::string::npos) {
        return Error::permission_denied("a secret does not go into a URL");
    }
    if (may_repeat_secret(plan, url)) {
        for (const auto& [name, value] : wanted.headers) {
            if (!asks_for_another_form(name)) continue;
            return Error::permission_denied(
                "the header " + name + " does not go where a secret may go");
        }
    }
    http::ClientRequest out;
    out.method = wanted.method;
    out.url = wanted.url;
    // Filled in first, then added with room for all, so that no value stays where the headers were
    // before they grew. The client wipes what it has sent.
    std::vector<std::pair<std::string_view, script::SensitiveBytes>> filled;
    std::size_t bytes = 0;
    for (const auto& [name, value] : wanted.headers) {
        TRY(auto text, fill_in(keys, plan, url, value));
        bytes += name.size() + text.size();
        filled.emplace_back(name, std::move(text));
    }
    out.headers.add("", std::string(bytes, ' '));
    out.headers.clear();
    for (const auto& [name, text] : filled) out.headers.add(name, text.expose_text());
    TRY(const auto body, fill_in(keys, plan, url, wanted.body));
    out.body = body.expose_text();
    out.timeout = rule.timeout;
    return out;
}

bool is_redirect(http::Status status) {
    const unsigned number = http::status_number(status);
    return number == 301 || number == 302 || number == 303 || number == 307 || number == 308;
}

// Finds the secrets that the script must not see.
Result<LeakGuard> guard_of_bound(const ComputeKeys& keys, const JobPlan& plan) {
    std::vector<LeakGuard::Guarded> guarded;
    for (const GrantedSecret& secret : plan.secrets) {
        if (!secret.sealed.info.policy.bound()) continue;
        TRY(auto value, open_secret(keys, secret.sealed));
        guarded.push_back({secret.key, std::move(value), false, false});
    }
    return LeakGuard(std::move(guarded));
}

// What the next request is, as browsers do it. InvalidArgument: a relative location that is none.
// PermissionDenied: the location holds a secret, which would go where its owner did not let it.
Result<Wanted> follow(
    const ComputeKeys& keys, const JobPlan& plan, Wanted wanted, const http::Url& from,
    const http::Response& answer) {
    const auto location = answer.headers.find("Location");
    if (!location) return Error::invalid_argument("a redirect without a location");
    TRY(auto guard, guard_of_bound(keys, plan));
    if (!guard.search(*location).empty()) {
        return Error::permission_denied("the redirect holds a secret");
    }
    const std::string origin = (from.tls ? "https://" : "http://") + from.authority();
    if (location->starts_with("//")) {
        wanted.url = (from.tls ? "https:" : "http:") + std::string(*location);
    } else if (location->starts_with("/")) {
        wanted.url = origin + std::string(*location);
    } else {
        wanted.url = *location;
    }
    TRY(const auto to, http::Url::parse(wanted.url));
    if (from.tls && !to.tls) {
        return Error::permission_denied("a redirect from https to http");
    }
    const unsigned number = http::status_number(answer.status);
    const bool to_get = number == 303 || (number <= 302 && wanted.method == "POST");
    if (to_get && wanted.method != "HEAD") {
        wanted.method = "GET";
        wanted.body.clear();
    }
    if (to.host != from.host || to.port != from.port) {
        const auto is_credential = [](const auto& header) {
            const std::string name = lower(header.first);
            return name == "authorization" || name == "cookie";
        };
        wanted.headers.erase(
            std::remove_if(wanted.headers.begin(), wanted.headers.end(), is_credential),
            wanted.headers.end());
    }
    return wanted;
}

// Whether an answer repeats a secret that the script must not see, or could without being found.
Result<bool> holds_bound_secret(
    const ComputeKeys& keys, const JobPlan& plan, const http::Url& url,
    const http::Response& answer) {
    if (may_repeat_secret(plan, url) && has_another_form(answer)) return true;
    TRY(auto guard, guard_of_bound(keys, plan));
    if (!guard.search(answer.body).empty()) return true;
    for (std::size_t i = 0; i < answer.headers.size(); ++i) {
        const auto header = answer.headers.at(i);
        if (!guard.search(header.name).empty() || !guard.search(header.value).empty()) return true;
    }
    return false;
}

HostReply reply_of(const http::Response& answer, const FetchRule& rule) {
    if (answer.body.size() > rule.response_bytes_max) return refused("the answer is too large");
    HostReply out;
    base::JsonWriter json(out.json);
    json.begin_object();
    json.member("status", static_cast<std::uint64_t>(http::status_number(answer.status)));
    json.key("headers").begin_object();
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < answer.headers.size(); ++i) {
        std::string name = lower(answer.headers.at(i).name);
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;  // the first counts
        const auto value = answer.headers.at(i).value;
        if (!base::is_valid_utf8(value)) continue;
        json.member(name, value);
        seen.push_back(std::move(name));
    }
    json.end_object();
    if (base::is_valid_utf8(answer.body)) {
        json.member("body", std::string_view(answer.body));
    } else {
        json.key("body_base64").base64(base::as_bytes(answer.body));
    }
    json.end_object();
    // Escapes may have made it several times as long.
    if (out.json.size() > script::kHostBytesMax) return refused("the answer is too large");
    return out;
}

// What a script is told of a failed exchange: nothing about addresses or the host's network.
std::string_view failure_text(const Error& error) {
    if (error.reason() == "address_refused") return "the host is not on the public internet";
    switch (error.code()) {
        case ErrorCode::PermissionDenied:
        case ErrorCode::InvalidArgument:
            return "the request cannot be sent";
        case ErrorCode::TooLarge:
            return "the answer is too large";
        case ErrorCode::Unauthenticated:
            return "the server's certificate is not trusted";
        case ErrorCode::DeadlineExceeded:
            return "no connection in time";
        default:
            return "no answer";
    }
}

}  // namespace

bool HttpFetchBroker::allows(const JobPlan& plan) const {
    return policy_.concerns(plan.user, plan.request.app_id);
}

std::uint32_t HttpFetchBroker::count_max(const JobPlan& plan) const {
    return policy_.count_max(plan.user, plan.request.app_id);
}

Task<HostReply> HttpFetchBroker::fetch(
    std::shared_ptr<const JobPlan> plan, script::HostRequest request) {
    if (request.kind != "fetch" || keys_ == nullptr) co_return refused("it is not there");
    auto wanted = read_wanted(request.json);
    if (!wanted) co_return refused(wanted.error().message());
    for (int hop = 0; hop <= kRedirectsMax; ++hop) {
        const auto url = http::Url::parse(wanted->url);
        if (!url) co_return refused("not a URL of http or https");
        const FetchQuestion question{plan->user, plan->request.app_id, wanted->method,
                                     *url,       wanted->body.size(),  request.sequence};
        const FetchRule* const rule = policy_.find(question);
        if (rule == nullptr) co_return refused("no rule allows it");
        auto outgoing = make_request(*keys_, *plan, *url, *wanted, *rule);
        if (!outgoing) co_return refused(outgoing.error().message());
        auto sending = transport_.send(*std::move(outgoing));
        const auto answer = co_await std::move(sending);
        if (!answer) co_return refused(failure_text(answer.error()));
        if (!is_redirect(answer->status)) {
            const auto held = holds_bound_secret(*keys_, *plan, *url, *answer);
            if (!held || *held) co_return refused("the answer holds a secret");
            co_return reply_of(*answer, *rule);
        }
        auto next = follow(*keys_, *plan, *std::move(wanted), *url, *answer);
        if (!next) co_return refused(next.error().message());
        wanted = std::move(next);
    }
    co_return refused("too many redirects");
}

}  // namespace adyton::compute
