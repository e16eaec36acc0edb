#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

struct Invocation;

// `adyton wallet workflow ...`, below the group `wallet`.
void add_workflow_commands(CLI::App& wallet, Invocation& invocation);
// `adyton verify workflow`, below the group `verify`.
void add_verify_workflow(CLI::App& group, Invocation& invocation);

}  // namespace adyton::apps
