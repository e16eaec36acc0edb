#include "audit/export.h"

#include <gtest/gtest.h>

#include <sstream>

#include "audit/audit_test_support.h"
#include "audit/internal/format.h"
#include "base/bytes.h"

namespace adyton::audit {
namespace {

VerifyOptions trusting(const crypto::Ed25519KeyPair& key) {
    VerifyOptions options;
    options.trusted_keys = {key.public_key()};
    return options;
}

// What a forger without the key does: counts and hashes the file again, unsigned.
std::string with_new_trailer(std::vector<std::string> lines) {
    internal::TrailerLine trailer;
    std::string text;
    for (const std::string& line : lines) {
        if (line.starts_with(R"({"type":"trailer")")) continue;
        text += line;
        trailer.chains += line.starts_with(R"({"type":"chain")") ? 1 : 0;
        trailer.records += line.starts_with(R"({"type":"record")") ? 1 : 0;
        trailer.checkpoints += line.starts_with(R"({"type":"checkpoint")") ? 1 : 0;
    }
    trailer.sha256 = crypto::sha256(base::as_bytes(text));
    internal::append_line(text, trailer);
    return text;
}

AuditRecord record_of(const std::string& line) {
    const auto parsed = internal::parse_line(std::string_view(line).substr(0, line.size() - 1));
    CHECK(parsed.has_value());
    return std::get<AuditRecord>(*parsed);
}

std::string line_of(const AuditRecord& record) {
    std::string out;
    internal::append_line(out, record);
    return out;
}

class ExportTest : public AuditDatabaseTest {};

TEST_P(ExportTest, TheGoldenRowsGiveTheGoldenFileByteForByte) {
    ASSERT_TRUE(write(insert_golden_rows));
    const auto key = golden_key();
    for (const std::size_t page : {1U, 2U, 64U}) {
        const auto text = export_all(&key, page);
        ASSERT_TRUE(text) << text.error().message();
        EXPECT_EQ(*text, read_golden_export());
    }
}

TEST_P(ExportTest, AnEmptyLogIsAWholeFile) {
    const auto text = export_all();
    ASSERT_TRUE(text) << text.error().message();
    const AuditReport report = verify_text(*text);
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records, 0);
    EXPECT_EQ(report.lines, 2);
    EXPECT_FALSE(report.trailer_signed);
}

TEST_P(ExportTest, WhatIsAppendedMeanwhileStaysOut) {
    const auto log = open_log("instance-a");
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(*log));
    auto file = run(AuditExport::open(database(), ExportOptions{{}, nullptr, 3}));
    ASSERT_TRUE(file);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(*log));
    const auto key = golden_key();
    ASSERT_TRUE(run(Checkpoints(database(), key).create()));
    std::string text;
    while (true) {
        const auto piece = run((*file)->next());
        ASSERT_TRUE(piece) << piece.error().message();
        if (piece->empty()) break;
        text += *piece;
    }
    const AuditReport report = verify_text(text);
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records, 10);
    EXPECT_EQ(report.checkpoints, 0);
}

TEST_P(ExportTest, LargeLogsComeInPieces) {
    const auto log = open_log("instance-a");
    const std::string body = "{\"text\":\"" + std::string(5000, 'x') + "\"}";
    const auto appended = write([&](storage::Transaction& tx) -> Result<void> {
        for (int i = 0; i < 200; ++i) {
            TRY_VOID(log->append(tx, {"test.large", "tester", body}));
        }
        return {};
    });
    ASSERT_TRUE(appended);
    auto file = run(AuditExport::open(database(), ExportOptions{{}, nullptr, 8}));
    ASSERT_TRUE(file);
    ExportVerifier verifier({});
    std::size_t pieces = 0;
    while (true) {
        const auto piece = run((*file)->next());
        ASSERT_TRUE(piece) << piece.error().message();
        if (piece->empty()) break;
        EXPECT_LT(piece->size(), 128U * 1024);
        EXPECT_TRUE(verifier.feed(*piece));
        ++pieces;
    }
    EXPECT_GT(pieces, 10U);
    const AuditReport report = verifier.finish();
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records, 200);
}

