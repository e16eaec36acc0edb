#pragma once

// Mistakes that the simulation plants one at a time, each of which it must find. Nothing but a test
// can switch them on (TestSwitches::planted). Names: sim/bug_names.cpp.
namespace adyton::coordinator {

enum Bug : int {
    kNoBug = 0,
    kSignBeforePolicy,        // payloads are signed without a policy having been asked
    kIgnoreDenial,            // a denial is taken for an allowance
    kIgnoreApproval,          // requires_approval is taken for permission
    kSubmitBeforeDurable,     // submits are sent before their bytes are stored
    kResumeBeforeDurable,     // the resume is sent before its bytes are stored
    kResignSubmitAtOnce,      // an unknown submit is signed anew without proof that it is dead
    kResignResumeAtOnce,      // an unknown resume likewise
    kResumeWithoutAll,        // the resume goes out although a submit failed
    kResumeInArrivalOrder,    // ids in the order in which they arrived
    kEvidenceInArrivalOrder,  // rows of the evidence not in the order of the calls
    kIgnoreTargetFailure,     // a failed target counts as success
    kForgetWatch,             // intents that are left pending are not followed
    kNewNonceOnRetry,         // a repeated step draws a new delegate nonce
    kNewPayloadOnRetry,       // a repeated step signs another payload
    kIgnoreLane,              // batches do not wait for each other
    kReuseKeyNonce,           // two transactions share a nonce
    kCallUnknownFailed,       // an unanswered submit is called failed and its run ended
    kSucceedOnDispatch,       // success is told before the targets have run
    kIgnoreBodyHash,          // another body under a used key gets the old record
    kRunReplays,              // a repeated request runs again
    kLoseFinalUpdate,         // the run ends, the record does not
    kBelieveAnyNode,          // what one node says of a transaction is not held against the others
    kForgetLateOutcome,       // what the gate took after the record had failed is not told
    // Of workflows over several lanes:
    kLaneSkipPolicy,          // its steps are signed without a policy having been asked
    kLaneSendBeforeDurable,   // a transaction is sent before its bytes are stored
    kLaneMakeAnew,            // one that nobody sees is signed anew, with another nonce
    kLaneShareNonce,          // workflows of one wallet at once take the same nonce
    kLaneIgnoreInnerFailure,  // a receipt that failed inside a transaction counts for nothing
    kLaneSucceedWhenSent,     // a step is done when its transaction is sent
    kLaneGoOnAfterFailure,    // the steps after a failed one are carried out
    kLaneTwoBatches,          // a batch is begun before it is written down that it is
    kLaneForgetWatch,         // what nobody saw is not followed to its end
    kLaneBelieveAnyState,     // balances are what one node says
    kBugs,
};

}  // namespace adyton::coordinator
