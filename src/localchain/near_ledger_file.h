#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "localchain/internal/record_file.h"
#include "localchain/near_chain.h"

namespace adyton::localchain {

// The blocks of a simulated NEAR chain in a file (internal/record_file.h), so that accounts, keys,
// contracts, receipts under way and yields survive a restart. The first record is where the chain
// began; each other one is what a block was made of, and is run again. What was in the pool and in
// no block is forgotten, as by a node that restarts. One process at a time; not thread safe.
//
//     TRY(auto ledger, NearLedgerFile::open(path, options));  // may change where it begins
//     TRY(auto chain, NearChain::create(options, executor));
//     TRY_VOID(ledger->replay(*chain));
//     chain->on_block([&](const auto&) { ledger->append(*chain); });
class NearLedgerFile {
public:
    // Makes the file (mode 0600), or reads it. `options` are those of a new chain, with a
    // genesis_time_ns; that, genesis_height and seed become those of the ledger. Conflict
    // ("local_chain_settings"): it belongs to a chain of other people, balances or contracts.
    // CorruptData: damaged. Unavailable: the disk refuses.
    static Result<std::unique_ptr<NearLedgerFile>> open(
        const std::string& path, NearChainOptions& options);

    // Runs the ledger's blocks on a chain at genesis, and has it keep the records that append()
    // needs. CorruptData: a block does not come out as it did. Once.
    Result<void> replay(NearChain& chain);
    // The chain's head, right after it was made. After Unavailable nothing more is written.
    Result<void> append(const NearChain& chain) { return file_->append(chain.head_record()); }

    std::uint64_t blocks_replayed() const { return blocks_replayed_; }
    std::uint64_t bytes_cut() const { return file_->bytes_cut(); }

private:
    NearLedgerFile() = default;

    std::unique_ptr<internal::RecordFile> file_;
    std::vector<base::Bytes> blocks_;  // until replay()
    std::uint64_t blocks_replayed_ = 0;
};

}  // namespace adyton::localchain
