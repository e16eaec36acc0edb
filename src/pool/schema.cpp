#include "pool/schema.h"

#include <array>

namespace adyton::pool {
namespace {

constexpr std::string_view kTablesSqlite = R"sql(
CREATE TABLE pool_accounts (
    id TEXT PRIMARY KEY NOT NULL,
    address TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    tx_count INTEGER NOT NULL DEFAULT 0,
    is_retiring INTEGER NOT NULL DEFAULT 0 CHECK (is_retiring IN (0, 1)),
    locked_by TEXT,
    locked_at INTEGER,
    public_key TEXT,
    encrypted_wif TEXT,
    key_version INTEGER DEFAULT 1,
    generation_batch TEXT,
    lock_id TEXT,
    lock_expires_at INTEGER,
    fencing INTEGER NOT NULL DEFAULT 0,
    key_fingerprint BLOB,
    CHECK ((locked_by IS NULL) = (locked_at IS NULL)),
    CHECK ((locked_by IS NULL) = (lock_id IS NULL)),
    CHECK ((locked_by IS NULL) = (lock_expires_at IS NULL))
) WITHOUT ROWID;

CREATE INDEX pool_accounts_free ON pool_accounts (last_used_at, id)
    WHERE locked_by IS NULL AND NOT is_retiring;
CREATE INDEX pool_accounts_lock ON pool_accounts (lock_id) WHERE lock_id IS NOT NULL;
CREATE INDEX pool_accounts_retiring ON pool_accounts (id) WHERE is_retiring;
CREATE INDEX pool_accounts_unverified ON pool_accounts (id) WHERE key_fingerprint IS NULL;

CREATE TABLE pool_account_balances (
    account_id TEXT NOT NULL REFERENCES pool_accounts (id) ON DELETE CASCADE,
    token_type TEXT NOT NULL,
    script_hash TEXT NOT NULL,
    amount INTEGER NOT NULL DEFAULT 0 CHECK (amount >= 0),
    decimals INTEGER NOT NULL DEFAULT 8,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, token_type, script_hash)
) WITHOUT ROWID;

CREATE TABLE pool_allocations (
    lock_id TEXT PRIMARY KEY NOT NULL,
    service_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ttl_seconds INTEGER NOT NULL,
    released_at INTEGER
) WITHOUT ROWID;
CREATE INDEX pool_allocations_open ON pool_allocations (expires_at) WHERE released_at IS NULL;
CREATE INDEX pool_allocations_service ON pool_allocations (service_id) WHERE released_at IS NULL;
CREATE INDEX pool_allocations_done ON pool_allocations (released_at)
    WHERE released_at IS NOT NULL;

CREATE TABLE pool_meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE pool_retired_accounts (
    id TEXT PRIMARY KEY NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    tx_count INTEGER NOT NULL,
    encrypted_wif TEXT,
    key_fingerprint BLOB
) WITHOUT ROWID;

CREATE TABLE pool_stats (
    shard INTEGER PRIMARY KEY NOT NULL,
    active INTEGER NOT NULL,
    locked INTEGER NOT NULL,
    retiring INTEGER NOT NULL
);
INSERT INTO pool_stats (shard, active, locked, retiring) VALUES (0, 0, 0, 0);

CREATE TABLE pool_token_stats (
    token_type TEXT NOT NULL,
    script_hash TEXT NOT NULL,
    shard INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    total_hi INTEGER NOT NULL,
    total_lo INTEGER NOT NULL,
    locked_hi INTEGER NOT NULL,
    locked_lo INTEGER NOT NULL,
    available_hi INTEGER NOT NULL,
    available_lo INTEGER NOT NULL,
    PRIMARY KEY (token_type, script_hash, shard)
) WITHOUT ROWID;
)sql";

// Class of an account: retiring, else locked, else active. For tokens: locked when there is a lock
// (retiring or not), available when neither locked nor retiring.
constexpr std::string_view kTriggersSqlite = R"sql(
CREATE TRIGGER pool_accounts_stats_insert AFTER INSERT ON pool_accounts BEGIN
    UPDATE pool_stats SET
        active = active + (NEW.is_retiring = 0 AND NEW.locked_by IS NULL),
        locked = locked + (NEW.is_retiring = 0 AND NEW.locked_by IS NOT NULL),
        retiring = retiring + (NEW.is_retiring <> 0)
    WHERE shard = 0;
END;

