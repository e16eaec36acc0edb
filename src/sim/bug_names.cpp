#include "sim/bug_names.h"

#include <array>

namespace adyton::sim {
namespace {

constexpr std::array<std::string_view, 34> kNames = {
    "none",
    "sign_before_policy",
    "ignore_denial",
    "ignore_approval",
    "submit_before_durable",
    "resume_before_durable",
    "resign_submit_at_once",
    "resign_resume_at_once",
    "resume_without_all",
    "resume_in_arrival_order",
    "evidence_in_arrival_order",
    "ignore_target_failure",
    "forget_watch",
    "new_nonce_on_retry",
    "new_payload_on_retry",
    "ignore_lane",
    "reuse_key_nonce",
    "call_unknown_failed",
    "succeed_on_dispatch",
    "ignore_body_hash",
    "run_replays",
    "lose_final_update",
    "believe_any_node",
    "forget_late_outcome",
    "lane_skip_policy",
    "lane_send_before_durable",
    "lane_make_anew",
    "lane_share_nonce",
    "lane_ignore_inner_failure",
    "lane_succeed_when_sent",
    "lane_go_on_after_failure",
    "lane_two_batches",
    "lane_forget_watch",
    "lane_believe_any_state",
};

}  // namespace

std::string_view bug_name(int bug) {
    if (bug < 0 || static_cast<std::size_t>(bug) >= kNames.size()) return {};
    return kNames.at(static_cast<std::size_t>(bug));
}

}  // namespace adyton::sim
