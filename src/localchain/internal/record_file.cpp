#include "localchain/internal/record_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace adyton::localchain::internal {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kChecksumBytes = 8;
// More than any block: such a length is damage, not a record that was never finished.
constexpr std::size_t kRecordBytesMax = 64 * 1024 * 1024;
using Checksum = std::array<std::uint8_t, kChecksumBytes>;

Error disk_error(std::string_view what) {
    return Error::unavailable(fmt::format("{}: {}", what, std::strerror(errno)));
}

Checksum shorten(const crypto::Sha256Digest& digest) {
    Checksum out{};
    std::copy_n(digest.bytes.begin(), out.size(), out.begin());
    return out;
}

Checksum next_checksum(const Checksum& before, base::ByteView record) {
    crypto::Sha256 hash;
    return shorten(hash.update(before).update(record).finish());
}

std::uint32_t read_length(base::ByteView bytes) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) out |= std::uint32_t{bytes[i]} << (8 * i);
    return out;
}

Result<base::Bytes> read_all(int fd) {
    base::Bytes out;
    std::array<std::uint8_t, 64 * 1024> buffer{};
    for (;;) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return disk_error("read the ledger");
        if (got == 0) return out;
        out.insert(out.end(), buffer.begin(), buffer.begin() + got);
    }
}

}  // namespace

RecordFile::~RecordFile() {
    ::close(fd_);
}

Result<std::unique_ptr<RecordFile>> RecordFile::open(
    const std::string& path, const Form& form, const Reader& reader) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return disk_error("open " + path);
    std::unique_ptr<RecordFile> file(new RecordFile(fd));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return Error::conflict(path + " is in use by another process", "data_dir_in_use");
    }
    TRY(const base::Bytes content, read_all(fd));
    const std::size_t head = form.title.size() + crypto::Sha256Digest::kSize;
    const Result<void> done =
        content.size() < head ? file->begin(form) : file->replay(form, content, reader);
    if (!done) return Error(done.error()).with_context(path);
    return file;
}

// A new file, or one whose first bytes were never finished.
Result<void> RecordFile::begin(const Form& form) {
    if (::ftruncate(fd_, 0) != 0) return disk_error("truncate");
    checksum_ = shorten(form.settings);
    TRY_VOID(write_all(base::as_bytes(form.title)));
    return write_all(form.settings.bytes);
}

Result<void> RecordFile::replay(const Form& form, base::ByteView content, const Reader& reader) {
    if (base::as_text(content.first(form.title.size())) != form.title) {
        return Error::corrupt_data(fmt::format("this is no ledger of a {}", form.chain));
    }
    const auto& settings = form.settings.bytes;
    const base::ByteView stored_settings = content.subspan(form.title.size(), settings.size());
    if (!std::equal(settings.begin(), settings.end(), stored_settings.begin())) {
        return Error::conflict(
            fmt::format(
                "the ledger belongs to a {} with other settings or another key: remove it to begin "
                "anew, or use another data directory",
                form.chain),
            "local_chain_settings");
    }
    checksum_ = shorten(form.settings);
    std::size_t at = form.title.size() + settings.size();
    while (at < content.size()) {
        const Error damaged =
            Error::corrupt_data(fmt::format("record {} is damaged", records_read_ + 1));
        const base::ByteView rest = content.subspan(at);
        const bool has_length = rest.size() >= kLengthBytes;
        const std::size_t length = has_length ? read_length(rest) : 0;
        const std::size_t whole = kLengthBytes + length + kChecksumBytes;
        if (length > kRecordBytesMax) return damaged;
        if (!has_length || rest.size() < whole) break;
        const base::ByteView record = rest.subspan(kLengthBytes, length);
        const base::ByteView stored = rest.subspan(kLengthBytes + length, kChecksumBytes);
        const Checksum sum = next_checksum(checksum_, record);
        if (!std::equal(sum.begin(), sum.end(), stored.begin())) {
            if (rest.size() == whole) break;  // half written, though its length is there
            return damaged;
        }
        TRY_VOID(reader(record));
        checksum_ = sum;
        ++records_read_;
        at += whole;
    }
    bytes_cut_ = content.size() - at;
    if (bytes_cut_ > 0 && ::ftruncate(fd_, static_cast<off_t>(at)) != 0) {
        return disk_error("cut the unfinished record off");
    }
    return {};
}

Result<void> RecordFile::write_all(base::ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            broken_ = true;
            return disk_error("write the ledger");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> RecordFile::append(base::ByteView record) {
    if (broken_) return Error::unavailable("the ledger could not be written before");
    const Checksum sum = next_checksum(checksum_, record);
    base::Bytes bytes;
    bytes.reserve(kLengthBytes + record.size() + kChecksumBytes);
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(record.size() >> (8 * i)));
    }
    bytes.insert(bytes.end(), record.begin(), record.end());
    bytes.insert(bytes.end(), sum.begin(), sum.end());
    TRY_VOID(write_all(bytes));
    checksum_ = sum;
    return {};
}

}  // namespace adyton::localchain::internal
