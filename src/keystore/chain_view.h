#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "near/account_id.h"
#include "near/hash.h"
#include "near/keys.h"
#include "near/nonce.h"

namespace adyton::keystore {

// An access key as a final block shows it.
struct AccessKeyView {
    std::uint64_t nonce = 0;
    bool full_access = false;
    near::BlockHash block_hash;
    std::uint64_t block_height = 0;
};

enum class PayloadFate {
    Open,      // it may still take effect
    Consumed,  // it did, or something else used its nonce
    Dead,      // its deadline has passed in a final block, and after that its nonce was unused
};

struct FinalBlock {
    std::uint64_t height = 0;
    base::Timestamp time;
};

// What the keystore must know of the chain: nonces to sign with, and proof that a signed payload
// can no longer take effect. The adapter (apps) asks nodes; answers that nodes contradict each
// other about are errors. Errors: NotFound (account or key is not there), others as chain's.
class ChainView {
public:
    virtual ~ChainView() = default;
    virtual Task<Result<AccessKeyView>> access_key(
        near::AccountId account, near::PublicKey key) = 0;
    virtual Task<Result<FinalBlock>> final_block() = 0;
    // Of a message to the intents contract.
    virtual Task<Result<PayloadFate>> payload_fate(
        near::AccountId contract, near::AccountId signer, near::MessageNonce nonce,
        base::Timestamp deadline) = 0;
    // Of a delegate, as the chain's own NEP-366 takes it: Dead once a final block is past its
    // height and after that its access key's nonce is below its own. A key that is gone proves
    // nothing: Consumed.
    virtual Task<Result<PayloadFate>> delegate_fate(
        near::AccountId signer, near::PublicKey key, std::uint64_t nonce,
        std::uint64_t max_block_height) = 0;
};

}  // namespace adyton::keystore
