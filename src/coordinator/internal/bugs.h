#pragma once

// Mistakes that the simulation plants one at a time, each of which it must find. Nothing but a test
// can switch them on (TestSwitches::planted).
namespace adyton::coordinator {

enum Bug : int {
    kNoBug = 0,
    kSignBeforePolicy,        // 1: payloads are signed before the policy was asked
    kIgnoreDenial,            // 2: a denial is taken for an allowance
    kIgnoreApproval,          // 3: requires_approval is taken for permission
    kSubmitBeforeDurable,     // 4: submits are sent before their bytes are stored
    kResumeBeforeDurable,     // 5: the resume is sent before its bytes are stored
    kResignSubmitAtOnce,      // 6: an unknown submit is signed anew without proof that it is dead
    kResignResumeAtOnce,      // 7: an unknown resume is signed anew
    kResumeWithoutAll,        // 8: the resume goes out although a submit failed
    kResumeInArrivalOrder,    // 9: ids in the order in which they arrived
    kEvidenceInArrivalOrder,  // 10
    kIgnoreTargetFailure,     // 11: a failed target counts as success
    kTrustAnyLog,             // 12: logs of other executors count
    kForgetWatch,             // 13: intents left pending are not followed
    kNewNonceOnRetry,         // 14: a repeated step draws a new delegate nonce
    kNewPayloadOnRetry,       // 15: a repeated step signs another payload
    kIgnoreLane,              // 16: batches do not wait for each other
    kNoGasBound,              // 17: inner gas is not bounded
    kReuseKeyNonce,           // 18: two transactions share a nonce
    kCallUnknownFailed,       // 19: an unanswered submit is called failed and its run ended
    kSucceedOnDispatch,       // 20: success is told before the targets have run
    kIgnoreBodyHash,          // 21: another body under a used key gets the old record
    kRunReplays,              // 22: a repeated request runs again
    kLoseFinalUpdate,         // 23: the run ends, the record does not
    kBugs,
};

}  // namespace adyton::coordinator
