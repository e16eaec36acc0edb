#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attest/attestation_policy.h"
#include "attest/claims.h"
#include "base/result.h"
#include "base/time.h"

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

// What `--attestation` of a verifier command brings: a service's attestation bundle, and how it is
// judged. Ties a signed statement (receipt, workflow evidence, audit checkpoint) to a program that
// hardware vouches for:
//
//   add_attested_key_options(command, options->attested);
//   ...
//   if (options.attested.given()) {
//       TRY(const auto attested, verify_attested_keys(options.attested));
//       TRY_VOID(require_signing_key(attested, "receipt-ed25519", key_hex));
//   }
struct AttestedKeyOptions {
    std::string file;
    std::string policy;
    std::string collateral;
    std::string snp_key;
    std::string snp_chain;
    std::string root;
    bool allow_simulated = false;

    bool given() const { return !file.empty(); }
};

// --attestation and what belongs to it, in a group of their own.
void add_attested_key_options(CLI::App& command, AttestedKeyOptions& options);

struct AttestedKeys {
    attest::AttestationClaims claims;
    attest::Acceptance acceptance = attest::Acceptance::Simulated;
    bool program_compared = false;  // a policy named the program

    // "attested by neoaccounts 0.1.0, build ..: ok", for people. Simulation says so.
    std::string to_string() const;
};

// `at`: when to judge; nothing: now. NotFound, TooLarge: a file. InvalidArgument: an option. Errors
// of attest::verify_bundle and evaluate; simulated evidence is PermissionDenied "unsupported"
// without --allow-simulated.
Result<AttestedKeys> verify_attested_keys(
    const AttestedKeyOptions& options, std::optional<base::Timestamp> at = {});

// The key that the attested program has under this name. PermissionDenied "binding_mismatch": none.
Result<std::string> attested_signing_key(const AttestedKeys& keys, std::string_view name);
// PermissionDenied "binding_mismatch": the attested program signs with another key.
Result<void> require_signing_key(
    const AttestedKeys& keys, std::string_view name, std::string_view public_key_hex);

}  // namespace adyton::apps
