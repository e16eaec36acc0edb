#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

struct Invocation;

// `adyton evidence-broker`: evidence for services that are not root (attest/evidence_broker.h).
void add_evidence_broker_command(CLI::App& root, Invocation& invocation);

}  // namespace adyton::apps
