#include "compute/job_answer.h"

#include "base/json.h"

namespace adyton::compute {
namespace {

using base::JsonWriter;

void write_text(JsonWriter& out, std::string_view name, std::string_view text) {
    if (!text.empty()) out.member(name, text);
}

void write_texts(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
    out.key(name).begin_array();
    for (const std::string& text : texts) out.value(std::string_view(text));
    out.end_array();
}

void write_ours(JsonWriter& out, const JobAnswer& answer) {
    out.member("phase", to_string(answer.phase));
    write_text(out, "error_code", answer.error_code);
    if (answer.error_line > 0) {
        out.member("error_line", static_cast<std::uint64_t>(answer.error_line));
        out.member("error_column", static_cast<std::uint64_t>(answer.error_column));
    }
    if (answer.metered_gas) out.member("metered_gas", *answer.metered_gas);
    if (!answer.warnings.empty()) write_texts(out, "warnings", answer.warnings);
    if (!answer.isolation.empty()) write_texts(out, "isolation", answer.isolation);
    write_text(out, "sealed_output", answer.sealed_output);
    out.member("created_at", std::string_view(base::to_rfc3339(answer.created_at)));
    if (answer.finished_at) {
        out.member("finished_at", std::string_view(base::to_rfc3339(*answer.finished_at)));
    }
    if (!answer.receipt.empty()) out.key("receipt").raw(answer.receipt);
}

}  // namespace

std::string JobAnswer::to_json_text() const {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.member("job_id", std::string_view(job_id)).member("status", status_word(phase));
    if (!output.empty()) out.key("output").raw(output);
    if (logs && !logs->empty()) write_texts(out, "logs", *logs);
    write_text(out, "error", error);
    out.member("gas_used", gas_used);
    // The seed's member is always there; a job that has not started shows when it was accepted.
    out.member("started_at", std::string_view(base::to_rfc3339(started_at.value_or(created_at))));
    if (duration) out.member("duration", std::string_view(base::to_go_duration(*duration)));
    write_text(out, "encrypted_output", encrypted_output);
    write_text(out, "output_hash", output_hash);
    write_text(out, "signature", signature);
    write_ours(out, *this);
    out.end_object();
    return text;
}

std::string service_line(base::Timestamp at, std::string_view text) {
    std::string line = "[" + base::to_rfc3339_seconds(at) + "] ";
    line += text;
    return line;
}

}  // namespace adyton::compute