CREATE TRIGGER pool_accounts_stats_update
AFTER UPDATE OF locked_by, is_retiring ON pool_accounts
WHEN (OLD.locked_by IS NULL) <> (NEW.locked_by IS NULL) OR OLD.is_retiring <> NEW.is_retiring
BEGIN
    UPDATE pool_stats SET
        active = active + (NEW.is_retiring = 0 AND NEW.locked_by IS NULL)
                        - (OLD.is_retiring = 0 AND OLD.locked_by IS NULL),
        locked = locked + (NEW.is_retiring = 0 AND NEW.locked_by IS NOT NULL)
                        - (OLD.is_retiring = 0 AND OLD.locked_by IS NOT NULL),
        retiring = retiring + (NEW.is_retiring <> 0) - (OLD.is_retiring <> 0)
    WHERE shard = 0;
    UPDATE pool_token_stats SET
        locked_hi = locked_hi + (b.amount >> 32) *
            ((NEW.locked_by IS NOT NULL) - (OLD.locked_by IS NOT NULL)),
        locked_lo = locked_lo + (b.amount & 4294967295) *
            ((NEW.locked_by IS NOT NULL) - (OLD.locked_by IS NOT NULL)),
        available_hi = available_hi + (b.amount >> 32) *
            ((NEW.locked_by IS NULL AND NEW.is_retiring = 0) -
             (OLD.locked_by IS NULL AND OLD.is_retiring = 0)),
        available_lo = available_lo + (b.amount & 4294967295) *
            ((NEW.locked_by IS NULL AND NEW.is_retiring = 0) -
             (OLD.locked_by IS NULL AND OLD.is_retiring = 0))
    FROM pool_account_balances AS b
    WHERE b.account_id = NEW.id AND b.amount <> 0
        AND pool_token_stats.token_type = b.token_type
        AND pool_token_stats.script_hash = b.script_hash AND pool_token_stats.shard = 0;
END;

CREATE TRIGGER pool_accounts_stats_before_delete BEFORE DELETE ON pool_accounts BEGIN
    DELETE FROM pool_account_balances WHERE account_id = OLD.id;
END;

CREATE TRIGGER pool_accounts_stats_delete AFTER DELETE ON pool_accounts BEGIN
    UPDATE pool_stats SET
        active = active - (OLD.is_retiring = 0 AND OLD.locked_by IS NULL),
        locked = locked - (OLD.is_retiring = 0 AND OLD.locked_by IS NOT NULL),
        retiring = retiring - (OLD.is_retiring <> 0)
    WHERE shard = 0;
END;

CREATE TRIGGER pool_balances_stats_insert AFTER INSERT ON pool_account_balances BEGIN
    INSERT OR IGNORE INTO pool_token_stats VALUES
        (NEW.token_type, NEW.script_hash, 0, 0, 0, 0, 0, 0, 0, 0);
    UPDATE pool_token_stats SET
        row_count = row_count + 1,
        total_hi = total_hi + (NEW.amount >> 32),
        total_lo = total_lo + (NEW.amount & 4294967295),
        locked_hi = locked_hi + (NEW.amount >> 32) * (a.locked_by IS NOT NULL),
        locked_lo = locked_lo + (NEW.amount & 4294967295) * (a.locked_by IS NOT NULL),
        available_hi = available_hi +
            (NEW.amount >> 32) * (a.locked_by IS NULL AND a.is_retiring = 0),
        available_lo = available_lo +
            (NEW.amount & 4294967295) * (a.locked_by IS NULL AND a.is_retiring = 0)
    FROM pool_accounts AS a
    WHERE a.id = NEW.account_id AND pool_token_stats.token_type = NEW.token_type
        AND pool_token_stats.script_hash = NEW.script_hash AND pool_token_stats.shard = 0;
END;

CREATE TRIGGER pool_balances_stats_update AFTER UPDATE OF amount ON pool_account_balances
WHEN OLD.amount <> NEW.amount BEGIN
    UPDATE pool_token_stats SET
        total_hi = total_hi + (NEW.amount >> 32) - (OLD.amount >> 32),
        total_lo = total_lo + (NEW.amount & 4294967295) - (OLD.amount & 4294967295),
        locked_hi = locked_hi +
            ((NEW.amount >> 32) - (OLD.amount >> 32)) * (a.locked_by IS NOT NULL),
        locked_lo = locked_lo +
            ((NEW.amount & 4294967295) - (OLD.amount & 4294967295)) * (a.locked_by IS NOT NULL),
        available_hi = available_hi + ((NEW.amount >> 32) - (OLD.amount >> 32)) *
            (a.locked_by IS NULL AND a.is_retiring = 0),
        available_lo = available_lo +
            ((NEW.amount & 4294967295) - (OLD.amount & 4294967295)) *
            (a.locked_by IS NULL AND a.is_retiring = 0)
    FROM pool_accounts AS a
    WHERE a.id = NEW.account_id AND pool_token_stats.token_type = NEW.token_type
        AND pool_token_stats.script_hash = NEW.script_hash AND pool_token_stats.shard = 0;
