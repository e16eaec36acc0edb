#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace adyton::http {

// A certificate authority minted at run time, for tests, benchmarks and development set-ups. P-256
// keys, ECDSA with SHA-256. Not for production: keys are plain strings. A failing library call
// stops the process. Target: adyton_test_pki.

struct PemIdentity {
    std::string certificate_chain_pem;  // leaf first, then intermediates; no root
    std::string private_key_pem;        // PKCS #8
};

struct LeafOptions {
    std::string common_name = "leaf";
    std::vector<std::string> dns_names;
    std::vector<std::string> ip_addresses;  // "127.0.0.1"
    std::vector<std::string> uris;          // "spiffe://example/neoaccounts"
    // One extension 1.3.9903.2.1 each; the octet string's content is the raw name. More than one is
    // for tests of refusal.
    std::vector<std::string> marble_types;
    bool for_server = true;  // extended key usage serverAuth
    bool for_client = true;  // extended key usage clientAuth
    // Validity, relative to now.
    std::chrono::seconds valid_from = std::chrono::hours(-1);
    std::chrono::seconds valid_until = std::chrono::hours(24);
};

class TestCa {
public:
    static TestCa create_root(const std::string& common_name);
    // An identity that nobody but itself signed.
    static PemIdentity self_signed(const LeafOptions& options);

    TestCa(TestCa&& other) noexcept;
    TestCa& operator=(TestCa&& other) noexcept;
    ~TestCa();

    TestCa create_intermediate(const std::string& common_name) const;
    // A root of this authority's name and key, as MarbleRun makes one of each intermediate: what
    // the one issued, verifies under the other.
    TestCa create_twin_root() const;
    PemIdentity issue(const LeafOptions& options) const;
    // This authority's own certificate.
    const std::string& certificate_pem() const;

private:
    struct Impl;
    explicit TestCa(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace adyton::http
