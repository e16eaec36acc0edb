#include "coordinator/lane_state.h"

#include <algorithm>
#include <array>
#include <utility>

namespace adyton::coordinator {
namespace {

using base::Json;
using Outcome = LaneSegment::Outcome;

constexpr std::array<std::pair<Outcome, std::string_view>, 4> kOutcomes = {{
    {Outcome::Open, "open"},
    {Outcome::Succeeded, "success"},
    {Outcome::Skipped, "skipped"},
    {Outcome::Failed, "failed"},
}};
constexpr std::array<std::pair<Lane, std::string_view>, 3> kLanes = {{
    {Lane::GateProxy, "gate_proxy"},
    {Lane::FundingSetup, "funding_setup"},
    {Lane::DirectUser, "direct_user"},
}};

Json text(const std::string& value) {
    return Json::string(value);
}

// Members of an object; the first that is not there or does not fit makes the whole corrupt.
class Reader {
public:
    explicit Reader(const Json& json) : json_(json), good_(json.is_object()) {}

    void read(std::string_view name, std::string& out) {
        const Json* const found = member(name);
        if (found == nullptr) return;
        if (found->is_string()) {
            out = found->string_value();
        } else {
            good_ = false;
        }
    }
    void read(std::string_view name, std::uint64_t& out) {
        const Json* const found = member(name);
        if (found == nullptr) return;
        const auto number = found->as_uint64();
        if (number) out = *number;
        good_ = good_ && number.has_value();
    }
    void read(std::string_view name, bool& out) {
        const Json* const found = member(name);
        if (found == nullptr) return;
        const auto flag = found->as_boolean();
        if (flag) out = *flag;
        good_ = good_ && flag.has_value();
    }
    void read(std::string_view name, Json& out) {
        if (const Json* const found = json_.find(name)) out = *found;
    }
    template <typename T>
    void read_all(std::string_view name, std::vector<T>& out, bool (*read_one)(const Json&, T&)) {
        const Json* const found = member(name);
        if (found == nullptr) return;
        if (!found->is_array()) {
            good_ = false;
            return;
        }
        for (const Json& item : found->items()) {
            T one;
            good_ = read_one(item, one) && good_;
            out.push_back(std::move(one));
        }
    }
    const Json* optional(std::string_view name) const {
        const Json* const found = json_.find(name);
        return found == nullptr || found->is_null() ? nullptr : found;
    }
    void fail() { good_ = false; }
    bool good() const { return good_; }

private:
    const Json* member(std::string_view name) {
        const Json* const found = json_.find(name);
        if (found == nullptr) good_ = false;
        return found;
    }
    const Json& json_;
    bool good_;
};

Json json_of(const LaneCall& call) {
    Json out = Json::object();
    out.set("method_name", text(call.method_name));
    out.set("args", text(base::base64_encode(base::as_bytes(call.args))));
    out.set("gas", Json::unsigned_integer(call.gas));
    out.set("deposit", text(call.deposit));
    return out;
}

bool read_call(const Json& json, LaneCall& out) {
    Reader in(json);
    in.read("method_name", out.method_name);
    std::string args;
    in.read("args", args);
    const auto bytes = base::base64_decode(args);
    if (bytes) out.args = std::string(base::as_text(*bytes));
    in.read("gas", out.gas);
    in.read("deposit", out.deposit);
    return in.good() && bytes.has_value();
}

Json calls_json(const std::vector<LaneCall>& calls) {
    Json out = Json::array();
    for (const LaneCall& call : calls) out.push_back(json_of(call));
    return out;
}

Json json_of(const LaneTransaction& tx) {
    Json out = Json::object();
    out.set("signer_id", text(tx.signer_id)).set("public_key", text(tx.public_key));
    out.set("receiver_id", text(tx.receiver_id)).set("calls", calls_json(tx.calls));
    out.set("nonce", Json::unsigned_integer(tx.nonce));
    if (tx.sent) {
        out.set(
            "sent", Json::object()
                        .set("base64", text(tx.sent->base64))
                        .set("hash", text(tx.sent->hash))
                        .set("height", Json::unsigned_integer(tx.sent->signed_at_height)));
    }
    out.set("over", Json::boolean(tx.over)).set("succeeded", Json::boolean(tx.succeeded));
    out.set("error", text(tx.error)).set("value", text(tx.value));
    out.set("block_height", Json::unsigned_integer(tx.block_height));
    out.set("last_height", Json::unsigned_integer(tx.last_height));
    out.set("block_hash", text(tx.block_hash));
    return out;
}

bool read_transaction(const Json& json, LaneTransaction& out) {
    Reader in(json);
    in.read("signer_id", out.signer_id);
    in.read("public_key", out.public_key);
    in.read("receiver_id", out.receiver_id);
    in.read_all("calls", out.calls, &read_call);
    in.read("nonce", out.nonce);
    if (const Json* const sent = in.optional("sent")) {
        Reader inner(*sent);
        SentTransaction one;
        one.public_key = out.public_key;
        one.nonce = out.nonce;
        inner.read("base64", one.base64);
        inner.read("hash", one.hash);
        inner.read("height", one.signed_at_height);
        if (!inner.good()) in.fail();
        out.sent = std::move(one);
    }
    in.read("over", out.over);
    in.read("succeeded", out.succeeded);
    in.read("error", out.error);
    in.read("value", out.value);
    in.read("block_height", out.block_height);
    in.read("last_height", out.last_height);
    in.read("block_hash", out.block_hash);
    return in.good();
}

Json json_of(const LaneSegment& segment) {
    Json out = Json::object();
    for (const auto& [lane, word] : kLanes) {
        if (lane == segment.lane) out.set("lane", text(std::string(word)));
    }
    out.set("first_step", Json::unsigned_integer(segment.first_step));
    out.set("steps", Json::unsigned_integer(segment.steps));
    out.set("kind", text(segment.kind)).set("params", segment.params);
    out.set("calls", calls_json(segment.calls));
    if (segment.batch) out.set("batch", to_json(*segment.batch));
    out.set("child_id", text(segment.child_id)).set("prepared", Json::boolean(segment.prepared));
    Json transactions = Json::array();
    for (const LaneTransaction& tx : segment.transactions) transactions.push_back(json_of(tx));
    out.set("transactions", std::move(transactions));
    out.set("before", segment.before).set("after", segment.after).set("result", segment.result);
    out.set("note", text(segment.note)).set("error", text(segment.error));
    out.set("outcome", text(std::string(to_string(segment.outcome))));
    return out;
}

bool read_segment(const Json& json, LaneSegment& out) {
    Reader in(json);
    std::string lane;
    std::string outcome;
    in.read("lane", lane);
    in.read("outcome", outcome);
    bool known = false;
    for (const auto& [value, word] : kLanes) {
        if (word != lane) continue;
        out.lane = value;
        known = true;
    }
    bool named = false;
    for (const auto& [value, word] : kOutcomes) {
        if (word != outcome) continue;
        out.outcome = value;
        named = true;
    }
    std::uint64_t first = 0;
    std::uint64_t steps = 0;
    in.read("first_step", first);
    in.read("steps", steps);
    out.first_step = first;
    out.steps = steps;
    in.read("kind", out.kind);
    in.read("params", out.params);
    in.read_all("calls", out.calls, &read_call);
    if (const Json* const batch = in.optional("batch")) {
        auto state = parse_gate_state(*batch);
        if (!state) return false;
        out.batch = *std::move(state);
    }
    in.read("child_id", out.child_id);
    in.read("prepared", out.prepared);
    in.read_all("transactions", out.transactions, &read_transaction);
    in.read("before", out.before);
    in.read("after", out.after);
    in.read("result", out.result);
    in.read("note", out.note);
    in.read("error", out.error);
    return in.good() && known && named && out.params.is_object() && out.before.is_object() &&
           out.after.is_object();
}

}  // namespace

std::string_view to_string(Outcome outcome) {
    for (const auto& [value, word] : kOutcomes) {
        if (value == outcome) return word;
    }
    return "failed";
}

bool LanesState::any_transaction() const {
    return std::any_of(segments.begin(), segments.end(), [](const LaneSegment& segment) {
        const auto& all = segment.transactions;
        return !segment.child_id.empty() || std::any_of(all.begin(), all.end(), [](const auto& tx) {
            return tx.sent.has_value();
        });
    });
}

bool LanesState::has_lane(Lane lane) const {
    return std::any_of(segments.begin(), segments.end(), [lane](const LaneSegment& segment) {
        return segment.lane == lane;
    });
}

Json to_json(const LanesState& state) {
    Json segments = Json::array();
    for (const LaneSegment& segment : state.segments) segments.push_back(json_of(segment));
    return Json::object()
        .set("segments", std::move(segments))
        .set("current", Json::unsigned_integer(state.current));
}

Result<LanesState> parse_lanes_state(const Json& json) {
    LanesState out;
    Reader in(json);
    in.read_all("segments", out.segments, &read_segment);
    std::uint64_t current = 0;
    in.read("current", current);
    out.current = current;
    if (!in.good() || out.current > out.segments.size()) {
        return Error::corrupt_data("the lanes of a workflow do not read back");
    }
    return out;
}

}  // namespace adyton::coordinator