TEST_P(ExportTest, ATamperedTableIsExportedAndTheCheckerNamesTheRecord) {
    const auto log = open_log("instance-a");
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(append(*log));
    ASSERT_TRUE(tamper("UPDATE audit_records SET body = '{\"a\":2}' WHERE sequence = 4"));
    AuditReport report = verify_text(export_all().value());
    ASSERT_TRUE(report.fault);
    EXPECT_EQ(report.fault->chain, log->chain());
    EXPECT_EQ(report.fault->sequence, 4);
    EXPECT_EQ(report.fault->line, 6);

    ASSERT_TRUE(tamper("DELETE FROM audit_records WHERE sequence = 2"));
    report = verify_text(export_all().value());
    ASSERT_TRUE(report.fault);
    EXPECT_EQ(report.fault->sequence, 2);
}

TEST_P(ExportTest, RecordsAndCheckpointsDeletedFromTheTableAreMissed) {
    const auto key = golden_key();
    const auto log = open_log("instance-a");
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(append(*log));
        ASSERT_TRUE(run(Checkpoints(database(), key).create()));
    }
    ASSERT_TRUE(tamper("DELETE FROM audit_checkpoints WHERE number = 2"));
    AuditReport report = verify_text(export_all(&key).value());
    ASSERT_TRUE(report.fault);
    EXPECT_EQ(report.fault->checkpoint, 2);

    ASSERT_TRUE(tamper("DELETE FROM audit_records WHERE sequence = 3"));
    ASSERT_TRUE(tamper("DELETE FROM audit_checkpoints WHERE number = 1"));
    report = verify_text(export_all(&key).value());
    ASSERT_TRUE(report.fault);
}

ADYTON_ON_ALL_DATABASES(ExportTest);

// --- The checker on the golden file ---

class VerifyTest : public ::testing::Test {
protected:
    crypto::Ed25519KeyPair key_ = golden_key();
    std::string text_ = read_golden_export();
    std::vector<std::string> lines_ = split_lines(text_);

    std::size_t line_at(std::size_t position) const {
        return static_cast<std::size_t>(
            std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
    }
    static bool is_record(const std::string& line) {
        return line.starts_with(R"({"type":"record")");
    }
    // Record lines of chain 1, by sequence from 1.
    std::size_t line_of_record(std::int64_t chain, std::int64_t sequence) const {
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (!is_record(lines_[i])) continue;
            const AuditRecord record = record_of(lines_[i]);
            if (record.chain == chain && record.sequence == sequence) return i;
        }
        return lines_.size();
    }
};

TEST_F(VerifyTest, TheGoldenFileIsIntact) {
    const AuditReport report = verify_text(text_, trusting(key_));
    ASSERT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records, 5);
    EXPECT_EQ(report.checkpoints, 2);
    EXPECT_EQ(report.lines, 11);
    EXPECT_EQ(report.records_after_checkpoint, 1);
    EXPECT_EQ(report.last_checkpoint, 2);
    EXPECT_TRUE(report.key_trusted);
    EXPECT_TRUE(report.trailer_signed);
    const auto golden = read_golden_values();
    ASSERT_EQ(report.heads.size(), 2U);
    EXPECT_EQ(report.heads[0].hash.to_hex(), golden.at("record.1.4"));
    EXPECT_EQ(report.heads[1].hash.to_hex(), golden.at("record.2.1"));
}

