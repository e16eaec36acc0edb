#include "pool/master_key.h"

#include "base/bytes.h"
#include "crypto/transcript.h"
#include "pool/account_repository.h"

namespace adyton::pool {
namespace {

constexpr std::string_view kSource = "neoaccounts";
const std::string kHashKey = "master_key_hash";

// Not parseable as any quote (enclave.md 3.6).
base::Bytes simulated_evidence(
    const crypto::P256PublicKey& key, std::string_view policy_digest, std::string_view version) {
    crypto::Transcript transcript("attest");
    transcript.add(1, kSource).add(2, "pool-master").add(3, key.bytes()).add(4, "p256");
    transcript.add(5, "").add(6, policy_digest).add(7, "");
    transcript.add_u64(8, 0).add(9, version).add(10, "");
    const crypto::Sha512Digest report_data = transcript.sha512();
    constexpr std::string_view kMarker = "SIMULATED-EVIDENCE-DO-NOT-TRUST";
    base::Bytes evidence(kMarker.begin(), kMarker.end());
    evidence.push_back(0);
    evidence.insert(evidence.end(), report_data.bytes.begin(), report_data.bytes.end());
    return evidence;
}

Error changed() {
    return Error::conflict(
        "the master key is not the one that this database's accounts were created with; set the "
        "right POOL_MASTER_KEY (or COORD_MASTER_SEED), or use another database",
        "master_key_changed");
}

// A stored key says nothing about the master key, so an account with a derived one is looked for.
Result<void> try_on_accounts(storage::Transaction& tx, const Signer& signer) {
    TRY(const auto rows, tx.query(
                             "SELECT id, address FROM pool_accounts WHERE encrypted_wif IS NULL "
                             "ORDER BY id LIMIT 1",
                             {}));
    if (rows.empty()) return {};
    KeyRecord key;
    TRY(key.id, rows.text(0, 0));
    TRY(key.address, rows.text(0, 1));
    if (!signer.verify_address(key)) return changed();
    return {};
}

}  // namespace

Result<neo::MasterKey> load_master_key(MasterKeySources sources) {
    std::optional<neo::MasterKey> master;
    if (sources.master_key && !sources.master_key->empty()) {
        TRY(master, neo::MasterKey::create(std::move(*sources.master_key)));
    } else if (sources.seed && !sources.seed->empty()) {
        TRY(master, neo::MasterKey::from_seed(*sources.seed));
    } else {
        return Error::invalid_argument(
            "no master key: set POOL_MASTER_KEY (32 bytes or more) or COORD_MASTER_SEED (16 bytes "
            "or more)");
    }
    if (!sources.pinned_hash.empty()) {
        TRY(const auto pinned, neo::parse_master_key_hash(base::as_bytes(sources.pinned_hash)));
        const auto actual = neo::master_public_key_hash(*master);
        if (!crypto::constant_time_equal(pinned.bytes, actual.bytes)) {
            return Error::conflict(
                "the master key does not match POOL_MASTER_KEY_HASH", "master_key_pin");
        }
    }
    return std::move(*master);
}

Task<Result<void>> check_master_key(storage::Database& database, const Signer& signer) {
    const std::string hash = neo::master_public_key_hash(signer.master()).to_hex();
    co_return co_await database.write([&](storage::Transaction& tx) -> Result<void> {
        TRY(const auto known, accounts::find_meta(tx, kHashKey));
        if (known) return *known == hash ? Result<void>() : changed();
        TRY_VOID(try_on_accounts(tx, signer));
        return accounts::write_meta(tx, kHashKey, hash);
    });
}

MasterKeyStatement::MasterKeyStatement(
    const neo::MasterKey& master, std::string attestation_hash, std::string policy_digest,
    std::string version) {
    const auto key = neo::master_public_key(master);
    statement_.hash = neo::master_public_key_hash(key).to_hex();
    statement_.pubkey = key.to_hex();
    statement_.attestation_hash = std::move(attestation_hash);
    if (statement_.attestation_hash.empty()) {
        const auto evidence = simulated_evidence(key, policy_digest, version);
        statement_.attestation_hash = crypto::sha256(evidence).to_hex();
    }
    statement_.source = kSource;
    statement_.simulated = true;
}

api::MasterKeyResponse MasterKeyStatement::at(base::Timestamp now) const {
    api::MasterKeyResponse response = statement_;
    response.timestamp = now;
    return response;
}

}  // namespace adyton::pool
