#pragma once

#include <string>

#include "base/result.h"
#include "base/task.h"
#include "crypto/ed25519.h"
#include "keystore/context.h"
#include "keystore/order.h"
#include "keystore/prepared.h"

namespace adyton::keystore {

// What left the keystore: the payload as it was recorded, and the signature over it.
struct Signed {
    base::Bytes payload;
    crypto::Sha256Digest digest;
    crypto::Ed25519Signature signature;
    bool replayed = false;  // it was signed before: nothing was reserved now
};

struct SigningCall {
    CallerContext caller;
    std::string idempotency_key;  // may be empty
};

// Decides, reserves, records and signs. Decision, reservation, record and audit are one unit of
// work; the signature is made when that is on disk. The same request gives the same signature:
// messages and delegates always; transactions without a nonce of the caller's as long as the chain
// does not show their nonce used (then they are new), and for ever under an idempotency key.
//
// InvalidArgument: the request. PermissionDenied: the policy, with a reason "policy_..." or
// "wallet_frozen"; every refusal is recorded in the audit log. Internal, reason "chain_query": the
// access key could not be read (its message is for the caller). Conflict, reason
// "key_version_changed": rotated meanwhile, ask again. Errors of the database.
// All references must live until the await ends.
Task<Result<Signed>> sign(
    const KeystoreContext& keystore, const SigningCall& call, const Order& asked);

// Answers.
Result<api::SignNep413Response> nep413_answer(const Order& order, const Signed& made);
Result<api::SignDelegateResponse> delegate_answer(const Order& order, const Signed& made);
Result<api::SignedTransactionResponse> transaction_answer(const Order& order, const Signed& made);

}  // namespace adyton::keystore