TEST_F(VerifyTest, CheckpointAndTrailerTranscriptsMeetTheGoldenFile) {
    const auto golden = read_golden_values();
    const auto checkpoint =
        internal::parse_line(std::string_view(lines_[6]).substr(0, lines_[6].size() - 1));
    ASSERT_TRUE(checkpoint);
    EXPECT_EQ(
        base::hex_encode(std::get<Checkpoint>(*checkpoint).signed_bytes()),
        golden.at("checkpoint.1"));
    const auto trailer =
        internal::parse_line(std::string_view(lines_[10]).substr(0, lines_[10].size() - 1));
    ASSERT_TRUE(trailer);
    EXPECT_EQ(
        base::hex_encode(std::get<internal::TrailerLine>(*trailer).signed_bytes()),
        golden.at("trailer"));
}

TEST_F(VerifyTest, AnySplitOfTheFileGivesTheSameReport) {
    for (const std::size_t step : {1U, 7U, 100U, 1000U}) {
        ExportVerifier verifier(trusting(key_));
        for (std::size_t at = 0; at < text_.size(); at += step) {
            EXPECT_TRUE(verifier.feed(std::string_view(text_).substr(at, step)));
        }
        EXPECT_TRUE(verifier.finish().intact());
    }
    std::istringstream stream(text_);
    EXPECT_TRUE(verify_export(stream, trusting(key_)).value().intact());
}

TEST_F(VerifyTest, EveryChangedByteIsFoundAndItsRecordIsNamed) {
    constexpr std::uint64_t kSeed = 20260128;
    SCOPED_TRACE("seed " + std::to_string(kSeed));
    base::SeededRandom random(kSeed);
    for (std::size_t at = 0; at < text_.size(); ++at) {
        std::string changed = text_;
        changed[at] =
            static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U + random.below(255)));
        const AuditReport report = verify_text(changed, trusting(key_));
        ASSERT_FALSE(report.intact()) << "byte " << at;
        const std::size_t line = line_at(at);
        if (!is_record(lines_[line])) continue;
        EXPECT_EQ(report.fault->line, static_cast<std::int64_t>(line) + 1) << "byte " << at;
        const AuditRecord record = record_of(lines_[line]);
        const std::string numbers = R"({"type":"record","chain":1,"sequence":1)";
        const std::size_t offset = at - text_.find(lines_[line]);
        if (offset < numbers.size()) continue;  // what names the record was itself changed
        EXPECT_EQ(report.fault->chain, record.chain) << "byte " << at;
        EXPECT_EQ(report.fault->sequence, record.sequence) << "byte " << at;
    }
}

TEST_F(VerifyTest, FlippedBitsOfARecordAreFoundWithoutAnySignature) {
    const std::size_t line = line_of_record(1, 2);
    const std::string good = lines_[line];
    for (std::size_t bit = 0; bit < good.size() * 8; bit += 5) {  // every byte, every place in one
        lines_[line] = good;
        lines_[line][bit / 8] =
            static_cast<char>(static_cast<unsigned char>(lines_[line][bit / 8]) ^ (1U << bit % 8));
        const AuditReport report = verify_text(join(lines_));
        ASSERT_FALSE(report.intact()) << "bit " << bit;
        EXPECT_EQ(report.fault->line, static_cast<std::int64_t>(line) + 1) << "bit " << bit;
    }
}

TEST_F(VerifyTest, AMissingRecordIsNamed) {
    for (const auto& [chain, sequence] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {1, 2}, {2, 1}, {1, 3}}) {
        std::vector<std::string> lines = lines_;
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(line_of_record(chain, sequence)));
        for (const std::string& text : {join(lines), with_new_trailer(lines)}) {
            const AuditReport report = verify_text(text, trusting(key_));
            ASSERT_FALSE(report.intact());
            EXPECT_EQ(report.fault->chain, chain);
            EXPECT_EQ(report.fault->sequence, sequence) << report.fault->to_string();
        }
    }
}