END;

CREATE TRIGGER pool_balances_stats_delete AFTER DELETE ON pool_account_balances BEGIN
    UPDATE pool_token_stats SET
        row_count = row_count - 1,
        total_hi = total_hi - (OLD.amount >> 32),
        total_lo = total_lo - (OLD.amount & 4294967295),
        locked_hi = locked_hi - (OLD.amount >> 32) * (a.locked_by IS NOT NULL),
        locked_lo = locked_lo - (OLD.amount & 4294967295) * (a.locked_by IS NOT NULL),
        available_hi = available_hi -
            (OLD.amount >> 32) * (a.locked_by IS NULL AND a.is_retiring = 0),
        available_lo = available_lo -
            (OLD.amount & 4294967295) * (a.locked_by IS NULL AND a.is_retiring = 0)
    FROM pool_accounts AS a
    WHERE a.id = OLD.account_id AND pool_token_stats.token_type = OLD.token_type
        AND pool_token_stats.script_hash = OLD.script_hash AND pool_token_stats.shard = 0;
END;
)sql";

constexpr std::string_view kTablesPostgres = R"sql(
CREATE TABLE IF NOT EXISTS pool_accounts (
    id uuid PRIMARY KEY,
    address text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    tx_count bigint NOT NULL DEFAULT 0,
    is_retiring boolean NOT NULL DEFAULT false,
    locked_by text,
    locked_at timestamptz,
    public_key text,
    encrypted_wif text,
    key_version integer DEFAULT 1,
    generation_batch text
);
ALTER TABLE pool_accounts
    ADD COLUMN IF NOT EXISTS public_key text,
    ADD COLUMN IF NOT EXISTS encrypted_wif text,
    ADD COLUMN IF NOT EXISTS key_version integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS generation_batch text,
    ADD COLUMN IF NOT EXISTS lock_id uuid,
    ADD COLUMN IF NOT EXISTS lock_expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS fencing bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS key_fingerprint bytea;

CREATE TABLE pool_allocations (
    lock_id uuid PRIMARY KEY,
    service_id text NOT NULL,
    purpose text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ttl_seconds bigint NOT NULL,
    released_at timestamptz
);
CREATE INDEX pool_allocations_open ON pool_allocations (expires_at) WHERE released_at IS NULL;
CREATE INDEX pool_allocations_service ON pool_allocations (service_id) WHERE released_at IS NULL;
CREATE INDEX pool_allocations_done ON pool_allocations (released_at)
    WHERE released_at IS NOT NULL;

UPDATE pool_accounts SET locked_by = NULL WHERE locked_by = '';
UPDATE pool_accounts SET locked_at = NULL WHERE locked_by IS NULL AND locked_at IS NOT NULL;
UPDATE pool_accounts SET locked_at = now() WHERE locked_by IS NOT NULL AND locked_at IS NULL;
INSERT INTO pool_allocations (lock_id, service_id, purpose, created_at, expires_at, ttl_seconds)
    SELECT gen_random_uuid(), locked_by, 'adopted', min(locked_at),
        max(locked_at) + interval '24 hours', 86400
    FROM pool_accounts WHERE locked_by IS NOT NULL AND lock_id IS NULL GROUP BY locked_by;
UPDATE pool_accounts AS a
    SET lock_id = l.lock_id, lock_expires_at = a.locked_at + interval '24 hours', fencing = 1
    FROM pool_allocations AS l
    WHERE a.locked_by = l.service_id AND a.lock_id IS NULL;
ALTER TABLE pool_accounts
    ADD CONSTRAINT pool_accounts_lock_time CHECK ((locked_by IS NULL) = (locked_at IS NULL)),
    ADD CONSTRAINT pool_accounts_lock_id CHECK ((locked_by IS NULL) = (lock_id IS NULL)),
    ADD CONSTRAINT pool_accounts_lock_expiry
        CHECK ((locked_by IS NULL) = (lock_expires_at IS NULL));

