#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"

namespace adyton::apps::bench {

// Another engine, as a program that is called with a script's file, a number of runs and a file
// with the input, and prints the microseconds of each run (a fresh state each), one a line:
// tests/bench has one for goja and one for Deno and Node.js.
struct Peer {
    std::string name;
    std::vector<std::string> command;

    // "goja=build/bench/goja-peer", "deno=deno run --allow-read tests/bench/runner.mjs".
    // InvalidArgument: no name, no command.
    static Result<Peer> parse(std::string_view text);
};

struct PeerRun {
    base::EventLoop& loop;
    std::string directory;  // for the script and what it prints
    int core = -1;
};

// The microseconds of each run. Unavailable: it did not run or failed; its output says why.
Result<std::vector<std::int64_t>> run_peer(
    const PeerRun& with, const Peer& peer, std::string_view source, std::string_view input,
    std::size_t runs);

}  // namespace adyton::apps::bench
