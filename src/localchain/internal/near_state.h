#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "localchain/contracts/contract.h"
#include "localchain/near_chain.h"

namespace adyton::localchain::internal {

inline constexpr std::uint64_t kLatest = std::numeric_limits<std::uint64_t>::max();

// Values by key with their past: what each key held at each height back to a limit. Removed keys
// are forgotten once the removal is that old.
template <typename V>
class HistoryMap {
public:
    const V* find(std::string_view key, std::uint64_t height) const {
        const auto found = entries_.find(key);
        return found == entries_.end() ? nullptr : at(found->second, height);
    }

    // Heights never go down. Versions that nobody can read any more, with every reader at or above
    // `keep_from`, are dropped.
    void set(
        const std::string& key, std::optional<V> value, std::uint64_t height,
        std::uint64_t keep_from) {
        Versions& versions = entries_[key];
        if (!value.has_value()) removed_.emplace_back(height, key);
        if (!versions.empty() && versions.back().height == height) {
            versions.back().value = std::move(value);
        } else {
            versions.push_back({height, std::move(value)});
        }
        std::size_t unread = 0;
        while (unread + 1 < versions.size() && versions[unread + 1].height <= keep_from) ++unread;
        versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(unread));
    }

    void prune(std::uint64_t keep_from) {
        while (!removed_.empty() && removed_.front().first < keep_from) {
            const auto found = entries_.find(removed_.front().second);
            if (found != entries_.end() && !found->second.back().value.has_value() &&
                found->second.back().height < keep_from) {
                entries_.erase(found);
            }
            removed_.pop_front();
        }
    }

    // Calls f(key, value) for the keys that start so, in order, while it returns true.
    template <typename F>
    void for_each(std::string_view prefix, std::uint64_t height, const F& f) const {
        for (auto i = entries_.lower_bound(prefix); i != entries_.end(); ++i) {
            if (!std::string_view(i->first).starts_with(prefix)) return;
            const V* const value = at(i->second, height);
            if (value != nullptr && !f(i->first, *value)) return;
        }
    }

private:
    struct Version {
        std::uint64_t height;
        std::optional<V> value;
    };
    using Versions = std::vector<Version>;

    static const V* at(const Versions& versions, std::uint64_t height) {
        for (auto i = versions.rbegin(); i != versions.rend(); ++i) {
            if (i->height <= height) return i->value.has_value() ? &*i->value : nullptr;
        }
        return nullptr;
    }

    std::map<std::string, Versions, std::less<>> entries_;
    std::deque<std::pair<std::uint64_t, std::string>> removed_;
};

struct AccountRow {
    base::Amount amount;
    near::CodeHash code_hash{};
    std::uint64_t storage_bytes = 0;
    std::shared_ptr<const NearContract> contract;  // shared by the row's versions
};

// All that accounts are, by height. Keys of `keys` and `storage` are the account's name, a zero
// byte and the public key's bytes (key_row) or the contract's own key.
struct NearState {
    HistoryMap<AccountRow> accounts;
    HistoryMap<NearKeyState> keys;
    HistoryMap<std::string> storage;
};

inline std::string state_key(const near::AccountId& account, std::string_view rest) {
    std::string out = account.text();
    out += '\0';
    out += rest;
    return out;
}

// The same for an access key: type byte and raw bytes, which costs less than the text.
inline std::string key_row(const near::AccountId& account, const near::PublicKey& key) {
    std::string out = state_key(account, {});
    out += static_cast<char>(key.type());
    out += base::as_text(key.bytes());
    return out;
}

// What one receipt or transaction does to the state: reads through, writes when committed.
class StateChange {
public:
    // Reads the state as of a height; kLatest: as it is.
    StateChange(NearState& state, std::uint64_t height) : state_(state), height_(height) {}

    std::optional<AccountRow> account(const near::AccountId& id) const;
    void set_account(const near::AccountId& id, std::optional<AccountRow> row);
    std::optional<NearKeyState> key(const near::AccountId& id, const near::PublicKey& key) const;
    void set_key(
        const near::AccountId& id, const near::PublicKey& key, std::optional<NearKeyState> row);
    std::optional<std::string> stored(const std::string& key) const;
    void store(const std::string& key, std::optional<std::string> value);
    std::vector<std::string> stored_keys(const std::string& prefix, std::size_t most) const;
    // Removes the account with its keys and contract state.
    void remove_account(const near::AccountId& id);

    void commit(std::uint64_t height, std::uint64_t keep_from);

private:
    template <typename V>
    using Rows = std::map<std::string, std::optional<V>, std::less<>>;

    NearState& state_;
    const std::uint64_t height_;
    Rows<AccountRow> accounts_;
    Rows<NearKeyState> keys_;
    Rows<std::string> storage_;
};

}  // namespace adyton::localchain::internal
