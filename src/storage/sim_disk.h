#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace adyton::storage {

// A disk in memory for SQLite, for tests: it keeps what was synced apart from what was only
// written, and a loss of power drops, tears and reorders the latter, as the seed says. Register it
// by SqliteOptions::vfs = disk.vfs().
//
// A crash of the whole process in a simulated run:
//     executor.drop_all();   // queued work and coroutines are gone
//     disk.crash();          // files opened before are dead: whatever is still to come fails
//     database.reset();      // therefore writes nothing
//     database = create_sqlite_database(...);
//
// What a loss of power does: of a file's writes since its last successful sync, each 512-byte
// sector may survive in any of its versions or in none, and a write may survive in part; of the
// files created and deleted since the directory was last synced (SQLite does that with the first
// sync of a new journal), the first few, in order. A sync that failed leaves writes behind that a
// later sync need not write again, as Linux does.
//
// Thread safe. Must outlive the databases on it.
class SimDisk {
public:
    enum class Operation { Read, Write, Sync };
    struct Counters {
        std::uint64_t reads = 0;
        std::uint64_t writes = 0;
        std::uint64_t syncs = 0;
        std::uint64_t bytes_written = 0;
    };

    explicit SimDisk(std::uint64_t seed);
    ~SimDisk();
    SimDisk(const SimDisk&) = delete;
    SimDisk& operator=(const SimDisk&) = delete;

    // Name of the SQLite VFS, unique in this process.
    const std::string& vfs() const;

    // From now on every operation fails, until restart().
    void power_off();
    // Files opened before are dead, but the disk keeps what was written: kill -9, not a loss of
    // power.
    void kill_process();
    // The same as power_off() in the middle of the `operations`-th change (write, truncation, sync,
    // creation or deletion) from now, at least 1.
    void power_off_after(std::uint64_t operations);
    bool powered() const;
    // Loses what was not synced and works again. Files opened before stay dead.
    void restart();
    void crash() {
        power_off();
        restart();
    }

    // No file can grow, as on a full disk.
    void set_full(bool full);
    // The next `count` operations of a kind fail with an I/O error.
    void fail_next(Operation operation, unsigned count);
    // Operations of a kind fail with this probability.
    void set_failure_rate(Operation operation, unsigned per_million);

    Counters counters() const;
    // Changes so far, in the sense of power_off_after().
    std::uint64_t changes() const;
    // What a reader sees now, by file name.
    std::map<std::string, base::Bytes> contents() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace adyton::storage
