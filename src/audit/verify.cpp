#include "audit/verify.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <variant>

#include "audit/internal/format.h"
#include "base/bytes.h"
#include "crypto/digest.h"

namespace adyton::audit {
namespace {

struct ChainState {
    std::string instance_id;
    ChainHead head;
    bool has_records() const { return head.sequence > 0; }
};

using RecordName = std::pair<std::int64_t, std::int64_t>;  // chain, sequence

// Reads `"chain":N,"sequence":M` from the place where a record has it, for lines that are damaged
// elsewhere.
std::optional<RecordName> guess_record(std::string_view line) {
    constexpr std::string_view kChain = R"({"type":"record","chain":)";
    constexpr std::string_view kSequence = R"(,"sequence":)";
    if (!line.starts_with(kChain)) return std::nullopt;
    line.remove_prefix(kChain.size());
    RecordName out;
    auto parsed = std::from_chars(line.data(), line.data() + line.size(), out.first);
    if (parsed.ec != std::errc()) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(parsed.ptr - line.data()));
    if (!line.starts_with(kSequence)) return std::nullopt;
    line.remove_prefix(kSequence.size());
    parsed = std::from_chars(line.data(), line.data() + line.size(), out.second);
    if (parsed.ec != std::errc()) return std::nullopt;
    return out;
}

// The same for a line that is JSON, however it is spelled.
std::optional<RecordName> find_record(std::string_view line) {
    const auto json = base::Json::parse(line);
    if (!json) return guess_record(line);
    const base::Json* const chain = json->find("chain");
    const base::Json* const sequence = json->find("sequence");
    if (chain == nullptr || sequence == nullptr) return std::nullopt;
    const auto chain_number = chain->as_int64();
    const auto sequence_number = sequence->as_int64();
    if (!chain_number || !sequence_number) return std::nullopt;
    return RecordName{*chain_number, *sequence_number};
}

}  // namespace

std::string AuditFault::to_string() const {
    std::string out = "line " + std::to_string(line);
    if (chain) out += ", chain " + std::to_string(*chain);
    if (sequence) out += ", record " + std::to_string(*sequence);
    if (checkpoint) out += ", checkpoint " + std::to_string(*checkpoint);
    return out + ": " + what;
}

struct ExportVerifier::State {
    explicit State(VerifyOptions given) : options(std::move(given)) {}

    VerifyOptions options;
    AuditReport report;
    std::string partial;  // the line that is coming in
    crypto::Sha256 digest;
    std::map<std::int64_t, ChainState> chains;
    std::int64_t last_chain = 0;  // of the last record
    std::optional<Checkpoint> last_checkpoint;
    bool header_seen = false;
    bool content_seen = false;  // a record or checkpoint: no chain line may follow
    bool trailer_seen = false;

    bool feed(std::string_view bytes);
    void take_line(std::string_view text);
    void finish();

    void fault(std::string what);
    void record_fault(std::int64_t chain, std::int64_t sequence, std::string what);
    void checkpoint_fault(std::int64_t number, std::string what);
    void unreadable_line(std::string_view text, const Error& error);

    void take(const internal::HeaderLine& line);
    void take(const internal::ChainLine& line);
    void take(const AuditRecord& line);
    void take(const Checkpoint& line);
    void take(const internal::TrailerLine& line);
    bool heads_match(const Checkpoint& checkpoint);
    bool accept_key(const crypto::Ed25519PublicKey& key);
    bool check_pin(const Checkpoint& checkpoint);
};

void ExportVerifier::State::fault(std::string what) {
    if (report.fault) return;
    report.fault = AuditFault{report.lines, {}, {}, {}, std::move(what)};
}

void ExportVerifier::State::record_fault(
    std::int64_t chain, std::int64_t sequence, std::string what) {
    if (report.fault) return;
    report.fault = AuditFault{report.lines, chain, sequence, {}, std::move(what)};
}

void ExportVerifier::State::checkpoint_fault(std::int64_t number, std::string what) {
    if (report.fault) return;
    report.fault = AuditFault{report.lines, {}, {}, number, std::move(what)};
}

