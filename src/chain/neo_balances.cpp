#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "chain/internal/ask.h"
#include "chain/internal/neo_client_core.h"
#include "chain/internal/neo_requests.h"

// Balances from several endpoints, many in one script.

namespace adyton::chain::internal {
namespace {

// What one endpoint says about one balance.
struct Reading {
    Result<base::Amount> amount = Error::unavailable("not read");
    std::uint32_t height = 0;
};

base::Json script_params(std::span<const BalanceQuery> queries) {
    base::Json out = base::Json::array();
    out.push_back(base::Json::string(base::base64_encode(balances_script(queries))));
    return out;
}

// The whole script failed or not; queries fail alone only as to what they leave on the stack.
Task<Result<HeightAndBalances>> run_script(
    Endpoints& endpoints, std::size_t index, std::vector<BalanceQuery> queries) {
    Task<Result<Asked<Invocation>>> asking = ask_one<Invocation>(
        endpoints, index, "invokescript", script_params(queries), parse_invocation);
    CO_TRY(const Asked<Invocation> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) {
        co_return Error::unavailable(
            fmt::format("invokescript at {}: {}", endpoints.name(index), error->to_string()));
    }
    co_return read_balances(*asked.value(), queries.size());
}

void note(const Result<HeightAndBalances>& found, std::span<Reading> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (found) {
            out[i].amount = found->amounts[i];
            out[i].height = found->height;
        } else {
            out[i].amount = found.error();
        }
    }
}

// `queries` as one script; when that faults, each by itself, so that one bad contract spoils only
// its own.
Task<std::vector<Reading>> read_part(
    Endpoints& endpoints, std::size_t index, std::vector<BalanceQuery> queries) {
    std::vector<Reading> out(queries.size());
    Task<Result<HeightAndBalances>> running = run_script(endpoints, index, queries);
    const Result<HeightAndBalances> found = co_await std::move(running);
    const bool faulted = !found && found.error().code() == ErrorCode::Unprocessable;
    if (!faulted || queries.size() == 1) {
        note(found, out);
        co_return out;
    }
    for (std::size_t i = 0; i < queries.size(); ++i) {
        std::vector<BalanceQuery> alone(1, queries[i]);
        Task<Result<HeightAndBalances>> one = run_script(endpoints, index, std::move(alone));
        const Result<HeightAndBalances> single = co_await std::move(one);
        note(single, std::span(out).subspan(i, 1));
    }
    co_return out;
}

// One row of readings from each of `sources` endpoints that answer; empty rows when there are not
// so many. `reason` gets why.
Task<std::vector<std::vector<Reading>>> read_rows(
    Endpoints& endpoints, std::vector<BalanceQuery> queries, std::size_t sources,
    std::string& reason) {
    std::vector<std::vector<Reading>> rows;
    const Result<std::vector<std::size_t>> indices = endpoints.ranked(sources);
    if (!indices) {
        reason = indices.error().message();
        co_return rows;
    }
    for (const std::size_t index : *indices) {
        Task<std::vector<Reading>> reading = read_part(endpoints, index, queries);
        std::vector<Reading> row = co_await std::move(reading);
        const auto failed = std::find_if(row.begin(), row.end(), [](const Reading& one) {
            return !one.amount && one.amount.error().code() != ErrorCode::Unprocessable;
        });
        if (failed != row.end()) {
            reason = failed->amount.error().message();  // this endpoint does not count
            continue;
        }
        rows.push_back(std::move(row));
        if (rows.size() == sources) break;
    }
    co_return rows;
}

// What the sources say about query `i`.
BalanceReading combine(const std::vector<std::vector<Reading>>& rows, std::size_t i) {
    BalanceReading out;
    const Reading& first = rows.front()[i];
    for (const auto& row : rows) {
        if (!row[i].amount) {
            out.reason = row[i].amount.error().message();
            return out;
        }
    }
    out.height = first.height;
    for (const auto& row : rows) {
        out.height = std::min(out.height, row[i].height);
        if (*row[i].amount == *first.amount) continue;
        out.kind = BalanceReading::Kind::Disagree;
        out.reason = fmt::format(
            "one node says {} at block {}, another {} at block {}", first.amount->to_string(),
            first.height, row[i].amount->to_string(), row[i].height);
        return out;
    }
    out.kind = BalanceReading::Kind::Agreed;
    out.amount = *first.amount;
    return out;
}

// Nodes may stand at different blocks for a moment: such differences are looked at again.
constexpr int kAttempts = 3;
constexpr base::Duration kBetweenAttempts = std::chrono::milliseconds(300);

bool same_blocks(const std::vector<std::vector<Reading>>& rows, std::size_t i) {
    return std::all_of(rows.begin(), rows.end(), [&](const std::vector<Reading>& row) {
        return row[i].height == rows.front()[i].height;
    });
}

Task<std::vector<BalanceReading>> read_agreed(
    NeoRpcClient::Core& core, std::vector<BalanceQuery> queries, std::size_t sources) {
    std::vector<BalanceReading> out(queries.size());
    std::vector<std::size_t> open(queries.size());
    for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;
    for (int attempt = 0; attempt < kAttempts && !open.empty(); ++attempt) {
        if (attempt > 0) {
            base::Executor* const executor = base::Executor::current();
            CHECK(executor != nullptr);
            Task<void> sleeping = base::sleep_for(*executor, kBetweenAttempts);
            co_await std::move(sleeping);
        }
        std::vector<BalanceQuery> asked;
        for (const std::size_t i : open) asked.push_back(queries[i]);
        std::string reason;
        Task<std::vector<std::vector<Reading>>> reading =
            read_rows(*core.endpoints, asked, sources, reason);
        const std::vector<std::vector<Reading>> rows = co_await std::move(reading);
        if (rows.size() < sources) {
            for (const std::size_t i : open) out[i].reason = reason;
            co_return out;
        }
        std::vector<std::size_t> still_open;
        for (std::size_t k = 0; k < open.size(); ++k) {
            out[open[k]] = combine(rows, k);
            if (out[open[k]].kind == BalanceReading::Kind::Disagree && !same_blocks(rows, k)) {
                still_open.push_back(open[k]);
            }
        }
        open = std::move(still_open);
    }
    co_return out;
}

}  // namespace

