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
        "Whether retired accounts without any balance are deleted (their ids are archived).",
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

constexpr std::array kServe =
    join(kProcess, kHttp, kIdentity, kPlatform, kStorage, kPool, kNeo, kNear, kKeystore);

}  // namespace

Schema serve_schema() {
    return kServe;
}

}  // namespace adyton::service
