#include "storage/sqlite/gathering_vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace adyton::storage::sqlite {
namespace {

// Of SQLite's file format, "The Write-Ahead Log": a frame header has big-endian in its bytes 4 to 7
// the size of the database for the last frame of a commit, else zero.
constexpr int kFrameHeaderBytes = 24;
constexpr std::size_t kCommitSizeAt = 4;
constexpr std::size_t kCommitSizeBytes = 4;
// SQLite's file layer writes (size modulo 128 KiB) bytes at a time and takes none written for a
// full disk: what is handed down stays below that.
constexpr std::size_t kGatheredBytesMax = 96 * 1024;

// A log file: SQLite gives the memory, zeroed, and behind this stands the file of the VFS below.
struct LogFile {
    sqlite3_file base;
    // What is not written yet, and where it goes. Owned; made in open(), deleted in close().
    base::Bytes* gathered;
    sqlite3_int64 at;
    bool page_is_next;   // a frame header stands last in `gathered`
    bool ends_commit;    // and the page is the last one of a commit
    bool straight_next;  // the next write goes down at once (see log_write)

    sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    const sqlite3_io_methods& calls() { return *below()->pMethods; }

    int write_below(const void* data, int bytes, sqlite3_int64 offset) {
        return calls().xWrite(below(), data, bytes, offset);
    }
    // Writes what is gathered. After a failure it is gone: SQLite is told, and begins the
    // transaction's frames anew.
    int flush() {
        if (gathered->empty()) return SQLITE_OK;
        const int code = write_below(gathered->data(), static_cast<int>(gathered->size()), at);
        gathered->clear();
        page_is_next = false;
        return code;
    }
};

LogFile& log_of(sqlite3_file* file) {
    return *reinterpret_cast<LogFile*>(file);
}

bool is_commit(const std::uint8_t* header) {
    const std::uint8_t* const size = header + kCommitSizeAt;
    return std::any_of(size, size + kCommitSizeBytes, [](std::uint8_t byte) { return byte != 0; });
}

int log_close(sqlite3_file* file) {
    LogFile& log = log_of(file);
    delete log.gathered;  // at most of a transaction that ended without a commit
    log.gathered = nullptr;
    return log.calls().xClose(log.below());
}

int log_read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    LogFile& log = log_of(file);
    log.straight_next = true;
    const int flushed = log.flush();
    if (flushed != SQLITE_OK) return flushed;
    return log.calls().xRead(log.below(), out, bytes, offset);
}

int log_write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    LogFile& log = log_of(file);
    const bool straight = std::exchange(log.straight_next, false);
    const auto* const begin = static_cast<const std::uint8_t*>(data);
    const auto end = log.at + static_cast<sqlite3_int64>(log.gathered->size());
    if (!log.gathered->empty() && offset != end) {
        const int flushed = log.flush();
        if (flushed != SQLITE_OK) return flushed;
    }
    // What looks like a frame header is none, or is rewritten alone for its checksum, only after a
    // read, and, where a page is written in two parts with a sync between, only after that sync.
    const bool header = bytes == kFrameHeaderBytes && !straight && !log.page_is_next;
    if (!header && !log.page_is_next) {
        const int flushed = log.flush();
        if (flushed != SQLITE_OK) return flushed;
        return log.write_below(data, bytes, offset);
    }
    if (log.gathered->empty()) log.at = offset;
    log.gathered->insert(log.gathered->end(), begin, begin + bytes);
    log.page_is_next = header;
    if (header) {
        log.ends_commit = is_commit(begin);
        return SQLITE_OK;
    }
    if (!log.ends_commit && log.gathered->size() < kGatheredBytesMax) return SQLITE_OK;
    return log.flush();
}

int log_truncate(sqlite3_file* file, sqlite3_int64 size) {
    LogFile& log = log_of(file);
    const int flushed = log.flush();
    return flushed != SQLITE_OK ? flushed : log.calls().xTruncate(log.below(), size);
}

int log_sync(sqlite3_file* file, int flags) {
    LogFile& log = log_of(file);
    log.straight_next = true;
    const int flushed = log.flush();
    return flushed != SQLITE_OK ? flushed : log.calls().xSync(log.below(), flags);
}

int log_size(sqlite3_file* file, sqlite3_int64* out) {
    LogFile& log = log_of(file);
    const int flushed = log.flush();
    return flushed != SQLITE_OK ? flushed : log.calls().xFileSize(log.below(), out);
}

int log_lock(sqlite3_file* file, int level) {
    LogFile& log = log_of(file);
    return log.calls().xLock(log.below(), level);
}

int log_unlock(sqlite3_file* file, int level) {
    LogFile& log = log_of(file);
    return log.calls().xUnlock(log.below(), level);
}

int log_check_lock(sqlite3_file* file, int* out) {
    LogFile& log = log_of(file);
    return log.calls().xCheckReservedLock(log.below(), out);
}

