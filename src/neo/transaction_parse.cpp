#include <algorithm>

#include "neo/internal/transaction_rules.h"
#include "neo/transaction.h"

namespace adyton::neo {
namespace {

// Takes bytes from the front.
class Reader {
public:
    explicit Reader(base::ByteView bytes) : rest_(bytes) {}

    bool at_end() const { return rest_.empty(); }

    Result<base::ByteView> take(std::size_t count) {
        if (count > rest_.size()) return Error::invalid_argument("the transaction is cut off");
        const base::ByteView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }

    Result<std::uint8_t> byte() {
        TRY(const auto bytes, take(1));
        return bytes[0];
    }

    Result<std::uint64_t> little_endian(std::size_t width) {
        TRY(const auto bytes, take(width));
        std::uint64_t value = 0;
        for (std::size_t i = width; i-- > 0;) value = value << 8U | bytes[i];
        return value;
    }

    // A count or length of at most `max`; longer forms than needed are read like the network does.
    Result<std::size_t> var_int(std::size_t max, const char* too_many) {
        TRY(const auto first, byte());
        std::uint64_t value = first;
        if (first >= 0xfd) {
            TRY(const auto wide, little_endian(std::size_t{2} << (first - 0xfdU)));
            value = wide;
        }
        if (value > max) return Error::invalid_argument(too_many);
        return static_cast<std::size_t>(value);
    }

    Result<base::Bytes> var_bytes(std::size_t max, const char* too_long) {
        TRY(const auto length, var_int(max, too_long));
        TRY(const auto bytes, take(length));
        return base::Bytes(bytes.begin(), bytes.end());
    }

    Result<ScriptHash> script_hash() {
        TRY(const auto bytes, take(ScriptHash::kSize));
        return ScriptHash::from_wire(bytes);
    }

