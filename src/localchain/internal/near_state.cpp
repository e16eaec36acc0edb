#include "localchain/internal/near_state.h"

namespace adyton::localchain::internal {
namespace {

template <typename Rows, typename V>
std::optional<V> read(
    const Rows& rows, const HistoryMap<V>& below, const std::string& key, std::uint64_t height) {
    const auto found = rows.find(key);
    if (found != rows.end()) return found->second;
    const V* const value = below.find(key, height);
    return value == nullptr ? std::nullopt : std::optional<V>(*value);
}

}  // namespace

std::optional<AccountRow> StateChange::account(const near::AccountId& id) const {
    return read(accounts_, state_.accounts, id.text(), height_);
}

void StateChange::set_account(const near::AccountId& id, std::optional<AccountRow> row) {
    accounts_[id.text()] = std::move(row);
}

std::optional<NearKeyState> StateChange::key(
    const near::AccountId& id, const near::PublicKey& key) const {
    return read(keys_, state_.keys, key_row(id, key), height_);
}

void StateChange::set_key(
    const near::AccountId& id, const near::PublicKey& key, std::optional<NearKeyState> row) {
    keys_[key_row(id, key)] = std::move(row);
}

std::optional<std::string> StateChange::stored(const std::string& key) const {
    return read(storage_, state_.storage, key, height_);
}

void StateChange::store(const std::string& key, std::optional<std::string> value) {
    storage_[key] = std::move(value);
}

std::vector<std::string> StateChange::stored_keys(
    const std::string& prefix, std::size_t most) const {
    std::vector<std::string> out;
    state_.storage.for_each(prefix, height_, [&](const std::string& key, const std::string&) {
        if (!storage_.contains(key)) out.push_back(key);
        return true;
    });
    for (auto i = storage_.lower_bound(prefix); i != storage_.end(); ++i) {
        if (!i->first.starts_with(prefix)) break;
        if (i->second.has_value()) out.push_back(i->first);
    }
    std::sort(out.begin(), out.end());
    if (out.size() > most) out.resize(most);
    return out;
}

void StateChange::remove_account(const near::AccountId& id) {
    const std::string prefix = state_key(id, {});
    for (const std::string& key : stored_keys(prefix, SIZE_MAX)) storage_[key] = std::nullopt;
    state_.keys.for_each(prefix, height_, [&](const std::string& key, const NearKeyState&) {
        keys_[key] = std::nullopt;
        return true;
    });
    for (auto i = keys_.lower_bound(prefix); i != keys_.end(); ++i) {
        if (!i->first.starts_with(prefix)) break;
        i->second = std::nullopt;
    }
    accounts_[id.text()] = std::nullopt;
}

void StateChange::commit(std::uint64_t height, std::uint64_t keep_from) {
    for (auto& [key, row] : accounts_) state_.accounts.set(key, std::move(row), height, keep_from);
    for (auto& [key, row] : keys_) state_.keys.set(key, std::move(row), height, keep_from);
    for (auto& [key, row] : storage_) state_.storage.set(key, std::move(row), height, keep_from);
    accounts_.clear();
    keys_.clear();
    storage_.clear();
}

}  // namespace adyton::localchain::internal
