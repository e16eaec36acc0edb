#pragma once

#include <string>
#include <string_view>

#include "apps/command.h"
#include "base/bytes.h"
#include "base/result.h"
#include "neo/sign_data.h"

namespace adyton::apps {

// `adyton tool neo-tx explain|hash`.
void add_neo_tx_commands(CLI::App& tool, Invocation& invocation);

// The bytes of a transaction that somebody pasted or saved: base64, hex (with or without 0x), or,
// in files, the bytes themselves; blanks and line ends around text are dropped. A transaction
// begins with its version, 0: base64 of it with 'A', hex of it with '0'. InvalidArgument: anything
// else.
Result<base::Bytes> parse_transaction_text(std::string_view content);
// The same of a file; "-": standard input. NotFound, TooLarge (over four times the largest
// transaction), Unavailable.
Result<base::Bytes> read_transaction_file(const std::string& path);

// "mainnet" or "main", "testnet" or "test", or a magic number. InvalidArgument: another text.
Result<neo::NetworkMagic> parse_network(std::string_view text);

}  // namespace adyton::apps