CREATE INDEX pool_accounts_free ON pool_accounts (last_used_at, id)
    WHERE locked_by IS NULL AND NOT is_retiring;
CREATE INDEX pool_accounts_lock ON pool_accounts (lock_id) WHERE lock_id IS NOT NULL;
CREATE INDEX pool_accounts_retiring ON pool_accounts (id) WHERE is_retiring;
CREATE INDEX pool_accounts_unverified ON pool_accounts (id) WHERE key_fingerprint IS NULL;

CREATE TABLE IF NOT EXISTS pool_account_balances (
    account_id uuid NOT NULL REFERENCES pool_accounts (id) ON DELETE CASCADE,
    token_type varchar(32) NOT NULL,
    script_hash varchar(66) NOT NULL,
    amount bigint NOT NULL DEFAULT 0,
    decimals int NOT NULL DEFAULT 8,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pool_account_balances_pkey PRIMARY KEY (account_id, token_type)
);
ALTER TABLE pool_account_balances DROP CONSTRAINT pool_account_balances_pkey;
UPDATE pool_account_balances SET script_hash = '0xd2a4cff31913016155e38e474a2c06d08be276cf'
    WHERE token_type = 'GAS' AND script_hash = '';
UPDATE pool_account_balances SET script_hash = '0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5'
    WHERE token_type = 'NEO' AND script_hash = '';
ALTER TABLE pool_account_balances
    ADD CONSTRAINT pool_account_balances_pkey PRIMARY KEY (account_id, token_type, script_hash),
    ADD CONSTRAINT pool_account_balances_amount CHECK (amount >= 0);

CREATE TABLE pool_meta (
    key text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE pool_retired_accounts (
    id uuid PRIMARY KEY,
    address text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    deleted_at timestamptz NOT NULL,
    tx_count bigint NOT NULL,
    encrypted_wif text,
    key_fingerprint bytea
);

CREATE TABLE pool_stats (
    shard integer PRIMARY KEY,
    active bigint NOT NULL,
    locked bigint NOT NULL,
    retiring bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE pool_token_stats (
    token_type varchar(32) NOT NULL,
    script_hash varchar(66) NOT NULL,
    shard integer NOT NULL,
    row_count bigint NOT NULL,
    total_hi bigint NOT NULL,
    total_lo bigint NOT NULL,
    locked_hi bigint NOT NULL,
    locked_lo bigint NOT NULL,
    available_hi bigint NOT NULL,
    available_lo bigint NOT NULL,
    PRIMARY KEY (token_type, script_hash, shard)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

INSERT INTO pool_stats (shard, active, locked, retiring)
    SELECT 0, count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NULL),
        count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NOT NULL),
        count(*) FILTER (WHERE is_retiring)
    FROM pool_accounts;
INSERT INTO pool_token_stats
    SELECT b.token_type, b.script_hash, 0, count(*),
        sum(b.amount >> 32), sum(b.amount & 4294967295),
        coalesce(sum(b.amount >> 32) FILTER (WHERE a.locked_by IS NOT NULL), 0),
        coalesce(sum(b.amount & 4294967295) FILTER (WHERE a.locked_by IS NOT NULL), 0),
        coalesce(sum(b.amount >> 32)
            FILTER (WHERE a.locked_by IS NULL AND NOT a.is_retiring), 0),
        coalesce(sum(b.amount & 4294967295)
            FILTER (WHERE a.locked_by IS NULL AND NOT a.is_retiring), 0)
    FROM pool_account_balances AS b JOIN pool_accounts AS a ON a.id = b.account_id
    GROUP BY b.token_type, b.script_hash;
)sql";

// Statement-level triggers on transition tables: one row of statistics is written a statement, not
// a row, so that bulk inserts leave no long chain of dead versions.
constexpr std::string_view kTriggersPostgres = R"sql(
CREATE FUNCTION pool_stats_add(d_active bigint, d_locked bigint, d_retiring bigint)
RETURNS void LANGUAGE sql AS $body$
    INSERT INTO pool_stats AS s (shard, active, locked, retiring)
    VALUES (pg_backend_pid() % 16, d_active, d_locked, d_retiring)
    ON CONFLICT (shard) DO UPDATE SET
        active = s.active + EXCLUDED.active, locked = s.locked + EXCLUDED.locked,
        retiring = s.retiring + EXCLUDED.retiring
$body$;