// A line that cannot be read: name the record it says it is, or the one that should stand here.
void ExportVerifier::State::unreadable_line(std::string_view text, const Error& error) {
    if (const auto record = find_record(text)) {
        record_fault(record->first, record->second, error.message());
        return;
    }
    if (text.starts_with(R"({"type":"checkpoint")")) {
        checkpoint_fault(report.checkpoints + 1, error.message());
        return;
    }
    fault(error.message());
    const auto chain = chains.find(last_chain);
    if (chain == chains.end() || !text.starts_with(R"({"type":"rec)")) return;
    report.fault->chain = last_chain;
    report.fault->sequence = chain->second.head.sequence + 1;
}

bool ExportVerifier::State::feed(std::string_view bytes) {
    while (!bytes.empty() && !report.fault) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (partial.size() + piece.size() > options.line_bytes_max) {
            ++report.lines;
            fault("the line is too long");
            break;
        }
        if (end == std::string_view::npos) {
            partial += piece;
            break;
        }
        bytes.remove_prefix(end + 1);
        if (partial.empty()) {
            take_line(piece);
            continue;
        }
        partial += piece;
        const std::string line = std::exchange(partial, {});
        take_line(line);
    }
    return !report.fault.has_value();
}

void ExportVerifier::State::take_line(std::string_view text) {
    ++report.lines;
    if (trailer_seen) return fault("something follows the trailer");
    const Result<internal::Line> line = internal::parse_line(text);
    if (!line) return unreadable_line(text, line.error());
    if (!header_seen && !std::holds_alternative<internal::HeaderLine>(*line)) {
        return fault("the file does not begin with its header");
    }
    std::visit([this](const auto& content) { take(content); }, *line);
    digest.update(base::as_bytes(text)).update(base::as_bytes("\n"));
}

void ExportVerifier::State::take(const internal::HeaderLine&) {
    if (header_seen) return fault("a second header");
    header_seen = true;
}

void ExportVerifier::State::take(const internal::ChainLine& line) {
    if (content_seen) return fault("a chain is introduced after the first record");
    if (!chains.empty() && line.chain <= chains.rbegin()->first) {
        return fault("chains are not in ascending order");
    }
    if (line.genesis_hash != genesis_hash(line.chain, line.instance_id)) {
        report.fault = AuditFault{
            report.lines, line.chain, {}, {}, "the genesis hash does not match the instance"};
        return;
    }
    chains[line.chain] = ChainState{line.instance_id, ChainHead{line.chain, 0, line.genesis_hash}};
}

void ExportVerifier::State::take(const AuditRecord& line) {
    content_seen = true;
    const auto found = chains.find(line.chain);
    if (found == chains.end()) {
        return record_fault(line.chain, line.sequence, "the chain was not introduced");
    }
    ChainHead& head = found->second.head;
    if (line.sequence > head.sequence + 1) {
        return record_fault(
            line.chain, head.sequence + 1,
            "the record is missing: record " + std::to_string(line.sequence) + " stands here");
    }
    if (line.sequence <= head.sequence) {
        return record_fault(line.chain, line.sequence, "the record stands here a second time");
    }
    if (record_hash(line) != line.hash) {
        return record_fault(line.chain, line.sequence, "the hash does not match the content");
    }
    if (line.previous_hash != head.hash) {
        return record_fault(
            line.chain, line.sequence, "the record does not continue the one before it");
    }
    head.sequence = line.sequence;
    head.hash = line.hash;
    last_chain = line.chain;
    ++report.records;
    ++report.records_after_checkpoint;
}

bool ExportVerifier::State::accept_key(const crypto::Ed25519PublicKey& key) {
    const auto& trusted = options.trusted_keys;
    if (!trusted.empty()) {
        if (std::find(trusted.begin(), trusted.end(), key) == trusted.end()) return false;
        report.key_trusted = true;
    } else if (report.key && *report.key != key) {
        return false;
    }
    report.key = key;
    return true;
}

// Whether the checkpoint signs exactly the records that stand before it.
bool ExportVerifier::State::heads_match(const Checkpoint& checkpoint) {
    std::size_t matched = 0;
    for (const ChainHead& head : checkpoint.heads) {
        const auto found = chains.find(head.chain);
        if (found == chains.end()) {
            record_fault(head.chain, head.sequence, "a signed chain is not in the file");
            return false;
        }
        const ChainHead& reached = found->second.head;
        if (reached.sequence < head.sequence) {
            record_fault(
                head.chain, reached.sequence + 1,
                "the record is missing: checkpoint " + std::to_string(checkpoint.number) +
                    " covers up to record " + std::to_string(head.sequence));
            return false;
        }
        if (reached != head) {
            record_fault(
                head.chain, reached.sequence,
                "the record is not the one that checkpoint " + std::to_string(checkpoint.number) +
                    " signed");
            return false;
        }
        ++matched;
    }
    const auto with_records = std::count_if(
        chains.begin(), chains.end(), [](const auto& chain) { return chain.second.has_records(); });
    if (static_cast<std::int64_t>(matched) == with_records) return true;
    checkpoint_fault(checkpoint.number, "the checkpoint leaves out a chain that stands before it");
    return false;
}

