#include "keystore/records.h"

#include <array>
#include <limits>

namespace adyton::keystore::records {
namespace {

constexpr std::array kStates = {
    SignatureState::Open, SignatureState::Landed, SignatureState::GivenBack, SignatureState::Done};

storage::Value bytes(base::ByteView view) {
    return base::Bytes(view.begin(), view.end());
}

Result<std::uint32_t> version_of(std::int64_t number) {
    if (number < 1 || number > std::numeric_limits<std::uint32_t>::max()) {
        return Error::corrupt_data("a key version is out of range");
    }
    return static_cast<std::uint32_t>(number);
}

Result<crypto::Sha256Digest> digest_at(
    const storage::Rows& rows, std::size_t row, std::size_t column) {
    TRY(const auto stored, rows.bytes(row, column));
    auto digest = crypto::Sha256Digest::parse(stored);
    if (!digest) return Error::corrupt_data("a stored digest is malformed");
    return digest;
}

Result<SignatureState> parse_state(std::string_view text) {
    for (const SignatureState known : kStates) {
        if (text == to_string(known)) return known;
    }
    return Error::corrupt_data("a signature has an unknown state");
}

// Columns from `first`: request_digest, generation, wallet_id, operation, key_version,
// payload_hash, payload, nonce, valid_until, reservation_id, state.
Result<SignatureRecord> read_record(const storage::Rows& rows, std::size_t row, std::size_t first) {
    SignatureRecord out;
    TRY(out.request_digest, digest_at(rows, row, first));
    TRY(out.generation, rows.integer(row, first + 1));
    TRY(out.wallet_id, rows.text(row, first + 2));
    TRY(out.operation, rows.text(row, first + 3));
    TRY(const auto version, rows.integer(row, first + 4));
    TRY(out.key_version, version_of(version));
    TRY(out.payload_hash, digest_at(rows, row, first + 5));
    TRY(out.payload, rows.bytes(row, first + 6));
    TRY(const auto nonce, rows.optional_text(row, first + 7));
    out.nonce = nonce.value_or("");
    if (!rows.is_null(row, first + 8)) {
        TRY(out.valid_until, rows.integer(row, first + 8));
    }
    TRY(out.reservation_id, rows.optional_text(row, first + 9));
    TRY(const auto state, rows.text(row, first + 10));
    TRY(out.state, parse_state(state));
    return out;
}

}  // namespace

std::string_view to_string(SignatureState state) {
    switch (state) {
        case SignatureState::Open:
            return "open";
        case SignatureState::Landed:
            return "landed";
        case SignatureState::GivenBack:
            return "given_back";
        case SignatureState::Done:
            return "done";
    }
    return "";
}

Result<Known> load(
    storage::Transaction& tx, const std::string& wallet_id,
    const crypto::Sha256Digest& request_digest) {
    TRY(const auto rows,
        tx.query(
            "SELECT w.key_version, s.request_digest, s.generation, s.wallet_id, s.operation, "
            "s.key_version, s.payload_hash, s.payload, s.nonce, s.valid_until, s.reservation_id, "
            "s.state FROM (SELECT 1 AS one) AS o "
            "LEFT JOIN keystore_wallets AS w ON w.wallet_id = $1 "
            "LEFT JOIN keystore_signatures AS s ON s.request_digest = $2 AND s.generation = "
            "(SELECT MAX(l.generation) FROM keystore_signatures AS l WHERE l.request_digest = $2)",
            {wallet_id, bytes(request_digest.view())}));
    Known out;
    if (rows.empty()) return Error::internal("a join of one row gave none");
    if (!rows.is_null(0, 0)) {
        TRY(const auto version, rows.integer(0, 0));
        TRY(out.key_version, version_of(version));
    }
    if (!rows.is_null(0, 1)) {
        TRY(out.latest, read_record(rows, 0, 1));
    }
    return out;
}

Result<bool> insert(storage::Transaction& tx, const SignatureRecord& record, base::Timestamp now) {
    const auto or_null = [](const auto& value) -> storage::Value {
        if (value) return *value;
        return std::monostate();
    };
    TRY(const auto inserted,
        tx.execute(
            "INSERT INTO keystore_signatures (request_digest, generation, wallet_id, operation, "
            "key_version, payload_hash, payload, nonce, valid_until, reservation_id, state, "
            "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
            "ON CONFLICT DO NOTHING",
            {bytes(record.request_digest.view()), record.generation, record.wallet_id,
             record.operation, std::int64_t{record.key_version}, bytes(record.payload_hash.view()),
             record.payload,
             record.nonce.empty() ? storage::Value(std::monostate()) : storage::Value(record.nonce),
             or_null(record.valid_until), or_null(record.reservation_id),
             std::string(to_string(record.state)), now}));
    return inserted == 1;
}

Result<bool> is_payload_known(storage::Transaction& tx, const crypto::Sha256Digest& payload_hash) {
    TRY(const auto rows, tx.query(
                             "SELECT 1 FROM keystore_signatures WHERE payload_hash = $1 "
                             "AND operation IN ('sign_nep413', 'carried') LIMIT 1",
                             {bytes(payload_hash.view())}));
    return !rows.empty();
}

Result<void> set_state(
    storage::Transaction& tx, const SignatureRecord& record, SignatureState state) {
    TRY_VOID(tx.execute(
        "UPDATE keystore_signatures SET state = $3 WHERE request_digest = $1 AND generation = $2",
        {bytes(record.request_digest.view()), record.generation, std::string(to_string(state))}));
    return {};
}

Result<std::vector<SignatureRecord>> list_over(
    storage::Transaction& tx, const Over& over, std::int64_t count) {
    TRY(const auto rows,
        tx.query(
            "SELECT request_digest, generation, wallet_id, operation, key_version, payload_hash, "
            "payload, nonce, valid_until, reservation_id, state FROM keystore_signatures "
            "WHERE state = 'open' AND valid_until IS NOT NULL AND ((operation = $1 AND "
            "valid_until < $2) OR (operation <> $1 AND valid_until < $3)) "
            "ORDER BY created_at LIMIT $4",
            {over.message_operation, over.time_us, over.height, count}));
    std::vector<SignatureRecord> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto one, read_record(rows, i, 0));
        out.push_back(std::move(one));
    }
    return out;
}