    Result<crypto::P256PublicKey> public_key() {
        TRY(const auto bytes, take(crypto::P256PublicKey::kSize));
        return crypto::P256PublicKey::parse(bytes);
    }

private:
    base::ByteView rest_;
};

Result<WitnessCondition> read_condition(Reader& reader, std::size_t depth);

Result<std::vector<WitnessCondition>> read_conditions(
    Reader& reader, std::size_t count, std::size_t depth) {
    std::vector<WitnessCondition> out;
    for (std::size_t i = 0; i < count; ++i) {
        TRY(auto condition, read_condition(reader, depth));
        out.push_back(std::move(condition));
    }
    return out;
}

// Recursion ends at kConditionDepthMax.
Result<WitnessCondition> read_condition(Reader& reader, std::size_t depth) {
    using Type = WitnessCondition::Type;
    if (depth == 0) return Error::invalid_argument("a witness condition is nested too deeply");
    TRY(const auto type, reader.byte());
    WitnessCondition out;
    out.type = static_cast<Type>(type);
    switch (out.type) {
        case Type::Boolean: {
            TRY(const auto flag, reader.byte());
            if (flag > 1) return Error::invalid_argument("a boolean is neither 0 nor 1");
            out.boolean = flag == 1;
            return out;
        }
        case Type::Not: {
            TRY(out.conditions, read_conditions(reader, 1, depth - 1));
            return out;
        }
        case Type::And:
        case Type::Or: {
            TRY(const auto count, reader.var_int(kScopeItemsMax, "too many witness conditions"));
            if (count == 0) return Error::invalid_argument("a witness condition has no parts");
            TRY(out.conditions, read_conditions(reader, count, depth - 1));
            return out;
        }
        case Type::ScriptHash:
        case Type::CalledByContract: {
            TRY(out.hash, reader.script_hash());
            return out;
        }
        case Type::Group:
        case Type::CalledByGroup: {
            TRY(const auto key, reader.public_key());
            out.group.push_back(key);
            return out;
        }
        case Type::CalledByEntry:
            return out;
    }
    return Error::invalid_argument("unknown witness condition");
}

Result<std::vector<WitnessRule>> read_rules(Reader& reader) {
    TRY(const auto count, reader.var_int(kScopeItemsMax, "more than 16 witness rules"));
    std::vector<WitnessRule> out;
    for (std::size_t i = 0; i < count; ++i) {
        TRY(const auto action, reader.byte());
        if (action > 1) return Error::invalid_argument("unknown action of a witness rule");
        TRY(auto condition, read_condition(reader, kConditionDepthMax));
        out.push_back({action == 1, std::move(condition)});
    }
    return out;
}

Result<Signer> read_signer(Reader& reader) {
    Signer out;
    TRY(out.account, reader.script_hash());
    TRY(out.scopes, reader.byte());
    TRY_VOID(internal::check_scopes(out.scopes));
    if ((out.scopes & kScopeCustomContracts) != 0) {
        TRY(const auto count, reader.var_int(kScopeItemsMax, "more than 16 allowed contracts"));
        for (std::size_t i = 0; i < count; ++i) {
            TRY(const auto contract, reader.script_hash());
            out.allowed_contracts.push_back(contract);
        }
    }
    if ((out.scopes & kScopeCustomGroups) != 0) {
        TRY(const auto count, reader.var_int(kScopeItemsMax, "more than 16 allowed groups"));
        for (std::size_t i = 0; i < count; ++i) {
            TRY(const auto group, reader.public_key());
            out.allowed_groups.push_back(group);
        }
    }
    if ((out.scopes & kScopeWitnessRules) != 0) {
        TRY(out.rules, read_rules(reader));
    }
    return out;
}

Result<Attribute> read_attribute(Reader& reader) {
    TRY(const auto type, reader.byte());
    switch (type) {
        case internal::kHighPriority:
            return Attribute(HighPriority{});
        case internal::kOracleResponse: {
            OracleResponse out;
            TRY(out.id, reader.little_endian(8));
            TRY(out.code, reader.byte());
            TRY(out.result, reader.var_bytes(
                                OracleResponse::kResultBytesMax, "an oracle's result is too long"));
            TRY_VOID(internal::check_oracle_response(out));
            return Attribute(std::move(out));
        }
        case internal::kNotValidBefore: {
            TRY(const auto height, reader.little_endian(4));
            return Attribute(NotValidBefore{static_cast<std::uint32_t>(height)});
        }
        case internal::kConflicts: {
            TRY(const auto bytes, reader.take(TransactionHash::kSize));
            TRY(const auto other, TransactionHash::from_wire(bytes));
            return Attribute(Conflicts{other});
        }
        case internal::kNotaryAssisted: {
            TRY(const auto keys, reader.byte());
            return Attribute(NotaryAssisted{keys});
        }
        default:
            return Error::invalid_argument("unknown transaction attribute");
    }
}

Result<void> read_header(Reader& reader, Transaction& out) {
    TRY(out.version, reader.byte());
    if (out.version != 0) return Error::invalid_argument("unknown transaction version");
    TRY(const auto nonce, reader.little_endian(4));
    TRY(const auto system_fee, reader.little_endian(8));
    TRY(const auto network_fee, reader.little_endian(8));
    TRY(const auto valid_until_block, reader.little_endian(4));
    out.nonce = static_cast<std::uint32_t>(nonce);
    out.system_fee = static_cast<std::int64_t>(system_fee);
    out.network_fee = static_cast<std::int64_t>(network_fee);
    out.valid_until_block = static_cast<std::uint32_t>(valid_until_block);
    return internal::check_fees(out.system_fee, out.network_fee);
}

Result<Transaction> read_unsigned(Reader& reader) {
    Transaction out;
    TRY_VOID(read_header(reader, out));
    TRY(const auto signers, reader.var_int(kSignersMax, "more than 16 signers"));
    for (std::size_t i = 0; i < signers; ++i) {
        TRY(auto signer, read_signer(reader));
        out.signers.push_back(std::move(signer));
    }
    TRY_VOID(internal::check_signer_list(out.signers));
    TRY(const auto attributes,
        reader.var_int(kSignersAndAttributesMax - signers, "more than 16 signers and attributes"));
    for (std::size_t i = 0; i < attributes; ++i) {
        TRY(auto attribute, read_attribute(reader));
        out.attributes.push_back(std::move(attribute));
    }
    TRY_VOID(internal::check_attribute_list(signers, out.attributes));
    TRY(out.script, reader.var_bytes(kScriptBytesMax, "the script is over 65535 bytes"));
    if (out.script.empty()) return Error::invalid_argument("the script is empty");
    return out;
}

Result<void> check_size(base::ByteView bytes) {
    if (bytes.size() <= kTransactionBytesMax) return {};
    return Error::too_large("the transaction is over 102400 bytes");
}

}  // namespace

Result<Transaction> parse_transaction(base::ByteView bytes) {
    TRY_VOID(check_size(bytes));
    Reader reader(bytes);
    TRY(auto out, read_unsigned(reader));
    TRY(const auto count, reader.var_int(kSignersMax, "not one witness per signer"));
    if (count != out.signers.size()) return Error::invalid_argument("not one witness per signer");
    for (std::size_t i = 0; i < count; ++i) {
        Witness witness;
        TRY(witness.invocation,
            reader.var_bytes(kWitnessScriptBytesMax, "an invocation script is over 1024 bytes"));
        TRY(witness.verification,
            reader.var_bytes(kWitnessScriptBytesMax, "a verification script is over 1024 bytes"));
        out.witnesses.push_back(std::move(witness));
    }
    if (!reader.at_end()) return Error::invalid_argument("bytes after the transaction");
    return out;
}

Result<Transaction> parse_unsigned_transaction(base::ByteView bytes) {
    TRY_VOID(check_size(bytes));
    Reader reader(bytes);
    TRY(auto out, read_unsigned(reader));
    if (!reader.at_end()) {
        TRY(const auto witnesses, reader.byte());
        if (witnesses != 0 || !reader.at_end()) {
            return Error::invalid_argument("bytes after the unsigned transaction");
        }
    }
    // Nodes differ in what they hash of a longer form: the bytes as they came, or their own.
    const base::Bytes shortest = serialize_unsigned(out);
    const base::ByteView signed_part = bytes.first(std::min(bytes.size(), shortest.size()));
    if (!std::equal(shortest.begin(), shortest.end(), signed_part.begin(), signed_part.end())) {
        return Error::invalid_argument("the transaction is not in its shortest form");
    }
    return out;
}

}  // namespace adyton::neo
