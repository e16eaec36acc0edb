#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "script/job.h"

namespace adyton::compute {

// What a script sees instead of a secret that is bound to destinations: the broker puts the value
// in where the request goes there.
std::string secret_placeholder(const std::string& key);

// What a replay needs of a job that was submitted with "record": true, and what it must come to.
// Values of secrets are not in it: whoever replays gives them again.
struct Recording {
    std::string job_id;
    std::string script;
    script::Language language = script::Language::JavaScript;
    std::string entry_point;
    std::string input_json;
    std::vector<std::string> secret_names;
    std::vector<std::string> bound_names;  // of these, the ones that were placeholders
    script::Limits limits;
    base::Timestamp start_time;
    std::array<std::uint8_t, 32> random_seed{};
    bool has_host = false;                   // the script had fetch
    std::vector<script::HostReply> replies;  // of the broker, in order of HostRequest::sequence

    std::string status;  // script::to_string(Status)
    // Of RunResult::output_json, and as in receipts: both before any leak guard. None where it held
    // something back: who has the hash could try values until one fits.
    std::optional<crypto::Sha256Digest> output;
    std::optional<crypto::Sha256Digest> console_hash;
    std::uint64_t metered_gas = 0;

    // Whether the clock or a cancel ended the job: at another point of its work each time.
    bool cut_off() const;
    // Those of the job. One that was cut off ends at the first thing that costs gas beyond what the
    // job used; a slower machine has twice the time for that.
    script::Limits replay_limits() const;

    std::string to_json_text() const;
    // InvalidArgument: not what to_json_text() writes.
    static Result<Recording> parse(std::string_view text);
};

// Sets what a run came to.
void note_outcome(Recording& recording, const script::RunResult& result);
// What differs from the recording, one line each; none: it is the same, as far as it says. Of a job
// that was cut off: whether a run within replay_limits() came as far, with the same console.
std::vector<std::string> differences(const Recording& recording, const script::RunResult& result);

}  // namespace adyton::compute
