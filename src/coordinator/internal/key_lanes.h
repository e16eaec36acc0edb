#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "coordinator/gate_state.h"
#include "crypto/ed25519.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"
#include "near/keys.h"
#include "storage/database.h"

namespace adyton::coordinator {

// One at a time, in the order of asking. On one executor.
class AsyncLock {
public:
    class Held {
    public:
        explicit Held(AsyncLock* lock) : lock_(lock) {}
        Held(Held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
        Held& operator=(Held&&) = delete;
        Held(const Held&) = delete;
        ~Held() {
            if (lock_ != nullptr) lock_->release();
        }

    private:
        AsyncLock* lock_;
    };
    Task<Held> take();
    std::size_t load() const { return waiting_.size() + (taken_ ? 1U : 0U); }

private:
    void release();
    bool taken_ = false;
    std::deque<std::shared_ptr<base::Completion<bool>::State>> waiting_;
};

// One access key that pays for transactions. Its nonces are given out one after the other, and what
// was signed with them is sent in that order, while `lock` is held. On the runner's executor.
struct KeyLane {
    KeyLane(near::AccountId its_account, const crypto::Ed25519KeyPair& its_key);

    const near::AccountId account;
    const crypto::Ed25519KeyPair& key;
    const near::PublicKey public_key;
    const std::string key_text;
    AsyncLock lock;
    // As the chain last said; nothing: to be asked (at the start, and when a nonce proved wrong).
    std::optional<std::uint64_t> chain_nonce;
};

struct CallToSign {
    near::AccountId receiver;
    std::string method;
    base::Bytes args;
    near::Gas gas;
    near::YoctoNear deposit;
};
// A transaction of one call, signed.
SentTransaction sign_call(
    const KeyLane& lane, std::uint64_t nonce, const near::BlockHash& block_hash,
    std::uint64_t block_height, const CallToSign& call);

}  // namespace adyton::coordinator
