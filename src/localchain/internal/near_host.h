#pragma once

#include <string>
#include <utility>
#include <vector>

#include "localchain/internal/near_core.h"

namespace adyton::localchain::internal {

// The receipt at hand: what it did to the state, made and used. Committed only if all of its
// actions succeed.
struct ReceiptRun {
    ReceiptRun(NearChain::Core& its_core, Parcel its_parcel)
        : core(its_core), parcel(std::move(its_parcel)), change(core.state, kLatest) {}

    near::ReceiptId next_id() {
        return make_id(parcel.receipt.id.digest, core.height, next_index++);
    }
    // A receipt of this one's, with its signer and transaction.
    Parcel make(
        const near::AccountId& predecessor, const near::AccountId& receiver,
        std::vector<near::Action> actions);

    NearChain::Core& core;
    Parcel parcel;
    StateChange change;
    std::vector<Parcel> made;
    std::vector<std::pair<near::ReceiptId, Parcel>> yields;  // by data id; in `made` order below
    std::vector<std::pair<near::ReceiptId, base::Bytes>> resumes;
    std::vector<near::ReceiptId> made_ids;
    std::vector<std::string> logs;
    base::Bytes value;
    std::optional<near::ReceiptId> returned;
    std::uint64_t burnt = 0;
    std::uint64_t used = 0;  // burnt, and reserved for what was made
    std::uint64_t next_index = 0;
};

// The host of one call of a contract.
class NearHost final : public NearCall, private NearStorage {
public:
    struct Frame {
        const near::AccountId& current;
        const near::AccountId& predecessor;
        const near::AccountId& signer;
        const std::string& method;
        base::ByteView args;
        near::YoctoNear deposit;
        near::Gas gas;
        std::uint64_t block_height = 0;
        std::uint64_t block_timestamp_ns = 0;
        std::vector<NearPromiseResult> promise_results = {};
    };
    // A view: no `run`. Both references outlive the host.
    NearHost(const Frame& frame, StateChange& change, ReceiptRun* run);

    // Hands what was made to the run. Only after a success.
    void finish();
    std::uint64_t gas_burnt() const { return burnt_; }
    std::uint64_t gas_used() const { return used_; }
    std::vector<std::string>& logs() { return logs_; }

    NearStorage& storage() override { return *this; }
    void log(std::string line) override;
    Result<void> burn(near::Gas gas) override;
    near::Gas gas_left() const override;
    Result<Promise> call(Call call) override;
    Result<Promise> then(Promise before, Call call) override;
    Result<Promise> transfer(const near::AccountId& receiver, near::YoctoNear amount) override;
    Result<std::pair<Promise, near::ReceiptId>> yield(Yield yield) override;
    bool resume(const near::ReceiptId& data_id, base::Bytes payload) override;

private:
    struct Made {
        Parcel parcel;
        bool is_yield = false;
        bool takes_unused_gas = false;
    };

    std::optional<std::string> get(const std::string& key) const override;
    void set(const std::string& key, std::string value) override;
    void remove(const std::string& key) override;
    std::vector<std::string> keys(const std::string& prefix, std::size_t most) const override;

    Result<Promise> add(const near::AccountId& receiver, near::Action action, bool is_yield);
    Result<void> take_gas(std::uint64_t burn, std::uint64_t reserve);
    Result<void> take_deposit(near::YoctoNear amount);

    StateChange& change_;
    ReceiptRun* const run_;
    const std::uint64_t gas_;
    std::uint64_t burnt_ = 0;
    std::uint64_t used_ = 0;
    std::vector<Made> made_;
    std::vector<std::pair<near::ReceiptId, base::Bytes>> resumes_;
    std::vector<std::string> logs_;
};

// FunctionCallError of a panic, as `kind` of an ActionError.
base::Json call_error(const Error& panic);
// The same as a node words it for a view.
std::string view_error(const Error& panic);

}  // namespace adyton::localchain::internal
