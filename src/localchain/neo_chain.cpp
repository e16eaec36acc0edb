#include "localchain/neo_chain.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "localchain/internal/chain_core.h"
#include "localchain/internal/fees.h"
#include "localchain/internal/vm.h"
#include "neo/nep17.h"
#include "neo/token.h"
#include "neo/verification_script.h"
#include "neo/witness.h"

namespace adyton::localchain {
namespace {

using internal::Ledger;

constexpr std::uint64_t kGenesisNonce = 2'083'236'893;  // that of every Neo N3 network
constexpr std::uint32_t kPayWindowBlocks = 100;

base::Bytes committee_script_of(const crypto::P256PublicKey& validator) {
    auto script = neo::multisig_verification_script(1, {&validator, 1});
    CHECK(script.has_value());
    return std::move(*script);
}

}  // namespace

namespace internal {

std::uint64_t random_number(base::RandomSource& random) {
    std::array<std::uint8_t, 8> bytes{};
    random.fill(bytes);
    std::uint64_t number = 0;
    for (const std::uint8_t byte : bytes) number = number << 8 | byte;
    return number;
}

}  // namespace internal

NeoChain::Core::Core(
    ChainOptions its_options, crypto::P256PrivateKey its_validator, internal::Ledger its_ledger,
    base::Executor& its_executor, base::RandomSource& its_random)
    : options(std::move(its_options)),
      validator(std::move(its_validator)),
      validator_key(validator.public_key()),
      validator_account(neo::account_script_hash(validator_key)),
      committee_script(committee_script_of(validator_key)),
      committee(neo::ScriptHash::of_script(committee_script)),
      executor(its_executor),
      random(its_random),
      ledger(std::move(its_ledger)),
      pool(options.mempool_max) {}

// False: more is allocated than there is, or a token is unknown.
bool NeoChain::Core::allocate_genesis() {
    const std::vector<TokenOptions>& tokens = ledger.tokens();
    for (Ledger::TokenIndex i = 0; i < tokens.size(); ++i) {
        ledger.set_balance(i, committee, tokens[i].supply, 0);
    }
    for (const GenesisAllocation& allocation : options.genesis) {
        const auto token = ledger.find_token(allocation.token);
        if (!token.has_value()) return false;
        const auto left = ledger.balance(*token, committee).minus(allocation.amount);
        if (!left.has_value()) return false;
        ledger.set_balance(*token, committee, *left, 0);
        const auto sum = ledger.balance(*token, allocation.account).plus(allocation.amount);
        CHECK(sum.has_value());
        ledger.set_balance(*token, allocation.account, *sum, 0);
    }
    return true;
}

void NeoChain::Core::append_genesis() {
    auto block = std::make_unique<Block>();
    const auto since = options.genesis_time.time_since_epoch();
    block->time_ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
    block->nonce = kGenesisNonce;
    block->hash = internal::header_hash(header_of(*block));
    block_indices.emplace(block->hash, 0);
    blocks.push_back(std::move(block));
}

NeoChain::NeoChain(std::unique_ptr<Core> core) : core_(std::move(core)) {}
NeoChain::~NeoChain() {
    stop();
}

Result<std::unique_ptr<NeoChain>> NeoChain::create(
    ChainOptions options, crypto::P256PrivateKey validator, base::Executor& executor,
    base::RandomSource& random) {
    if (options.genesis_time < base::Timestamp{}) {
        return Error::invalid_argument("a chain cannot begin before 1970");
    }
    TRY(auto ledger, Ledger::create(options.tokens, options.history_blocks));
    auto core = std::make_unique<Core>(
        std::move(options), std::move(validator), std::move(ledger), executor, random);
    if (!core->allocate_genesis()) {
        return Error::invalid_argument(
            "a genesis allocation is of an unknown token, or of more than there is");
    }
    core->append_genesis();
    return std::unique_ptr<NeoChain>(new NeoChain(std::move(core)));
}

const ChainOptions& NeoChain::options() const {
    return core_->options;
}
const crypto::P256PublicKey& NeoChain::validator() const {
    return core_->validator_key;
}
const neo::ScriptHash& NeoChain::committee_account() const {
    return core_->committee;
}
std::uint32_t NeoChain::height() const {
    return core_->height();
}

const Block& NeoChain::produce_block() {
    return core_->produce();
}

void NeoChain::start() {
    stop();
    core_->running = true;
    core_->schedule(core_->options.block_time);
}

void NeoChain::stop() {
    if (core_->running) core_->executor.cancel(core_->timer);
    core_->running = false;
}

void NeoChain::delay_next_block(base::Duration by) {
    core_->postponed += by;
}

void NeoChain::on_block(std::function<void(const Block&)> observer) {
    core_->observers.push_back(std::move(observer));
}

SubmitAnswer NeoChain::submit(base::ByteView signed_transaction, NodeFlavour flavour) {
    return core_->submit(signed_transaction, flavour, height());
}

SubmitAnswer NeoChain::submit(
    base::ByteView signed_transaction, NodeFlavour flavour, std::uint32_t at_height) {
    CHECK(at_height <= height());
    return core_->submit(signed_transaction, flavour, at_height);
}

bool NeoChain::drop_from_pool(const neo::TransactionHash& hash) {
    return core_->pool.remove(hash);
}

void NeoChain::set_blocked(const neo::ScriptHash& account, bool blocked) {
    if (blocked) {
        core_->blocked.insert(account);
    } else {
        core_->blocked.erase(account);
    }
}

std::size_t NeoChain::pool_size() const {
    return core_->pool.size();
}
std::vector<neo::TransactionHash> NeoChain::pool_hashes() const {
    return core_->pool.hashes();
}

const base::Bytes* NeoChain::find_pooled(const neo::TransactionHash& hash) const {
    const internal::PoolEntry* const entry = core_->pool.find(hash);
    return entry == nullptr ? nullptr : &entry->bytes;
}

const ConfirmedTransaction* NeoChain::find_confirmed(const neo::TransactionHash& hash) const {
    const auto found = core_->confirmed.find(hash);
    return found == core_->confirmed.end() ? nullptr : found->second.get();
}

const Block* NeoChain::find_block(std::uint32_t index) const {
    return index < core_->blocks.size() ? core_->blocks[index].get() : nullptr;
}

const Block* NeoChain::find_block(const neo::TransactionHash& hash) const {
    const auto found = core_->block_indices.find(hash);
    return found == core_->block_indices.end() ? nullptr : core_->blocks[found->second].get();
}

base::Amount NeoChain::balance(const neo::ScriptHash& token, const neo::ScriptHash& account) const {
    const auto index = core_->ledger.find_token(token);
    return index.has_value() ? core_->ledger.balance(*index, account) : base::Amount();
}

base::Amount NeoChain::balance_at(
    const neo::ScriptHash& token, const neo::ScriptHash& account, std::uint32_t height) const {
    const auto index = core_->ledger.find_token(token);
    return index.has_value() ? core_->ledger.balance_at(*index, account, height) : base::Amount();
}

std::uint32_t NeoChain::changed_at(
    const neo::ScriptHash& token, const neo::ScriptHash& account, std::uint32_t height) const {
    const auto index = core_->ledger.find_token(token);
    return index.has_value() ? core_->ledger.changed_at(*index, account, height) : 0;
}

base::Amount NeoChain::total_supply(const neo::ScriptHash& token) const {
    const auto index = core_->ledger.find_token(token);
    return index.has_value() ? core_->ledger.total_supply(*index) : base::Amount();
}

const std::vector<TokenOptions>& NeoChain::tokens() const {
    return core_->ledger.tokens();
}

Execution NeoChain::invoke(
    base::ByteView script, const std::vector<neo::Signer>& signers, std::uint32_t at_height) const {
    internal::State state(core_->ledger, at_height, at_height + 1);
    return internal::run_script(
        script, signers, core_->options.policy, core_->options.invoke_gas_max, state);
}

Result<neo::TransactionHash> NeoChain::pay(
    const neo::ScriptHash& token, const neo::ScriptHash& to, base::Amount amount) {
    neo::Transaction transaction;
    transaction.nonce = static_cast<std::uint32_t>(internal::random_number(core_->random));
    transaction.valid_until_block =
        height() + std::min(kPayWindowBlocks, core_->options.valid_until_increment_max);
    neo::Signer signer;
    signer.account = core_->committee;
    transaction.signers.push_back(std::move(signer));
    transaction.script = neo::nep17_transfer_script({token, core_->committee, to, amount, {}});
    const Execution tried = invoke(transaction.script, transaction.signers, height());
    if (tried.state == VmState::Fault) return Error::unprocessable(tried.exception);
    transaction.system_fee = tried.gas_consumed;

    TRY(auto unsigned_witness, neo::multisig_witness(core_->committee_script, {}));
    transaction.witnesses.push_back(std::move(unsigned_witness));
    TRY(transaction.network_fee, internal::network_fee(transaction, core_->options.policy));
    TRY(const crypto::P256Signature signature,
        crypto::sign_rfc6979_low_s(
            core_->validator, neo::sign_digest(core_->options.magic, transaction)));
    TRY(transaction.witnesses.front(),
        neo::multisig_witness(core_->committee_script, {&signature, 1}));
    const SubmitAnswer answer = submit(neo::serialize(transaction), NodeFlavour::NeoGo);
    if (!answer.accepted()) return Error::unprocessable(answer.refusal->data);
    return *answer.hash;
}

const base::Bytes& NeoChain::committee_script() const {
    return core_->committee_script;
}

base::Bytes NeoChain::block_invocation(const Block& block) const {
    if (block.index == 0) return {};
    base::Bytes out = {0x0c, static_cast<std::uint8_t>(crypto::P256Signature::kSize)};
    out.insert(out.end(), block.signature.bytes.begin(), block.signature.bytes.end());
    return out;
}

base::Bytes NeoChain::serialize_block(const Block& block) const {
    std::vector<base::ByteView> transactions;
    transactions.reserve(block.transactions.size());
    for (const ConfirmedTransaction* done : block.transactions) transactions.push_back(done->bytes);
    return internal::serialize_block(
        core_->header_of(block), block_invocation(block), core_->committee_script, transactions);
}

crypto::P256PrivateKey public_test_validator() {
    constexpr std::string_view kScalar =
        "9b98caf1edd4d0ab6b6ee3b2f66a97f633d46c91091893ea9eedcf419cb854c5";
    const auto bytes = base::hex_decode(kScalar);
    CHECK(bytes.has_value());
    crypto::SecretBytes<crypto::P256PrivateKey::kSize> scalar;
    std::copy(bytes->begin(), bytes->end(), scalar.expose_mutable().begin());
    auto key = crypto::P256PrivateKey::from_scalar(std::move(scalar));
    CHECK(key.has_value());
    return std::move(*key);
}

}  // namespace adyton::localchain
