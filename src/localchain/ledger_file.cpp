#include "localchain/ledger_file.h"

#include <fmt/format.h>

#include <utility>

#include "crypto/digest.h"

namespace adyton::localchain {
namespace {

constexpr std::string_view kTitle = "adyton-local-neo 1\n";

// All that decides what a block does to the books.
crypto::Sha256Digest settings_digest(const NeoChain& chain) {
    const ChainOptions& options = chain.options();
    std::string text = fmt::format(
        "magic {} genesis {} validator {} fees {} {} {}", static_cast<std::uint32_t>(options.magic),
        chain.find_block(0U)->hash.to_string(), chain.validator().to_hex(),
        options.policy.fee_per_byte, options.policy.exec_fee_factor, options.policy.storage_price);
    for (const TokenOptions& token : chain.tokens()) {
        text += fmt::format(
            " token {} {} {}", token.contract.to_string(), token.decimals,
            token.supply.to_string());
    }
    for (const GenesisAllocation& allocation : options.genesis) {
        text += fmt::format(
            " allocation {} {} {}", allocation.token.to_string(), allocation.account.to_string(),
            allocation.amount.to_string());
    }
    return crypto::sha256(base::as_bytes(text));
}

}  // namespace

Result<std::unique_ptr<LedgerFile>> LedgerFile::open(const std::string& path, NeoChain& chain) {
    const internal::RecordFile::Form form{kTitle, settings_digest(chain), "local Neo chain"};
    TRY(auto file, internal::RecordFile::open(path, form, [&](base::ByteView record) {
            return chain.replay_record(record);
        }));
    return std::unique_ptr<LedgerFile>(new LedgerFile(std::move(file), chain));
}

Result<void> LedgerFile::append(const Block& block) {
    return file_->append(chain_.block_record(block));
}

}  // namespace adyton::localchain
