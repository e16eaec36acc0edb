#include "localchain/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "crypto/digest.h"

namespace adyton::localchain {
namespace {

constexpr std::string_view kTitle = "adyton-local-neo 1\n";
constexpr std::size_t kHeadBytes = kTitle.size() + crypto::Sha256Digest::kSize;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kChecksumBytes = 8;
// More than any block: such a length is damage, not a block that was never finished.
constexpr std::size_t kRecordBytesMax = 16 * 1024 * 1024;
using Checksum = std::array<std::uint8_t, kChecksumBytes>;

Error disk_error(std::string_view what) {
    return Error::unavailable(fmt::format("{}: {}", what, std::strerror(errno)));
}

// All that decides what a block does to the books.
crypto::Sha256Digest settings_digest(const NeoChain& chain) {
    const ChainOptions& options = chain.options();
    std::string text = fmt::format(
        "magic {} genesis {} validator {} fees {} {} {}", static_cast<std::uint32_t>(options.magic),
        chain.find_block(0U)->hash.to_string(), chain.validator().to_hex(),
        options.policy.fee_per_byte, options.policy.exec_fee_factor, options.policy.storage_price);
    for (const TokenOptions& token : chain.tokens()) {
        text += fmt::format(
            " token {} {} {}", token.contract.to_string(), token.decimals,
            token.supply.to_string());
    }
    for (const GenesisAllocation& allocation : options.genesis) {
        text += fmt::format(
            " allocation {} {} {}", allocation.token.to_string(), allocation.account.to_string(),
            allocation.amount.to_string());
    }
    return crypto::sha256(base::as_bytes(text));
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

LedgerFile::~LedgerFile() {
    ::close(fd_);
}

Result<std::unique_ptr<LedgerFile>> LedgerFile::open(const std::string& path, NeoChain& chain) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return disk_error("open " + path);
    std::unique_ptr<LedgerFile> file(new LedgerFile(fd, chain));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return Error::conflict(path + " is in use by another process", "data_dir_in_use");
    }
    TRY(const base::Bytes content, read_all(fd));
    const Result<void> done = content.size() < kHeadBytes ? file->begin() : file->replay(content);
    if (!done) return Error(done.error()).with_context(path);
    return file;
}

// A new file, or one whose first bytes were never finished.
Result<void> LedgerFile::begin() {
    if (::ftruncate(fd_, 0) != 0) return disk_error("truncate");
    const crypto::Sha256Digest settings = settings_digest(chain_);
    checksum_ = shorten(settings);
    TRY_VOID(write_all(base::as_bytes(kTitle)));
    return write_all(settings.bytes);
}

Result<void> LedgerFile::replay(base::ByteView content) {
    if (base::as_text(content.first(kTitle.size())) != kTitle) {
        return Error::corrupt_data("this is no ledger of a local Neo chain");
    }
    const crypto::Sha256Digest settings = settings_digest(chain_);
    if (!std::equal(
            settings.bytes.begin(), settings.bytes.end(), content.begin() + kTitle.size())) {
        return Error::conflict(
            "the ledger belongs to a local chain with other settings or another key: remove it to "
            "begin anew, or use another data directory",
            "local_chain_settings");
    }
    checksum_ = shorten(settings);
    std::size_t at = kHeadBytes;
    while (at < content.size()) {
        const base::ByteView rest = content.subspan(at);
        const bool has_length = rest.size() >= kLengthBytes;
        const std::size_t length = has_length ? read_length(rest) : 0;
        const std::size_t whole = kLengthBytes + length + kChecksumBytes;
        if (length > kRecordBytesMax) {
            return Error::corrupt_data(fmt::format("block {} is damaged", chain_.height() + 1));
        }
        if (!has_length || rest.size() < whole) break;
        const base::ByteView record = rest.subspan(kLengthBytes, length);
        const base::ByteView stored = rest.subspan(kLengthBytes + length, kChecksumBytes);
        const Checksum sum = next_checksum(checksum_, record);
        if (!std::equal(sum.begin(), sum.end(), stored.begin())) {
            if (rest.size() == whole) break;  // half written, though its length is there
            return Error::corrupt_data(fmt::format("block {} is damaged", chain_.height() + 1));
        }
        TRY_VOID(chain_.replay_record(record));
        checksum_ = sum;
        ++blocks_replayed_;
        at += whole;
    }
    bytes_cut_ = content.size() - at;
    if (bytes_cut_ > 0 && ::ftruncate(fd_, static_cast<off_t>(at)) != 0) {
        return disk_error("cut the unfinished block off");
    }
    return {};
}

Result<void> LedgerFile::write_all(base::ByteView bytes) {
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

Result<void> LedgerFile::append(const Block& block) {
    if (broken_) return Error::unavailable("the ledger could not be written before");
    const base::Bytes record = chain_.block_record(block);
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

}  // namespace adyton::localchain
