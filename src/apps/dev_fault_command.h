#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

struct Invocation;

// `adyton dev fault`: makes the node of a local chain answer wrongly, late or not at all.
void add_dev_fault_command(CLI::App& dev, Invocation& invocation);

}  // namespace adyton::apps
