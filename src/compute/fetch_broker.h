#pragma once

#include <cstdint>
#include <memory>

#include "base/task.h"
#include "script/job.h"

namespace adyton::compute {

struct JobPlan;

// What scripts reach of the network: requests that the policy allows, made outside of the sandbox.
// Thread safe.
class FetchBroker {
public:
    virtual ~FetchBroker() = default;
    // Whether this job has `fetch` at all.
    virtual bool allows(const JobPlan& plan) const = 0;
    // The most requests that it may allow this job.
    virtual std::uint32_t count_max(const JobPlan& plan) const = 0;
    // Never fails: a refusal is a reply that is not ok.
    virtual Task<script::HostReply> fetch(
        std::shared_ptr<const JobPlan> plan, script::HostRequest request) = 0;
};

}  // namespace adyton::compute
