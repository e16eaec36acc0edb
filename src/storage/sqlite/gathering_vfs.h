#pragma once

#include <memory>
#include <string>

#include "base/result.h"

// SQLite appends to its write-ahead log with two writes for each page: a frame header of 24 bytes,
// then the page. This layer over a VFS gathers the frames of one commit and hands them down as one
// write. The main file and all else go straight to the VFS below.
//
// What SQLite relies on stays: bytes reach the file in SQLite's order, and all of a commit is
// written, with its error told, when the write of its last page returns. So another connection
// finds in the file whatever the log's index says, and a sync covers it. Frames that spill before
// their commit are written at the latest when this connection reads or syncs the log.
// Spec: SQLite's file format, "The Write-Ahead Log".
namespace adyton::storage::sqlite {

// Registered with SQLite under a name of its own for its life, which one connection's must lie in.
class GatheringVfs {
public:
    // InvalidArgument: there is no VFS `base` (empty: SQLite's default).
    static Result<std::unique_ptr<GatheringVfs>> create(const std::string& base);
    ~GatheringVfs();
    GatheringVfs(const GatheringVfs&) = delete;
    GatheringVfs& operator=(const GatheringVfs&) = delete;

    const std::string& name() const;

private:
    struct Layer;
    explicit GatheringVfs(std::unique_ptr<Layer> layer);
    std::unique_ptr<Layer> layer_;
};

}  // namespace adyton::storage::sqlite