bool ExportVerifier::State::check_pin(const Checkpoint& checkpoint) {
    const auto& pinned = options.pinned;
    return !pinned || pinned->number != checkpoint.number || pinned->hash == checkpoint.hash();
}

void ExportVerifier::State::take(const Checkpoint& line) {
    content_seen = true;
    const std::int64_t expected = report.checkpoints + 1;
    if (line.number != expected) {
        return checkpoint_fault(
            expected, "the checkpoint is missing: checkpoint " + std::to_string(line.number) +
                          " stands here");
    }
    if (!line.signature_valid()) return checkpoint_fault(line.number, "the signature is not valid");
    if (!accept_key(line.public_key)) {
        return checkpoint_fault(
            line.number, options.trusted_keys.empty()
                             ? "another key signed than before; name the trusted keys to allow that"
                             : "the key that signed is not trusted");
    }
    const crypto::Sha256Digest previous =
        last_checkpoint ? last_checkpoint->hash() : crypto::Sha256Digest{};
    if (line.previous_hash != previous) {
        return checkpoint_fault(line.number, "it does not continue the checkpoint before it");
    }
    if (!heads_match(line)) return;
    if (!check_pin(line)) {
        return checkpoint_fault(line.number, "it is not the checkpoint that was pinned");
    }
    ++report.checkpoints;
    report.last_checkpoint = line.number;
    report.last_checkpoint_at = line.created_at;
    report.records_after_checkpoint = 0;
    last_checkpoint = line;
}

void ExportVerifier::State::take(const internal::TrailerLine& line) {
    trailer_seen = true;
    if (line.chains != static_cast<std::int64_t>(chains.size()) || line.records != report.records ||
        line.checkpoints != report.checkpoints) {
        return fault("the trailer counts other lines than the file has");
    }
    crypto::Sha256 before = digest;
    if (before.finish() != line.sha256) {
        return fault("the trailer's hash does not match the file: a header or chain line changed");
    }
    if (!line.public_key) return;
    if (!crypto::verify(*line.public_key, line.signed_bytes(), *line.signature)) {
        return fault("the trailer's signature is not valid");
    }
    if (!accept_key(*line.public_key))
        return fault("the key that signed the trailer is not trusted");
    report.trailer_signed = true;
}

void ExportVerifier::State::finish() {
    if (!report.fault) {
        if (!partial.empty() || !trailer_seen) {
            ++report.lines;
            fault(
                partial.empty() ? "the file ends here, before its trailer: it was cut off"
                                : "the file ends inside this line: it was cut off");
        } else if (options.pinned && options.pinned->number > report.checkpoints) {
            checkpoint_fault(options.pinned->number, "the checkpoint that was pinned is missing");
        }
    }
    for (const auto& [number, chain] : chains) {
        if (chain.has_records()) report.heads.push_back(chain.head);
    }
}

ExportVerifier::ExportVerifier(VerifyOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
ExportVerifier::~ExportVerifier() = default;
ExportVerifier::ExportVerifier(ExportVerifier&&) noexcept = default;

bool ExportVerifier::feed(std::string_view bytes) {
    return state_->feed(bytes);
}

AuditReport ExportVerifier::finish() {
    state_->finish();
    return std::move(state_->report);
}

Result<AuditReport> verify_export(std::istream& in, VerifyOptions options) {
    constexpr std::size_t kBufferBytes = 64 * 1024;
    ExportVerifier verifier(std::move(options));
    std::vector<char> buffer(kBufferBytes);
    while (in) {
        in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        const auto read = static_cast<std::size_t>(in.gcount());
        if (!verifier.feed({buffer.data(), read})) break;
    }
    if (in.bad()) return Error::unavailable("the file cannot be read");
    return verifier.finish();
}

}  // namespace adyton::audit
