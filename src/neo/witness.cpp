#include "neo/witness.h"

#include <algorithm>

#include "base/check.h"
#include "neo/script.h"
#include "neo/verification_script.h"

namespace adyton::neo {
namespace {

using crypto::P256PublicKey;
using crypto::P256Signature;

base::Bytes invocation_script(std::span<const P256Signature> signatures) {
    ScriptBuilder builder;
    for (const P256Signature& signature : signatures) builder.push_bytes(signature.view());
    return builder.take();
}

base::Bytes single_verification_script(const P256PublicKey& key) {
    const auto script = verification_script(key);
    return {script.begin(), script.end()};
}

// As points are ordered: by X, then by Y. Compressed, Y would come first.
bool point_less(const P256PublicKey& a, const P256PublicKey& b) {
    const auto& left = a.bytes();
    const auto& right = b.bytes();
    const int by_x =
        std::lexicographical_compare(left.begin() + 1, left.end(), right.begin() + 1, right.end())
            ? -1
            : (std::equal(left.begin() + 1, left.end(), right.begin() + 1) ? 0 : 1);
    return by_x < 0 || (by_x == 0 && a.uncompressed() < b.uncompressed());
}

bool is_syscall(const Instruction& instruction, std::string_view name) {
    const auto id = syscall_id(name);
    return instruction.opcode == OpCode::Syscall &&
           std::equal(id.begin(), id.end(), instruction.operand.begin(), instruction.operand.end());
}

// A count of 1 to kMultisigKeysMax, pushed as PUSH1 to PUSH16, PUSHINT8 or PUSHINT16.
std::optional<std::size_t> count_of(const Instruction& instruction) {
    const bool short_form =
        instruction.opcode == OpCode::PushInt8 || instruction.opcode == OpCode::PushInt16 ||
        (instruction.opcode >= OpCode::Push1 && instruction.opcode <= OpCode::Push16);
    if (!short_form) return std::nullopt;
    const auto number = instruction.constant()->integer.as_int64();
    if (!number || *number < 1 || *number > static_cast<std::int64_t>(kMultisigKeysMax)) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(*number);
}

std::optional<P256PublicKey> key_of(const Instruction& instruction) {
    if (instruction.opcode != OpCode::PushData1) return std::nullopt;
    const auto key = P256PublicKey::parse(instruction.operand);
    if (!key) return std::nullopt;
    return *key;
}

std::optional<StandardScript> parse_single(const std::vector<Instruction>& script) {
    if (script.size() != 2 || !is_syscall(script[1], kSyscallCheckSig)) return std::nullopt;
    const auto key = key_of(script[0]);
    if (!key) return std::nullopt;
    return StandardScript{1, {*key}, false};
}

std::optional<StandardScript> parse_multisig(const std::vector<Instruction>& script) {
    if (script.size() < 4 || !is_syscall(script.back(), kSyscallCheckMultisig)) return std::nullopt;
    const auto threshold = count_of(script.front());
    const auto count = count_of(script[script.size() - 2]);
    if (!threshold || !count || *count != script.size() - 3 || *threshold > *count) {
        return std::nullopt;
    }
    StandardScript out{*threshold, {}, true};
    for (std::size_t i = 1; i <= *count; ++i) {
        const auto key = key_of(script[i]);
        if (!key) return std::nullopt;
        out.keys.push_back(*key);
    }
    return out;
}

// Exactly `count` signatures, each as PUSHDATA1 64.
std::optional<std::vector<P256Signature>> parse_invocation(
    base::ByteView script, std::size_t count) {
    const auto instructions = disassemble(script);
    if (!instructions || instructions->size() != count) return std::nullopt;
    std::vector<P256Signature> out;
    for (const Instruction& instruction : *instructions) {
        const auto signature = P256Signature::parse(instruction.operand);
        if (instruction.opcode != OpCode::PushData1 || !signature) return std::nullopt;
        out.push_back(*signature);
    }
    return out;
}

}  // namespace

Witness single_signature_witness(const P256PublicKey& key, const P256Signature& signature) {
    return {invocation_script(std::span(&signature, 1)), single_verification_script(key)};
}

Witness unsigned_single_signature_witness(const P256PublicKey& key) {
    return {{}, single_verification_script(key)};
}

Result<base::Bytes> multisig_verification_script(
    std::size_t threshold, std::span<const P256PublicKey> keys) {
    if (keys.empty() || keys.size() > kMultisigKeysMax) {
        return Error::invalid_argument("a multi-signature account has 1 to 1024 keys");
    }
    if (threshold == 0 || threshold > keys.size()) {
        return Error::invalid_argument("the threshold must be 1 up to the number of keys");
    }
    std::vector<P256PublicKey> sorted(keys.begin(), keys.end());
    std::sort(sorted.begin(), sorted.end(), point_less);
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
        return Error::invalid_argument("a key stands there twice");
    }
    ScriptBuilder builder;
    builder.push_integer(static_cast<std::int64_t>(threshold));
    for (const P256PublicKey& key : sorted) builder.push_bytes(key.bytes());
    builder.push_integer(static_cast<std::int64_t>(sorted.size()));
    return builder.syscall(kSyscallCheckMultisig).take();
}

Result<ScriptHash> multisig_account(std::size_t threshold, std::span<const P256PublicKey> keys) {
    TRY(const auto script, multisig_verification_script(threshold, keys));
    return ScriptHash::of_script(script);
}

Result<Witness> multisig_witness(
    base::ByteView verification_script, std::span<const P256Signature> signatures) {
    const auto standard = parse_verification_script(verification_script);
    if (!standard || !standard->multisig) {
        return Error::invalid_argument("no multi-signature script");
    }
    if (!signatures.empty() && signatures.size() != standard->threshold) {
        return Error::invalid_argument("as many signatures as the threshold are needed");
    }
    return Witness{
        invocation_script(signatures), {verification_script.begin(), verification_script.end()}};
}

std::optional<StandardScript> parse_verification_script(base::ByteView script) {
    const auto instructions = disassemble(script);
    if (!instructions) return std::nullopt;
    auto single = parse_single(*instructions);
    return single ? std::move(single) : parse_multisig(*instructions);
}

Result<void> verify_witness(
    const Witness& witness, const ScriptHash& account, const crypto::Sha256Digest& digest) {
    const auto standard = parse_verification_script(witness.verification);
    if (!standard) return Error::invalid_argument("not a standard verification script");
    if (ScriptHash::of_script(witness.verification) != account) {
        return Error::permission_denied("the witness belongs to another account");
    }
    const auto signatures = parse_invocation(witness.invocation, standard->threshold);
    if (!signatures) return Error::permission_denied("a signature is missing or malformed");
    // As CheckMultisig: both in the same order, each key at most once.
    std::size_t next = 0;
    for (const P256PublicKey& key : standard->keys) {
        if (next == signatures->size()) break;
        if (crypto::verify(key, digest, (*signatures)[next])) ++next;
    }
    if (next == signatures->size()) return {};
    return Error::permission_denied("a signature is wrong");
}

Result<void> verify_witnesses(const Transaction& transaction, NetworkMagic magic) {
    if (transaction.witnesses.size() != transaction.signers.size()) {
        return Error::invalid_argument("not one witness per signer");
    }
    const auto digest = sign_digest(magic, transaction);
    for (std::size_t i = 0; i < transaction.witnesses.size(); ++i) {
        TRY_VOID(verify_witness(transaction.witnesses[i], transaction.signers[i].account, digest));
    }
    return {};
}

}  // namespace adyton::neo
