#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/sim_executor.h"
#include "chain/neo_client.h"
#include "http/client.h"
#include "neo/sign_data.h"

namespace adyton::chain::testing {

inline constexpr std::uint32_t kMagic = 56753;

base::Json json(std::string_view text);  // CHECKs that it is
base::Json rpc_error(std::int64_t code, std::string message, std::string data = {});
// A transaction hash of one repeated byte, and the same as text.
neo::TransactionHash hash_of(std::uint8_t byte);

// One endpoint that says what it is told to: a small Neo node by default, but every method can be
// replaced. Not a simulator: nothing follows from anything.
struct FakeNode {
    std::uint32_t magic = kMagic;
    std::uint32_t height = 100;                      // index of the last block that it shows
    std::int64_t height_lie = 0;                     // added to what getblockcount says
    std::string fork = "a";                          // another letter: other block hashes
    std::map<std::string, base::Json> logs;          // by hash: result of getapplicationlog
    std::map<std::string, std::uint32_t> heights;    // by hash: gettransactionheight
    std::map<std::string, base::Json> transactions;  // by hash: getrawtransaction
    // Answers {"result":...} or {"error":...}; by method, over the above.
    std::map<std::string, std::function<base::Json(const base::Json& params)>> methods;
    // What the transport says instead of an answer: before the node sees the call, and after it.
    std::optional<Error> before;
    std::optional<Error> after;
    std::map<std::string, Error> after_method;
    std::optional<int> http_status;   // of every answer
    std::optional<std::string> body;  // instead of the answer
    base::Duration delay{};

    std::vector<std::string> seen;  // methods that reached it
    std::size_t count(std::string_view method) const;

    base::Json answer(const std::string& method, const base::Json& params);
};

// Endpoints by authority ("a:80").
class FakeTransport final : public http::Transport {
public:
    explicit FakeTransport(base::Executor& executor) : executor_(executor) {}

    FakeNode& add(const std::string& authority) { return nodes_[authority]; }
    Task<Result<http::Response>> send(http::ClientRequest request) override;

    std::vector<http::ClientRequest> requests;
    bool refuses_batches = false;  // each with one error

private:
    base::Executor& executor_;
    std::map<std::string, FakeNode> nodes_;
};

// An application log with one execution, as getapplicationlog answers it.
base::Json application_log(
    const neo::TransactionHash& hash, std::string_view state, std::string_view gas = "9977780");

}  // namespace adyton::chain::testing
