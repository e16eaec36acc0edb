#pragma once

#include <array>
#include <string>
#include <utility>

#include "base/random.h"
#include "near/action.h"
#include "near/transaction.h"

// Random but well-formed values of every kind, from a seed.
namespace adyton::near {

class RandomNear {
public:
    explicit RandomNear(std::uint64_t seed) : random_(seed) {}

    base::SeededRandom& source() { return random_; }
    bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }

    base::Bytes bytes(std::size_t size_max) {
        base::Bytes out(random_.below(size_max + 1));
        random_.fill(out);
        return out;
    }
    std::string text(std::size_t parts_max) {
        constexpr std::array<std::string_view, 8> kParts = {
            "a", "Z9", "_", "\"", "\n\x01", "\u00fc", "\U0001F680", "<&>"};
        std::string out;
        for (std::uint64_t i = random_.below(parts_max + 1); i > 0; --i) {
            out += kParts[random_.below(kParts.size())];
        }
        return out;
    }
    AccountId account() {
        constexpr std::array<std::string_view, 6> kNames = {
            "bob.near", "intents.near", "a0", "x-1_2.y", "wrap.testnet", "0s0123456789abcdef"};
        if (chance(3)) return AccountId::implicit(ed25519_key());
        return AccountId::parse(kNames[random_.below(kNames.size())]).value();
    }
    crypto::Ed25519PublicKey ed25519_key() {
        crypto::Ed25519PublicKey out;
        random_.fill(out.bytes);
        return out;
    }
    PublicKey key() {
        if (!chance(5)) return PublicKey(ed25519_key());
        std::array<std::uint8_t, 64> raw{};
        random_.fill(raw);
        return PublicKey::from_bytes(KeyType::Secp256k1, raw).value();
    }
    base::Amount amount() {
        const std::uint64_t high = chance(2) ? 0 : random_.next();
        return base::Amount::from_halves(high, random_.next() >> random_.below(64));
    }
    YoctoNear yocto() { return YoctoNear(amount()); }
    FunctionCallPermission permission() {
        FunctionCallPermission out{std::nullopt, account(), {}};
        if (chance(2)) out.allowance = yocto();
        for (std::uint64_t i = random_.below(4); i > 0; --i) out.method_names.push_back(text(5));
        return out;
    }
    AccessKeyPermission access() {
        const GasKeyInfo info{yocto(), static_cast<std::uint16_t>(random_.next())};
        switch (random_.below(4)) {
            case 0:
                return permission();
            case 1:
                return FullAccess{};
            case 2:
                return GasKeyFunctionCall{info, permission()};
            default:
                return GasKeyFullAccess{info};
        }
    }
    GlobalContractIdentifier contract() {
        if (chance(2)) return account();
        CodeHash out;
        random_.fill(out.digest.bytes);
        return out;
    }
    DeterministicStateInit state_init() {
        DeterministicStateInit out{contract(), {}, yocto()};
        for (std::uint8_t i = 0; i < random_.below(4); ++i) {
            base::Bytes name{i};
            out.data.emplace_back(std::move(name), bytes(10));
        }
        return out;
    }
    PlainAction plain_action() {
        switch (random_.below(13)) {
            case 0:
                return CreateAccount{};
            case 1:
                return DeployContract{bytes(100)};
            case 2:
                return FunctionCall{text(8), bytes(200), Gas(random_.next()), yocto()};
            case 3:
                return Transfer{yocto()};
            case 4:
                return Stake{yocto(), key()};
            case 5:
                return AddKey{key(), AccessKey{random_.next(), access()}};
            case 6:
                return DeleteKey{key()};
            case 7:
                return DeleteAccount{account()};
            case 8:
                return DeployGlobalContract{
                    bytes(50), chance(2) ? GlobalContractDeployMode::ByCodeHash
                                         : GlobalContractDeployMode::ByAccountId};
            case 9:
                return UseGlobalContract{contract()};
            case 10:
                return state_init();
            case 11:
                return TransferToGasKey{key(), yocto()};
            default:
                return WithdrawFromGasKey{key(), yocto()};
        }
    }
    DelegateAction delegate_action(const PublicKey& signer) {
        DelegateAction out{account(), account(), {}, random_.next(), random_.next(), signer};
        for (std::uint64_t i = random_.below(4); i > 0; --i) out.actions.push_back(plain_action());
        return out;
    }
    Signature signature() {
        crypto::Ed25519Signature out;
        random_.fill(out.bytes);
        return Signature(out);
    }
    Action action() {
        if (chance(6)) return SignedDelegate{delegate_action(key()), signature()};
        return to_action(plain_action());
    }
    Transaction transaction(const PublicKey& signer) {
        BlockHash block;
        random_.fill(block.digest.bytes);
        Transaction out{account(), signer, random_.next(), account(), block, {}};
        for (std::uint64_t i = random_.below(5); i > 0; --i) out.actions.push_back(action());
        return out;
    }
    crypto::Ed25519KeyPair key_pair() {
        crypto::SecretBytes<32> seed;
        random_.fill(seed.expose_mutable());
        return crypto::Ed25519KeyPair(std::move(seed));
    }

private:
    base::SeededRandom random_;
};

}  // namespace adyton::near