int log_control(sqlite3_file* file, int operation, void* argument) {
    LogFile& log = log_of(file);
    return log.calls().xFileControl(log.below(), operation, argument);
}

int log_sector_size(sqlite3_file* file) {
    LogFile& log = log_of(file);
    return log.calls().xSectorSize(log.below());
}

int log_characteristics(sqlite3_file* file) {
    LogFile& log = log_of(file);
    return log.calls().xDeviceCharacteristics(log.below());
}

// Version 1: a log has no shared memory and no mapping of its own.
constexpr sqlite3_io_methods make_log_methods() {
    sqlite3_io_methods out{};
    out.iVersion = 1;
    out.xClose = log_close;
    out.xRead = log_read;
    out.xWrite = log_write;
    out.xTruncate = log_truncate;
    out.xSync = log_sync;
    out.xFileSize = log_size;
    out.xLock = log_lock;
    out.xUnlock = log_unlock;
    out.xCheckReservedLock = log_check_lock;
    out.xFileControl = log_control;
    out.xSectorSize = log_sector_size;
    out.xDeviceCharacteristics = log_characteristics;
    return out;
}
constexpr sqlite3_io_methods kLogMethods = make_log_methods();

sqlite3_vfs* below(sqlite3_vfs* vfs) {
    return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    sqlite3_vfs* const base = below(vfs);
    if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, name, file, flags, out);
    LogFile& log = log_of(file);
    log.base.pMethods = nullptr;  // until it is open: SQLite then closes nothing
    log.below()->pMethods = nullptr;
    const int code = base->xOpen(base, name, log.below(), flags, out);
    if (code != SQLITE_OK) {
        if (log.below()->pMethods != nullptr) log.calls().xClose(log.below());
        return code;
    }
    log.gathered = new base::Bytes();
    log.base.pMethods = &kLogMethods;
    return SQLITE_OK;
}

int remove_file(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    return below(vfs)->xDelete(below(vfs), name, sync_directory);
}
int access_file(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
    return below(vfs)->xAccess(below(vfs), name, flags, out);
}
int full_path(sqlite3_vfs* vfs, const char* name, int bytes, char* out) {
    return below(vfs)->xFullPathname(below(vfs), name, bytes, out);
}
int randomness(sqlite3_vfs* vfs, int bytes, char* out) {
    return below(vfs)->xRandomness(below(vfs), bytes, out);
}
int pause(sqlite3_vfs* vfs, int microseconds) {
    return below(vfs)->xSleep(below(vfs), microseconds);
}
int current_day(sqlite3_vfs* vfs, double* out) {
    return below(vfs)->xCurrentTime(below(vfs), out);
}
int current_time(sqlite3_vfs* vfs, sqlite3_int64* out) {
    return below(vfs)->xCurrentTimeInt64(below(vfs), out);
}
int last_error(sqlite3_vfs* vfs, int bytes, char* out) {
    return below(vfs)->xGetLastError(below(vfs), bytes, out);
}

}  // namespace

struct GatheringVfs::Layer {
    std::string name;
    sqlite3_vfs vfs{};

    explicit Layer(sqlite3_vfs& base)
        : name(fmt::format("gathering-{}", static_cast<const void*>(this))) {
        const bool has_int64_time = base.iVersion >= 2 && base.xCurrentTimeInt64 != nullptr;
        vfs.iVersion = has_int64_time ? 2 : 1;
        vfs.szOsFile = static_cast<int>(sizeof(LogFile)) + base.szOsFile;
        vfs.mxPathname = base.mxPathname;
        vfs.zName = name.c_str();
        vfs.pAppData = &base;
        vfs.xOpen = open_file;
        vfs.xDelete = remove_file;
        vfs.xAccess = access_file;
        vfs.xFullPathname = full_path;
        vfs.xRandomness = randomness;
        vfs.xSleep = pause;
        vfs.xCurrentTime = current_day;
        vfs.xCurrentTimeInt64 = has_int64_time ? current_time : nullptr;
        vfs.xGetLastError = last_error;
        CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
    }
    ~Layer() { sqlite3_vfs_unregister(&vfs); }
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;
};

GatheringVfs::GatheringVfs(std::unique_ptr<Layer> layer) : layer_(std::move(layer)) {}
GatheringVfs::~GatheringVfs() = default;

Result<std::unique_ptr<GatheringVfs>> GatheringVfs::create(const std::string& base) {
    sqlite3_vfs* const found = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
    if (found == nullptr) return Error::invalid_argument("there is no such VFS of SQLite");
    return std::unique_ptr<GatheringVfs>(new GatheringVfs(std::make_unique<Layer>(*found)));
}

const std::string& GatheringVfs::name() const {
    return layer_->name;
}

}  // namespace adyton::storage::sqlite
