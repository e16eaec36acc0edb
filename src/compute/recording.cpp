#include "compute/recording.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/json.h"
#include "compute/receipt.h"

namespace adyton::compute {
namespace {

using base::Json;
using base::JsonWriter;

constexpr std::string_view kKind = "adyton/recording/v1";

Error malformed() {
    return Error::invalid_argument("not a recording of a job", "malformed");
}

Result<std::string> text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_string()) return malformed();
    return found->string_value();
}

Result<std::uint64_t> number_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr) return malformed();
    return found->as_uint64();
}

Result<std::optional<crypto::Sha256Digest>> digest_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found != nullptr && found->is_null()) return std::optional<crypto::Sha256Digest>();
    TRY(const auto hex, text_of(json, name));
    TRY(const auto bytes, base::hex_decode(hex));
    TRY(const auto digest, crypto::Sha256Digest::parse(bytes));
    return std::optional<crypto::Sha256Digest>(digest);
}

void write_digest(
    JsonWriter& out, std::string_view name, const std::optional<crypto::Sha256Digest>& digest) {
    out.key(name);
    if (digest) {
        out.hex(digest->view());
    } else {
        out.null();
    }
}

Result<const Json*> array_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    if (found == nullptr || !found->is_array()) return malformed();
    return found;
}

crypto::Sha256Digest hash_of_console(const script::RunResult& result) {
    std::vector<ConsoleLine> lines;
    for (const script::LogEntry& entry : result.logs) {
        lines.emplace_back(std::string(script::to_string(entry.level)), entry.text);
    }
    return console_hash(lines);
}

Result<void> read_limits(const Json& json, Recording& out) {
    TRY(const auto time_ms, number_of(json, "time_ms"));
    TRY(const auto memory, number_of(json, "memory_bytes"));
    TRY(out.limits.gas, number_of(json, "gas_max"));
    TRY(const auto fetches, number_of(json, "fetches_max"));
    if (time_ms > 120'000 || memory > script::kMemoryBytesMax || fetches > 1000) {
        return malformed();
    }
    out.limits.time = std::chrono::milliseconds(time_ms);
    out.limits.memory_bytes = memory;
    out.limits.host_requests = static_cast<std::uint32_t>(fetches);
    return {};
}

Result<std::vector<std::string>> names_of(const Json& json, std::string_view name) {
    std::vector<std::string> out;
    TRY(const Json* const names, array_of(json, name));
    for (const Json& item : names->items()) {
        TRY(auto text, item.as_string());
        out.push_back(std::move(text));
    }
    return out;
}

Result<void> read_lists(const Json& json, Recording& out) {
    TRY(out.secret_names, names_of(json, "secret_names"));
    // Recordings that do not say it are of jobs whose secrets were all seen, and that had fetch if
    // there was an answer.
    if (json.find("bound_names") != nullptr) {
        TRY(out.bound_names, names_of(json, "bound_names"));
    }
    TRY(const Json* const replies, array_of(json, "replies"));
    for (const Json& item : replies->items()) {
        const Json* const ok = item.find("ok");
        if (ok == nullptr || !ok->is_boolean()) return malformed();
        script::HostReply reply;
        reply.ok = ok->boolean_value();
        TRY(reply.json, text_of(item, "json"));
        out.replies.push_back(std::move(reply));
    }
    const Json* const host = json.find("has_host");
    if (host != nullptr && !host->is_boolean()) return malformed();
    out.has_host = host != nullptr ? host->boolean_value() : !out.replies.empty();
    return {};
}

void write_names(JsonWriter& out, std::string_view name, const std::vector<std::string>& names) {
    out.key(name).begin_array();
    for (const std::string& one : names) out.value(std::string_view(one));
    out.end_array();
}

}  // namespace

std::string secret_placeholder(const std::string& key) {
    return "{{secret:" + key + "}}";
}

bool Recording::cut_off() const {
    return status == script::to_string(script::Status::TimedOut) ||
           status == script::to_string(script::Status::Cancelled);
}

script::Limits Recording::replay_limits() const {
    script::Limits out = limits;
    if (!cut_off()) return out;
    out.gas = std::max<std::uint64_t>(metered_gas, 1);  // 0 would be no cap
    out.time *= 2;
    return out;
}

