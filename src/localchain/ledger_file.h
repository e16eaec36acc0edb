#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "localchain/internal/record_file.h"
#include "localchain/neo_chain.h"

namespace adyton::localchain {

// The blocks of a simulated Neo chain in a file (internal/record_file.h), so that its balances
// survive a restart: one block_record() for each. One process at a time; not thread safe.
class LedgerFile {
public:
    // Makes the file (mode 0600), or reads it and runs its blocks on `chain`, which is at genesis
    // and must outlive the file. An unfinished last block is cut off. Conflict
    // ("local_chain_settings"): it belongs to a chain with other settings. CorruptData: it is
    // damaged before its end. Unavailable: the disk refuses.
    static Result<std::unique_ptr<LedgerFile>> open(const std::string& path, NeoChain& chain);

    // The next block. After Unavailable nothing more is written: the file would have a hole.
    Result<void> append(const Block& block);

    std::uint32_t blocks_replayed() const {
        return static_cast<std::uint32_t>(file_->records_read());
    }
    std::uint64_t bytes_cut() const { return file_->bytes_cut(); }

private:
    LedgerFile(std::unique_ptr<internal::RecordFile> file, NeoChain& chain)
        : file_(std::move(file)), chain_(chain) {}

    std::unique_ptr<internal::RecordFile> file_;
    NeoChain& chain_;
};

}  // namespace adyton::localchain
