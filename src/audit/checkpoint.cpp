#include "audit/checkpoint.h"

#include <utility>

#include "audit/internal/format.h"
#include "audit/internal/rows.h"
#include "base/bytes.h"
#include "crypto/hkdf.h"
#include "crypto/transcript.h"

namespace adyton::audit {
namespace {

// Instances that create a checkpoint at the same moment compete for its number.
constexpr int kCreateAttemptsMax = 8;

void append_u64(base::Bytes& out, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(number >> shift & 0xff));
    }
}

crypto::Transcript transcript_of(const Checkpoint& checkpoint) {
    base::Bytes heads;
    heads.reserve(checkpoint.heads.size() * 48);
    for (const ChainHead& head : checkpoint.heads) {
        append_u64(heads, static_cast<std::uint64_t>(head.chain));
        append_u64(heads, static_cast<std::uint64_t>(head.sequence));
        heads.insert(heads.end(), head.hash.bytes.begin(), head.hash.bytes.end());
    }
    crypto::Transcript transcript("audit-checkpoint");
    transcript.add_u64(1, static_cast<std::uint64_t>(checkpoint.number))
        .add_u64(2, static_cast<std::uint64_t>(checkpoint.created_at.time_since_epoch().count()))
        .add(3, checkpoint.previous_hash.view())
        .add(4, base::ByteView(heads))
        .add(5, base::ByteView(checkpoint.public_key.bytes));
    return transcript;
}

Result<bool> insert(storage::Transaction& tx, const Checkpoint& checkpoint) {
    std::string heads;
    base::JsonWriter writer(heads);
    internal::write_heads(writer, checkpoint.heads);
    const auto bytes = [](const auto& array) { return base::Bytes(array.begin(), array.end()); };
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO audit_checkpoints "
            "(number, created_at, previous_hash, heads, public_key, signature) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            {checkpoint.number, checkpoint.created_at, bytes(checkpoint.previous_hash.bytes), heads,
             bytes(checkpoint.public_key.bytes), bytes(checkpoint.signature.bytes)}));
    return inserted == 1;
}

// Null when another instance took the number meanwhile.
Result<std::optional<Checkpoint>> create_in(
    storage::Transaction& tx, const crypto::Ed25519KeyPair& key) {
    // First the last checkpoint, then the heads: they can only be newer than what it signed.
    TRY(const std::optional<Checkpoint> last, internal::read_latest_checkpoint(tx));
    if (last) {
        if (!last->signature_valid()) {
            return Error::corrupt_data(
                "the last audit checkpoint's signature does not verify", "audit_chain_broken");
        }
        TRY_VOID(internal::check_covered_records(tx, *last));
    }
    Checkpoint next;
    TRY(next.heads, internal::read_heads(tx));
    if (next.heads.empty()) return Error::not_found("nothing is recorded yet");
    if (last && last->heads == next.heads && last->public_key == key.public_key()) return last;
    TRY(next.created_at, tx.now());
    next.number = last ? last->number + 1 : 1;
    if (last) next.previous_hash = last->hash();
    next.public_key = key.public_key();
    next.signature = key.sign(next.signed_bytes());
    TRY(const bool inserted, insert(tx, next));
    if (!inserted) return std::optional<Checkpoint>();
    return std::optional<Checkpoint>(std::move(next));
}

}  // namespace

base::Bytes Checkpoint::signed_bytes() const {
    const crypto::Transcript transcript = transcript_of(*this);
    return base::Bytes(transcript.bytes().begin(), transcript.bytes().end());
}

crypto::Sha256Digest Checkpoint::hash() const {
    return transcript_of(*this).sha256();
}

bool Checkpoint::signature_valid() const {
    const base::Bytes message = signed_bytes();
    return crypto::verify(public_key, message, signature);
}

crypto::Ed25519KeyPair derive_checkpoint_key(const crypto::SecretBuffer& master) {
    crypto::SecretBytes<crypto::Ed25519KeyPair::kSeedSize> seed;
    crypto::hkdf_sha256(
        master.expose(), base::as_bytes("adyton/audit-checkpoint/v1"), base::as_bytes("ed25519"),
        seed.expose_mutable());
    return crypto::Ed25519KeyPair(std::move(seed));
}

Task<Result<Checkpoint>> Checkpoints::create() {
    for (int attempt = 0; attempt < kCreateAttemptsMax; ++attempt) {
        auto unit = [this](storage::Transaction& tx) { return create_in(tx, key_); };
        auto task = database_.write(unit);
        CO_TRY(std::optional<Checkpoint> created, co_await std::move(task));
        if (created) co_return std::move(*created);
    }
    co_return Error::unavailable("other instances are signing checkpoints; try again");
}

Task<Result<Checkpoint>> Checkpoints::latest() {
    auto unit = [](storage::Transaction& tx) { return internal::read_latest_checkpoint(tx); };
    auto task = database_.read(unit);
    CO_TRY(std::optional<Checkpoint> found, co_await std::move(task));
    if (!found) co_return Error::not_found("no audit checkpoint yet");
    co_return std::move(*found);
}

}  // namespace adyton::audit
