#include <utility>

#include "base/check.h"
#include "localchain/internal/chain_core.h"

namespace adyton::localchain {
namespace {

using internal::PoolEntry;

template <typename Number>
void append_number(base::Bytes& out, Number value) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

void append(base::Bytes& out, base::ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Error damaged(std::string_view what) {
    return Error::corrupt_data("block record: " + std::string(what));
}

class Reader {
public:
    explicit Reader(base::ByteView bytes) : bytes_(bytes) {}

    Result<base::ByteView> take(std::size_t count) {
        if (bytes_.size() < count) return damaged("it ends early");
        const base::ByteView out = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return out;
    }
    template <typename Number>
    Result<Number> number() {
        TRY(const base::ByteView raw, take(sizeof(Number)));
        Number out = 0;
        for (std::size_t i = 0; i < sizeof(Number); ++i) {
            out = static_cast<Number>(out | (Number{raw[i]} << (8 * i)));
        }
        return out;
    }
    Result<neo::TransactionHash> hash() {
        TRY(const base::ByteView raw, take(neo::TransactionHash::kSize));
        return neo::TransactionHash::from_wire(raw);
    }
    bool at_end() const { return bytes_.empty(); }

private:
    base::ByteView bytes_;
};

struct Record {
    std::uint32_t index = 0;
    std::uint64_t time_ms = 0;
    std::uint64_t nonce = 0;
    neo::TransactionHash previous;
    neo::TransactionHash hash;
    crypto::P256Signature signature;
    std::vector<std::unique_ptr<PoolEntry>> entries;
};

Result<Record> parse_record(base::ByteView bytes) {
    Reader reader(bytes);
    Record out;
    TRY(out.index, reader.number<std::uint32_t>());
    TRY(out.time_ms, reader.number<std::uint64_t>());
    TRY(out.nonce, reader.number<std::uint64_t>());
    TRY(out.previous, reader.hash());
    TRY(out.hash, reader.hash());
    TRY(const base::ByteView signature, reader.take(crypto::P256Signature::kSize));
    TRY(out.signature, crypto::P256Signature::parse(signature));
    TRY(const auto count, reader.number<std::uint32_t>());
    for (std::uint32_t i = 0; i < count; ++i) {
        TRY(const auto size, reader.number<std::uint32_t>());
        TRY(const base::ByteView raw, reader.take(size));
        auto entry = internal::parse_entry(raw);
        if (!entry) return damaged(entry.error().message());
        out.entries.push_back(std::move(*entry));
    }
    if (!reader.at_end()) return damaged("bytes follow it");
    return out;
}

}  // namespace

base::Bytes NeoChain::block_record(const Block& block) const {
    base::Bytes out;
    append_number(out, block.index);
    append_number(out, block.time_ms);
    append_number(out, block.nonce);
    append(out, block.previous.wire());
    append(out, block.hash.wire());
    append(out, block.signature.bytes);
    append_number(out, static_cast<std::uint32_t>(block.transactions.size()));
    for (const ConfirmedTransaction* done : block.transactions) {
        append_number(out, static_cast<std::uint32_t>(done->bytes.size()));
        append(out, done->bytes);
    }
    return out;
}

// All that append() takes for granted of the pool's transactions.
Result<void> NeoChain::Core::check_replay(
    const std::vector<std::unique_ptr<PoolEntry>>& entries) const {
    std::map<neo::ScriptHash, base::Amount> left;
    std::set<neo::TransactionHash> hashes;
    for (const auto& entry : entries) {
        if (confirmed.contains(entry->hash) || !hashes.insert(entry->hash).second) {
            return damaged("a transaction is in two blocks");
        }
        const auto at =
            left.emplace(entry->sender(), ledger.balance(internal::Ledger::kGas, entry->sender()))
                .first;
        const auto rest = at->second.minus(base::Amount(static_cast<std::uint64_t>(entry->fees())));
        if (!rest.has_value()) return damaged("a sender cannot pay");
        at->second = *rest;
    }
    return {};
}

Result<void> NeoChain::replay_record(base::ByteView bytes) {
    TRY(auto record, parse_record(bytes));
    if (record.index != height() + 1) return damaged("it is not the next block");
    const Block& last = *core_->blocks.back();
    if (record.previous != last.hash) return damaged("it does not follow the block before");
    if (record.time_ms <= last.time_ms) return damaged("it is older than the block before");
    Block block;
    block.index = record.index;
    block.previous = record.previous;
    block.time_ms = record.time_ms;
    block.nonce = record.nonce;
    std::vector<neo::TransactionHash> leaves;
    for (const auto& entry : record.entries) leaves.push_back(entry->hash);
    block.merkle_root = internal::merkle_root(leaves);
    if (internal::header_hash(core_->header_of(block)) != record.hash) {
        return damaged("its hash is not that of its content");
    }
    TRY_VOID(core_->check_replay(record.entries));
    core_->append(std::move(record.entries), {record.time_ms, record.nonce, record.signature});
    return {};
}

}  // namespace adyton::localchain