std::string Recording::to_json_text() const {
    std::string text;
    JsonWriter out(text);
    out.begin_object().member("kind", kKind);
    out.member("job_id", std::string_view(job_id));
    out.member("script", std::string_view(script));
    if (language != script::Language::JavaScript) {
        out.member("language", script::to_string(language));
    }
    out.member("entry_point", std::string_view(entry_point));
    out.member("input", std::string_view(input_json));
    write_names(out, "secret_names", secret_names);
    write_names(out, "bound_names", bound_names);
    const auto time_ms = std::chrono::duration_cast<std::chrono::milliseconds>(limits.time);
    out.member("time_ms", static_cast<std::uint64_t>(time_ms.count()));
    out.member("memory_bytes", static_cast<std::uint64_t>(limits.memory_bytes));
    out.member("gas_max", limits.gas);
    out.member("fetches_max", static_cast<std::uint64_t>(limits.host_requests));
    out.member("start_time", std::string_view(base::to_rfc3339(start_time)));
    out.key("random_seed").hex(random_seed);
    out.member("has_host", has_host);
    out.key("replies").begin_array();
    for (const script::HostReply& reply : replies) {
        out.begin_object().member("ok", reply.ok);
        out.member("json", std::string_view(reply.json)).end_object();
    }
    out.end_array();
    out.member("status", std::string_view(status));
    write_digest(out, "output_hash", output);
    write_digest(out, "console_hash", console_hash);
    out.member("metered_gas", metered_gas);
    out.end_object();
    return text;
}

Result<Recording> Recording::parse(std::string_view text) {
    const auto json = Json::parse(text);
    if (!json || !json->is_object()) return malformed();
    TRY(const auto kind, text_of(*json, "kind"));
    if (kind != kKind) return malformed();
    Recording out;
    TRY(out.job_id, text_of(*json, "job_id"));
    TRY(out.script, text_of(*json, "script"));
    if (json->find("language") != nullptr) {
        TRY(const auto language, text_of(*json, "language"));
        if (language != script::to_string(script::Language::TypeScript)) return malformed();
        out.language = script::Language::TypeScript;
    }
    TRY(out.entry_point, text_of(*json, "entry_point"));
    TRY(out.input_json, text_of(*json, "input"));
    TRY_VOID(read_limits(*json, out));
    TRY_VOID(read_lists(*json, out));
    TRY(const auto start, text_of(*json, "start_time"));
    TRY(out.start_time, base::parse_rfc3339(start));
    TRY(const auto seed, text_of(*json, "random_seed"));
    TRY(const auto bytes, base::hex_decode(seed));
    if (bytes.size() != out.random_seed.size()) return malformed();
    std::copy(bytes.begin(), bytes.end(), out.random_seed.begin());
    TRY(out.status, text_of(*json, "status"));
    TRY(out.output, digest_of(*json, "output_hash"));
    TRY(out.console_hash, digest_of(*json, "console_hash"));
    TRY(out.metered_gas, number_of(*json, "metered_gas"));
    return out;
}

void note_outcome(Recording& recording, const script::RunResult& result) {
    recording.status = script::to_string(result.status);
    recording.output = crypto::sha256(base::as_bytes(result.output_json));
    recording.console_hash = hash_of_console(result);
    recording.metered_gas = result.metered_gas;
}

std::vector<std::string> differences(const Recording& recording, const script::RunResult& result) {
    Recording now;
    note_outcome(now, result);
    std::vector<std::string> out;
    const bool cut_off = recording.cut_off();
    if (!cut_off && now.status != recording.status) {
        out.push_back("status: " + now.status + " instead of " + recording.status);
    }
    if (!cut_off && recording.output && now.output != recording.output) {
        out.push_back("output: another");
    }
    if (recording.console_hash && now.console_hash != recording.console_hash) {
        out.push_back("console: other lines");
    }
    if (cut_off ? now.metered_gas < recording.metered_gas
                : now.metered_gas != recording.metered_gas) {
        out.push_back(
            "metered gas: " + std::to_string(now.metered_gas) + " instead of " +
            std::to_string(recording.metered_gas) +
            (cut_off ? ", where the job was cut off; this run: " + now.status : ""));
    }
    return out;
}

}  // namespace adyton::compute
