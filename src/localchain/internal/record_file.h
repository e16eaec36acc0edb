#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace adyton::localchain::internal {

// Records in a file, appended one after the other: the title with its newline, SHA-256 of the
// settings that they belong to (32), then for each its length (4, little endian), its bytes and a
// checksum (8): the first bytes of SHA-256 of the checksum before it (of the settings for the
// first) and the record.
//
// Each record is handed to the kernel at once and never synced: kill -9 loses nothing, a power cut
// may lose the last ones. One process at a time (a file lock); not thread safe.
class RecordFile {
public:
    struct Form {
        std::string_view title;  // "adyton-local-neo 1\n"
        crypto::Sha256Digest settings;
        std::string_view chain;  // "local Neo chain", for messages
    };
    // Of each record that is there, in order. Its error ends the reading.
    using Reader = std::function<Result<void>(base::ByteView record)>;

    // Makes the file (mode 0600), or reads it. An unfinished last record is cut off. Conflict
    // ("local_chain_settings"): it belongs to other settings; ("data_dir_in_use"): another process
    // has it. CorruptData: it is damaged before its end. Unavailable: the disk refuses. Errors of
    // `reader`.
    static Result<std::unique_ptr<RecordFile>> open(
        const std::string& path, const Form& form, const Reader& reader);
    ~RecordFile();
    RecordFile(const RecordFile&) = delete;
    RecordFile& operator=(const RecordFile&) = delete;

    // After Unavailable nothing more is written: the file would have a hole.
    Result<void> append(base::ByteView record);

    std::uint64_t records_read() const { return records_read_; }
    std::uint64_t bytes_cut() const { return bytes_cut_; }

private:
    explicit RecordFile(int fd) : fd_(fd) {}
    Result<void> begin(const Form& form);
    Result<void> replay(const Form& form, base::ByteView content, const Reader& reader);
    Result<void> write_all(base::ByteView bytes);

    int fd_;
    std::array<std::uint8_t, 8> checksum_{};
    bool broken_ = false;
    std::uint64_t records_read_ = 0;
    std::uint64_t bytes_cut_ = 0;
};

}  // namespace adyton::localchain::internal
