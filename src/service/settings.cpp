#include "service/settings.h"

#include <array>

namespace adyton::service {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kDayMs = 24 * kHourMs;

// Rows in the order of settings.h and of the printed reference. The kind comes from the key's type
// where that decides it.
template <typename T>
constexpr SettingKind kind_of() {
    if constexpr (std::is_same_v<T, std::int64_t>) {
        return SettingKind::Integer;
    } else if constexpr (std::is_same_v<T, double>) {
        return SettingKind::Real;
    } else if constexpr (std::is_same_v<T, bool>) {
        return SettingKind::Boolean;
    } else if constexpr (std::is_same_v<T, base::Duration>) {
        return SettingKind::Duration;
    } else if constexpr (std::is_same_v<T, TextList>) {
        return SettingKind::List;
    } else if constexpr (std::is_same_v<T, Reference>) {
        return SettingKind::Secret;
    } else if constexpr (std::is_same_v<T, base::Json>) {
        return SettingKind::Section;
    } else {
        return SettingKind::Text;
    }
}

struct Extra {
    std::string_view environment = {};
    std::string_view flag = {};
    std::int64_t min = std::numeric_limits<std::int64_t>::min();
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

template <typename T>
constexpr Setting row(
    Key<T> key, std::string_view default_text, std::string_view help, Extra extra = {}) {
    Setting out;
    out.key = key.name;
    out.kind = kind_of<T>();
    out.default_text = default_text;
    out.help = help;
    out.environment = extra.environment;
    out.flag = extra.flag;
    out.min = extra.min;
    out.max = extra.max;
    return out;
}

constexpr Setting choice(
    Key<std::string> key, std::string_view choices, std::string_view default_text,
    std::string_view help, Extra extra = {}) {
    Setting out = row(key, default_text, help, extra);
    out.kind = SettingKind::Choice;
    out.choices = choices;
    return out;
}

constexpr Setting address(
    Key<std::string> key, std::string_view default_text, std::string_view help, Extra extra = {}) {
    Setting out = row(key, default_text, help, extra);
    out.kind = SettingKind::Address;
    return out;
}

constexpr Setting with_port(Setting setting, std::string_view variable) {
    setting.port_variable = variable;
    return setting;
}

constexpr Setting source(Key<Reference> key, std::string_view help, Extra extra = {}) {
    Setting out = row(key, "", help, extra);
    out.kind = SettingKind::Source;
    return out;
}

constexpr Setting url(Key<std::string> key, std::string_view help, Extra extra) {
    Setting out = row(key, "", help, extra);
    out.redact_password = true;
    return out;
}

using namespace settings;

constexpr std::array kProcess = {
    row(kDataDir, "adyton-data",
        "Directory of this instance: database, instance id, lock file. Created when absent.",
        {.flag = "--data-dir"}),
    with_port(
        address(
            kListen, "127.0.0.1:8085", "Where the service listens. A port of 0 means any free one.",
            {.environment = "BIND_ADDR", .flag = "--listen"}),
        "PORT"),
    row(kThreads, "0", "Threads that serve connections. 0: one for each core this process may use.",
        {.min = 0, .max = 256}),
    row(kWorkerThreads, "0",
        "Threads for work that blocks or computes for long (batch signing, growing the pool). 0: "
        "one for each core, and two for waiting on the disk.",
        {.min = 0, .max = 64}),
    choice(
        kLogLevel, "debug info warning warn error", "info", "The least level that is logged.",
        {.environment = "LOG_LEVEL", .flag = "--log-level"}),
    row(kLogPath, "", "File for log lines. Empty: standard error."),
    choice(
        kLogAccess, "all errors off", "all",
        "Which requests get an access log line: all, those answered with 400 or more, or none."),
    row(kMetricsEnabled, "true", "Whether /metrics is served.", {.environment = "METRICS_ENABLED"}),
    address(
        kMetricsListen, "127.0.0.1:9464",
        "Where metrics (/metrics) and probes (/health, /ready) are served in plain HTTP, apart "
        "from the service, whose TLS no probe can pass. Empty: nowhere.",
        {.flag = "--metrics-listen"}),
    row(kHealthCacheTime, "1s",
        "How long a result of the storage probe answers /health and /ready.",
        {.min = 0, .max = kMinuteMs}),
    row(kHealthTimeout, "5s", "How long the storage probe may take.",
        {.min = 10, .max = kMinuteMs}),
};

constexpr std::array kHttp = {
    row(kHttpConnectionsMax, "10000", "Open connections.", {.min = 1, .max = 1'000'000}),
    row(kHttpConnectionsPerAddressMax, "0", "Open connections from one address. 0: no limit.",
        {.min = 0, .max = 1'000'000}),
    row(kHttpInFlightMax, "4096", "Requests being answered; more get 503.",
        {.min = 1, .max = 1'000'000}),
    row(kHttpHeaderBytesMax, "1048576", "Largest request line and headers together, in bytes.",
        {.min = 1024, .max = 1024 * 1024}),
    row(kHttpBodyBytesMax, "8388608", "Largest request body, in bytes.",
        {.min = 1024, .max = 1024 * 1024 * 1024}),
    row(kHttpHeaderTimeout, "10s", "From the first byte of a request to the end of its headers.",
        {.min = 1, .max = kHourMs}),
    row(kHttpReadTimeout, "30s", "From the first byte of a request to the end of its body.",
        {.min = 1, .max = kHourMs}),
    row(kHttpWriteTimeout, "30s", "Until the peer took an answer.", {.min = 1, .max = kHourMs}),
    row(kHttpIdleTimeout, "120s", "How long a connection may wait for its next request.",
        {.min = 1, .max = kDayMs}),
    row(kHttpConnectionAgeMax, "15m",
        "After this a connection is closed between two requests, so that new certificates and "
        "trust take effect.",
        {.min = 1000, .max = kDayMs}),
    row(kHttpDrainTimeout, "30s", "How long running requests may finish when the process stops.",
        {.min = 0, .max = kHourMs}),
};

constexpr std::array kIdentity = {
    source(
        kTlsCertificate, "Certificate chain of this service, PEM.",
        {.environment = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN MARBLE_CERT"}),
    row(kTlsKey, "", "Private key of the certificate, PEM.",
        {.environment = "MARBLE_PREDEFINED_PRIVATE_KEY MARBLE_KEY"}),
    source(
        kTlsClientCa, "Authorities whose client certificates are accepted, PEM.",
        {.environment = "MARBLE_PREDEFINED_ROOT_CA MARBLE_ROOT_CA"}),
    source(
        kTlsExtraClientCa,
        "Further authorities, PEM. They may vouch for `gateway` only, unless identity.issuers says "
        "otherwise.",
        {.environment = "MARBLE_EXTRA_CLIENT_CA"}),
    choice(
        kIdentityMode, "strict development", "strict",
        "How callers are known: strict takes the service from the verified client certificate; "
        "development believes X-Service-ID and needs a loopback listener. Only the flag can say "
        "development.",
        {.flag = "--identity"}),
    row(kIdentityServices, "",
        "The services that may call. Empty: the suite's own (gateway, neocompute, neooracle, "
        "...)."),
    row(kIdentityExtraServices, "", "Services that may call besides these."),
    row(kIdentityAliases, "",
        "Names in certificates that stand for a service, as NAME = \"SERVICE\". Unset: the "
        "contract's (accountpool = \"neoaccounts\", ...)."),
    row(kIdentityIssuers, "",
        "Further certificate authorities and the services that each may vouch for, one table each: "
        "NAME = {ca, source, services, trust_domain, pins}; source is marble-type, uri-san, "
        "dns-san-exact or spki-pin."),
};

constexpr std::array kPlatform = {
    choice(
        kPlatformMode, "simulation gramine tsm sev-guest", "simulation",
        "What vouches for this program: an SGX enclave under Gramine, a TDX or SEV-SNP guest by "
        "configfs-tsm or by /dev/sev-guest, or nothing (simulation, always labelled). Start-up "
        "fails when the machine is not that; never taken from the environment, which the host "
        "chooses."),
    row(kRollbackWitnessFile, "",
        "File that remembers how far the database has come, on a disk that is not put back "
        "together with it. A database that is older refuses to start."),
    row(kRollbackWitnessUrl, "",
        "Another service of the suite that remembers the same (its rollback.serve_witness): "
        "https://HOST:PORT."),
    row(kRollbackPeriod, "10s", "How often witnesses are told.", {.min = 1000, .max = kHourMs}),
    row(kRollbackAdopt, "false",
        "The witness is new and takes this database as it is. For one start, then false again."),
    row(kRollbackServe, "false",
        "Whether this service remembers for others (/witness), each by its service id."),
    row(kReleaseGrants, "",
        "Keystore: secrets that are sealed to booting programs whose evidence fits, one table "
        "each: "
        "MARBLE_TYPE = {policy = \"FILE\", env = {VARIABLE = \"file:PATH\"}}."),
};

constexpr std::array kStorage = {
    url(kDatabaseUrl,
        "sqlite:PATH or postgres://USER@HOST/NAME. Empty: SQLite in the data directory. A password "
        "comes from DATABASE_URL or PGPASSFILE, never from this file.",
        {.environment = "DATABASE_URL", .flag = "--database-url"}),
    choice(
        kAuditDurability, "durable relaxed", "durable",
        "Whether a signature waits until its audit record is on disk. relaxed is faster and can "
        "lose the records of the last moments in a crash."),
    row(kAuditCheckpointPeriod, "10m", "How often the heads of all audit chains are signed.",
        {.min = 1000, .max = 30 * kDayMs}),
    row(kIdempotencyKeep, "168h", "How long the answer to an Idempotency-Key is remembered.",
        {.min = kHourMs, .max = 365 * kDayMs}),
    row(kPolicyFile, "", "TOML file of policy rules."),
    row(kPolicyRules, "", "Policy rules in this file, instead of policy.file."),
};

constexpr std::array kPool = {
    row(kPoolMasterKey, "",
        "The master key, 32 bytes or more: raw, or hex: and hex digits. By environment, the "
        "original's rule (text, or hex where it looks like hex).",
        {.environment = "POOL_MASTER_KEY"}),
    row(kPoolMasterSeed, "",
        "A seed of 16 bytes or more that the master key is derived from, where there is no master "
        "key.",
        {.environment = "COORD_MASTER_SEED"}),
    row(kPoolMasterKeyHash, "",
        "SHA-256 of the master public key, 64 hex digits. Start-up fails when the key is another.",
        {.environment = "POOL_MASTER_KEY_HASH"}),
    row(kPoolMasterAttestationHash, "", "Text shown as attestation_hash by /master-key.",
        {.environment = "POOL_MASTER_ATTESTATION_HASH"}),
    row(kPoolEncryptionKey, "", "32 bytes that open stored keys (encrypted_wif) of an old pool.",
        {.environment = "POOL_ENCRYPTION_KEY"}),
    row(kPoolMinAccounts, "200", "The pool is filled up to this many accounts.",
        {.min = 0, .max = 10'000'000}),
    row(kPoolMaxAccounts, "10000", "No account is created beyond this many.",
        {.min = 1, .max = 10'000'000}),
    row(kPoolBatchSignMax, "1000", "Most entries of one /batch-sign.", {.min = 1, .max = 10'000}),
    row(kSigningSelfCheck, "true", "Whether each signature is verified before it leaves."),
    row(kPoolLockTtlDefault, "24h", "Life of a lock that was requested without ttl_seconds.",
        {.min = 1000, .max = 365 * kDayMs}),
    row(kPoolLockTtlMax, "24h", "Longest life of a lock.", {.min = 1000, .max = 365 * kDayMs}),
    row(kPoolRotationRate, "0.1", "Part of the free accounts that is retired each day.",
        {.min = 0, .max = 1}),
    row(kPoolRotationMinAge, "24h", "Accounts younger than this are not retired.",
        {.min = 0, .max = 3650 * kDayMs}),
    row(kPoolRotationGasMax, "100000",
        "Accounts with this much GAS or more (smallest unit), or any other token, are not retired.",
        {.min = 0}),
    row(kPoolDeleteRetiring, "false",
        "Whether retired accounts that two nodes call empty are deleted (their ids are archived). "
        "With fewer than two nodes (neo.rpc_urls) nothing is.",
        {.environment = "NEOACCOUNTS_DELETE_RETIRING_ACCOUNTS"}),
    row(kPoolRetireSweepTo, "",
        "Address that gets what a retiring account still holds on chain, before it is deleted. "
        "Empty: accounts that hold anything are kept."),
    row(kTransfersSystemFeeMax, "1000000000",
        "A transfer whose execution would cost more (smallest unit of GAS) is refused: a contract "
        "that asks for more is not a token to move.",
        {.min = 1'000'000, .max = 100'000'000'000}),
    row(kTransfersUnfinishedMax, "256", "Most unfinished transfers of one account.",
        {.min = 1, .max = 100'000}),
    row(kTransfersValidity, "30s",
        "How long a transaction may wait for its block, at least. Short bounds how long it is "
        "unclear what becomes of it.",
        {.min = 1000, .max = kDayMs}),
    row(kTransfersBroadcastWait, "5s",
        "How long POST /transfer waits for the first answer of a node, at most.",
        {.min = 0, .max = 10 * kMinuteMs}),
    row(kTransfersResendBlocks, "3",
        "After so many blocks without a trace of it, a transaction's bytes are sent again, to the "
        "next node.",
        {.min = 1, .max = 1000}),
    row(kTransfersPollMin, "250ms", "Shortest pause between two looks for a transaction.",
        {.min = 10, .max = kMinuteMs}),
    row(kTransfersPollMax, "2s", "Longest pause between two looks for a transaction.",
        {.min = 10, .max = kHourMs}),
    row(kTransfersLease, "15s",
        "How long unfinished transfers of an instance that died stand still before another one "
        "drives them.",
        {.min = 1000, .max = kHourMs}),
    row(kTransfersKeepRuns, "720h",
        "How long the journal of a final transfer is kept. Its record stays.",
        {.min = kHourMs, .max = 3650 * kDayMs}),
    choice(
        kPoolReconcileMode, "flag adopt", "flag",
        "What happens when a tracked balance is not the chain's: flag it, or take the chain's "
        "over."),
    row(kPoolReconcileRows, "2000", "Most balances compared with the chain in one run.",
        {.min = 1, .max = 1'000'000}),
    row(kPoolRotatePeriod, "1h", "How often accounts are chosen for retirement.",
        {.min = 1000, .max = 30 * kDayMs}),
    row(kPoolRetirePeriod, "1h", "How often retired accounts are deleted, if at all.",
        {.min = 1000, .max = 30 * kDayMs}),
    row(kPoolStaleLockPeriod, "1h",
        "How often locks past their life are cleared. They give no right to sign from the moment "
        "they end.",
        {.min = 1000, .max = 30 * kDayMs}),
    row(kPoolTopUpPeriod, "1h", "How often the pool is filled up to its minimum.",
        {.min = 1000, .max = 30 * kDayMs}),
    row(kPoolReconcilePeriod, "5m", "How often tracked balances are compared with the chain.",
        {.min = 1000, .max = 30 * kDayMs}),
};

constexpr std::array kNeo = {
    row(kNeoRpcUrls, "",
        "JSON-RPC URLs of Neo N3 nodes, in order of preference. Without one the pool only signs.",
        {.environment = "NEO_RPC_URLS NEO_RPC_URL"}),
    row(kNeoNetwork, "0",
        "The network's magic: 860833102 main, 894710606 test. Needed with nodes; a node on another "
        "network is not used, and nothing is signed for it.",
        {.environment = "NEO_NETWORK_MAGIC CHAIN_ID", .min = 0, .max = 4'294'967'295}),
    row(kNeoRpcQuorum, "0",
        "How many nodes must say the same about a transaction's fate. 0: two, or one when there is "
        "only one.",
        {.min = 0, .max = 16}),
    row(kNeoRpcTimeout, "10s", "Longest wait for a node's answer.",
        {.min = 100, .max = 10 * kMinuteMs}),
    row(kNeoProbePeriod, "1s", "How often each node is asked for its height.",
        {.min = 100, .max = kHourMs}),
    row(kNeoNetworkFeeMax, "100000000",
        "A transfer whose network fee would be higher (smallest unit of GAS) is refused.",
        {.min = 1'000'000, .max = 100'000'000'000}),
    row(kNeoSignFeesMax, "1100000000",
        "A whole transaction is not signed for an account that it costs more in fees (smallest "
        "unit of GAS; fees are burned, whatever the transaction does).",
        {.min = 1'000'000, .max = 1'000'000'000'000}),
    row(kNeoTokens, "",
        "NEP-17 tokens that /transfer knows by symbol, besides GAS and NEO: SYMBOL=CONTRACT, or "
        "CONTRACT alone, whose symbol is asked of the nodes. A symbol is looked up among these "
        "only; any token can be named by its contract."),
};

constexpr std::array kNear = {
    row(kNearRpcUrls, "",
        "JSON-RPC URLs of NEAR nodes, in order of preference. Without one the keystore signs no "
        "transactions and gives no reservation back.",
        {.environment = "NEAR_RPC_URLS NEAR_RPC_URL"}),
    row(kNearNetwork, "mainnet",
        "The chain id that nodes must name: mainnet, testnet. A node on another network is not "
        "used.",
        {.environment = "NEAR_NETWORK_ID"}),
    row(kNearRpcQuorum, "0",
        "How many nodes must say the same. 0: two, or one when there is only one.",
        {.min = 0, .max = 16}),
    row(kNearRpcTimeout, "10s", "Longest wait for a node's answer.",
        {.min = 100, .max = 10 * kMinuteMs}),
    row(kNearIntentsContract, "intents.near", "The contract that NEAR Intents are signed for.",
        {.environment = "INTENTS_CONTRACT_ID"}),
    row(kNearWrapContract, "wrap.near", "The contract of wrapped NEAR.",
        {.environment = "WRAP_CONTRACT_ID"}),
};

constexpr std::array kKeystore = {
    row(kKeystoreMasterSecret, "",
        "The secret that every wallet's key is derived from, 32 bytes: raw, or hex: and hex "
        "digits. By environment, 64 hex digits.",
        {.environment = "KEYSTORE_MASTER_SECRET"}),
    row(kKeystoreCoordinatorTokens, "",
        "SHA-256 (hex, separated by commas) of the bearer tokens that may sign.",
        {.environment = "ALLOWED_COORDINATOR_TOKEN_HASHES"}),
    row(kKeystoreOperatorTokens, "",
        "The same for operators, who change policies, freeze wallets and rotate keys.",
        {.environment = "ALLOWED_OPERATOR_TOKEN_HASHES"}),
    choice(
        kKeystoreWithoutPolicy, "auto deny allow", "auto",
        "What holds for a wallet without a policy. auto: deny, but in development allow what is "
        "understood."),
    row(kKeystoreValidityBlocks, "86400",
        "Blocks after its block hash in which a transaction can land (the chain's "
        "transaction_validity_period).",
        {.min = 1, .max = 10'000'000}),
    row(kKeystoreSelfCheck, "false",
        "Whether each signature is verified before it leaves. Verifying costs more than half of "
        "all else that a request costs."),
    choice(
        kKeystoreDelegatesUse, "anywhere native", "anywhere",
        "Where signed delegates may be taken. anywhere: a relayer may hand them to contracts that "
        "act on them (gates), which no access key shows, so their reservations stay. native: to "
        "the chain itself only, so they are given back once final blocks are past their height "
        "and their nonce is unused."),
    row(kKeystoreKeepSignatures, "8760h",
        "How long the record of a signature is kept in the database, at least: while it backs a "
        "reservation or may be asked for again it stays. The audit log is never pruned.",
        {.min = kDayMs, .max = 3650 * kDayMs}),
    row(kKeystoreSettlePeriod, "1m",
        "How often the chain is asked about signed payloads whose time is over.",
        {.min = 1000, .max = kDayMs}),
    row(kKeystorePrunePeriod, "1h", "How often old records of signatures are deleted.",
        {.min = 1000, .max = 30 * kDayMs}),
};

constexpr std::array kCoordinator = {
    row(kCoordinatorInternalToken, "",
        "What workers show as X-Internal-Wallet-Auth, at least 16 bytes.",
        {.environment = "INTERNAL_WALLET_AUTH_TOKEN"}),
    row(kCoordinatorApiKeys, "",
        "A JSON object of API keys (wk_..., at least 16 bytes) to wallet ids.",
        {.environment = "WALLET_API_KEYS_JSON"}),
    row(kCoordinatorKeystoreUrl, "", "The keystore's address.", {.environment = "KEYSTORE_URL"}),
    row(kCoordinatorKeystoreToken, "", "The bearer token that the keystore knows this service by.",
        {.environment = "KEYSTORE_AUTH_TOKEN"}),
    row(kCoordinatorKeystoreCa, "",
        "Roots that the keystore's certificate must lead to, PEM; unset: those of the system."),
    row(kCoordinatorRelayer, "", "The account that submits to the gate.",
        {.environment = "RELAYER_ACCOUNT_ID"}),
    row(kCoordinatorRelayerKey, "",
        "Its secret key, ed25519: and base58; several, separated by commas, are several lanes.",
        {.environment = "RELAYER_SECRET_KEY"}),
    row(kCoordinatorApprover, "", "The account that resumes batches and pays the gate's fee.",
        {.environment = "APPROVER_ACCOUNT_ID"}),
    row(kCoordinatorApproverKey, "",
        "Its secret key, a full-access one. Evidence and checkpoints are signed by a key derived "
        "from it.",
        {.environment = "APPROVER_SECRET_KEY"}),
    row(kCoordinatorGates, "gate.sequential.near", "The gates that batches go through.",
        {.environment = "SEQUENTIAL_GATE_ID"}),
    row(kCoordinatorGateFee, "30000000000000000000000",
        "The most that is paid for a batch of one to three calls, in yoctoNEAR.",
        {.environment = "GATE_FEE_1_TO_3_YOCTO"}),
    row(kCoordinatorGateFee4To6, "50000000000000000000000",
        "The same for four to six calls, where coordinator.gate_calls_max allows them."),
    row(kCoordinatorGateFee7To12, "60000000000000000000000", "The same for seven to twelve calls."),
    row(kCoordinatorGateCallsMax, "3",
        "Calls of one batch. The specification's callers know three; the gate's top tier is "
        "twelve.",
        {.min = 3, .max = 12}),
    row(kCoordinatorSubmitGas, "300000000000000",
        "Gas of a submit. The public gate reserves 200 Tgas of it for its callback, so 50 Tgas "
        "cannot work.",
        {.environment = "SUBMIT_INTENT_GAS", .min = 1, .max = 300'000'000'000'000}),
    row(kCoordinatorResumeGas, "100000000000000", "Gas of a resume.",
        {.environment = "RESUME_BATCH_GAS", .min = 1, .max = 300'000'000'000'000}),
    row(kCoordinatorDelegateBlocks, "180", "Blocks in which a signed delegate can be submitted.",
        {.environment = "DELEGATE_VALIDITY_BLOCKS", .min = 10, .max = 100'000}),
    row(kCoordinatorPollTimeout, "60", "Seconds after which a submit that is not seen fails.",
        {.environment = "NEAR_POLL_TIMEOUT_SECS", .min = 1, .max = 3'600}),
    row(kCoordinatorPollInterval, "750", "Milliseconds between questions to the chain.",
        {.environment = "NEAR_POLL_INTERVAL_MS", .min = 10, .max = 60'000}),
    row(kCoordinatorDeadline, "300", "Seconds that a signed intents payload stays valid.",
        {.environment = "INTENTS_DEADLINE_SECS", .min = 30, .max = 3'600}),
    row(kCoordinatorExecuteWait, "20",
        "Seconds after which a request under way is answered with 202.",
        {.environment = "EXECUTE_WAIT_SECS", .min = 0, .max = 600}),
    row(kCoordinatorCodeHash, "",
        "Code hash that the gates must have, base58; empty: not looked at.",
        {.environment = "GATE_CODE_HASH"}),
    row(kCoordinatorUserScopes, "",
        "JSON list of {user_id, registry_id, receiver_id, method_names} that the direct-user "
        "routes may use; empty: the counter proof alone.",
        {.environment = "DIRECT_USER_SCOPES_JSON"}),
    row(kCoordinatorGateDeposits, "false",
        "Whether raw calls may attach deposits, which the gate pays with its own money.",
        {.environment = "ALLOW_GATE_DEPOSITS"}),
    row(kCoordinatorAuthorityIntents, "false",
        "Whether intents may change a wallet's keys or call contracts in its name."),
    row(kCoordinatorFundingLane, "false",
        "Whether funding steps are carried out instead of answered with requires_funding_setup.",
        {.environment = "ENABLE_FUNDING_LANE"}),
    row(kCoordinatorDirectUserLane, "false",
        "The same for near.function_call steps and requires_direct_user_setup.",
        {.environment = "ENABLE_DIRECT_USER_LANE"}),
    row(kCoordinatorStorageMax, "100000000000000000000000",
        "The most that the funding lane pays a token's contract to register one account, in "
        "yoctoNEAR."),
    row(kCoordinatorSimulate, "false",
        "Whether intents calls are tried as a view before anything is submitted."),
    row(kCoordinatorArchiveUrl, "", "A node that forgets nothing, asked where others do not know.",
        {.environment = "NEAR_ARCHIVAL_RPC_URL"}),
    row(kCoordinatorLaneAhead, "2",
        "Batches that are signed and submitted while another one runs at the same gate.",
        {.min = 0, .max = 16}),
    row(kCoordinatorQueueMax, "1000", "Batches that may wait for one gate.",
        {.min = 1, .max = 1'000'000}),
    row(kCoordinatorQueueWaitMax, "30m",
        "A request that would wait longer by estimate is answered 429.",
        {.min = 1000, .max = kDayMs}),
    row(kCoordinatorWebhooks, "",
        "Who is told how workflows end, by name: [coordinator.webhooks.NAME] with url, wallets "
        "(\"*\": all), secret = \"file:PATH\" (whsec_ and base64; several with commas) and, if "
        "need be, events, ca and private_addresses (docs/coordinator.md)."),
};

constexpr std::array kCompute = {
    row(kComputeMasterKey, "",
        "The key that results, stored jobs and secrets are protected with, at least 32 bytes.",
        {.environment = "COMPUTE_MASTER_KEY"}),
    row(kComputePreviousMasterKey, "",
        "The master key before this one: secrets are sealed anew under the new one at the start, "
        "and stored results stay readable until they expire."),
    row(kComputeResultTtl, "24h", "How long a finished job can be asked for.",
        {.environment = "NEOCOMPUTE_RESULT_TTL", .min = 1, .max = 365 * kDayMs}),
    row(kComputeCleanupPeriod, "1m", "How often expired jobs are removed.",
        {.min = 1000, .max = kDayMs}),
    row(kComputeExecutors, "0",
        "Scripts that run at once, of more than one never all of one user (docs/compute.md). 0: "
        "two for each core, at least four. In threads: one for each core at most.",
        {.min = 0, .max = 1024}),
    choice(
        kComputeEngine, "auto processes threads", "auto",
        "Where scripts run: in locked-down processes, or in guarded memories in threads of the "
        "service, for SGX, where processes and their kernel give nothing. auto: threads when "
        "platform.mode is gramine, else processes."),
    row(kComputeMemoryBytes, "67108864", "Memory of one script, the engine's own included.",
        {.min = 4'194'304, .max = 67'108'864}),
    row(kComputeMeteredGasMax, "0", "Metered gas after which a script is stopped. 0: no cap.",
        {.min = 0}),
    row(kComputeRunningPerUserMax, "5", "Jobs of one user that run at once, in all instances.",
        {.min = 1, .max = 1000}),
    row(kComputeQueuedPerUserMax, "100", "Asynchronous jobs of one user that wait.",
        {.min = 1, .max = 100'000}),
    row(kComputeKeptPerUserMax, "10000",
        "Finished jobs of one user that are kept; the oldest go first.",
        {.min = 1, .max = 1'000'000}),
    row(kComputeKeptBytesPerUserMax, "1073741824",
        "Bytes of results, requests and recordings of one user's finished jobs that are kept; the "
        "oldest go first.",
        {.min = 4'194'304}),
    row(kComputeKeptBytesMax, "17179869184", "The same of all users together.", {.min = 4'194'304}),
    row(kComputeWaitingMax, "1024", "Requests that wait for an executor before others get 429.",
        {.min = 0, .max = 100'000}),
    row(kComputeUserAssertingServices, "gateway,neorequests",
        "Services whose X-User-ID is believed."),
    choice(
        kComputeEmptySecretPolicy, "auto deny allow", "auto",
        "Whether a secret without apps, code hashes and any_code may be read by all code of its "
        "user. auto: deny, but allow in development, as the original."),
    row(kComputeFetch, "",
        "What scripts may reach of the network, by user or app (docs/compute.md); empty: nothing, "
        "and scripts have no fetch."),
};

template <std::size_t... Sizes>
constexpr auto join(const std::array<Setting, Sizes>&... groups) {
    std::array<Setting, (Sizes + ...)> out{};
    std::size_t next = 0;
    const auto append = [&](const auto& group) {
        for (const Setting& setting : group) out[next++] = setting;
    };
    (append(groups), ...);
    return out;
}

constexpr std::array kServe = join(
    kProcess, kHttp, kIdentity, kPlatform, kStorage, kPool, kNeo, kNear, kKeystore, kCoordinator,
    kCompute);

}  // namespace

Schema serve_schema() {
    return kServe;
}

}  // namespace adyton::service
