#pragma once

#include <string>

#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct TransferBenchOptions {
    std::string executable;  // the server: this program
    std::string directory;   // for databases and logs; its file system is what is measured
    unsigned seconds = 10;
    std::size_t connections = 64;
    std::size_t accounts = 1024;  // they take turns
};

// `adyton bench transfer` (decisions.md 34): starts `adyton serve pool` in strict mode on one core
// and loads POST /transfer over mutual TLS from another, where the simulated Neo chain answers over
// its JSON-RPC port. An answered transfer is simulated, priced, reserved, signed, durable, accepted
// by a node, and recorded as broadcast. Afterwards the run waits until every one is final and
// compares their number with the receiver's balance on the ledger. The notes give the share of each
// stage of the time that a transfer takes. Errors: the first thing that failed; the server's log is
// in the directory.
Result<base::Json> run_transfer_bench(const TransferBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench
