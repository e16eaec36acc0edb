#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "near/account_id.h"
#include "near/amounts.h"
#include "near/hash.h"

namespace adyton::localchain {

// A contract's own key-value state. Keys sort bytewise.
class NearStorage {
public:
    virtual ~NearStorage() = default;
    virtual std::optional<std::string> get(const std::string& key) const = 0;
    virtual void set(const std::string& key, std::string value) = 0;
    virtual void remove(const std::string& key) = 0;
    // Keys that start so, in order, at most `most`.
    virtual std::vector<std::string> keys(
        const std::string& prefix, std::size_t most = SIZE_MAX) const = 0;
};

struct NearPromiseResult {
    bool succeeded = false;
    base::Bytes value;
};

// One run of one method: what the host gives to a contract. A run that ends in an error leaves
// nothing behind but its logs and the gas.
//
// Errors are panics: Unprocessable is `Smart contract panicked: <message>`, ResourceExhausted is
// `Exceeded the prepaid gas.`, NotFound is MethodNotFound.
class NearCall {
public:
    using Promise = std::size_t;

    virtual ~NearCall() = default;

    const std::string& method() const { return method_; }
    base::ByteView args() const { return args_; }
    const near::AccountId& current_account() const { return *current_; }
    const near::AccountId& predecessor() const { return *predecessor_; }
    const near::AccountId& signer() const { return *signer_; }
    near::YoctoNear deposit() const { return deposit_; }
    std::uint64_t block_height() const { return block_height_; }
    std::uint64_t block_timestamp_ns() const { return block_timestamp_ns_; }
    bool is_view() const { return is_view_; }
    // Of the promises that this receipt waited for, in order; for a yield, what it was resumed with
    // (failed: it timed out).
    const std::vector<NearPromiseResult>& promise_results() const { return promise_results_; }

    virtual NearStorage& storage() = 0;
    virtual void log(std::string line) = 0;
    // ResourceExhausted when that is more than what is left.
    virtual Result<void> burn(near::Gas gas) = 0;
    virtual near::Gas gas_left() const = 0;

    // Calls and transfers of what this run makes; gas and deposit are taken at once.
    // ResourceExhausted: not enough gas. Unprocessable: not enough balance.
    struct Call {
        near::AccountId receiver;
        std::string method;
        std::string args;
        near::YoctoNear deposit = {};
        near::Gas gas;
    };
    virtual Result<Promise> call(Call call) = 0;
    // The call runs once `before` has ended, with its result.
    virtual Result<Promise> then(Promise before, Call call) = 0;
    virtual Result<Promise> transfer(const near::AccountId& receiver, near::YoctoNear amount) = 0;
    // A call of this contract that waits for resume(), or for the timeout. `weight`: it also gets
    // the gas that this run leaves over.
    struct Yield {
        std::string method;
        std::string args;
        near::Gas gas;
        bool takes_unused_gas = false;
    };
    virtual Result<std::pair<Promise, near::ReceiptId>> yield(Yield yield) = 0;
    // False: no yield of this contract waits for it.
    virtual bool resume(const near::ReceiptId& data_id, base::Bytes payload) = 0;
    // What this run answers: a value by default; or the outcome of a promise.
    void return_promise(Promise promise) { returned_ = promise; }

protected:
    std::string method_;
    base::ByteView args_;
    const near::AccountId* current_ = nullptr;
    const near::AccountId* predecessor_ = nullptr;
    const near::AccountId* signer_ = nullptr;
    near::YoctoNear deposit_;
    std::uint64_t block_height_ = 0;
    std::uint64_t block_timestamp_ns_ = 0;
    bool is_view_ = false;
    std::vector<NearPromiseResult> promise_results_;
    std::optional<Promise> returned_;
};

// A contract as code: the same object serves every account that it is deployed to, and keeps
// nothing itself.
class NearContract {
public:
    virtual ~NearContract() = default;
    // What it is, for code_hash: SHA-256 of this text stands for that of the WebAssembly.
    virtual std::string_view name() const = 0;
    // State at genesis.
    virtual void deploy(const near::AccountId& account, NearStorage& storage) const = 0;
    // The bytes that the method returns; usually JSON.
    virtual Result<std::string> run(NearCall& call) const = 0;
};

}  // namespace adyton::localchain
