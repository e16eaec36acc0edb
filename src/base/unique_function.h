#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace adyton::base {

// A move-only callable of no arguments, called at most once by executors. Small ones (48 bytes) are
// stored in place. Not thread safe.
class UniqueFunction {
public:
    UniqueFunction() = default;
    template <typename F>
    requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> && std::is_invocable_r_v<void, F&>)
        UniqueFunction(F&& function) {  // implicit: lambdas are passed where one is wanted
        using Stored = std::decay_t<F>;
        if constexpr (fits<Stored>()) {
            ::new (static_cast<void*>(storage_)) Stored(std::forward<F>(function));
            operations_ = &kInline<Stored>;
        } else {
            ::new (static_cast<void*>(storage_)) Stored*(new Stored(std::forward<F>(function)));
            operations_ = &kHeap<Stored>;
        }
    }
    UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
    UniqueFunction& operator=(UniqueFunction&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }
    UniqueFunction(const UniqueFunction&) = delete;
    UniqueFunction& operator=(const UniqueFunction&) = delete;
    ~UniqueFunction() { reset(); }

    explicit operator bool() const { return operations_ != nullptr; }
    void operator()() {
        CHECK(operations_ != nullptr);
        operations_->call(storage_);
    }

private:
    struct Operations {
        void (*call)(void*);
        void (*move)(void* from, void* to) noexcept;
        void (*destroy)(void*) noexcept;
    };
    static constexpr std::size_t kCapacity = 48;

    template <typename F>
    static constexpr bool fits() {
        return sizeof(F) <= kCapacity && alignof(F) <= alignof(std::max_align_t) &&
               std::is_nothrow_move_constructible_v<F>;
    }
    template <typename F>
    static constexpr Operations kInline = {
        [](void* at) { (*static_cast<F*>(at))(); },
        [](void* from, void* to) noexcept {
            ::new (to) F(std::move(*static_cast<F*>(from)));
            static_cast<F*>(from)->~F();
        },
        [](void* at) noexcept { static_cast<F*>(at)->~F(); }};
    template <typename F>
    static constexpr Operations kHeap = {
        [](void* at) { (**static_cast<F**>(at))(); },
        [](void* from, void* to) noexcept { ::new (to) F*(*static_cast<F**>(from)); },
        [](void* at) noexcept { delete *static_cast<F**>(at); }};

    void take(UniqueFunction& other) noexcept {
        operations_ = std::exchange(other.operations_, nullptr);
        if (operations_ != nullptr) operations_->move(other.storage_, storage_);
    }
    void reset() noexcept {
        if (operations_ != nullptr) std::exchange(operations_, nullptr)->destroy(storage_);
    }

    alignas(std::max_align_t) std::byte storage_[kCapacity];
    const Operations* operations_ = nullptr;
};

}  // namespace adyton::base