CREATE FUNCTION pool_accounts_stats_insert() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    d record;
BEGIN
    SELECT count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NULL) AS active,
        count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NOT NULL) AS locked,
        count(*) FILTER (WHERE is_retiring) AS retiring
        INTO d FROM new_rows;
    IF d.active <> 0 OR d.locked <> 0 OR d.retiring <> 0 THEN
        PERFORM pool_stats_add(d.active, d.locked, d.retiring);
    END IF;
    RETURN NULL;
END $body$;

CREATE FUNCTION pool_accounts_stats_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    d record;
BEGIN
    SELECT count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NULL) AS active,
        count(*) FILTER (WHERE NOT is_retiring AND locked_by IS NOT NULL) AS locked,
        count(*) FILTER (WHERE is_retiring) AS retiring
        INTO d FROM old_rows;
    IF d.active <> 0 OR d.locked <> 0 OR d.retiring <> 0 THEN
        PERFORM pool_stats_add(-d.active, -d.locked, -d.retiring);
    END IF;
    RETURN NULL;
END $body$;

CREATE FUNCTION pool_accounts_stats_update() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    d record;
BEGIN
    SELECT
        coalesce(sum((NOT n.is_retiring AND n.locked_by IS NULL)::int
            - (NOT o.is_retiring AND o.locked_by IS NULL)::int), 0) AS active,
        coalesce(sum((NOT n.is_retiring AND n.locked_by IS NOT NULL)::int
            - (NOT o.is_retiring AND o.locked_by IS NOT NULL)::int), 0) AS locked,
        coalesce(sum(n.is_retiring::int - o.is_retiring::int), 0) AS retiring,
        count(*) FILTER (WHERE (o.locked_by IS NULL) <> (n.locked_by IS NULL)
            OR o.is_retiring <> n.is_retiring) AS changed
        INTO d FROM old_rows AS o JOIN new_rows AS n ON n.id = o.id;
    IF d.changed = 0 THEN
        RETURN NULL;
    END IF;
    IF d.active <> 0 OR d.locked <> 0 OR d.retiring <> 0 THEN
        PERFORM pool_stats_add(d.active, d.locked, d.retiring);
    END IF;
    INSERT INTO pool_token_stats AS s
    SELECT b.token_type, b.script_hash, pg_backend_pid() % 16, 0, 0, 0,
        sum((b.amount >> 32) * c.locked), sum((b.amount & 4294967295) * c.locked),
        sum((b.amount >> 32) * c.available), sum((b.amount & 4294967295) * c.available)
    FROM (
        SELECT n.id, (n.locked_by IS NOT NULL)::int - (o.locked_by IS NOT NULL)::int AS locked,
            (n.locked_by IS NULL AND NOT n.is_retiring)::int
                - (o.locked_by IS NULL AND NOT o.is_retiring)::int AS available
        FROM old_rows AS o JOIN new_rows AS n ON n.id = o.id
    ) AS c JOIN pool_account_balances AS b ON b.account_id = c.id
    WHERE b.amount <> 0 AND (c.locked <> 0 OR c.available <> 0)
    GROUP BY b.token_type, b.script_hash
    ORDER BY b.token_type, b.script_hash
    ON CONFLICT (token_type, script_hash, shard) DO UPDATE SET
        locked_hi = s.locked_hi + EXCLUDED.locked_hi,
        locked_lo = s.locked_lo + EXCLUDED.locked_lo,
        available_hi = s.available_hi + EXCLUDED.available_hi,
        available_lo = s.available_lo + EXCLUDED.available_lo;
    RETURN NULL;
END $body$;

-- Balances go while their account is still there, so that their trigger knows its class.
CREATE FUNCTION pool_accounts_before_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    DELETE FROM pool_account_balances WHERE account_id = OLD.id;
    RETURN OLD;
END $body$;

