#pragma once

#include <new>
#include <type_traits>

#include "crypto/secret.h"

namespace adyton::crypto::internal {

// One plain object in the secret arena: working state that holds key material while it is in use.
// Starts zeroed, ends wiped.
template <typename T>
class SecretBox {
    static_assert(std::is_trivially_copyable_v<T>);
    static_assert(sizeof(T) <= SecretArena::kSlotBytesMax && alignof(T) <= 64);

public:
    SecretBox() : slot_(sizeof(T)) { new (slot_.data()) T{}; }

    T& operator*() { return *object(); }
    const T& operator*() const { return *object(); }
    T* operator->() { return object(); }
    const T* operator->() const { return object(); }

private:
    T* object() const { return std::launder(reinterpret_cast<T*>(slot_.data())); }

    SecretArena::Slot slot_;
};

}  // namespace adyton::crypto::internal
