#pragma once

#include <string>
#include <string_view>

#include "attest/secret_source.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "http/client.h"

// What commands that call a service with a token or key have in common (keystore_connection.h,
// compute_connection.h, workflow_connection.h).
namespace adyton::apps {

// Whether the URL names this machine, where a token may travel in the clear and development tokens
// are tried.
bool is_this_machine(std::string_view url);

// A secret that is one line: a file's final newline is no part of it. Errors of SecretSource.
Result<crypto::SecretBuffer> read_line_secret(
    attest::SecretSource& secrets, const attest::SecretReference& reference);

// How a service is reached.
struct TokenTransport {
    std::string base_url;  // without a slash at the end
    http::ClientOptions client;
};
// `ca`: path of a PEM file, or empty for the system's authorities. InvalidArgument: a malformed
// URL or one with a path, unreadable PEM, and, with the text `in_the_clear`, http to another
// machine.
Result<TokenTransport> token_transport(
    const std::string& url, const std::string& ca, attest::SecretSource& secrets,
    std::string_view in_the_clear);

}  // namespace adyton::apps