CREATE FUNCTION pool_balances_stats_insert() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO pool_token_stats AS s
    SELECT b.token_type, b.script_hash, pg_backend_pid() % 16, count(*),
        sum(b.amount >> 32), sum(b.amount & 4294967295),
        sum((b.amount >> 32) * (a.locked_by IS NOT NULL)::int),
        sum((b.amount & 4294967295) * (a.locked_by IS NOT NULL)::int),
        sum((b.amount >> 32) * (a.locked_by IS NULL AND NOT a.is_retiring)::int),
        sum((b.amount & 4294967295) * (a.locked_by IS NULL AND NOT a.is_retiring)::int)
    FROM new_rows AS b JOIN pool_accounts AS a ON a.id = b.account_id
    GROUP BY b.token_type, b.script_hash
    ORDER BY b.token_type, b.script_hash
    ON CONFLICT (token_type, script_hash, shard) DO UPDATE SET
        row_count = s.row_count + EXCLUDED.row_count,
        total_hi = s.total_hi + EXCLUDED.total_hi, total_lo = s.total_lo + EXCLUDED.total_lo,
        locked_hi = s.locked_hi + EXCLUDED.locked_hi,
        locked_lo = s.locked_lo + EXCLUDED.locked_lo,
        available_hi = s.available_hi + EXCLUDED.available_hi,
        available_lo = s.available_lo + EXCLUDED.available_lo;
    RETURN NULL;
END $body$;

CREATE FUNCTION pool_balances_stats_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO pool_token_stats AS s
    SELECT b.token_type, b.script_hash, pg_backend_pid() % 16, -count(*),
        -sum(b.amount >> 32), -sum(b.amount & 4294967295),
        -sum((b.amount >> 32) * (a.locked_by IS NOT NULL)::int),
        -sum((b.amount & 4294967295) * (a.locked_by IS NOT NULL)::int),
        -sum((b.amount >> 32) * (a.locked_by IS NULL AND NOT a.is_retiring)::int),
        -sum((b.amount & 4294967295) * (a.locked_by IS NULL AND NOT a.is_retiring)::int)
    FROM old_rows AS b JOIN pool_accounts AS a ON a.id = b.account_id
    GROUP BY b.token_type, b.script_hash
    ORDER BY b.token_type, b.script_hash
    ON CONFLICT (token_type, script_hash, shard) DO UPDATE SET
        row_count = s.row_count + EXCLUDED.row_count,
        total_hi = s.total_hi + EXCLUDED.total_hi, total_lo = s.total_lo + EXCLUDED.total_lo,
        locked_hi = s.locked_hi + EXCLUDED.locked_hi,
        locked_lo = s.locked_lo + EXCLUDED.locked_lo,
        available_hi = s.available_hi + EXCLUDED.available_hi,
        available_lo = s.available_lo + EXCLUDED.available_lo;
    RETURN NULL;
END $body$;

CREATE FUNCTION pool_balances_stats_update() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO pool_token_stats AS s
    SELECT n.token_type, n.script_hash, pg_backend_pid() % 16, 0,
        sum((n.amount >> 32) - (o.amount >> 32)),
        sum((n.amount & 4294967295) - (o.amount & 4294967295)),
        sum(((n.amount >> 32) - (o.amount >> 32)) * (a.locked_by IS NOT NULL)::int),
        sum(((n.amount & 4294967295) - (o.amount & 4294967295))
            * (a.locked_by IS NOT NULL)::int),
        sum(((n.amount >> 32) - (o.amount >> 32))
            * (a.locked_by IS NULL AND NOT a.is_retiring)::int),
        sum(((n.amount & 4294967295) - (o.amount & 4294967295))
            * (a.locked_by IS NULL AND NOT a.is_retiring)::int)
    FROM old_rows AS o
        JOIN new_rows AS n ON n.account_id = o.account_id AND n.token_type = o.token_type
            AND n.script_hash = o.script_hash
        JOIN pool_accounts AS a ON a.id = n.account_id
    WHERE n.amount <> o.amount
    GROUP BY n.token_type, n.script_hash
    ORDER BY n.token_type, n.script_hash
    ON CONFLICT (token_type, script_hash, shard) DO UPDATE SET
        total_hi = s.total_hi + EXCLUDED.total_hi, total_lo = s.total_lo + EXCLUDED.total_lo,
        locked_hi = s.locked_hi + EXCLUDED.locked_hi,
        locked_lo = s.locked_lo + EXCLUDED.locked_lo,
        available_hi = s.available_hi + EXCLUDED.available_hi,
        available_lo = s.available_lo + EXCLUDED.available_lo;
    RETURN NULL;
END $body$;

CREATE TRIGGER pool_accounts_stats_insert AFTER INSERT ON pool_accounts
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_accounts_stats_insert();
CREATE TRIGGER pool_accounts_stats_update AFTER UPDATE ON pool_accounts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_accounts_stats_update();
CREATE TRIGGER pool_accounts_stats_delete AFTER DELETE ON pool_accounts
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_accounts_stats_delete();
CREATE TRIGGER pool_accounts_before_delete BEFORE DELETE ON pool_accounts
    FOR EACH ROW EXECUTE FUNCTION pool_accounts_before_delete();
