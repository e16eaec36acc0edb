// URLs, paths and queries: no crash, and what is accepted reads the same when it is written again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::http;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto url = Url::parse(text)) {
        const std::string again =
            (url->tls ? "https://" : "http://") + url->authority() + url->target;
        const auto second = Url::parse(again);
        CHECK(second && second->host == url->host && second->port == url->port);
        CHECK(second->target == url->target);
    }
    std::string path;
    if (parse_path(text, path)) {
        CHECK(!path.empty() && path.front() == '/');
        CHECK(adyton::base::is_valid_utf8(path));
        CHECK((path + "/").find("/../") == std::string::npos);
        std::string encoded;
        for (const char c : path) encoded += c == '/' ? "/" : percent_encode({&c, 1});
        std::string decoded;
        CHECK(parse_path(encoded, decoded) && decoded == path);
    }
    Parameters query;
    if (parse_query(text, 64, query)) {
        std::string encoded;
        for (const auto& [name, value] : query.items()) {
            encoded += percent_encode(name) + "=" + percent_encode(value) + "&";
        }
        Parameters again;
        CHECK(parse_query(encoded, 64, again));
        CHECK(again.items() == query.items());
    }
    if (const auto decoded = percent_decode(text, PlusSign::Literal)) {
        CHECK(percent_decode(percent_encode(*decoded), PlusSign::Space).value() == *decoded);
    }
    return 0;
}