Task<std::vector<BalanceReading>> read_balances(
    NeoRpcClient::Core& core, std::vector<BalanceQuery> queries, std::size_t sources) {
    CHECK(sources > 0);
    Task<void> refreshing = core.endpoints->ensure_fresh();
    co_await std::move(refreshing);
    std::vector<BalanceReading> out;
    out.reserve(queries.size());
    const std::size_t step = core.options.balances_per_script;
    for (std::size_t begin = 0; begin < queries.size(); begin += step) {
        const std::size_t end = std::min(queries.size(), begin + step);
        std::vector<BalanceQuery> part(
            queries.begin() + static_cast<std::ptrdiff_t>(begin),
            queries.begin() + static_cast<std::ptrdiff_t>(end));
        Task<std::vector<BalanceReading>> reading = read_agreed(core, std::move(part), sources);
        std::vector<BalanceReading> readings = co_await std::move(reading);
        for (BalanceReading& one : readings) out.push_back(std::move(one));
    }
    co_return out;
}

Task<Result<base::Amount>> read_balance(NeoRpcClient::Core& core, BalanceQuery query) {
    const std::vector<BalanceQuery> queries(1, query);
    Task<Result<Asked<Invocation>>> asking = ask_any<Invocation>(
        *core.endpoints, "invokescript", script_params(queries), parse_invocation);
    CO_TRY(const Asked<Invocation> asked, co_await std::move(asking));
    if (const RpcError* error = asked.error()) {
        co_return Error::unavailable("invokescript: " + error->to_string(), "chain_unavailable");
    }
    CO_TRY(const HeightAndBalances found, read_balances(*asked.value(), 1));
    co_return found.amounts.front();
}

}  // namespace adyton::chain::internal
