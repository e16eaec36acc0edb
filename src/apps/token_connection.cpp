#include "apps/token_connection.h"

#include <utility>

#include "http/tls.h"
#include "http/url.h"

namespace adyton::apps {

bool is_this_machine(std::string_view url) {
    return url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:") ||
           url.starts_with("http://[::1]:");
}

Result<crypto::SecretBuffer> read_line_secret(
    attest::SecretSource& secrets, const attest::SecretReference& reference) {
    TRY(auto text, secrets.read(reference));
    while (!text.empty() && (text.expose().back() == '\n' || text.expose().back() == '\r')) {
        text.shrink(text.size() - 1);
    }
    return text;
}

Result<TokenTransport> token_transport(
    const std::string& url, const std::string& ca, attest::SecretSource& secrets,
    std::string_view in_the_clear) {
    TRY(const auto parsed, http::Url::parse(url));
    if (parsed.target != "/") {
        return Error::invalid_argument("--url has a path; give the server's address only");
    }
    TokenTransport out;
    if (parsed.tls) {
        http::ClientTlsOptions tls;
        std::string authority;
        if (!ca.empty()) {
            TRY(authority, secrets.read_public_text({attest::SecretReference::Kind::File, ca}));
            tls.server_ca_pem.push_back(authority);
        }
        TRY(out.client.tls, http::TlsContext::create_client(tls));
    } else if (!is_this_machine(url)) {
        return Error::invalid_argument(std::string(in_the_clear));
    }
    out.base_url = url;
    while (out.base_url.ends_with('/')) out.base_url.pop_back();
    return out;
}

}  // namespace adyton::apps
