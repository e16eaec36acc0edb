#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/keystore_client.h"
#include "attest/secret_source.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/random.h"
#include "http/client.h"

namespace adyton::apps {

// The tokens of `adyton dev`: everybody knows them, so they open nothing but a loopback listener in
// development identity.
inline constexpr std::string_view kDevelopmentCoordinatorToken = "adyton-dev-coordinator-token";
inline constexpr std::string_view kDevelopmentOperatorToken = "adyton-dev-operator-token";

// How a command reaches a keystore, as given on the command line.
struct KeystoreConnectionOptions {
    std::string url = "http://127.0.0.1:8087";
    std::string token_file;  // empty: the variable KEYSTORE_AUTH_TOKEN, else the development token
    std::string ca;          // path of a PEM file, for https
    unsigned timeout_seconds = 30;
};

// A client with the event loop it runs on. One thread.
class KeystoreConnection {
public:
    // InvalidArgument: a bad URL, no token for another machine, https without a CA, unreadable PEM.
    // Errors of SecretSource for the token. Nothing is sent yet.
    static Result<std::unique_ptr<KeystoreConnection>> open(
        const KeystoreConnectionOptions& options, attest::SecretSource& secrets);

    api::HttpKeystoreClient& keystore() { return *keystore_; }
    // Runs the loop until the task ends.
    template <typename T>
    T run(Task<T> task) {
        return loop_.run_until_done(std::move(task));
    }

private:
    KeystoreConnection() : workers_(1), loop_(workers_) {}

    base::WorkerThreads workers_;  // for name resolution
    base::EventLoop loop_;
    crypto::SystemRandom random_;
    std::unique_ptr<http::Client> client_;
    std::unique_ptr<api::HttpKeystoreClient> keystore_;
};

}  // namespace adyton::apps
