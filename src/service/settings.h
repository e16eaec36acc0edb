#pragma once

#include "service/config.h"

// Every setting of `adyton serve`. The table (settings.cpp) holds types, defaults, limits and help;
// these are the names that code uses.

namespace adyton::service::settings {

// Process
inline constexpr Key<std::string> kDataDir{"data_dir"};
inline constexpr Key<std::string> kListen{"listen"};
inline constexpr Key<std::int64_t> kThreads{"threads"};
inline constexpr Key<std::int64_t> kWorkerThreads{"worker_threads"};
inline constexpr Key<std::string> kLogLevel{"log.level"};
inline constexpr Key<std::string> kLogPath{"log.path"};
inline constexpr Key<std::string> kLogAccess{"log.access"};
inline constexpr Key<bool> kMetricsEnabled{"metrics.enabled"};
inline constexpr Key<std::string> kMetricsListen{"metrics.listen"};
inline constexpr Key<base::Duration> kHealthCacheTime{"health.cache_time"};
inline constexpr Key<base::Duration> kHealthTimeout{"health.timeout"};

// HTTP
inline constexpr Key<std::int64_t> kHttpConnectionsMax{"http.connections_max"};
inline constexpr Key<std::int64_t> kHttpConnectionsPerAddressMax{
    "http.connections_per_address_max"};
inline constexpr Key<std::int64_t> kHttpInFlightMax{"http.in_flight_max"};
inline constexpr Key<std::int64_t> kHttpHeaderBytesMax{"http.header_bytes_max"};
inline constexpr Key<std::int64_t> kHttpBodyBytesMax{"http.body_bytes_max"};
inline constexpr Key<base::Duration> kHttpHeaderTimeout{"http.header_timeout"};
inline constexpr Key<base::Duration> kHttpReadTimeout{"http.read_timeout"};
inline constexpr Key<base::Duration> kHttpWriteTimeout{"http.write_timeout"};
inline constexpr Key<base::Duration> kHttpIdleTimeout{"http.idle_timeout"};
inline constexpr Key<base::Duration> kHttpConnectionAgeMax{"http.connection_age_max"};
inline constexpr Key<base::Duration> kHttpDrainTimeout{"http.drain_timeout"};

// TLS and identity
inline constexpr Key<Reference> kTlsCertificate{"tls.certificate"};
inline constexpr Key<Reference> kTlsKey{"tls.key"};
inline constexpr Key<Reference> kTlsClientCa{"tls.client_ca"};
inline constexpr Key<Reference> kTlsExtraClientCa{"tls.extra_client_ca"};
inline constexpr Key<std::string> kIdentityMode{"identity.mode"};
inline constexpr Key<TextList> kIdentityServices{"identity.services"};
inline constexpr Key<TextList> kIdentityExtraServices{"identity.extra_services"};
inline constexpr Key<base::Json> kIdentityAliases{"identity.aliases"};
inline constexpr Key<base::Json> kIdentityIssuers{"identity.issuers"};

// Platform and attestation
inline constexpr Key<std::string> kPlatformMode{"platform.mode"};
inline constexpr Key<std::string> kRollbackWitnessFile{"rollback.witness_file"};
inline constexpr Key<std::string> kRollbackWitnessUrl{"rollback.witness_url"};
inline constexpr Key<base::Duration> kRollbackPeriod{"rollback.period"};
inline constexpr Key<bool> kRollbackAdopt{"rollback.adopt"};
inline constexpr Key<bool> kRollbackServe{"rollback.serve_witness"};
inline constexpr Key<base::Json> kReleaseGrants{"release.grants"};

// Storage, audit, policy
inline constexpr Key<std::string> kDatabaseUrl{"database.url"};
inline constexpr Key<std::string> kAuditDurability{"audit.durability"};
inline constexpr Key<base::Duration> kAuditCheckpointPeriod{"audit.checkpoint_period"};
inline constexpr Key<base::Duration> kIdempotencyKeep{"idempotency.keep"};
inline constexpr Key<std::string> kPolicyFile{"policy.file"};
inline constexpr Key<base::Json> kPolicyRules{"policy.rules"};

// Account pool
inline constexpr Key<Reference> kPoolMasterKey{"pool.master_key"};
inline constexpr Key<Reference> kPoolMasterSeed{"pool.master_seed"};
inline constexpr Key<std::string> kPoolMasterKeyHash{"pool.master_key_hash"};
inline constexpr Key<std::string> kPoolMasterAttestationHash{"pool.master_attestation_hash"};
inline constexpr Key<Reference> kPoolEncryptionKey{"pool.encryption_key"};
inline constexpr Key<std::int64_t> kPoolMinAccounts{"pool.min_accounts"};
inline constexpr Key<std::int64_t> kPoolMaxAccounts{"pool.max_accounts"};
inline constexpr Key<std::int64_t> kPoolBatchSignMax{"pool.batch_sign_max"};
inline constexpr Key<bool> kSigningSelfCheck{"pool.signing.self_check"};
inline constexpr Key<base::Duration> kPoolLockTtlDefault{"pool.lock.ttl_default"};
inline constexpr Key<base::Duration> kPoolLockTtlMax{"pool.lock.ttl_max"};
inline constexpr Key<double> kPoolRotationRate{"pool.rotation.rate_per_day"};
inline constexpr Key<base::Duration> kPoolRotationMinAge{"pool.rotation.min_age"};
inline constexpr Key<std::int64_t> kPoolRotationGasMax{"pool.rotation.gas_max"};
inline constexpr Key<bool> kPoolDeleteRetiring{"pool.retire.delete"};
inline constexpr Key<std::string> kPoolRetireSweepTo{"pool.retire.sweep_to"};
inline constexpr Key<std::int64_t> kTransfersSystemFeeMax{"pool.transfers.system_fee_max"};
inline constexpr Key<std::int64_t> kTransfersUnfinishedMax{
    "pool.transfers.unfinished_per_account_max"};
inline constexpr Key<base::Duration> kTransfersValidity{"pool.transfers.validity"};
inline constexpr Key<base::Duration> kTransfersBroadcastWait{"pool.transfers.broadcast_wait"};
inline constexpr Key<std::int64_t> kTransfersResendBlocks{"pool.transfers.resend_blocks"};
inline constexpr Key<base::Duration> kTransfersPollMin{"pool.transfers.poll_min"};
inline constexpr Key<base::Duration> kTransfersPollMax{"pool.transfers.poll_max"};
inline constexpr Key<base::Duration> kTransfersLease{"pool.transfers.lease"};
inline constexpr Key<base::Duration> kTransfersKeepRuns{"pool.transfers.keep_runs"};
inline constexpr Key<std::string> kPoolReconcileMode{"pool.reconcile.mode"};
inline constexpr Key<std::int64_t> kPoolReconcileRows{"pool.reconcile.rows"};
inline constexpr Key<base::Duration> kPoolRotatePeriod{"pool.workers.rotate_period"};
inline constexpr Key<base::Duration> kPoolRetirePeriod{"pool.workers.retire_period"};
inline constexpr Key<base::Duration> kPoolStaleLockPeriod{"pool.workers.stale_lock_period"};
inline constexpr Key<base::Duration> kPoolTopUpPeriod{"pool.workers.top_up_period"};
inline constexpr Key<base::Duration> kPoolReconcilePeriod{"pool.workers.reconcile_period"};

// Neo N3 nodes
inline constexpr Key<TextList> kNeoRpcUrls{"neo.rpc_urls"};
inline constexpr Key<std::int64_t> kNeoNetwork{"neo.network"};
inline constexpr Key<std::int64_t> kNeoRpcQuorum{"neo.rpc_quorum"};
inline constexpr Key<base::Duration> kNeoRpcTimeout{"neo.rpc_timeout"};
inline constexpr Key<base::Duration> kNeoProbePeriod{"neo.probe_period"};
inline constexpr Key<std::int64_t> kNeoNetworkFeeMax{"neo.network_fee_max"};
inline constexpr Key<std::int64_t> kNeoSignFeesMax{"neo.sign_fees_max"};
inline constexpr Key<TextList> kNeoTokens{"neo.tokens"};

// NEAR nodes
inline constexpr Key<TextList> kNearRpcUrls{"near.rpc_urls"};
inline constexpr Key<std::string> kNearNetwork{"near.network"};
inline constexpr Key<std::int64_t> kNearRpcQuorum{"near.rpc_quorum"};
inline constexpr Key<base::Duration> kNearRpcTimeout{"near.rpc_timeout"};
inline constexpr Key<std::string> kNearIntentsContract{"near.intents_contract"};
inline constexpr Key<std::string> kNearWrapContract{"near.wrap_contract"};

// Keystore
inline constexpr Key<Reference> kKeystoreMasterSecret{"keystore.master_secret"};
inline constexpr Key<std::string> kKeystoreCoordinatorTokens{"keystore.coordinator_token_hashes"};
inline constexpr Key<std::string> kKeystoreOperatorTokens{"keystore.operator_token_hashes"};
inline constexpr Key<std::string> kKeystoreWithoutPolicy{"keystore.without_policy"};
inline constexpr Key<std::int64_t> kKeystoreValidityBlocks{"keystore.transaction_validity_blocks"};
inline constexpr Key<bool> kKeystoreSelfCheck{"keystore.signing.self_check"};
inline constexpr Key<std::string> kKeystoreDelegatesUse{"keystore.delegates_use"};
inline constexpr Key<base::Duration> kKeystoreKeepSignatures{"keystore.keep_signatures"};
inline constexpr Key<base::Duration> kKeystoreSettlePeriod{"keystore.workers.settle_period"};
inline constexpr Key<base::Duration> kKeystorePrunePeriod{"keystore.workers.prune_period"};

// Coordinator (near.md 6.14)
inline constexpr Key<Reference> kCoordinatorInternalToken{"coordinator.internal_token"};
inline constexpr Key<Reference> kCoordinatorApiKeys{"coordinator.wallet_api_keys"};
inline constexpr Key<std::string> kCoordinatorKeystoreUrl{"coordinator.keystore_url"};
inline constexpr Key<Reference> kCoordinatorKeystoreToken{"coordinator.keystore_token"};
inline constexpr Key<Reference> kCoordinatorKeystoreCa{"coordinator.keystore_ca"};
inline constexpr Key<std::string> kCoordinatorRelayer{"coordinator.relayer_account"};
inline constexpr Key<Reference> kCoordinatorRelayerKey{"coordinator.relayer_key"};
inline constexpr Key<std::string> kCoordinatorApprover{"coordinator.approver_account"};
inline constexpr Key<Reference> kCoordinatorApproverKey{"coordinator.approver_key"};
inline constexpr Key<TextList> kCoordinatorGates{"coordinator.gates"};
inline constexpr Key<std::string> kCoordinatorGateFee{"coordinator.gate_fee_yocto"};
inline constexpr Key<std::string> kCoordinatorGateFee4To6{"coordinator.gate_fee_4_to_6_yocto"};
inline constexpr Key<std::string> kCoordinatorGateFee7To12{"coordinator.gate_fee_7_to_12_yocto"};
inline constexpr Key<std::int64_t> kCoordinatorGateCallsMax{"coordinator.gate_calls_max"};
inline constexpr Key<std::int64_t> kCoordinatorSubmitGas{"coordinator.submit_gas"};
inline constexpr Key<std::int64_t> kCoordinatorResumeGas{"coordinator.resume_gas"};
inline constexpr Key<std::int64_t> kCoordinatorDelegateBlocks{
    "coordinator.delegate_validity_blocks"};
inline constexpr Key<std::int64_t> kCoordinatorPollTimeout{"coordinator.poll_timeout_secs"};
inline constexpr Key<std::int64_t> kCoordinatorPollInterval{"coordinator.poll_interval_ms"};
inline constexpr Key<std::int64_t> kCoordinatorDeadline{"coordinator.intents_deadline_secs"};
inline constexpr Key<std::int64_t> kCoordinatorExecuteWait{"coordinator.execute_wait_secs"};
inline constexpr Key<std::string> kCoordinatorCodeHash{"coordinator.gate_code_hash"};
inline constexpr Key<std::string> kCoordinatorUserScopes{"coordinator.direct_user_scopes"};
inline constexpr Key<bool> kCoordinatorGateDeposits{"coordinator.allow_gate_deposits"};
inline constexpr Key<bool> kCoordinatorAuthorityIntents{"coordinator.allow_authority_intents"};
inline constexpr Key<bool> kCoordinatorFundingLane{"coordinator.enable_funding_lane"};
inline constexpr Key<bool> kCoordinatorDirectUserLane{"coordinator.enable_direct_user_lane"};
inline constexpr Key<std::string> kCoordinatorStorageMax{"coordinator.storage_deposit_max_yocto"};
inline constexpr Key<bool> kCoordinatorSimulate{"coordinator.simulate_intents"};
inline constexpr Key<std::string> kCoordinatorArchiveUrl{"coordinator.archival_rpc_url"};
inline constexpr Key<std::int64_t> kCoordinatorLaneAhead{"coordinator.lane_ahead"};
inline constexpr Key<std::int64_t> kCoordinatorQueueMax{"coordinator.queue_max"};
inline constexpr Key<base::Duration> kCoordinatorQueueWaitMax{"coordinator.queue_wait_max"};
inline constexpr Key<base::Json> kCoordinatorWebhooks{"coordinator.webhooks"};

// Compute
inline constexpr Key<Reference> kComputeMasterKey{"compute.master_key"};
inline constexpr Key<Reference> kComputePreviousMasterKey{"compute.previous_master_key"};
inline constexpr Key<base::Duration> kComputeResultTtl{"compute.result_ttl"};
inline constexpr Key<base::Duration> kComputeCleanupPeriod{"compute.cleanup_period"};
inline constexpr Key<std::int64_t> kComputeExecutors{"compute.executors"};
inline constexpr Key<std::int64_t> kComputeMemoryBytes{"compute.memory_bytes"};
inline constexpr Key<std::int64_t> kComputeMeteredGasMax{"compute.metered_gas_max"};
inline constexpr Key<std::int64_t> kComputeRunningPerUserMax{"compute.running_per_user_max"};
inline constexpr Key<std::int64_t> kComputeQueuedPerUserMax{"compute.queued_per_user_max"};
inline constexpr Key<std::int64_t> kComputeKeptPerUserMax{"compute.kept_per_user_max"};
inline constexpr Key<std::int64_t> kComputeKeptBytesPerUserMax{"compute.kept_bytes_per_user_max"};
inline constexpr Key<std::int64_t> kComputeKeptBytesMax{"compute.kept_bytes_max"};
inline constexpr Key<std::int64_t> kComputeWaitingMax{"compute.waiting_max"};
inline constexpr Key<TextList> kComputeUserAssertingServices{"compute.user_asserting_services"};
inline constexpr Key<std::string> kComputeEmptySecretPolicy{"compute.empty_secret_policy"};
inline constexpr Key<std::string> kComputeEngine{"compute.engine"};
inline constexpr Key<base::Json> kComputeFetch{"compute.fetch"};

}  // namespace adyton::service::settings

namespace adyton::service {

// The table.
Schema serve_schema();

}  // namespace adyton::service
