#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "coordinator/gate_state.h"
#include "crypto/ed25519.h"
#include "crypto/ed25519_signer.h"
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

// Those that sign with one key at the same time, so that their commits share the disk: all that
// wait when a convoy is over set out together. Each takes its nonce and makes its bytes durable;
// once all have, or gave up, they send one after the other in the order of nonces. On one executor.
class NonceConvoy {
    struct Member;

public:
    class Seat {
    public:
        Seat(NonceConvoy* convoy, std::shared_ptr<Member> member)
            : convoy_(convoy), member_(std::move(member)) {}
        Seat(Seat&& other) noexcept = default;
        Seat& operator=(Seat&&) = delete;
        Seat(const Seat&) = delete;
        ~Seat();  // whoever comes next may send
        // Ends when everybody's bytes are durable and those with lower nonces were sent. Once.
        Task<void> wait_to_send(std::uint64_t nonce);

    private:
        NonceConvoy* convoy_;
        std::shared_ptr<Member> member_;  // shared with the convoy; null: moved from
    };
    Task<Seat> enter();

private:
    static constexpr std::size_t kMembersMax = 64;

    using Waiter = std::shared_ptr<base::Completion<bool>::State>;
    struct Member {
        std::uint64_t nonce = 0;
        bool settled = false;  // has its nonce, or needs none
        bool sending = false;
        bool gone = false;
        Waiter turn;
    };
    void advance();

    std::vector<std::shared_ptr<Member>> members_;  // shared with their seats
    std::deque<std::pair<std::shared_ptr<Member>, Waiter>> waiting_;
};

// One access key that pays for transactions. Its nonces are given out one after the other, and what
// was signed with them is sent in that order, while `lock` is held or in a convoy, never in both
// ways with one key. On the runner's executor.
struct KeyLane {
    KeyLane(near::AccountId its_account, const crypto::Ed25519KeyPair& its_key);

    const near::AccountId account;
    const crypto::Ed25519Signer signer;
    const near::PublicKey public_key;
    const std::string key_text;
    AsyncLock lock;
    NonceConvoy convoy;  // the approver's: its transactions are single ones of many gates
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
