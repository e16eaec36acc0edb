#pragma once

#include "base/bytes.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "policy/value_policy.h"

// The policies of OutLayer's wallets: their JSON and their encrypted form (near.md 5.1, 5.4).
namespace adyton::policy {

// {"frozen", "rules": {"transaction_types", "allowed_tokens", "addresses": {"mode", "list"},
// "limits": {"per_transaction", "hourly", "daily", "monthly"}, "rate_limit": {"max_per_hour"},
// "time_restrictions": {"timezone", "allowed_hours", "allowed_days"}}, "approval":
// {"threshold": {"required"}, "approvers": [{"id", "role", "name", "key"}], "excluded_types"}} into
// the same rules: one rule "outlayer" that allows what all its conditions permit, and a rule
// "blacklist" that denies. Opaque calls pass, as they do there; privileged kinds only where
// `transaction_types` names them. An approver's key is `key`, or the id itself if that spells one.
// InvalidArgument, reason "policy_invalid", with the path: anything else, other time zones too.
Result<ValuePolicy> parse_outlayer_policy(const base::Json& json);
// Whether the members are those of that form (rather than ours).
bool is_outlayer_policy(const base::Json& json);
// The way back. Unprocessable: the policy says what that form cannot say.
Result<base::Json> to_outlayer_json(const ValuePolicy& policy);

// The blob: 01, ephemeral X25519 key (32), nonce (12), ciphertext and tag; the key by HKDF-SHA256
// (no salt, info "outlayer-keystore-v1") from the shared secret, ChaCha20-Poly1305 without
// associated data. The recipient's scalar is HMAC-SHA256(master, "ecies:" + seed text).
inline constexpr std::size_t kPolicyBlobBytesMax = 1024 * 1024;
crypto::X25519KeyPair policy_blob_key(
    const crypto::SecretBytes<32>& master, std::string_view seed_text);
// InvalidArgument: too short, another version, a bad ephemeral key. TooLarge. CorruptData: the tag.
Result<base::Bytes> open_policy_blob(const crypto::X25519KeyPair& key, base::ByteView blob);
base::Bytes seal_policy_blob(
    const crypto::X25519PublicKey& recipient, base::ByteView plaintext, base::RandomSource& random);

}  // namespace adyton::policy
