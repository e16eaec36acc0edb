#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

struct Invocation;

// `adyton verify attestation`, below the group `verify`.
void add_verify_attestation(CLI::App& group, Invocation& invocation);

}  // namespace adyton::apps
