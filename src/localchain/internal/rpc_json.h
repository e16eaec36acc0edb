#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "localchain/neo_chain.h"
#include "neo/transaction.h"
#include "neo/value.h"

namespace adyton::localchain::internal {

// Answers as a node of that flavour words them (neo.md 5). The C# node writes '+' of base64 as
// \u002B.
class RpcWriter {
public:
    RpcWriter(std::string& out, NodeFlavour flavour) : json_(out), flavour_(flavour) {}

    base::JsonWriter& json() { return json_; }
    void base64(base::ByteView bytes);
    void value(const neo::Value& value);
    void event(const TransferEvent& event);
    // "notifications", "stack" and "exception" as members of the object at hand.
    void execution(const Execution& execution);
    // The members of a transaction; the object is the caller's.
    void transaction(const neo::Transaction& transaction, std::size_t size_bytes);

private:
    void account_item(const std::optional<neo::ScriptHash>& account);
    void signer(const neo::Signer& signer);
    void attribute(const neo::Attribute& attribute);

    base::JsonWriter json_;
    NodeFlavour flavour_;
};

// "N..." or 40 hex digits in display order. InvalidArgument: neither.
Result<neo::ScriptHash> parse_account(std::string_view text);
// The signers of invokescript: account, scopes, allowedcontracts. InvalidArgument: malformed, or
// with groups or rules.
Result<std::vector<neo::Signer>> parse_signers(const base::Json& json);
// A contract parameter {"type","value"}. InvalidArgument: another type, or a value not of it.
Result<neo::Value> parse_parameter(const base::Json& json);

}  // namespace adyton::localchain::internal
