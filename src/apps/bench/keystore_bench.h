#pragma once

#include <string>
#include <vector>

#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct KeystoreBenchOptions {
    std::string executable;         // the server: this program
    std::string directory;          // for databases and logs; its file system is what is measured
    unsigned seconds = 10;          // of load for each measurement
    std::vector<std::string> only;  // names of measurements; empty: all
};

// The names that `only` may hold.
const std::vector<std::string>& keystore_bench_names();

// `adyton bench keystore` (issue "How well", decisions.md 34): starts `adyton serve keystore` in
// strict mode on one core and loads /wallet/sign-nep366-delegate over mutual TLS from another. Each
// request has a nonce of its own, so each one is judged by a policy with caps for an hour and a
// day, reserves, and is recorded durably. Raw signing is libcrypto's, with a prepared key, on the
// server's core. The servers with few and with many wallets take turns of a second; raw is measured
// between any two turns, and medians count. InvalidArgument: an unknown name. Otherwise the
// first thing that failed; the server's log is in the directory.
Result<base::Json> run_keystore_bench(const KeystoreBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench
