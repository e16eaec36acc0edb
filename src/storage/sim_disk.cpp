#include "storage/sim_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "storage/sqlite/page_cache.h"

namespace adyton::storage {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::size_t kShmLocks = SQLITE_SHM_NLOCK;
constexpr std::uint64_t kPerMillion = 1'000'000;

// A write since the last sync, within one sector.
struct Fragment {
    std::uint64_t offset;
    base::Bytes data;
    bool forgotten;  // a failed sync cleared its dirty mark
};

struct ShmRegion {
    std::vector<std::uint64_t> words;  // aligned for SQLite's atomics
};

class SimFile;

// A file's content, apart from its name.
struct Inode {
    base::Bytes content;                                      // what a reader sees
    base::Bytes durable;                                      // what the last sync left
    std::map<std::uint64_t, std::vector<Fragment>> unsynced;  // by sector, in order
    std::optional<std::uint64_t> truncated_to;                // the least size since the last sync

    // Locks of the file.
    unsigned shared = 0;
    const SimFile* reserved = nullptr;
    const SimFile* pending = nullptr;
    const SimFile* exclusive = nullptr;

    // Shared memory of a write-ahead log.
    unsigned shm_users = 0;
    std::vector<std::unique_ptr<ShmRegion>> shm;
    std::array<int, kShmLocks> shm_locks{};  // readers, or -1 for a writer
};

void overwrite(base::Bytes& bytes, std::uint64_t offset, base::ByteView data) {
    if (data.empty()) return;
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size(), 0);
    std::memcpy(bytes.data() + offset, data.data(), data.size());
}

// An open file: SQLite allocates SqliteFile and we hang this on it.
class SimFile {
public:
    std::shared_ptr<Inode> inode;  // shared with the directory and other opens of the file
    std::string name;
    std::uint64_t generation = 0;  // of the disk, when it was opened
    bool delete_on_close = false;
    bool sync_directory = false;  // with the next sync
    int lock = SQLITE_LOCK_NONE;
    bool shm_mapped = false;
    std::uint16_t shm_shared = 0;
    std::uint16_t shm_exclusive = 0;
};

struct SqliteFile {
    sqlite3_file base;
    SimFile* file;
    void* disk;
};

}  // namespace

class SimDisk::Impl {
public:
    explicit Impl(std::uint64_t seed);
    ~Impl() { sqlite3_vfs_unregister(&vfs_); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void kill_process();
    void restart();
    std::map<std::string, base::Bytes> contents() const;

    // The operations of SQLite's VFS; codes are SQLite's.
    int open(const char* name, SqliteFile* out, int flags, int* out_flags);
    int remove(const std::string& name, bool sync_directory);
    int access(const std::string& name, int* exists);
    int close(SimFile* file);
    int read(SimFile& file, void* out, std::uint64_t size, std::uint64_t offset);
    int write(SimFile& file, base::ByteView data, std::uint64_t offset);
    int truncate(SimFile& file, std::uint64_t size);
    int sync(SimFile& file);
    int size(const SimFile& file, sqlite3_int64* out) const;
    int lock(SimFile& file, int level);
    int unlock(SimFile& file, int level);
    int check_reserved(const SimFile& file, int* out) const;
    int shm_map(
        SimFile& file, std::size_t region, std::size_t bytes, bool extend, void volatile** out);
    int shm_lock(SimFile& file, std::size_t first, std::size_t count, int flags);
    void shm_unmap(SimFile& file);

    mutable std::recursive_mutex mutex;
    std::string name;
    base::SeededRandom random;
    bool powered = true;
    bool full = false;
    std::uint64_t changes = 0;
    std::uint64_t changes_left = 0;  // until the power goes; 0: it stays
    std::array<unsigned, 3> failing{};
    std::array<unsigned, 3> failure_rate{};
    Counters counters;

private:
    using Directory = std::map<std::string, std::shared_ptr<Inode>>;
    struct DirectoryChange {
        std::string name;
        std::shared_ptr<Inode> inode;  // null: deleted
    };

    bool usable(const SimFile& file) const { return powered && file.generation == generation_; }
    bool fails(Operation operation);
    bool power_fails();
    void sync_directory();
    void put(Inode& inode, base::ByteView data, std::uint64_t offset);
    std::shared_ptr<Inode> survivor(const Inode& inode);

    struct Calls;

    sqlite3_vfs vfs_{};
    std::uint64_t generation_ = 0;  // grows with each restart
    Directory directory_;
    Directory durable_directory_;
    std::vector<DirectoryChange> directory_changes_;
};

// Whether this operation is to fail with an I/O error.
bool SimDisk::Impl::fails(Operation operation) {
    const auto kind = static_cast<std::size_t>(operation);
    if (failing[kind] > 0) {
        --failing[kind];
        return true;
    }
    return failure_rate[kind] > 0 && random.below(kPerMillion) < failure_rate[kind];
}

// Counts a change; true when the power goes during it.
bool SimDisk::Impl::power_fails() {
    ++changes;
    if (changes_left == 0 || --changes_left > 0) return false;
    powered = false;
    return true;
}

void SimDisk::Impl::sync_directory() {
    durable_directory_ = directory_;
    directory_changes_.clear();
}

void SimDisk::Impl::put(Inode& inode, base::ByteView data, std::uint64_t offset) {
    overwrite(inode.content, offset, data);
    while (!data.empty()) {
        const std::uint64_t sector = offset / kSector;
        const auto count = std::min<std::uint64_t>(data.size(), (sector + 1) * kSector - offset);
        const auto part = data.first(count);
        inode.unsynced[sector].push_back({offset, base::Bytes(part.begin(), part.end()), false});
        data = data.subspan(count);
        offset += count;
    }
}

int SimDisk::Impl::open(const char* path, SqliteFile* out, int flags, int* out_flags) {
    const std::scoped_lock guard(mutex);
    if (!powered) return SQLITE_CANTOPEN;
    auto file = std::make_unique<SimFile>();
    file->generation = generation_;
    if (path == nullptr) {
        file->inode = std::make_shared<Inode>();
    } else {
        file->name = path;
        const auto found = directory_.find(file->name);
        if (found != directory_.end()) {
            file->inode = found->second;
        } else {
            if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
            if (power_fails()) return SQLITE_CANTOPEN;
            file->inode = std::make_shared<Inode>();
            directory_.emplace(file->name, file->inode);
            directory_changes_.push_back({file->name, file->inode});
        }
    }
    constexpr int kJournals =
        SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    file->sync_directory = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & kJournals) != 0;
    file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (out_flags != nullptr) *out_flags = flags;
    out->file = file.release();
    out->disk = this;
    return SQLITE_OK;
}

int SimDisk::Impl::remove(const std::string& path, bool with_sync) {
    const std::scoped_lock guard(mutex);
    if (!powered) return SQLITE_IOERR_DELETE;
    const auto found = directory_.find(path);
    if (found == directory_.end()) return SQLITE_IOERR_DELETE_NOENT;
    directory_.erase(found);
    directory_changes_.push_back({path, nullptr});
    if (power_fails()) return SQLITE_IOERR_DELETE;
    if (with_sync) sync_directory();
    return SQLITE_OK;
}

int SimDisk::Impl::access(const std::string& path, int* exists) {
    const std::scoped_lock guard(mutex);
    if (!powered) return SQLITE_IOERR_ACCESS;
    const auto found = directory_.find(path);
    *exists = found == directory_.end() ? 0 : 1;
    return SQLITE_OK;
}

int SimDisk::Impl::close(SimFile* file) {
    const std::scoped_lock guard(mutex);
    const std::unique_ptr<SimFile> owned(file);
    if (file->generation != generation_) return SQLITE_OK;
    unlock(*file, SQLITE_LOCK_NONE);
    shm_unmap(*file);
    if (file->delete_on_close && !file->name.empty() && usable(*file)) remove(file->name, false);
    return SQLITE_OK;
}

int SimDisk::Impl::read(SimFile& file, void* out, std::uint64_t count, std::uint64_t offset) {
    const std::scoped_lock guard(mutex);
    ++counters.reads;
    if (!usable(file) || fails(Operation::Read)) return SQLITE_IOERR_READ;
    const base::Bytes& content = file.inode->content;
    const std::uint64_t there = offset < content.size() ? content.size() - offset : 0;
    const std::uint64_t got = std::min(there, count);
    if (got > 0) std::memcpy(out, content.data() + offset, got);
    if (got == count) return SQLITE_OK;
    std::memset(static_cast<std::uint8_t*>(out) + got, 0, count - got);
    return SQLITE_IOERR_SHORT_READ;
}

int SimDisk::Impl::write(SimFile& file, base::ByteView data, std::uint64_t offset) {
    const std::scoped_lock guard(mutex);
    ++counters.writes;
    if (!usable(file)) return SQLITE_IOERR_WRITE;
    Inode& inode = *file.inode;
    const bool lost = power_fails();
    if (lost || fails(Operation::Write)) {
        put(inode, data.first(random.below(data.size() + 1)), offset);
        return SQLITE_IOERR_WRITE;
    }
    if (full && offset + data.size() > inode.content.size()) {
        // A real disk takes what still fits.
        const std::uint64_t size = inode.content.size();
        if (offset < size) put(inode, data.first(size - offset), offset);
        return SQLITE_FULL;
    }
    counters.bytes_written += data.size();
    put(inode, data, offset);
    return SQLITE_OK;
}

int SimDisk::Impl::truncate(SimFile& file, std::uint64_t size) {
    const std::scoped_lock guard(mutex);
    if (!usable(file) || power_fails()) return SQLITE_IOERR_TRUNCATE;
    Inode& inode = *file.inode;
    if (size < inode.content.size()) {
        inode.truncated_to = std::min(inode.truncated_to.value_or(size), size);
        // What was written beyond is gone; a fragment across the border keeps its head.
        for (auto sector = inode.unsynced.lower_bound(size / kSector);
             sector != inode.unsynced.end();) {
            auto& fragments = sector->second;
            std::erase_if(fragments, [size](const Fragment& one) { return one.offset >= size; });
            for (Fragment& one : fragments) {
                one.data.resize(std::min<std::uint64_t>(one.data.size(), size - one.offset));
            }
            sector = fragments.empty() ? inode.unsynced.erase(sector) : std::next(sector);
        }
    }
    inode.content.resize(size, 0);
    return SQLITE_OK;
}

int SimDisk::Impl::sync(SimFile& file) {
    const std::scoped_lock guard(mutex);
    if (!usable(file) || power_fails()) return SQLITE_IOERR_FSYNC;
    Inode& inode = *file.inode;
    if (fails(Operation::Sync)) {
        for (auto& [sector, fragments] : inode.unsynced) {
            for (Fragment& one : fragments) one.forgotten = true;
        }
        return SQLITE_IOERR_FSYNC;
    }
    ++counters.syncs;
    if (inode.truncated_to) {
        inode.durable.resize(std::min<std::uint64_t>(inode.durable.size(), *inode.truncated_to));
        inode.truncated_to.reset();
    }
    for (auto sector = inode.unsynced.begin(); sector != inode.unsynced.end();) {
        const auto& fragments = sector->second;
        const bool dirty = std::any_of(
            fragments.begin(), fragments.end(), [](const Fragment& one) { return !one.forgotten; });
        if (!dirty) {
            ++sector;
            continue;
        }
        for (const Fragment& one : fragments) overwrite(inode.durable, one.offset, one.data);
        sector = inode.unsynced.erase(sector);
    }
    inode.durable.resize(inode.content.size(), 0);
    if (file.sync_directory) {
        file.sync_directory = false;
        sync_directory();
    }
    return SQLITE_OK;
}

int SimDisk::Impl::size(const SimFile& file, sqlite3_int64* out) const {
    const std::scoped_lock guard(mutex);
    if (!usable(file)) return SQLITE_IOERR_FSTAT;
    *out = static_cast<sqlite3_int64>(file.inode->content.size());
    return SQLITE_OK;
}

int SimDisk::Impl::lock(SimFile& file, int level) {
    const std::scoped_lock guard(mutex);
    if (!usable(file)) return SQLITE_IOERR_LOCK;
    Inode& inode = *file.inode;
    if (file.lock >= level) return SQLITE_OK;
    const auto others = [&file](const SimFile* holder) {
        return holder != nullptr && holder != &file;
    };
    if (level == SQLITE_LOCK_SHARED) {
        if (others(inode.pending) || others(inode.exclusive)) return SQLITE_BUSY;
        ++inode.shared;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (others(inode.reserved)) return SQLITE_BUSY;
        inode.reserved = &file;
    } else {
        if (others(inode.reserved) || others(inode.pending)) return SQLITE_BUSY;
        inode.pending = &file;
        file.lock = SQLITE_LOCK_PENDING;
        if (inode.shared > 1) return SQLITE_BUSY;  // one is this file's own
        inode.exclusive = &file;
    }
    file.lock = level;
    return SQLITE_OK;
}

int SimDisk::Impl::unlock(SimFile& file, int level) {
    const std::scoped_lock guard(mutex);
    if (file.generation != generation_) return SQLITE_IOERR;
    Inode& inode = *file.inode;
    if (file.lock <= level) return SQLITE_OK;
    if (inode.reserved == &file) inode.reserved = nullptr;
    if (inode.pending == &file) inode.pending = nullptr;
    if (inode.exclusive == &file) inode.exclusive = nullptr;
    if (level == SQLITE_LOCK_NONE && file.lock >= SQLITE_LOCK_SHARED) --inode.shared;
    file.lock = level;
    return SQLITE_OK;
}

int SimDisk::Impl::check_reserved(const SimFile& file, int* out) const {
    const std::scoped_lock guard(mutex);
    if (!usable(file)) return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *out = file.inode->reserved != nullptr ? 1 : 0;
    return SQLITE_OK;
}

int SimDisk::Impl::shm_map(
    SimFile& file, std::size_t region, std::size_t bytes, bool extend, void volatile** out) {
    const std::scoped_lock guard(mutex);
    *out = nullptr;
    if (!usable(file)) return SQLITE_IOERR_SHMMAP;
    Inode& inode = *file.inode;
    if (!file.shm_mapped) {
        // The first user finds fresh memory, and therefore recovers the log.
        if (inode.shm_users++ == 0) inode.shm.clear();
        file.shm_mapped = true;
    }
    if (region >= inode.shm.size() && !extend) return SQLITE_OK;
    while (inode.shm.size() <= region) {
        inode.shm.push_back(std::make_unique<ShmRegion>());
        inode.shm.back()->words.resize(bytes / sizeof(std::uint64_t), 0);
    }
    *out = inode.shm[region]->words.data();
    return SQLITE_OK;
}

int SimDisk::Impl::shm_lock(SimFile& file, std::size_t first, std::size_t count, int flags) {
    const std::scoped_lock guard(mutex);
    if (file.generation != generation_) return SQLITE_IOERR;
    Inode& inode = *file.inode;
    const auto bits = static_cast<std::uint16_t>(((1U << count) - 1U) << first);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        for (std::size_t i = first; i < first + count; ++i) {
            if ((file.shm_exclusive >> i & 1U) != 0) inode.shm_locks[i] = 0;
            if ((file.shm_shared >> i & 1U) != 0) --inode.shm_locks[i];
        }
        file.shm_shared &= static_cast<std::uint16_t>(~bits);
        file.shm_exclusive &= static_cast<std::uint16_t>(~bits);
        return SQLITE_OK;
    }
    if (!usable(file)) return SQLITE_IOERR_SHMLOCK;
    const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
    if (shared && (file.shm_shared & bits) == bits) return SQLITE_OK;
    for (std::size_t i = first; i < first + count; ++i) {
        if (shared ? inode.shm_locks[i] < 0 : inode.shm_locks[i] != 0) return SQLITE_BUSY;
    }
    for (std::size_t i = first; i < first + count; ++i) {
        inode.shm_locks[i] = shared ? inode.shm_locks[i] + 1 : -1;
    }
    (shared ? file.shm_shared : file.shm_exclusive) |= bits;
    return SQLITE_OK;
}

void SimDisk::Impl::shm_unmap(SimFile& file) {
    const std::scoped_lock guard(mutex);
    if (!file.shm_mapped || file.generation != generation_) return;
    shm_lock(file, 0, kShmLocks, SQLITE_SHM_UNLOCK);
    file.shm_mapped = false;
    --file.inode->shm_users;
}

// What a loss of power leaves of a file.
std::shared_ptr<Inode> SimDisk::Impl::survivor(const Inode& inode) {
    base::Bytes content = inode.durable;
    if (inode.truncated_to && random.below(2) == 0) {
        content.resize(std::min<std::uint64_t>(content.size(), *inode.truncated_to));
    }
    const std::uint64_t kept_of_4 = random.below(5);  // this time: none, some, most, all
    for (const auto& [sector, fragments] : inode.unsynced) {
        for (const Fragment& one : fragments) {
            if (random.below(4) >= kept_of_4) continue;
            base::ByteView data = one.data;
            if (random.below(16) == 0) data = data.first(random.below(data.size() + 1));
            overwrite(content, one.offset, data);
        }
    }
    auto fresh = std::make_shared<Inode>();
    fresh->content = content;
    fresh->durable = std::move(content);
    return fresh;
}

void SimDisk::Impl::kill_process() {
    const std::scoped_lock guard(mutex);
    ++generation_;
    for (const auto& [path, inode] : directory_) {
        inode->shared = 0;
        inode->reserved = inode->pending = inode->exclusive = nullptr;
        inode->shm_users = 0;
        inode->shm_locks = {};
    }
}

void SimDisk::Impl::restart() {
    const std::scoped_lock guard(mutex);
    const std::uint64_t kept = random.below(directory_changes_.size() + 1);
    for (std::uint64_t i = 0; i < kept; ++i) {
        const DirectoryChange& change = directory_changes_[i];
        if (change.inode) {
            durable_directory_[change.name] = change.inode;
        } else {
            durable_directory_.erase(change.name);
        }
    }
    ++generation_;
    Directory fresh;
    for (const auto& [path, inode] : durable_directory_) fresh.emplace(path, survivor(*inode));
    directory_ = fresh;
    durable_directory_ = std::move(fresh);
    directory_changes_.clear();
    powered = true;
    changes_left = 0;
}

std::map<std::string, base::Bytes> SimDisk::Impl::contents() const {
    const std::scoped_lock guard(mutex);
    std::map<std::string, base::Bytes> all;
    for (const auto& [path, inode] : directory_) all.emplace(path, inode->content);
    return all;
}

// SQLite's C interface on top of the operations above.
struct SimDisk::Impl::Calls {
    static SqliteFile* handle(sqlite3_file* file) { return reinterpret_cast<SqliteFile*>(file); }
    static Impl& disk(sqlite3_file* file) { return *static_cast<Impl*>(handle(file)->disk); }
    static Impl& disk(sqlite3_vfs* vfs) { return *static_cast<Impl*>(vfs->pAppData); }
    static SimFile& sim(sqlite3_file* file) { return *handle(file)->file; }
    static std::uint64_t natural(sqlite3_int64 value) { return static_cast<std::uint64_t>(value); }

    static int close(sqlite3_file* file) { return disk(file).close(handle(file)->file); }
    static int read(sqlite3_file* file, void* out, int count, sqlite3_int64 offset) {
        return disk(file).read(sim(file), out, natural(count), natural(offset));
    }
    static int write(sqlite3_file* file, const void* data, int count, sqlite3_int64 offset) {
        const base::ByteView bytes(static_cast<const std::uint8_t*>(data), natural(count));
        return disk(file).write(sim(file), bytes, natural(offset));
    }
    static int truncate(sqlite3_file* file, sqlite3_int64 size) {
        return disk(file).truncate(sim(file), natural(size));
    }
    static int sync(sqlite3_file* file, int) { return disk(file).sync(sim(file)); }
    static int size(sqlite3_file* file, sqlite3_int64* out) {
        return disk(file).size(sim(file), out);
    }
    static int lock(sqlite3_file* file, int level) { return disk(file).lock(sim(file), level); }
    static int unlock(sqlite3_file* file, int level) { return disk(file).unlock(sim(file), level); }
    static int check_reserved(sqlite3_file* file, int* out) {
        return disk(file).check_reserved(sim(file), out);
    }
    static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
    static int sector_size(sqlite3_file*) { return 4096; }
    // As SQLite's own file systems say: bytes beside a write do not change when power is lost.
    static int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
    static int shm_map(sqlite3_file* file, int region, int bytes, int extend, void volatile** out) {
        return disk(file).shm_map(sim(file), natural(region), natural(bytes), extend != 0, out);
    }
    static int shm_lock(sqlite3_file* file, int first, int count, int flags) {
        return disk(file).shm_lock(sim(file), natural(first), natural(count), flags);
    }
    static void shm_barrier(sqlite3_file* file) { const std::scoped_lock guard(disk(file).mutex); }
    static int shm_unmap(sqlite3_file* file, int) {
        disk(file).shm_unmap(sim(file));
        return SQLITE_OK;
    }

    static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
        static constexpr sqlite3_io_methods kMethods = {2,
                                                        close,
                                                        read,
                                                        write,
                                                        truncate,
                                                        sync,
                                                        size,
                                                        lock,
                                                        unlock,
                                                        check_reserved,
                                                        control,
                                                        sector_size,
                                                        characteristics,
                                                        shm_map,
                                                        shm_lock,
                                                        shm_barrier,
                                                        shm_unmap,
                                                        nullptr,
                                                        nullptr};
        file->pMethods = nullptr;
        const int code = disk(vfs).open(name, handle(file), flags, out);
        if (code == SQLITE_OK) file->pMethods = &kMethods;
        return code;
    }
    static int remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
        return disk(vfs).remove(name, sync_directory != 0);
    }
    static int access(sqlite3_vfs* vfs, const char* name, int, int* out) {
        return disk(vfs).access(name, out);
    }
    static int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
        sqlite3_snprintf(size, out, "%s", name);
        return SQLITE_OK;
    }
    static int randomness(sqlite3_vfs* vfs, int count, char* out) {
        const std::scoped_lock guard(disk(vfs).mutex);
        disk(vfs).random.fill({reinterpret_cast<std::uint8_t*>(out), natural(count)});
        return count;
    }
    // Waiting for a lock: whoever holds it is on this thread's stack or gone.
    static int wait(sqlite3_vfs*, int microseconds) { return microseconds; }
    static int current_time(sqlite3_vfs*, sqlite3_int64* out) {
        *out = 212'633'985'600'000;  // milliseconds of the Julian day: 2026-01-01 00:00
        return SQLITE_OK;
    }
    static int current_day(sqlite3_vfs* vfs, double* out) {
        sqlite3_int64 milliseconds = 0;
        const int code = current_time(vfs, &milliseconds);
        *out = static_cast<double>(milliseconds) / 86'400'000.0;
        return code;
    }
    static int last_error(sqlite3_vfs*, int, char*) { return 0; }
};

SimDisk::Impl::Impl(std::uint64_t seed) : random(seed) {
    sqlite::install_page_cache();
    static std::atomic<unsigned> next{1};
    name = "adyton-sim-" + std::to_string(next.fetch_add(1));
    vfs_.iVersion = 2;
    vfs_.szOsFile = sizeof(SqliteFile);
    vfs_.mxPathname = 512;
    vfs_.zName = name.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = Calls::open;
    vfs_.xDelete = Calls::remove;
    vfs_.xAccess = Calls::access;
    vfs_.xFullPathname = Calls::full_path;
    vfs_.xRandomness = Calls::randomness;
    vfs_.xSleep = Calls::wait;
    vfs_.xCurrentTime = Calls::current_day;
    vfs_.xCurrentTimeInt64 = Calls::current_time;
    vfs_.xGetLastError = Calls::last_error;
    CHECK(sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK);
    // SQLite's own generator (salts of the log) otherwise starts from the real system.
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(seed | 1U), nullptr);
}

SimDisk::SimDisk(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}
SimDisk::~SimDisk() = default;

const std::string& SimDisk::vfs() const {
    return impl_->name;
}

void SimDisk::power_off() {
    const std::scoped_lock guard(impl_->mutex);
    impl_->powered = false;
}

void SimDisk::power_off_after(std::uint64_t operations) {
    CHECK(operations > 0);
    const std::scoped_lock guard(impl_->mutex);
    impl_->changes_left = operations;
}

bool SimDisk::powered() const {
    const std::scoped_lock guard(impl_->mutex);
    return impl_->powered;
}

void SimDisk::kill_process() {
    impl_->kill_process();
}

void SimDisk::restart() {
    impl_->restart();
}

void SimDisk::set_full(bool full) {
    const std::scoped_lock guard(impl_->mutex);
    impl_->full = full;
}

void SimDisk::fail_next(Operation operation, unsigned count) {
    const std::scoped_lock guard(impl_->mutex);
    impl_->failing[static_cast<std::size_t>(operation)] = count;
}

void SimDisk::set_failure_rate(Operation operation, unsigned per_million) {
    const std::scoped_lock guard(impl_->mutex);
    impl_->failure_rate[static_cast<std::size_t>(operation)] = per_million;
}

SimDisk::Counters SimDisk::counters() const {
    const std::scoped_lock guard(impl_->mutex);
    return impl_->counters;
}

std::uint64_t SimDisk::changes() const {
    const std::scoped_lock guard(impl_->mutex);
    return impl_->changes;
}

std::map<std::string, base::Bytes> SimDisk::contents() const {
    return impl_->contents();
}

}  // namespace adyton::storage
