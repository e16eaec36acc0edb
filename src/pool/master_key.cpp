#include "pool/master_key.h"

#include <variant>

#include "attest/quote.h"
#include "base/bytes.h"
#include "pool/account_repository.h"

namespace adyton::pool {
namespace {

constexpr std::string_view kSource = "neoaccounts";
const std::string kHashKey = "master_key_hash";

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

MasterKeyStatement::MasterKeyStatement(const neo::MasterKey& master, std::string attestation_hash)
    : public_key_(neo::master_public_key(master)),
      hash_(neo::master_public_key_hash(public_key_).to_hex()),
      attestation_hash_(std::move(attestation_hash)) {}

api::MasterKeyResponse MasterKeyStatement::of(
    const attest::AttestationService::Served& served) const {
    const attest::Evidence& evidence = served.bundle.evidence;
    api::MasterKeyResponse out;
    out.hash = hash_;
    out.pubkey = public_key_.to_hex();
    out.attestation_hash = attestation_hash_;
    if (out.attestation_hash.empty())
        out.attestation_hash = crypto::sha256(evidence.bytes).to_hex();
    out.source = kSource;
    out.timestamp = base::Timestamp(std::chrono::seconds(served.bundle.claims.issued_at));
    out.simulated = evidence.type == attest::EvidenceType::Simulated;
    out.attestation = served.json;
    if (out.simulated) return out;
    out.quote = evidence.bytes;
    if (evidence.type != attest::EvidenceType::SgxDcap) return out;
    const auto quote = attest::parse_quote(evidence.bytes);
    if (!quote || !std::holds_alternative<attest::SgxReport>(quote->body)) return out;
    const auto& report = std::get<attest::SgxReport>(quote->body);
    out.mrenclave.assign(report.mr_enclave.begin(), report.mr_enclave.end());
    out.mrsigner.assign(report.mr_signer.begin(), report.mr_signer.end());
    out.prod_id = report.isv_prod_id;
    out.isvsvn = report.isv_svn;
    return out;
}

}  // namespace adyton::pool