Result<std::vector<Prunable>> list_prunable(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count) {
    TRY(const auto rows,
        tx.query(
            "SELECT request_digest, generation, reservation_id, state FROM keystore_signatures "
            "WHERE created_at < $1 AND (state <> 'open' OR valid_until IS NULL) "
            "ORDER BY created_at LIMIT $2",
            {before, count}));
    std::vector<Prunable> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Prunable one;
        TRY(one.request_digest, digest_at(rows, i, 0));
        TRY(one.generation, rows.integer(i, 1));
        TRY(one.reservation_id, rows.optional_text(i, 2));
        TRY(const auto state, rows.text(i, 3));
        TRY(one.state, parse_state(state));
        out.push_back(std::move(one));
    }
    return out;
}

Result<void> remove(storage::Transaction& tx, const Prunable& record) {
    TRY_VOID(tx.execute(
        "DELETE FROM keystore_signatures WHERE request_digest = $1 AND generation = $2",
        {bytes(record.request_digest.view()), record.generation}));
    return {};
}

Result<std::uint32_t> key_version(storage::Transaction& tx, const std::string& wallet_id) {
    TRY(const auto rows,
        tx.query("SELECT key_version FROM keystore_wallets WHERE wallet_id = $1", {wallet_id}));
    if (rows.empty()) return std::uint32_t{1};
    TRY(const auto number, rows.integer(0, 0));
    return version_of(number);
}

Result<bool> create_wallet(
    storage::Transaction& tx, const std::string& wallet_id, base::Timestamp now) {
    TRY(const auto inserted,
        tx.execute(
            "INSERT INTO keystore_wallets (wallet_id, key_version, created_at) "
            "VALUES ($1, 1, $2) ON CONFLICT DO NOTHING",
            {wallet_id, now}));
    return inserted == 1;
}

Result<std::uint32_t> rotate_key(
    storage::Transaction& tx, const std::string& wallet_id, base::Timestamp now) {
    TRY_VOID(create_wallet(tx, wallet_id, now));
    TRY_VOID(tx.execute(
        "UPDATE keystore_wallets SET key_version = key_version + 1, rotated_at = $2 "
        "WHERE wallet_id = $1",
        {wallet_id, now}));
    return key_version(tx, wallet_id);
}

Result<std::vector<Wallet>> list_wallets(
    storage::Transaction& tx, const std::string& after, std::int64_t count) {
    TRY(const auto rows, tx.query(
                             "SELECT wallet_id, key_version, created_at FROM keystore_wallets "
                             "WHERE wallet_id > $1 ORDER BY wallet_id LIMIT $2",
                             {after, count}));
    std::vector<Wallet> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Wallet wallet;
        TRY(wallet.wallet_id, rows.text(i, 0));
        TRY(const auto number, rows.integer(i, 1));
        TRY(wallet.key_version, version_of(number));
        TRY(wallet.created_at, rows.timestamp(i, 2));
        out.push_back(std::move(wallet));
    }
    return out;
}

Result<void> check_fingerprint(storage::Transaction& tx, const std::string& fingerprint) {
    TRY_VOID(tx.execute(
        "INSERT INTO keystore_meta (name, value) VALUES ('secret', $1) ON CONFLICT DO NOTHING",
        {fingerprint}));
    TRY(const auto rows, tx.query("SELECT value FROM keystore_meta WHERE name = 'secret'", {}));
    TRY(const auto known, rows.text(0, 0));
    if (known == fingerprint) return {};
    return Error::conflict(
        "the master secret is not the one that this database was first used with; set the right "
        "KEYSTORE_MASTER_SECRET, or use another database",
        "keystore_secret_changed");
}

}  // namespace adyton::keystore::records
