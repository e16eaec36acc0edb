#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_log.h"
#include "audit/checkpoint.h"
#include "audit/verify.h"
#include "crypto/ed25519.h"
#include "storage/test_database.h"

namespace adyton::audit {

// Lines "name hex" of tests/golden/audit/transcripts.txt.
std::map<std::string, std::string> read_golden_values();
std::string read_golden_export();

// The key of the golden files: seed 00 01 ... 1f.
crypto::Ed25519KeyPair golden_key();

// The records and checkpoints of the golden export, row by row as they were stored.
Result<void> insert_golden_rows(storage::Transaction& tx);

std::vector<std::string> split_lines(const std::string& text);  // each with its newline
std::string join(const std::vector<std::string>& lines);
AuditReport verify_text(std::string_view text, VerifyOptions options = {});

// A database with the audit tables and a table `effects`.
class AuditDatabaseTest : public storage::DatabaseTest {
protected:
    void SetUp() override;
    template <typename F>
    auto write(F unit) {
        return run(database().write(std::move(unit)));
    }
    template <typename F>
    auto read(F unit) {
        return run(database().read(std::move(unit)));
    }
    std::unique_ptr<AuditLog> open_log(const std::string& instance_id);
    Result<AuditPosition> append(AuditLog& log, const std::string& body = R"({"a":1})");
    Result<std::string> export_all(
        const crypto::Ed25519KeyPair* key = nullptr, std::size_t page_records = 64);
    // What an intruder with the database's password does: drops the triggers, then this.
    Result<void> tamper(std::string_view script);
    std::int64_t count(std::string_view table);
};

}  // namespace adyton::audit