TEST_F(VerifyTest, EveryDroppedDoubledOrSwappedLineIsFound) {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        std::vector<std::string> dropped = lines_;
        dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_FALSE(verify_text(join(dropped), trusting(key_)).intact()) << i;
        std::vector<std::string> doubled = lines_;
        doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), lines_[i]);
        EXPECT_FALSE(verify_text(join(doubled), trusting(key_)).intact()) << i;
        for (std::size_t j = i + 1; j < lines_.size(); ++j) {
            std::vector<std::string> swapped = lines_;
            std::swap(swapped[i], swapped[j]);
            EXPECT_FALSE(verify_text(join(swapped), trusting(key_)).intact()) << i << " " << j;
        }
    }
}

TEST_F(VerifyTest, EveryTruncationIsFound) {
    const std::size_t last_line = text_.size() - lines_.back().size();
    for (std::size_t size = 0; size < text_.size(); size += size < last_line ? 11 : 1) {
        const AuditReport report =
            verify_text(std::string_view(text_).substr(0, size), trusting(key_));
        ASSERT_FALSE(report.intact()) << size;
    }
}

TEST_F(VerifyTest, ARewrittenPastFailsAtTheCheckpointThatSignedIt) {
    // Change record 2 of chain 1 and hash everything after it again, as an intruder could.
    AuditRecord second = record_of(lines_[line_of_record(1, 2)]);
    second.body = R"({"digest":"11ff"})";
    second.hash = record_hash(second);
    lines_[line_of_record(1, 2)] = line_of(second);
    crypto::Sha256Digest previous = second.hash;
    for (const std::int64_t sequence : {3, 4}) {
        const std::size_t at = line_of_record(1, sequence);
        AuditRecord record = record_of(lines_[at]);
        record.previous_hash = previous;
        record.hash = previous = record_hash(record);
        lines_[at] = line_of(record);
    }
    const AuditReport report = verify_text(with_new_trailer(lines_), trusting(key_));
    ASSERT_FALSE(report.intact());
    EXPECT_EQ(report.fault->chain, 1);
    EXPECT_EQ(report.fault->sequence, 2);
    EXPECT_EQ(report.fault->line, 7) << report.fault->to_string();
}

TEST_F(VerifyTest, ARewrittenEndAfterTheLastCheckpointFailsAtTheSignedTrailer) {
    const std::size_t at = line_of_record(1, 4);
    AuditRecord last = record_of(lines_[at]);
    last.actor = "somebody else";
    last.hash = record_hash(last);
    lines_[at] = line_of(last);
    EXPECT_FALSE(verify_text(join(lines_), trusting(key_)).intact());
    // Without the signed trailer nothing vouches for that record, and the report says so.
    const AuditReport report = verify_text(with_new_trailer(lines_), trusting(key_));
    EXPECT_TRUE(report.intact());
    EXPECT_FALSE(report.trailer_signed);
    EXPECT_EQ(report.records_after_checkpoint, 1);
}

TEST_F(VerifyTest, AForgedCheckpointIsRefused) {
    crypto::SecretBytes<crypto::Ed25519KeyPair::kSeedSize> seed;
    seed.expose_mutable()[0] = 99;
    const crypto::Ed25519KeyPair forger(std::move(seed));
    auto parsed = internal::parse_line(std::string_view(lines_[8]).substr(0, lines_[8].size() - 1));
    ASSERT_TRUE(parsed);
    Checkpoint forged = std::get<Checkpoint>(*parsed);
    ASSERT_EQ(forged.number, 2);
    forged.public_key = forger.public_key();
    forged.signature = forger.sign(forged.signed_bytes());
    lines_[8].clear();
    internal::append_line(lines_[8], forged);
    const std::string text = with_new_trailer(lines_);

    AuditReport report = verify_text(text, trusting(key_));
    ASSERT_FALSE(report.intact());
    EXPECT_EQ(report.fault->checkpoint, 2);
    // Without trusted keys a change of keys in the middle is refused all the same.
    report = verify_text(text);
    ASSERT_FALSE(report.intact());
    EXPECT_EQ(report.fault->checkpoint, 2);
    // Both named: a rotation of the key.
    VerifyOptions both = trusting(key_);
    both.trusted_keys.push_back(forger.public_key());
    EXPECT_TRUE(verify_text(text, both).intact());
}

