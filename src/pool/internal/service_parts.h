#pragma once

#include "audit/checkpoint.h"
#include "pool/context.h"
#include "pool/master_key.h"
#include "pool/pool_service.h"
#include "pool/reconcile.h"
#include "pool/transfer.h"
#include "pool/workers.h"
#include "workflow/periodic.h"

namespace adyton::pool {

// Everything a PoolService holds, in the order of construction.
struct PoolService::Parts {
    Parts(PoolParts given, PoolKeys keys, PoolOptions pool_options);

    PoolParts given;
    const PoolOptions options;
    Signer signer;
    crypto::Ed25519KeyPair checkpoint_key;
    MasterKeyStatement statement;
    // When no platform was given.
    std::unique_ptr<attest::AttestationService> simulated;
    attest::AttestationService& attestation;
    workflow::IdempotencyStore idempotency;
    PoolMetrics metrics;
    PoolContext context;
    audit::Checkpoints checkpoints;
    workflow::PeriodicRunner runner;
    std::unique_ptr<Transfers> transfers;    // null: no chain is configured
    std::unique_ptr<Reconciler> reconciler;  // likewise
};

// transfer_routes.cpp
void register_transfer_routes(PoolService::Parts& parts, service::ServiceFrame& frame);

}  // namespace adyton::pool