CREATE TRIGGER pool_balances_stats_insert AFTER INSERT ON pool_account_balances
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_balances_stats_insert();
CREATE TRIGGER pool_balances_stats_update AFTER UPDATE ON pool_account_balances
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_balances_stats_update();
CREATE TRIGGER pool_balances_stats_delete AFTER DELETE ON pool_account_balances
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION pool_balances_stats_delete();
)sql";

constexpr std::string_view kTransfersSqlite = R"sql(
ALTER TABLE pool_accounts
    ADD COLUMN unfinished_transfers INTEGER NOT NULL DEFAULT 0 CHECK (unfinished_transfers >= 0);

CREATE TABLE pool_transfers (
    id TEXT PRIMARY KEY NOT NULL,
    service_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    payer_id TEXT NOT NULL,
    to_address TEXT NOT NULL,
    from_hash TEXT NOT NULL,
    to_hash TEXT NOT NULL,
    token TEXT NOT NULL,
    amount TEXT NOT NULL,
    amount_is_text INTEGER NOT NULL,
    data TEXT NOT NULL,
    magic INTEGER NOT NULL,
    tx_hash TEXT NOT NULL UNIQUE,
    tx_bytes BLOB NOT NULL,
    valid_until_block INTEGER NOT NULL,
    system_fee INTEGER NOT NULL CHECK (system_fee >= 0),
    network_fee INTEGER NOT NULL CHECK (network_fee >= 0),
    reserved INTEGER NOT NULL,
    payer_reserved INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    block_index INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL,
    final_at INTEGER,
    CHECK ((final_at IS NOT NULL) = (status IN ('confirmed', 'failed', 'expired')))
) WITHOUT ROWID;
CREATE INDEX pool_transfers_service ON pool_transfers (service_id, created_at, id);
CREATE INDEX pool_transfers_account ON pool_transfers (account_id, created_at, id);
CREATE INDEX pool_transfers_open ON pool_transfers (account_id) WHERE final_at IS NULL;
CREATE INDEX pool_transfers_open_payer ON pool_transfers (payer_id)
    WHERE final_at IS NULL AND payer_id <> account_id;
CREATE INDEX pool_transfers_block ON pool_transfers (account_id, block_index)
    WHERE block_index IS NOT NULL;
CREATE INDEX pool_transfers_block_payer ON pool_transfers (payer_id, block_index)
    WHERE block_index IS NOT NULL AND payer_id <> account_id;
)sql";

constexpr std::string_view kTransfersPostgres = R"sql(
ALTER TABLE pool_accounts
    ADD COLUMN unfinished_transfers bigint NOT NULL DEFAULT 0 CHECK (unfinished_transfers >= 0);

CREATE TABLE pool_transfers (
    id text PRIMARY KEY,
    service_id text NOT NULL,
    account_id text NOT NULL,
    payer_id text NOT NULL,
    to_address text NOT NULL,
    from_hash text NOT NULL,
    to_hash text NOT NULL,
    token text NOT NULL,
    amount text NOT NULL,
    amount_is_text boolean NOT NULL,
    data text NOT NULL,
    magic bigint NOT NULL,
    tx_hash text NOT NULL UNIQUE,
    tx_bytes bytea NOT NULL,
    valid_until_block bigint NOT NULL,
    system_fee bigint NOT NULL CHECK (system_fee >= 0),
    network_fee bigint NOT NULL CHECK (network_fee >= 0),
    reserved boolean NOT NULL,
    payer_reserved boolean NOT NULL,
    created_at timestamptz NOT NULL,
    status text NOT NULL,
    block_index bigint,
    reason text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    final_at timestamptz,
    CHECK ((final_at IS NOT NULL) = (status IN ('confirmed', 'failed', 'expired')))
);
CREATE INDEX pool_transfers_service ON pool_transfers (service_id, created_at, id);
CREATE INDEX pool_transfers_account ON pool_transfers (account_id, created_at, id);
CREATE INDEX pool_transfers_open ON pool_transfers (account_id) WHERE final_at IS NULL;
CREATE INDEX pool_transfers_open_payer ON pool_transfers (payer_id)
    WHERE final_at IS NULL AND payer_id <> account_id;
CREATE INDEX pool_transfers_block ON pool_transfers (account_id, block_index)
    WHERE block_index IS NOT NULL;
