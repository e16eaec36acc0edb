#include "localchain/near_ledger_file.h"

#include <utility>

#include "base/check.h"
#include "crypto/digest.h"
#include "localchain/contracts/contract.h"
#include "near/borsh.h"

namespace adyton::localchain {
namespace {

constexpr std::string_view kTitle = "adyton-local-near 1\n";

// All that decides what a block does, but for where the chain began.
crypto::Sha256Digest settings_digest(const NearChainOptions& options) {
    near::BorshWriter out;
    out.string(options.chain_id).u64(options.yield_timeout_blocks);
    out.u64(options.transaction_validity_blocks).u64(options.gas_price_yocto);
    out.u64(options.garbage_collect_blocks).u32(options.final_lag_blocks);
    out.u32(options.history_blocks);
    for (const NearGenesisAccount& account : options.genesis) {
        out.string(account.id.text()).u128(account.balance.amount());
        out.string(account.contract == nullptr ? std::string_view() : account.contract->name());
        out.count(account.keys.size());
        for (const NearGenesisKey& key : account.keys) out.string(key.key.to_string());
    }
    return crypto::sha256(out.view());
}

}  // namespace

Result<std::unique_ptr<NearLedgerFile>> NearLedgerFile::open(
    const std::string& path, NearChainOptions& options) {
    std::unique_ptr<NearLedgerFile> out(new NearLedgerFile);
    std::vector<base::Bytes> records;
    const internal::RecordFile::Form form{kTitle, settings_digest(options), "local NEAR chain"};
    TRY(out->file_,
        internal::RecordFile::open(path, form, [&](base::ByteView record) -> Result<void> {
            records.emplace_back(record.begin(), record.end());
            return {};
        }));
    if (records.empty()) {
        CHECK(options.genesis_time_ns != 0);
        near::BorshWriter start;
        start.u64(options.genesis_height).u64(options.seed).u64(options.genesis_time_ns);
        TRY_VOID(out->file_->append(start.view()));
        return out;
    }
    near::BorshReader start(records.front());
    const auto genesis_height = start.u64("genesis height");
    const auto seed = start.u64("seed");
    const auto time_ns = start.u64("time");
    if (!genesis_height || !seed || !time_ns || *time_ns == 0 || !start.finish()) {
        return Error::corrupt_data(path + ": the first record is damaged");
    }
    options.genesis_height = *genesis_height;
    options.seed = *seed;
    options.genesis_time_ns = *time_ns;
    records.erase(records.begin());
    out->blocks_ = std::move(records);
    return out;
}

Result<void> NearLedgerFile::replay(NearChain& chain) {
    chain.keep_head_record();
    const std::vector<base::Bytes> blocks = std::exchange(blocks_, {});
    for (const base::Bytes& block : blocks) {
        TRY_VOID(chain.replay_record(block));
        ++blocks_replayed_;
    }
    return {};
}

}  // namespace adyton::localchain
