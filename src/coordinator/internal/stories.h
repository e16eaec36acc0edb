#pragma once

#include "chain/near_client.h"
#include "near/account_id.h"
#include "near/gate.h"

// What of a transaction decides something for us, as stories that a quorum of nodes must tell alike
// (chain::NearStory). Texts of failures are left out: nodes of different versions word them
// differently.
namespace adyton::coordinator {

// Whether the gate took the intent, under which id and in which block.
chain::NearStory submit_story(near::AccountId gate_id);
// Whether a batch was started, and which.
chain::NearStory resume_story(near::AccountId gate_id);
// What became of an intent, whole.
chain::NearStory dispatch_story(near::AccountId gate_id, near::IntentId intent_id);
// How a transaction of a single receipt ended, once that is final.
chain::NearStory ending_story();

// Nothing can change any more for this intent.
bool is_over(const near::GateDispatch& dispatch);
// The gate's words when another batch holds it.
bool says_gate_is_busy(const near::GateResume& resume);
// And when it asks for more than was paid.
bool says_fee_is_short(const near::GateResume& resume);

}  // namespace adyton::coordinator
