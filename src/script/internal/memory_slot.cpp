#include "script/internal/memory_slot.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"
#include "script/limits.h"

namespace adyton::script::internal {
namespace {

constexpr std::size_t kSmallPage = 4096;
// Zeros shorter than this are written: cheaper than asking the kernel.
constexpr std::size_t kManyZerosMin = std::size_t{128} << 10U;
// Constants shorter than this are copied like anything else.
constexpr std::size_t kConstantsMin = std::size_t{64} << 10U;
// Left in place at the end of a run of zeros: the engine's stack ends there and every job uses it.
constexpr std::size_t kKeptBeforeData = std::size_t{32} << 10U;

bool is_zero(base::ByteView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Snapshot::Snapshot(base::ByteView memory, std::uint32_t stack_pointer, base::ByteView started)
    : image_(memory.begin(), memory.end()), stack_pointer_(stack_pointer) {
    static std::atomic<std::uint64_t> last_serial{0};
    serial_ = ++last_serial;
    enum class Kind : std::uint8_t { Zeros, Constants, Other };
    const auto kind_at = [&](std::size_t at) {
        const auto page = base::ByteView(image_).subspan(at, kSmallPage);
        if (is_zero(page)) return Kind::Zeros;
        const bool same = at + kSmallPage <= started.size() &&
                          std::memcmp(page.data(), started.data() + at, kSmallPage) == 0;
        return same ? Kind::Constants : Kind::Other;
    };
    for (std::size_t at = 0; at < image_.size();) {
        const std::size_t from = at;
        const Kind kind = kind_at(at);
        while (at < image_.size() && kind_at(at) == kind) at += kSmallPage;
        if (kind == Kind::Zeros && at - from >= kManyZerosMin + kKeptBeforeData) {
            add_piece({from, at - kKeptBeforeData, Content::ManyZeros, true});
            add_piece({at - kKeptBeforeData, at, Content::Zeros, false});
        } else if (kind == Kind::Zeros) {
            add_piece({from, at, Content::Zeros, false});
        } else {
            const bool quiet = kind == Kind::Constants && at - from >= kConstantsMin;
            add_piece({from, at, Content::Bytes, quiet});
        }
    }
}

// Neighbours of a kind become one.
void Snapshot::add_piece(Piece piece) {
    if (!pieces_.empty() && pieces_.back().content == piece.content &&
        pieces_.back().quiet == piece.quiet) {
        pieces_.back().to = piece.to;
    } else {
        pieces_.push_back(piece);
    }
}

Result<std::unique_ptr<MemorySlot>> MemorySlot::create() {
    start_runtime();
    TRY(auto region, Region::reserve());
    return std::unique_ptr<MemorySlot>(new MemorySlot(std::move(region)));
}

MemorySlot::MemorySlot(std::unique_ptr<Region> region) : region_(std::move(region)) {
    env_.slot = this;
    set_memory_max(kMemoryBytesMax);
}

MemorySlot::~MemorySlot() {
    if (instantiated_) Z_quickjs_free(&instance_);
}

Stop MemorySlot::instantiate() {
    CHECK(!instantiated_);
    // Set before the activation: wasm_rt_allocate_memory finds its slot by it.
    instance_.Z_env_instance = &env_;
    const Stop stop = Activation::enter(
        *region_,
        [](void* self) {
            auto* const slot = static_cast<MemorySlot*>(self);
            // Both kinds of imports find the slot in the same place.
            Z_quickjs_instantiate(
                &slot->instance_, &slot->env_,
                reinterpret_cast<Z_wasi_snapshot_preview1_instance_t*>(&slot->env_));
        },
        this);
    instantiated_ = true;
    return stop;
}

void MemorySlot::set_size(std::size_t bytes) {
    instance_.w2c_memory.data = region_->data();
    instance_.w2c_memory.size = bytes;
    instance_.w2c_memory.pages = static_cast<std::uint32_t>(bytes / kPageBytes);
    instance_.w2c_memory.max_pages = static_cast<std::uint32_t>(memory_max_ / kPageBytes);
}

void MemorySlot::set_memory_max(std::size_t bytes) {
    memory_max_ = std::min(bytes, kMemoryBytesMax) / kPageBytes * kPageBytes;
    instance_.w2c_memory.max_pages = static_cast<std::uint32_t>(memory_max_ / kPageBytes);
}

void MemorySlot::reset(const Snapshot& snapshot) {
    CHECK(region_->commit(snapshot.bytes()));
    // What is still quiet has not been written since it was made of this very snapshot.
    const bool known = quiet_serial_ == snapshot.serial();
    if (!known) region_->forget_quiet();
    quiet_serial_ = snapshot.serial();
    region_->zero(snapshot.bytes(), region_->committed());
    for (const Snapshot::Piece& piece : snapshot.pieces()) {
        if (piece.quiet && region_->is_quiet(piece.from)) continue;
        std::uint8_t* const to = region_->data() + piece.from;
        const std::size_t bytes = piece.to - piece.from;
        if (piece.content == Snapshot::Content::ManyZeros) {
            region_->zero(piece.from, piece.to);
        } else if (piece.content == Snapshot::Content::Zeros) {
            std::memset(to, 0, bytes);
        } else {
            std::memcpy(to, snapshot.image().data() + piece.from, bytes);
        }
        if (piece.quiet) region_->keep_quiet(piece.from, piece.to);
    }
    set_size(snapshot.bytes());
    instance_.w2c___stack_pointer = snapshot.stack_pointer();
    memory_refused_ = false;
}

void MemorySlot::wipe() {
    region_->forget_quiet();
    quiet_serial_ = 0;
    region_->zero(0, region_->committed());
}

const std::uint8_t* MemorySlot::view(std::uint32_t at, std::uint32_t length) const {
    if (std::uint64_t{at} + length > instance_.w2c_memory.size) return nullptr;
    return region_->data() + at;
}

std::uint8_t* MemorySlot::view_mutable(std::uint32_t at, std::uint32_t length) {
    if (std::uint64_t{at} + length > instance_.w2c_memory.size) return nullptr;
    return region_->data() + at;
}

bool MemorySlot::write(std::uint32_t at, base::ByteView bytes) {
    if (bytes.size() > UINT32_MAX) return false;
    std::uint8_t* const to = view_mutable(at, static_cast<std::uint32_t>(bytes.size()));
    if (to == nullptr) return false;
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return true;
}

bool MemorySlot::write_u32(std::uint32_t at, std::uint32_t value) {
    std::uint8_t* const to = view_mutable(at, sizeof(value));
    if (to == nullptr) return false;
    std::memcpy(to, &value, sizeof(value));
    return true;
}

bool MemorySlot::write_u64(std::uint32_t at, std::uint64_t value) {
    std::uint8_t* const to = view_mutable(at, sizeof(value));
    if (to == nullptr) return false;
    std::memcpy(to, &value, sizeof(value));
    return true;
}

bool MemorySlot::read_u32(std::uint32_t at, std::uint32_t& value) const {
    const std::uint8_t* const from = view(at, sizeof(value));
    if (from == nullptr) return false;
    std::memcpy(&value, from, sizeof(value));
    return true;
}

bool MemorySlot::read_u64(std::uint32_t at, std::uint64_t& value) const {
    const std::uint8_t* const from = view(at, sizeof(value));
    if (from == nullptr) return false;
    std::memcpy(&value, from, sizeof(value));
    return true;
}

MemorySlot& MemorySlot::of(wasm_rt_memory_t* memory) {
    auto* const at = reinterpret_cast<std::uint8_t*>(memory);
    auto* const instance =
        reinterpret_cast<Z_quickjs_instance_t*>(at - offsetof(Z_quickjs_instance_t, w2c_memory));
    return *instance->Z_env_instance->slot;
}

void MemorySlot::start_memory(std::uint32_t pages) {
    const std::size_t bytes = std::size_t{pages} * kPageBytes;
    CHECK(bytes <= kMemoryBytesMax && region_->commit(bytes));
    set_size(bytes);
}

std::uint32_t MemorySlot::grow_memory(std::uint32_t pages) {
    const std::size_t before = memory_bytes();
    const std::size_t wanted = before + std::size_t{pages} * kPageBytes;
    if (wanted > memory_max_ || !region_->commit(wanted)) {
        memory_refused_ = true;
        return UINT32_MAX;
    }
    set_size(wanted);
    return static_cast<std::uint32_t>(before / kPageBytes);
}

}  // namespace adyton::script::internal
