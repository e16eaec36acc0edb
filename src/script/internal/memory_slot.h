#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "script/internal/runtime.h"

// What the generated code hands to its imports: the C side knows it by pointer only.
namespace adyton::script::internal {
class MemorySlot;
}
struct Z_env_instance_t {
    adyton::script::internal::MemorySlot* slot;
};

namespace adyton::script::internal {

class Machine;

// The linear memory of an engine that is ready to run a job, and how to bring another memory to the
// same state. Addresses inside are relative, so one snapshot serves every slot of the process.
class Snapshot {
public:
    Snapshot() = default;
    // `started`: the memory as the module's own initialisation left it, or nothing. Long parts that
    // are still the same are its constants, and the jobs' too.
    Snapshot(
        base::ByteView memory, std::uint32_t stack_pointer,
        base::ByteView started = base::ByteView());

    std::size_t bytes() const { return image_.size(); }
    std::uint32_t stack_pointer() const { return stack_pointer_; }
    base::ByteView image() const { return image_; }

    // Part of the image, in whole pages; together they are all of it.
    enum class Content : std::uint8_t {
        Bytes,
        Zeros,      // written as zeros
        ManyZeros,  // given back to the kernel
    };
    struct Piece {
        std::size_t from = 0;
        std::size_t to = 0;
        Content content = Content::Bytes;
        bool quiet = false;  // few jobs write there (Region::keep_quiet)
    };
    std::span<const Piece> pieces() const { return pieces_; }
    // Another one for each snapshot of the process; never 0.
    std::uint64_t serial() const { return serial_; }

private:
    void add_piece(Piece piece);

    std::vector<std::uint8_t> image_;
    std::vector<Piece> pieces_;
    std::uint32_t stack_pointer_ = 0;
    std::uint64_t serial_ = 0;
};

// One instance of the engine: a linear memory in a Region, and the little state beside it. Every
// access by the host is checked against the current size; pointers and lengths come from the guest
// and are taken for hostile. No pointer into the memory is kept: it is all offsets. Not thread
// safe.
class MemorySlot {
public:
    // Unavailable: no address space or memory.
    static Result<std::unique_ptr<MemorySlot>> create();
    ~MemorySlot();
    MemorySlot(const MemorySlot&) = delete;
    MemorySlot& operator=(const MemorySlot&) = delete;

    // Runs the module's own initialisation; before any other use, inside an activation's caller.
    Stop instantiate();
    // Everything that an earlier job wrote is gone afterwards.
    void reset(const Snapshot& snapshot);
    // Wipes without making ready: for a slot that will not be used again soon.
    void wipe();

    Z_quickjs_instance_t* instance() { return &instance_; }
    Region& region() { return *region_; }
    Machine* machine() const { return machine_; }
    // Who answers the imports of the engine.
    void set_machine(Machine* machine) { machine_ = machine; }

    // Bytes; at most what grow_memory() allows. Rounded down to pages.
    void set_memory_max(std::size_t bytes);
    std::size_t memory_bytes() const { return static_cast<std::size_t>(instance_.w2c_memory.size); }
    base::ByteView memory() const { return {region_->data(), memory_bytes()}; }
    // Memory was refused since the last reset.
    bool memory_refused() const { return memory_refused_; }

    // Null when [at, at + length) is not inside the memory. Valid until guest code runs.
    const std::uint8_t* view(std::uint32_t at, std::uint32_t length) const;
    std::uint8_t* view_mutable(std::uint32_t at, std::uint32_t length);
    // False, and nothing done, when outside.
    bool write(std::uint32_t at, base::ByteView bytes);
    bool write_u32(std::uint32_t at, std::uint32_t value);
    bool write_u64(std::uint32_t at, std::uint64_t value);
    bool read_u32(std::uint32_t at, std::uint32_t& value) const;
    bool read_u64(std::uint32_t at, std::uint64_t& value) const;

    // For the runtime.
    static MemorySlot& of(wasm_rt_memory_t* memory);
    void start_memory(std::uint32_t pages);
    std::uint32_t grow_memory(std::uint32_t pages);

private:
    explicit MemorySlot(std::unique_ptr<Region> region);
    void set_size(std::size_t bytes);

    std::unique_ptr<Region> region_;
    Z_env_instance_t env_{};
    Z_quickjs_instance_t instance_{};
    Machine* machine_ = nullptr;
    std::size_t memory_max_ = 0;
    std::uint64_t quiet_serial_ = 0;  // of the snapshot whose quiet pieces are the region's
    bool memory_refused_ = false;
    bool instantiated_ = false;
};

}  // namespace adyton::script::internal
