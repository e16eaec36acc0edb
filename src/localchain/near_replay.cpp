#include <utility>

#include "localchain/internal/near_core.h"
#include "near/borsh.h"

// What a block was made of, and making it again: height, time, hash, then its transactions.
namespace adyton::localchain {
namespace {

Error damaged(std::string_view what) {
    return Error::corrupt_data("block record: " + std::string(what));
}

}  // namespace

void NearChain::Core::note_input(InputKind kind, base::ByteView bytes) {
    if (!keep_record) return;
    inputs.u8(static_cast<std::uint8_t>(kind)).bytes(bytes);
}

void NearChain::Core::note_head() {
    if (!keep_record) return;
    const NearBlockRecord& head = *blocks.back();
    near::BorshWriter out;
    out.u64(head.height).u64(head.timestamp_ns).fixed(head.hash.view());
    out.fixed(inputs.view());
    head_record = out.take();
    inputs = near::BorshWriter();
}

Result<void> NearChain::Core::take_input(
    InputKind kind, const base::Bytes& bytes, NearBlockRecord& block) {
    if (kind == InputKind::Dropped) {
        trace("dropped", bytes);
        note_input(kind, bytes);
        return {};
    }
    auto transaction = near::parse_signed_transaction(bytes);
    if (!transaction) return damaged(transaction.error().message());
    const near::TransactionHash hash = near::hash(transaction->transaction);
    internal::StateChange view(state, internal::kLatest);
    const bool is_injected = kind == InputKind::Injected;
    if (is_injected) {
        if (!view.account(transaction->transaction.signer_id)) return damaged("nobody sends it");
        injected_count = std::max(injected_count, transaction->transaction.nonce);
    } else if (check_transaction(*transaction, height, view, true).has_value()) {
        return damaged("a transaction is not valid where it stands");
    }
    if (transactions.contains(hash)) return damaged("a transaction is in two blocks");
    note_input(kind, bytes);
    include({*std::move(transaction), hash}, block, is_injected);
    return {};
}

void NearChain::keep_head_record() {
    core_->keep_record = true;
}

const base::Bytes& NearChain::head_record() const {
    return core_->head_record;
}

Result<void> NearChain::replay_record(base::ByteView bytes) {
    near::BorshReader in(bytes);
    TRY(const std::uint64_t height, in.u64("height"));
    TRY(const std::uint64_t timestamp_ns, in.u64("time"));
    TRY(const base::ByteView hash, in.fixed(crypto::Sha256Digest::kSize, "hash"));
    if (height <= head().height || timestamp_ns <= head().timestamp_ns) {
        return damaged("it does not follow the block before");
    }
    std::vector<std::pair<Core::InputKind, base::Bytes>> inputs;
    while (in.remaining() > 0) {
        TRY(const std::uint8_t kind, in.u8("kind"));
        if (kind > static_cast<std::uint8_t>(Core::InputKind::Dropped)) return damaged("kind");
        TRY(auto content, in.bytes("transaction"));
        inputs.emplace_back(static_cast<Core::InputKind>(kind), std::move(content));
    }
    Result<void> taken;
    core_->make_block(height, timestamp_ns, [&](NearBlockRecord& block) {
        for (const auto& [kind, content] : inputs) {
            taken = core_->take_input(kind, content, block);
            if (!taken) return;
        }
    });
    TRY_VOID(taken);
    const auto made = head().hash.view();
    if (!std::equal(made.begin(), made.end(), hash.begin(), hash.end())) {
        return damaged("its hash is not that of its content: it was made by other rules");
    }
    return {};
}

}  // namespace adyton::localchain
