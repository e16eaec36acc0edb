#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

struct Invocation;

// `adyton dev fund`: GAS, NEO or TEST for an account of the local Neo chain, or NEAR for one of the
// local NEAR chain, from their faucets.
void add_dev_fund_command(CLI::App& dev, Invocation& invocation);

}  // namespace adyton::apps
