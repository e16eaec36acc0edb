#include "coordinator/internal/key_lanes.h"

#include "base/check.h"
#include "near/transaction.h"

namespace adyton::coordinator {

Task<AsyncLock::Held> AsyncLock::take() {
    if (!taken_) {
        taken_ = true;
        co_return Held(this);
    }
    base::Completion<bool> turn;
    waiting_.push_back(turn.completer());
    co_await turn;
    co_return Held(this);
}

// Hands it to the next one, so that nobody slips in between.
void AsyncLock::release() {
    if (waiting_.empty()) {
        taken_ = false;
        return;
    }
    const auto next = waiting_.front();
    waiting_.pop_front();
    next->set(true);
}

NonceConvoy::Seat::~Seat() {
    if (member_ == nullptr) return;
    member_->settled = true;
    member_->gone = true;
    convoy_->advance();
}

Task<void> NonceConvoy::Seat::wait_to_send(std::uint64_t nonce) {
    base::Completion<bool> turn;
    member_->nonce = nonce;
    member_->turn = turn.completer();
    member_->settled = true;
    convoy_->advance();
    co_await turn;
}

Task<NonceConvoy::Seat> NonceConvoy::enter() {
    auto member = std::make_shared<Member>();
    if (members_.empty()) {
        members_.push_back(member);
        co_return Seat(this, std::move(member));
    }
    base::Completion<bool> begin;
    waiting_.emplace_back(member, begin.completer());
    co_await begin;
    co_return Seat(this, std::move(member));
}

void NonceConvoy::advance() {
    std::shared_ptr<Member> next;
    for (const auto& member : members_) {
        if (!member->settled) return;
        if (member->gone) continue;
        if (next == nullptr || member->nonce < next->nonce) next = member;
    }
    if (next != nullptr) {
        if (!std::exchange(next->sending, true)) next->turn->set(true);
        return;
    }
    members_.clear();
    while (!waiting_.empty() && members_.size() < kMembersMax) {
        auto [member, begin] = std::move(waiting_.front());
        waiting_.pop_front();
        members_.push_back(std::move(member));
        begin->set(true);
    }
}

KeyLane::KeyLane(near::AccountId its_account, const crypto::Ed25519KeyPair& its_key)
    : account(std::move(its_account)),
      signer(its_key),
      public_key(its_key.public_key()),
      key_text(public_key.to_string()) {}

SentTransaction sign_call(
    const KeyLane& lane, std::uint64_t nonce, const near::BlockHash& block_hash,
    std::uint64_t block_height, const CallToSign& call) {
    near::Transaction transaction{
        lane.account, lane.public_key,
        nonce,        call.receiver,
        block_hash,   {near::FunctionCall{call.method, call.args, call.gas, call.deposit}}};
    const auto hash = near::hash(transaction);  // which is what is signed
    const near::SignedTransaction made{
        std::move(transaction), near::Signature(lane.signer.sign(hash.view()))};
    return {lane.key_text, nonce, near::to_base64(made), hash.to_string(), block_height};
}

}  // namespace adyton::coordinator
