#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "storage/open_database.h"

// Whatever stands around it, a password between "user:" and the '@' before the host is not shown.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(adyton::storage::redact_url(text));
    const std::string secret = "\x01secret\x01";
    if (text.find(secret) != std::string::npos) return 0;
    const std::string half = text.substr(0, size / 2);
    const std::string rest = text.substr(size / 2);
    for (const std::string& url :
         {"postgres://user:" + half + secret + rest + "@host/db",
          "postgres://user:" + secret + half + "@host/db?" + rest,
          "postgresql://host/db?password=" + secret + (rest.find('&') == 0 ? rest : "")}) {
        const std::string shown = adyton::storage::redact_url(url);
        CHECK(shown.find(secret) == std::string::npos);
    }
    return 0;
}
