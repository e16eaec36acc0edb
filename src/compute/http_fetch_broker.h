#pragma once

#include <memory>

#include "compute/fetch_broker.h"
#include "compute/fetch_policy.h"
#include "compute/keys.h"
#include "http/client.h"

namespace adyton::compute {

// The broker over HTTP. Each request, and each redirect it follows, needs a rule of its own; the
// transport refuses addresses that are not public (http::GuardedClient with is_public_address).
// Secrets bound to a destination are put in where their placeholder stands in a header or in the
// body, when the request goes there over TLS; an answer that repeats such a value does not reach
// the script, and from there nothing does that is compressed or a part. Thread safe if the
// transport is.
class HttpFetchBroker final : public FetchBroker {
public:
    static constexpr int kRedirectsMax = 5;

    // Keys may be set later, but before the first fetch; transport and keys must outlive it.
    HttpFetchBroker(FetchPolicy policy, http::Transport& transport)
        : policy_(std::move(policy)), transport_(transport) {}
    void use_keys(const ComputeKeys& keys) { keys_ = &keys; }

    bool allows(const JobPlan& plan) const override;
    std::uint32_t count_max(const JobPlan& plan) const override;
    Task<script::HostReply> fetch(
        std::shared_ptr<const JobPlan> plan, script::HostRequest request) override;

private:
    FetchPolicy policy_;
    http::Transport& transport_;
    const ComputeKeys* keys_ = nullptr;
};

}  // namespace adyton::compute
