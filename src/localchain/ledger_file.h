#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "localchain/neo_chain.h"

namespace adyton::localchain {

// The blocks of a simulated chain in a file, so that its balances survive a restart. Append-only:
// "adyton-local-neo 1\n", SHA-256 of the chain's settings (32), then for each block its length (4,
// little endian), block_record() and a checksum (8): the first bytes of SHA-256 of the checksum
// before it (of the settings for the first) and the record.
//
// Each block is handed to the kernel before the next one is made, and never synced: kill -9 loses
// nothing, a power cut may lose the last blocks. One process at a time (a file lock); not thread
// safe.
class LedgerFile {
public:
    // Makes the file (mode 0600), or reads it and runs its blocks on `chain`, which is at genesis
    // and must outlive the file. An unfinished last block is cut off. Conflict
    // ("local_chain_settings"): it belongs to a chain with other settings. CorruptData: it is
    // damaged before its end. Unavailable: the disk refuses.
    static Result<std::unique_ptr<LedgerFile>> open(const std::string& path, NeoChain& chain);
    ~LedgerFile();
    LedgerFile(const LedgerFile&) = delete;
    LedgerFile& operator=(const LedgerFile&) = delete;

    // The next block. After Unavailable nothing more is written: the file would have a hole.
    Result<void> append(const Block& block);

    std::uint32_t blocks_replayed() const { return blocks_replayed_; }
    std::uint64_t bytes_cut() const { return bytes_cut_; }

private:
    LedgerFile(int fd, NeoChain& chain) : fd_(fd), chain_(chain) {}
    Result<void> begin();
    Result<void> replay(base::ByteView content);
    Result<void> write_all(base::ByteView bytes);

    int fd_;
    NeoChain& chain_;
    std::array<std::uint8_t, 8> checksum_{};
    bool broken_ = false;
    std::uint32_t blocks_replayed_ = 0;
    std::uint64_t bytes_cut_ = 0;
};

}  // namespace adyton::localchain
