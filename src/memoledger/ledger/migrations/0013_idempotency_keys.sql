-- Idempotency keys: a write that is sent twice, because its answer was lost, is done once and answered twice.
--
-- No words are kept: the key itself is a hash, the request is a hash under the key (so that nobody
-- who reads this table can test guesses at what it said), and the answer is ids, numbers and outcomes, from which
-- the body is made again out of the ledger. So an erasure finds nothing here to erase.
--
--      (none) --begin--> claimed --finish--> finished --24 h--> (none)
--                           |  \--abandon--> (none)
--                           \--its time is over; the same request--> claimed by another

CREATE TABLE memoledger.idempotency_keys (
    tenant_id     text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    key_hash      bytea NOT NULL,
    request_hash  bytea NOT NULL,
    claim_id      uuid NOT NULL,
    state         text COLLATE "C" NOT NULL DEFAULT 'claimed',
    claimed_until timestamptz NOT NULL,
    kept_until    timestamptz NOT NULL,
    status        integer,
    answer        jsonb,
    PRIMARY KEY (tenant_id, user_id, key_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users (tenant_id, user_id),
    CONSTRAINT idempotency_hashes_are_sha256 CHECK (octet_length(key_hash) = 32 AND octet_length(request_hash) = 32),
    CONSTRAINT idempotency_state_is_known CHECK (state IN ('claimed', 'finished')),
    CONSTRAINT idempotency_finished_has_an_answer
        CHECK ((state = 'finished') = (status IS NOT NULL) AND (state = 'finished') = (answer IS NOT NULL)),
    CONSTRAINT idempotency_answer_is_small CHECK (pg_column_size(answer) <= 65536)
);
CREATE INDEX idempotency_keys_by_end ON memoledger.idempotency_keys (kept_until);
SELECT memoledger_system.take_no_samples('memoledger.idempotency_keys');
COMMENT ON TABLE memoledger.idempotency_keys IS 'Writes that are under way or were answered in the last 24 hours, by the key their sender gave them; no content.';
COMMENT ON COLUMN memoledger.idempotency_keys.claim_id IS 'Who is at it; whoever takes over after claimed_until puts their own.';

-- (No right to delete, with which goes one to lock the whole table: what is abandoned is swept.)
ALTER TABLE memoledger.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.idempotency_keys TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY own ON memoledger.idempotency_keys TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND user_id = (SELECT current_setting('app.current_user', true)))
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND user_id = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT, UPDATE (request_hash, claim_id, state, claimed_until, kept_until, status, answer)
    ON memoledger.idempotency_keys TO memoledger_app;

-- Removes a bounded number of keys whose time is over, of every tenant; true while there may be more. It
-- tells nothing else, and nobody chooses how many.
CREATE FUNCTION memoledger.sweep_idempotency_keys() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch CONSTANT integer := 1000;
    swept integer;
BEGIN
    WITH due AS (
        SELECT i.tenant_id, i.user_id, i.key_hash FROM memoledger.idempotency_keys AS i
        WHERE i.kept_until <= now()
        ORDER BY i.kept_until
        LIMIT batch
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM memoledger.idempotency_keys AS i USING due AS d
        WHERE (i.tenant_id, i.user_id, i.key_hash) = (d.tenant_id, d.user_id, d.key_hash)
        RETURNING 1
    )
    SELECT count(*) INTO swept FROM gone;
    RETURN swept = batch;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.sweep_idempotency_keys TO memoledger_app;
