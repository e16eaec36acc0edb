#include "apps/attested_keys.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <optional>
#include <utility>

#include "attest/attestation_bundle.h"
#include "attest/collateral.h"
#include "attest/refusal.h"
#include "base/event_loop.h"

namespace adyton::apps {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{4} * 1024 * 1024;

Result<std::string> read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error::not_found("cannot open " + path);
    std::string out(kFileBytesMax + 1, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(in.gcount()));
    if (out.size() > kFileBytesMax) return Error::too_large(path + " is larger than 4 MiB");
    return out;
}

base::Timestamp wall_clock() {
    base::WorkerThreads workers(1);
    return base::EventLoop(workers).now();
}

Result<attest::AttestationPolicy> read_policy(const AttestedKeyOptions& options) {
    attest::AttestationPolicy policy;
    if (!options.policy.empty()) {
        TRY(const std::string text, read_text(options.policy));
        const auto json = base::Json::parse(text);
        if (!json) return Error::invalid_argument("the attestation policy is not JSON");
        TRY(policy, attest::AttestationPolicy::parse(*json));
    }
    policy.allow_simulated = policy.allow_simulated || options.allow_simulated;
    return policy;
}

Result<attest::BundleOptions> bundle_options(
    const AttestedKeyOptions& options, base::Timestamp at) {
    attest::BundleOptions out;
    out.at = at;
    if (!options.collateral.empty()) {
        TRY(const std::string text, read_text(options.collateral));
        TRY(out.collateral, attest::DcapCollateral::parse_bundle(text));
    }
    if (!options.snp_key.empty()) {
        TRY(out.snp_key, read_text(options.snp_key));
    }
    if (!options.snp_chain.empty()) {
        TRY(out.snp_chain, read_text(options.snp_chain));
    }
    if (!options.root.empty()) {
        const auto bytes = base::hex_decode(options.root);
        if (!bytes) return Error::invalid_argument("--attestation-root wants 64 hex digits");
        TRY(out.root, crypto::Sha256Digest::parse(*bytes));
    }
    return out;
}

}  // namespace

void add_attested_key_options(CLI::App& command, AttestedKeyOptions& options) {
    const std::string group = "Attestation";
    const auto add = [&](const char* name, std::string& value, const char* help) {
        return command.add_option(name, value, help)->group(group);
    };
    auto* const file =
        add("--attestation", options.file,
            "A service's bundle (GET /master-key or /attestation): the signer must be its key");
    add("--attestation-policy", options.policy, "Which programs and platforms are welcome, JSON")
        ->needs(file);
    add("--attestation-collateral", options.collateral,
        "Intel's collateral, when the bundle does not bring it")
        ->needs(file);
    add("--attestation-snp-key", options.snp_key, "The chip's VCEK or VLEK, DER")->needs(file);
    add("--attestation-snp-chain", options.snp_chain, "AMD's ASK and ARK, PEM")->needs(file);
    add("--attestation-root", options.root, "SHA-256 of another root than the vendor's, for tests")
        ->needs(file);
    command
        .add_flag(
            "--allow-simulated", options.allow_simulated,
            "Take a simulated platform, which proves nothing")
        ->needs(file)
        ->group(group);
}

std::string AttestedKeys::to_string() const {
    return fmt::format(
        "attested by {} {}, build {}: {}{}", claims.service_id, claims.version,
        claims.build_id.empty() ? "unknown" : claims.build_id, attest::to_string(acceptance),
        acceptance == attest::Acceptance::Simulated ? " (no hardware vouches for it)"
        : program_compared
            ? ""
            : " (a genuine platform; give --attestation-policy to compare the program)");
}

Result<AttestedKeys> verify_attested_keys(
    const AttestedKeyOptions& options, std::optional<base::Timestamp> at) {
    TRY(const attest::AttestationPolicy policy, read_policy(options));
    TRY(const std::string text, read_text(options.file));
    auto bundle = attest::AttestationBundle::parse_answer(text);
    if (!bundle) return std::move(bundle).error().with_context("attestation");
    TRY(const attest::BundleOptions wanted, bundle_options(options, at.value_or(wall_clock())));
    const auto verdict = attest::verify_bundle(*bundle, wanted);
    if (!verdict) return Error(verdict.error()).with_context("attestation");
    AttestedKeys out;
    out.claims = bundle->claims;
    out.program_compared =
        !options.policy.empty() && verdict->facts.type != attest::EvidenceType::Simulated;
    const auto acceptance = options.policy.empty()
                                ? attest::evaluate_platform(policy, verdict->facts)
                                : attest::evaluate(policy, verdict->facts);
    if (!acceptance) return Error(acceptance.error()).with_context("attestation");
    out.acceptance = *acceptance;
    return out;
}

Result<std::string> attested_signing_key(const AttestedKeys& keys, std::string_view name) {
    const auto found = keys.claims.signing_keys.find(std::string(name));
    if (found == keys.claims.signing_keys.end()) {
        return attest::refused(
            attest::kBindingMismatch, fmt::format(
                                          "{} attests no key {}: it is another service's statement",
                                          keys.claims.service_id, name));
    }
    return found->second;
}

Result<void> require_signing_key(
    const AttestedKeys& keys, std::string_view name, std::string_view public_key_hex) {
    TRY(const std::string attested, attested_signing_key(keys, name));
    if (attested == public_key_hex) return {};
    return attest::refused(
        attest::kBindingMismatch, "the signer is another than the attested program");
}

}  // namespace adyton::apps
