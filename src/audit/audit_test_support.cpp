#include "audit/audit_test_support.h"

#include <fstream>
#include <numeric>
#include <sstream>

#include "audit/export.h"
#include "base/bytes.h"
#include "storage/migrator.h"

namespace adyton::audit {
namespace {

constexpr std::int64_t kStartMicros = 1769607072123456;

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    CHECK(in.good());
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

base::Timestamp after(std::int64_t micros) {
    return base::Timestamp(std::chrono::microseconds(kStartMicros + micros));
}

base::Bytes to_bytes(base::ByteView view) {
    return base::Bytes(view.begin(), view.end());
}

Result<crypto::Sha256Digest> insert_record(
    storage::Transaction& tx, AuditRecord record, const crypto::Sha256Digest& previous) {
    record.previous_hash = previous;
    record.hash = record_hash(record);
    TRY_VOID(tx.execute(
        "INSERT INTO audit_records "
        "(chain, sequence, recorded_at, kind, actor, body, previous_hash, hash) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        {record.chain, record.sequence, record.recorded_at, record.kind, record.actor, record.body,
         to_bytes(record.previous_hash.view()), to_bytes(record.hash.view())}));
    return record.hash;
}

Result<crypto::Sha256Digest> insert_checkpoint(
    storage::Transaction& tx, Checkpoint checkpoint, const crypto::Ed25519KeyPair& key) {
    checkpoint.public_key = key.public_key();
    checkpoint.signature = key.sign(checkpoint.signed_bytes());
    std::string heads = "[";
    for (const ChainHead& head : checkpoint.heads) {
        if (heads.size() > 1) heads += ",";
        heads += R"({"chain":)" + std::to_string(head.chain) + R"(,"sequence":)" +
                 std::to_string(head.sequence) + R"(,"hash":")" + head.hash.to_hex() + "\"}";
    }
    heads += "]";
    TRY_VOID(tx.execute(
        "INSERT INTO audit_checkpoints "
        "(number, created_at, previous_hash, heads, public_key, signature) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        {checkpoint.number, checkpoint.created_at, to_bytes(checkpoint.previous_hash.view()), heads,
         to_bytes(checkpoint.public_key.bytes), to_bytes(checkpoint.signature.bytes)}));
    return checkpoint.hash();
}

}  // namespace

std::map<std::string, std::string> read_golden_values() {
    std::map<std::string, std::string> out;
    std::istringstream in(read_file("tests/golden/audit/transcripts.txt"));
    std::string name;
    std::string value;
    while (in >> name >> value) out[name] = value;
    return out;
}

std::string read_golden_export() {
    return read_file("tests/golden/audit/export.jsonl");
}

crypto::Ed25519KeyPair golden_key() {
    crypto::SecretBytes<crypto::Ed25519KeyPair::kSeedSize> seed;
    const auto bytes = seed.expose_mutable();
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    return crypto::Ed25519KeyPair(std::move(seed));
}

Result<void> insert_golden_rows(storage::Transaction& tx) {
    const crypto::Ed25519KeyPair key = golden_key();
    for (const auto& [chain, instance] :
         std::map<std::int64_t, std::string>{{1, "instance-a"}, {2, "instance-b"}}) {
        TRY_VOID(tx.execute(
            "INSERT INTO audit_chains (chain, instance_id, created_at) VALUES ($1, $2, $3)",
            {chain, instance, after(0)}));
    }
    TRY(const auto first, insert_record(
                              tx,
                              {1,
                               1,
                               after(0),
                               "pool.request",
                               "neocompute",
                               R"({"accounts":["a","b"],"count":2})",
                               {},
                               {}},
                              genesis_hash(1, "instance-a")));
    TRY(const auto second, insert_record(
                               tx,
                               {1,
                                2,
                                after(876544),
                                "pool.sign",
                                "neocompute",
                                R"({"digest":"00ff","note":"\u003c\u0026\u003e \u2028 é \n",)"
                                R"("amount":340282366920938463463374607431768211455})",
                                {},
                                {}},
                               first));
    TRY(const auto other,
        insert_record(
            tx,
            {2, 1, after(1500000), "policy.deny", "system:rotate", "{ \"spaced\": 1.50 }", {}, {}},
            genesis_hash(2, "instance-b")));
    TRY(const auto checkpoint,
        insert_checkpoint(
            tx, {1, after(1700000), {}, {{1, 2, second}, {2, 1, other}}, {}, {}}, key));
    TRY(const auto third,
        insert_record(
            tx, {1, 3, after(2000001), "pool.release", "caller with space é", "{}", {}, {}},
            second));
    TRY_VOID(insert_checkpoint(
        tx, {2, after(2500000), checkpoint, {{1, 3, third}, {2, 1, other}}, {}, {}}, key));
    TRY_VOID(insert_record(
        tx, {1, 4, after(3000010), "pool.sign", "neocompute", R"({"digest":"aa"})", {}, {}},
        third));
    return {};
}

