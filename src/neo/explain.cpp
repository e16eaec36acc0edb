#include "neo/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "neo/address.h"
#include "neo/internal/script_calls.h"
#include "neo/script.h"

namespace adyton::neo {
namespace {

std::optional<ScriptHash> hash_of(const Value& value) {
    if (value.type != Value::Type::Bytes) return std::nullopt;
    const auto hash = ScriptHash::from_wire(value.bytes);
    return hash ? std::optional(*hash) : std::nullopt;
}

std::optional<base::Amount> amount_of(const Value& value) {
    if (value.type != Value::Type::Integer) return std::nullopt;
    const auto amount = value.integer.as_amount();
    return amount ? std::optional(*amount) : std::nullopt;
}

std::optional<base::Bytes> token_id_of(const Value& value) {
    const bool fits = value.type == Value::Type::Bytes && !value.bytes.empty() &&
                      value.bytes.size() <= Nep11Transfer::kTokenIdBytesMax;
    return fits ? std::optional(value.bytes) : std::nullopt;
}

bool is_transfer(const ContractCall& call, std::size_t arguments) {
    return call.method == "transfer" && call.flags == kCallAll &&
           call.arguments.size() == arguments;
}

// transfer(from, to, amount, data)
std::optional<Nep17Transfer> as_nep17(const ContractCall& call) {
    if (!is_transfer(call, 4)) return std::nullopt;
    const auto from = hash_of(call.arguments[0]);
    const auto to = hash_of(call.arguments[1]);
    const auto amount = amount_of(call.arguments[2]);
    if (!from || !to || !amount) return std::nullopt;
    return Nep17Transfer{call.contract, *from, *to, *amount, call.arguments[3]};
}

// transfer(to, tokenId, data) or transfer(from, to, amount, tokenId, data)
std::optional<Nep11Transfer> as_nep11(const ContractCall& call) {
    Nep11Transfer out;
    out.contract = call.contract;
    const bool divisible = is_transfer(call, 5);
    if (!divisible && !is_transfer(call, 3)) return std::nullopt;
    const std::size_t to_at = divisible ? 1 : 0;
    const auto to = hash_of(call.arguments[to_at]);
    const auto token_id = token_id_of(call.arguments[divisible ? 3 : 1]);
    if (divisible) {
        out.from = hash_of(call.arguments[0]);
        out.amount = amount_of(call.arguments[2]);
        if (!out.from || !out.amount) return std::nullopt;
    }
    if (!to || !token_id) return std::nullopt;
    out.to = *to;
    out.token_id = *token_id;
    out.data = call.arguments.back();
    return out;
}

// Sorts a call into the explanation; false: it may do anything.
bool recognise(Explanation& out, ContractCall& call) {
    if (auto transfer = as_nep17(call)) {
        call.kind = ContractCall::Kind::Nep17;
        call.transfer_index = out.transfers.size();
        out.transfers.push_back(std::move(*transfer));
    } else if (auto nft = as_nep11(call)) {
        call.kind = ContractCall::Kind::Nep11;
        call.transfer_index = out.nft_transfers.size();
        out.nft_transfers.push_back(std::move(*nft));
    } else if ((call.flags & ~kCallReadOnly) == 0) {
        call.kind = ContractCall::Kind::Read;
    }
    return call.kind != ContractCall::Kind::Other;
}

void read_script(Explanation& out, base::ByteView script) {
    auto read = internal::read_calls(script);
    out.decoded = read.complete;
    out.recognised = read.complete;
    if (!read.complete) out.reason = "the script " + read.reason;
    for (ContractCall& call : read.calls) {
        if (!recognise(out, call)) {
            out.recognised = false;
            if (out.reason.empty()) {
                out.reason = fmt::format(
                    "{} of {} is no transfer, and may change things",
                    to_text(Value::of_text(call.method)), call.contract.to_string());
            }
        }
        out.calls.push_back(std::move(call));
    }
}

bool is_shallow(std::uint8_t scopes) {
    return scopes == kScopeNone || scopes == kScopeCalledByEntry;
}

void judge_scopes(Explanation& out) {
    out.understood = out.recognised;
    for (const Signer& signer : out.signers) {
        if (is_shallow(signer.scopes)) continue;
        out.understood = false;
        const std::string text = fmt::format(
            "the witness of {} reaches deeper than the calls (scope {}): contracts that they call "
            "can act for it",
            Address(signer.account).to_string(), scopes_to_string(signer.scopes));
        out.warnings.push_back(text);
        if (out.reason.empty()) out.reason = text;
    }
}

void warn_about_calls(Explanation& out) {
    for (const Nep17Transfer& transfer : out.transfers) {
        const Signer* const signer = out.find_signer(transfer.from);
        if (signer == nullptr || signer->scopes == kScopeNone) {
            out.warnings.push_back(fmt::format(
                "{} gives its witness to no call: its transfer fails",
                Address(transfer.from).to_string()));
        }
    }
    const bool unchecked = std::any_of(out.calls.begin(), out.calls.end(), [](const auto& call) {
        const bool transfer =
            call.kind == ContractCall::Kind::Nep17 || call.kind == ContractCall::Kind::Nep11;
        return transfer && !call.asserted;
    });
    if (unchecked) {
        out.warnings.emplace_back(
            "a transfer without ASSERT may be refused and the transaction succeed all the same");
    }
}

void warn_about_attributes(Explanation& out) {
    for (const Attribute& attribute : out.attributes) {
        if (const auto* const conflicts = std::get_if<Conflicts>(&attribute)) {
            out.warnings.push_back(
                "takes the place of transaction " + conflicts->hash.to_string() +
                " if that is still pending");
        }
    }
}

std::vector<std::string> list_script(base::ByteView script) {
    std::vector<std::string> out;
    const auto instructions = disassemble(script);
    if (!instructions) {
        out.push_back("not readable: " + instructions.error().message());
        return out;
    }
    for (const Instruction& instruction : *instructions) {
        if (out.size() == kListingLinesMax) {
            out.push_back(fmt::format("... {} more", instructions->size() - out.size()));
            break;
        }
        out.push_back(to_text(instruction));
    }
    return out;
}

}  // namespace

const Signer* Explanation::find_signer(const ScriptHash& account) const {
    const auto found = std::find_if(signers.begin(), signers.end(), [&](const Signer& signer) {
        return signer.account == account;
    });
    return found == signers.end() ? nullptr : &*found;
}

Explanation explain(const Transaction& transaction) {
    Explanation out;
    out.hash = hash(transaction);
    out.version = transaction.version;
    out.nonce = transaction.nonce;
    out.system_fee = transaction.system_fee;
    out.network_fee = transaction.network_fee;
    out.valid_until_block = transaction.valid_until_block;
    out.signers = transaction.signers;
    out.attributes = transaction.attributes;
    out.script_bytes = transaction.script.size();
    read_script(out, transaction.script);
    if (!out.decoded) out.listing = list_script(transaction.script);
    judge_scopes(out);
    warn_about_calls(out);
    warn_about_attributes(out);
    return out;
}

AccountEffect effect_on(const Explanation& explanation, const ScriptHash& account) {
    AccountEffect out;
    const Signer* const signer = explanation.find_signer(account);
    if (signer == nullptr) return out;
    out.signer = true;
    out.bounded = signer->scopes == kScopeNone ||
                  (explanation.recognised && signer->scopes == kScopeCalledByEntry);
    if (signer == &explanation.signers.front()) out.fees = explanation.fees();
    for (const Nep17Transfer& transfer : explanation.transfers) {
        if (transfer.from == account) out.transfers.push_back(transfer);
    }
    for (const Nep11Transfer& transfer : explanation.nft_transfers) {
        if (!transfer.from || *transfer.from == account) out.nft_transfers.push_back(transfer);
    }
    return out;
}

}  // namespace adyton::neo
