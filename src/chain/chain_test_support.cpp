#include "chain/chain_test_support.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "http/url.h"

namespace adyton::chain::testing {
namespace {

base::Json result(base::Json value) {
    return base::Json::object().set("result", std::move(value));
}

std::string param_text(const base::Json& params) {
    if (params.size() == 0 || !params.items().front().is_string()) return {};
    return params.items().front().string_value();
}

base::Json version(std::uint32_t magic) {
    base::Json protocol = json(
        R"({"addressversion":53,"msperblock":1000,"validatorscount":1,
            "maxvaliduntilblockincrement":86400})");
    protocol.set("network", base::Json::unsigned_integer(magic));
    base::Json out = json(R"({"useragent":"/FAKE:1/"})");
    out.set("protocol", std::move(protocol));
    return result(std::move(out));
}

base::Json header(const std::string& fork, std::uint32_t index) {
    std::string hash = std::to_string(index) + fork;
    hash.insert(0, 64 - hash.size(), '0');
    base::Json out = base::Json::object();
    out.set("hash", base::Json::string("0x" + hash));
    out.set("index", base::Json::unsigned_integer(index));
    out.set("time", base::Json::unsigned_integer(1'700'000'000'000 + index));
    return result(std::move(out));
}

}  // namespace

base::Json json(std::string_view text) {
    Result<base::Json> parsed = base::Json::parse(text);
    CHECK(parsed.has_value());
    return *std::move(parsed);
}

base::Json rpc_error(std::int64_t code, std::string message, std::string data) {
    base::Json error = base::Json::object();
    error.set("code", base::Json::integer(code));
    error.set("message", base::Json::string(std::move(message)));
    if (!data.empty()) error.set("data", base::Json::string(std::move(data)));
    return base::Json::object().set("error", std::move(error));
}

neo::TransactionHash hash_of(std::uint8_t byte) {
    std::array<std::uint8_t, neo::TransactionHash::kSize> bytes{};
    bytes.fill(byte);
    return *neo::TransactionHash::from_wire(bytes);
}

std::size_t FakeNode::count(std::string_view method) const {
    return static_cast<std::size_t>(std::count(seen.begin(), seen.end(), method));
}

base::Json FakeNode::answer(const std::string& method, const base::Json& params) {
    if (const auto found = methods.find(method); found != methods.end()) {
        return found->second(params);
    }
    if (method == "getversion") return version(magic);
    if (method == "getblockcount") {
        return result(base::Json::integer(std::int64_t{height} + 1 + height_lie));
    }
    if (method == "getblockheader") {
        const auto index = params.items().front().as_uint64();
        if (!index || *index > height) return rpc_error(-109, "Unknown height");
        return header(fork, static_cast<std::uint32_t>(*index));
    }
    const std::string hash = param_text(params);
    if (method == "getapplicationlog") {
        const auto found = logs.find(hash);
        return found == logs.end() ? rpc_error(-105, "Unknown script container")
                                   : result(found->second);
    }
    if (method == "gettransactionheight") {
        const auto found = heights.find(hash);
        return found == heights.end() ? rpc_error(-103, "Unknown transaction")
                                      : result(base::Json::unsigned_integer(found->second));
    }
    if (method == "getrawtransaction") {
        const auto found = transactions.find(hash);
        return found == transactions.end() ? rpc_error(-103, "Unknown transaction")
                                           : result(found->second);
    }
    return rpc_error(-32601, "Method not found");
}

Task<Result<http::Response>> FakeTransport::send(http::ClientRequest request) {
    const Result<http::Url> url = http::Url::parse(request.url);
    CHECK(url.has_value());
    const auto found = nodes_.find(url->host + ":" + std::to_string(url->port));
    if (found == nodes_.end()) co_return Error::unavailable("no such host");
    FakeNode& node = found->second;
    const Result<base::Json> call = base::Json::parse(request.body);
    CHECK(call.has_value());
    requests.push_back(request);
    if (node.before) co_return *node.before;
    if (node.delay > base::Duration::zero()) {
        Task<void> sleeping = base::sleep_for(executor_, node.delay);
        co_await std::move(sleeping);
    }
    if (refuses_batches && call->is_array()) {
        co_return http::Response::json(
            http::Status::Ok,
            R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}})");
    }
    const std::vector<base::Json> calls =
        call->is_array() ? call->items() : std::vector<base::Json>{*call};
    base::Json answers = base::Json::array();
    base::Json answer;
    for (const base::Json& one : calls) {
        const std::string method = one.find("method")->string_value();
        node.seen.push_back(method);
        answer = node.answer(method, *one.find("params"));
        answer.set("id", *one.find("id")).set("jsonrpc", base::Json::string("2.0"));
        if (node.after) co_return *node.after;
        if (const auto lost = node.after_method.find(method); lost != node.after_method.end()) {
            co_return lost->second;
        }
        answers.push_back(answer);
    }
    if (call->is_array()) answer = std::move(answers);
    http::Response response =
        http::Response::json(http::Status::Ok, node.body ? *node.body : answer.dump());
    if (node.http_status) response.status = static_cast<http::Status>(*node.http_status);
    co_return response;
}

base::Json application_log(
    const neo::TransactionHash& hash, std::string_view state, std::string_view gas) {
    base::Json execution = json(
        R"({"trigger":"Application","exception":null,"stack":[],"notifications":[
            {"contract":"0xd2a4cff31913016155e38e474a2c06d08be276cf","eventname":"Transfer",
             "state":{"type":"Array","value":[
                {"type":"ByteString","value":"jKd9ROoyN3aHbDRHMZ711PXNzw0="},{"type":"Any"},
                {"type":"Integer","value":"255"}]}}]})");
    execution.set("vmstate", base::Json::string(std::string(state)));
    execution.set("gasconsumed", base::Json::string(std::string(gas)));
    base::Json out = base::Json::object();
    out.set("txid", base::Json::string(hash.to_string()));
    base::Json executions = base::Json::array();
    executions.push_back(std::move(execution));
    out.set("executions", std::move(executions));
    return out;
}

}  // namespace adyton::chain::testing