std::vector<std::string> split_lines(const std::string& text) {
    std::vector<std::string> out;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
        out.push_back(text.substr(begin, end - begin));
        begin = end;
    }
    return out;
}

std::string join(const std::vector<std::string>& lines) {
    return std::accumulate(lines.begin(), lines.end(), std::string());
}

AuditReport verify_text(std::string_view text, VerifyOptions options) {
    ExportVerifier verifier(std::move(options));
    verifier.feed(text);
    return verifier.finish();
}

void AuditDatabaseTest::SetUp() {
    DatabaseTest::SetUp();
    if (IsSkipped()) return;
    const auto ran = run(storage::migrate(database(), migrations()));
    ASSERT_TRUE(ran) << ran.error().message();
    const auto effects = write([](storage::Transaction& tx) {
        return tx.execute_script("CREATE TABLE effects (id BIGINT PRIMARY KEY)");
    });
    ASSERT_TRUE(effects) << effects.error().message();
}

std::unique_ptr<AuditLog> AuditDatabaseTest::open_log(const std::string& instance_id) {
    auto log = run(AuditLog::open(database(), instance_id));
    EXPECT_TRUE(log) << log.error().message();
    return log ? std::move(*log) : nullptr;
}

Result<AuditPosition> AuditDatabaseTest::append(AuditLog& log, const std::string& body) {
    return write([&](storage::Transaction& tx) {
        return log.append(tx, {"test.event", "tester", body});
    });
}

Result<std::string> AuditDatabaseTest::export_all(
    const crypto::Ed25519KeyPair* key, std::size_t page_records) {
    TRY(const auto file,
        run(AuditExport::open(database(), ExportOptions{after(10000000), key, page_records})));
    std::string out;
    while (true) {
        TRY(const std::string piece, run(file->next()));
        if (piece.empty()) return out;
        out += piece;
    }
}

Result<void> AuditDatabaseTest::tamper(std::string_view script) {
    return write([&](storage::Transaction& tx) -> Result<void> {
        const bool sqlite = tx.dialect() == storage::Dialect::Sqlite;
        TRY_VOID(tx.execute_script(
            sqlite ? "DROP TRIGGER IF EXISTS audit_records_no_update;"
                     "DROP TRIGGER IF EXISTS audit_records_no_delete;"
                     "DROP TRIGGER IF EXISTS audit_checkpoints_no_update;"
                     "DROP TRIGGER IF EXISTS audit_checkpoints_no_delete"
                   : "DROP TRIGGER IF EXISTS audit_records_append_only ON audit_records;"
                     "DROP TRIGGER IF EXISTS audit_checkpoints_append_only ON audit_checkpoints"));
        return tx.execute_script(script);
    });
}

std::int64_t AuditDatabaseTest::count(std::string_view table) {
    const std::string sql = "SELECT count(*) FROM " + std::string(table);
    return read([&](storage::Transaction& tx) -> Result<std::int64_t> {
               TRY(const storage::Rows rows, tx.query(sql, {}));
               return rows.integer(0, 0);
           })
        .value();
}

}  // namespace adyton::audit