CREATE INDEX pool_transfers_block_payer ON pool_transfers (payer_id, block_index)
    WHERE block_index IS NOT NULL AND payer_id <> account_id;
)sql";

constexpr std::string_view kDriftsSqlite = R"sql(
CREATE TABLE pool_balance_drifts (
    account_id TEXT NOT NULL REFERENCES pool_accounts (id) ON DELETE CASCADE,
    token_type TEXT NOT NULL,
    script_hash TEXT NOT NULL,
    tracked INTEGER NOT NULL,
    on_chain TEXT NOT NULL,
    height INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, token_type, script_hash)
) WITHOUT ROWID;
)sql";

constexpr std::string_view kDriftsPostgres = R"sql(
CREATE TABLE pool_balance_drifts (
    account_id uuid NOT NULL REFERENCES pool_accounts (id) ON DELETE CASCADE,
    token_type text NOT NULL,
    script_hash text NOT NULL,
    tracked bigint NOT NULL,
    on_chain text NOT NULL,
    height bigint NOT NULL,
    seen bigint NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, token_type, script_hash)
);
)sql";

// SQLite only. A table that is not kept inside its primary key takes rows of this size with less
// copying, and a CHECK (... IN ...) of more than two texts builds a table of them at each write.
constexpr std::string_view kTransferRowsSqlite = R"sql(
CREATE TABLE pool_transfers_rows (
    id TEXT NOT NULL UNIQUE,
    service_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    payer_id TEXT NOT NULL,
    to_address TEXT NOT NULL,
    from_hash TEXT NOT NULL,
    to_hash TEXT NOT NULL,
    token TEXT NOT NULL,
    amount TEXT NOT NULL,
    amount_is_text INTEGER NOT NULL,
    data TEXT NOT NULL,
    magic INTEGER NOT NULL,
    tx_hash TEXT NOT NULL UNIQUE,
    tx_bytes BLOB NOT NULL,
    valid_until_block INTEGER NOT NULL,
    system_fee INTEGER NOT NULL CHECK (system_fee >= 0),
    network_fee INTEGER NOT NULL CHECK (network_fee >= 0),
    reserved INTEGER NOT NULL,
    payer_reserved INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    block_index INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL,
    final_at INTEGER,
    CHECK ((final_at IS NOT NULL) =
           (status = 'confirmed' OR status = 'failed' OR status = 'expired'))
);
INSERT INTO pool_transfers_rows (id, service_id, account_id, payer_id, to_address, from_hash,
    to_hash, token, amount, amount_is_text, data, magic, tx_hash, tx_bytes, valid_until_block,
    system_fee, network_fee, reserved, payer_reserved, created_at, status, block_index, reason,
    updated_at, final_at)
SELECT id, service_id, account_id, payer_id, to_address, from_hash,
    to_hash, token, amount, amount_is_text, data, magic, tx_hash, tx_bytes, valid_until_block,
    system_fee, network_fee, reserved, payer_reserved, created_at, status, block_index, reason,
    updated_at, final_at
FROM pool_transfers ORDER BY id;
DROP TABLE pool_transfers;
ALTER TABLE pool_transfers_rows RENAME TO pool_transfers;
CREATE INDEX pool_transfers_service ON pool_transfers (service_id, created_at, id);
CREATE INDEX pool_transfers_account ON pool_transfers (account_id, created_at, id);
CREATE INDEX pool_transfers_open ON pool_transfers (account_id) WHERE final_at IS NULL;
CREATE INDEX pool_transfers_open_payer ON pool_transfers (payer_id)
    WHERE final_at IS NULL AND payer_id <> account_id;
CREATE INDEX pool_transfers_block ON pool_transfers (account_id, block_index)
    WHERE block_index IS NOT NULL;
CREATE INDEX pool_transfers_block_payer ON pool_transfers (payer_id, block_index)
    WHERE block_index IS NOT NULL AND payer_id <> account_id;
)sql";

constexpr std::array<storage::Migration, 5> kMigrations = {{
    {30, "pool_tables", kTablesSqlite, kTablesPostgres},
    {31, "pool_statistics", kTriggersSqlite, kTriggersPostgres},
    {32, "pool_transfers", kTransfersSqlite, kTransfersPostgres},
    {33, "pool_balance_drifts", kDriftsSqlite, kDriftsPostgres},
    {34, "pool_transfers_rows", kTransferRowsSqlite, "SELECT 1"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::pool