TEST_F(VerifyTest, WithoutTrustedKeysTheReportSaysThatNobodyVouchedForTheKey) {
    const AuditReport report = verify_text(text_);
    EXPECT_TRUE(report.intact());
    EXPECT_FALSE(report.key_trusted);
    EXPECT_EQ(report.key, key_.public_key());
}

TEST_F(VerifyTest, APinnedCheckpointShowsALogThatWasWoundBack) {
    const auto parsed =
        internal::parse_line(std::string_view(lines_[8]).substr(0, lines_[8].size() - 1));
    const Checkpoint second = std::get<Checkpoint>(*parsed);
    VerifyOptions options = trusting(key_);
    options.pinned = PinnedCheckpoint{2, second.hash()};
    EXPECT_TRUE(verify_text(text_, options).intact());

    std::vector<std::string> wound_back = lines_;
    wound_back.erase(wound_back.begin() + 7, wound_back.begin() + 10);
    const std::string text = with_new_trailer(wound_back);
    EXPECT_TRUE(verify_text(text, trusting(key_)).intact());
    const AuditReport report = verify_text(text, options);
    ASSERT_FALSE(report.intact());
    EXPECT_EQ(report.fault->checkpoint, 2);

    options.pinned->hash.bytes[0] ^= 1;
    EXPECT_FALSE(verify_text(text_, options).intact());
}

TEST_F(VerifyTest, OtherSpellingsOfTheSameContentAreRefused) {
    const std::size_t at = line_of_record(1, 1);
    const std::string good = lines_[at];
    const std::vector<std::pair<std::string, std::string>> spellings = {
        {R"("chain":1)", R"("chain": 1)"},
        {R"("kind":"pool.request")", R"("kind":"pool\u002erequest")"},
        {R"("count":2)", R"("count":2,"more":1)"},
        {".123456Z", ".123456+00:00"},
        {R"(,"hash":)", R"(,"extra":1,"hash":)"},
        {R"("body":{"accounts":["a","b"],"count":2})",
         R"("body_text":"{\"accounts\":[\"a\",\"b\"],\"count\":2}")"}};
    for (const auto& [from, to] : spellings) {
        lines_[at] = good;
        const std::size_t found = lines_[at].find(from);
        ASSERT_NE(found, std::string::npos) << from;
        lines_[at].replace(found, from.size(), to);
        const AuditReport report = verify_text(with_new_trailer(lines_), trusting(key_));
        ASSERT_FALSE(report.intact()) << to;
        EXPECT_EQ(report.fault->line, static_cast<std::int64_t>(at) + 1) << to;
        EXPECT_EQ(report.fault->sequence, 1) << to;
    }
}

TEST_F(VerifyTest, WhatIsNoExportIsRefused) {
    VerifyOptions options;
    options.line_bytes_max = 1000;
    const std::vector<std::string> bad = {
        "",
        "\n",
        "{}\n",
        "nonsense",
        "[1]\n",
        std::string(100000, 'a'),
        std::string(5, '\0'),
        R"({"type":"header","format":"adyton/audit-export/v2","exported_at":"2026-01-01T00:00:00Z"})"
        "\n",
        text_ + "\n",
        text_ + lines_[3],
        text_ + text_};
    for (std::size_t i = 0; i < bad.size(); ++i) {
        const AuditReport report = verify_text(bad[i], options);
        ASSERT_FALSE(report.intact()) << i;
        EXPECT_FALSE(report.fault->what.empty());
        EXPECT_GT(report.fault->line, 0);
    }
}

}  // namespace
}  // namespace adyton::audit
