-- Receipts: what each recall was asked, what it answered, by which index and with which scores; and how
-- often and when each memory was last recalled, counted from them.
--
-- A receipt holds no words of any memory: ids, versions and scores. It does hold the asker's own words
-- (unless only their hash is kept), and those, next to a score, can tell what a memory said. Therefore the
-- erasure of a memory strikes the question from every receipt that returned it.
--
-- A receipt's id is a UUID of version 7 and begins with its millisecond, so that partitioning by the id is
-- partitioning by time: the id alone leads to the partition, and a batch that is sent twice is kept once.
-- There is no default partition: a receipt whose month is missing is refused aloud and sent again.

CREATE TABLE memoledger.receipts (
    tenant_id         text COLLATE "C" NOT NULL,
    receipt_id        uuid NOT NULL,
    user_id           text COLLATE "C" NOT NULL,
    store_id          uuid NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    struck_at         timestamptz,
    embedding_version integer,
    at_most           integer NOT NULL,
    pending           integer NOT NULL,
    complete          boolean NOT NULL,
    unproven          boolean NOT NULL,
    mode              text COLLATE "C" NOT NULL,
    searched_by       text COLLATE "C" NOT NULL,
    private_to        text COLLATE "C",
    query             text,
    query_hash        bytea,
    filters           jsonb,
    memory_ids        uuid[] NOT NULL,
    versions          integer[] NOT NULL,
    scores            double precision[] NOT NULL,
    timings_ms        jsonb NOT NULL,
    PRIMARY KEY (tenant_id, user_id, receipt_id),
    CONSTRAINT receipt_mode_is_known CHECK (mode IN ('hybrid', 'dense', 'lexical')),
    CONSTRAINT receipt_is_private_to_its_asker CHECK (private_to = user_id),
    CONSTRAINT receipt_hits_are_of_one_length
        CHECK (cardinality(memory_ids) = cardinality(versions) AND cardinality(memory_ids) = cardinality(scores)),
    CONSTRAINT receipt_has_a_question_or_its_hash CHECK (query IS NULL OR query_hash IS NULL),
    CONSTRAINT receipt_struck_says_nothing
        CHECK (struck_at IS NULL OR (query IS NULL AND query_hash IS NULL AND filters IS NULL))
) PARTITION BY RANGE (receipt_id);
SELECT memoledger_system.take_no_samples('memoledger.receipts');
ALTER TABLE memoledger.receipts ALTER COLUMN memory_ids SET STATISTICS 0, ALTER COLUMN versions SET STATISTICS 0,
    ALTER COLUMN scores SET STATISTICS 0;
COMMENT ON TABLE memoledger.receipts IS 'One recall each; written once, struck by erasures, dropped by the month once old.';
COMMENT ON COLUMN memoledger.receipts.private_to IS 'The asker, where the answer holds what they keep private: then the store''s owner does not see it.';
COMMENT ON COLUMN memoledger.receipts.unproven IS 'The asker could no longer read the store when it was written: kept, and shown to the asker alone.';

-- What a store's owner may see of others', and nothing else: no plan of theirs counts the rest.
CREATE INDEX receipts_by_store ON memoledger.receipts (tenant_id, store_id, receipt_id)
    WHERE private_to IS NULL AND NOT unproven;
-- For erasures, which must find every receipt of a memory. (Under a policy it serves nobody else.)
CREATE INDEX receipts_by_memory ON memoledger.receipts USING gin (memory_ids);

CREATE TABLE memoledger.memory_access (
    tenant_id     text COLLATE "C" NOT NULL,
    store_id      uuid NOT NULL,
    memory_id     uuid NOT NULL,
    last_accessed timestamptz NOT NULL,
    count         bigint NOT NULL,
    private_to    text COLLATE "C",
    PRIMARY KEY (tenant_id, store_id, memory_id),
    CONSTRAINT memory_access_counts_from_one CHECK (count >= 1)
) WITH (fillfactor = 70); -- room for a row's next state on its own page, where no index need hear of it
SELECT memoledger_system.take_no_samples('memoledger.memory_access');
COMMENT ON TABLE memoledger.memory_access IS 'How often each memory was returned by a recall, and when last; counted from the receipts as they are written.';

-- In PostgreSQL alone: whoever sees another's receipt must not be able to test guesses at its question.
CREATE TABLE memoledger.receipt_salts (
    tenant_id text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    salt      bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()),
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES memoledger.users (tenant_id, user_id)
);
SELECT memoledger_system.take_no_samples('memoledger.receipt_salts');
COMMENT ON TABLE memoledger.receipt_salts IS 'Salts of hashed questions, one a user, whom alone it is shown to; without it the hashes mean nothing.';

-- How long receipts are kept, for the whole installation.
CREATE TABLE memoledger_system.receipt_retention (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    days integer NOT NULL CHECK (days BETWEEN 0 AND 36500)
);
COMMENT ON TABLE memoledger_system.receipt_retention IS 'Days that receipts are kept, 0 for ever; set by whoever may migrate.';
INSERT INTO memoledger_system.receipt_retention (days) VALUES (365);
ALTER TABLE memoledger_system.receipt_retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger_system.receipt_retention FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger_system.receipt_retention TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger_system.receipt_retention FOR SELECT TO memoledger_app USING (true);
GRANT SELECT ON memoledger_system.receipt_retention TO memoledger_app;

-- Who may what -------------------------------------------------------------------------------------

-- Stores of the current user, narrowed to app.current_store_id where a transaction is about one store.
CREATE FUNCTION memoledger.owned_store_ids() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scope text := current_setting('app.current_store_id', true);
BEGIN
    IF scope <> '' THEN
        RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                     WHERE s.store_id = scope::uuid AND s.owner_id = current_setting('app.current_user', true));
    END IF;
    RETURN ARRAY(SELECT s.store_id FROM memoledger.stores AS s
                 WHERE s.owner_id = current_setting('app.current_user', true));
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.owned_store_ids TO memoledger_app;

ALTER TABLE memoledger.receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.receipts TO memoledger_owner USING (true) WITH CHECK (true);
-- A user sees the own receipts, and on the own stores those of everybody except where the answer holds
-- what another keeps private.
CREATE POLICY own_recalls ON memoledger.receipts FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND (user_id = (SELECT current_setting('app.current_user', true))
                OR store_id = ANY ((SELECT memoledger.owned_store_ids())::uuid[])
                   AND private_to IS NULL AND NOT unproven));
-- Nobody writes another's receipt, nor one that a store's owner would see for a store they cannot read.
CREATE POLICY own_insert ON memoledger.receipts FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND user_id = (SELECT current_setting('app.current_user', true))
                AND (unproven OR store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])));
-- The time of recording is the server's, and striking is for erasures: neither can be given.
GRANT SELECT, INSERT (tenant_id, receipt_id, user_id, store_id, embedding_version, at_most, pending, complete, unproven,
                      mode, searched_by, private_to, query, query_hash, filters, memory_ids, versions, scores, timings_ms)
    ON memoledger.receipts TO memoledger_app;

ALTER TABLE memoledger.memory_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.memory_access FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.memory_access TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.memory_access FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
GRANT SELECT ON memoledger.memory_access TO memoledger_app;

ALTER TABLE memoledger.receipt_salts ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.receipt_salts FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.receipt_salts TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY own ON memoledger.receipt_salts FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND user_id = (SELECT current_setting('app.current_user', true)));
CREATE POLICY own_insert ON memoledger.receipt_salts FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND user_id = (SELECT current_setting('app.current_user', true)));
GRANT SELECT, INSERT (tenant_id, user_id) ON memoledger.receipt_salts TO memoledger_app;

-- Written once -------------------------------------------------------------------------------------

-- A receipt is never changed but by an erasure, which can only take away; and it is dropped with its month.
CREATE FUNCTION memoledger.refuse_receipt_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.struck_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM unnest(NEW.scores, OLD.scores) AS s (now, before)
                       WHERE s.now IS NOT NULL AND s.now IS DISTINCT FROM s.before)
       AND (NEW.tenant_id, NEW.receipt_id, NEW.user_id, NEW.store_id, NEW.recorded_at, NEW.embedding_version, NEW.at_most,
            NEW.pending, NEW.complete, NEW.unproven, NEW.mode, NEW.searched_by, NEW.private_to, NEW.memory_ids,
            NEW.versions, NEW.timings_ms)
           IS NOT DISTINCT FROM
           (OLD.tenant_id, OLD.receipt_id, OLD.user_id, OLD.store_id, OLD.recorded_at, OLD.embedding_version, OLD.at_most,
            OLD.pending, OLD.complete, OLD.unproven, OLD.mode, OLD.searched_by, OLD.private_to, OLD.memory_ids,
            OLD.versions, OLD.timings_ms) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'receipts are append-only: % is refused for every role', TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'An erasure strikes the question; retention drops whole months.';
END
$$;
CREATE TRIGGER receipts_are_append_only BEFORE UPDATE OR DELETE ON memoledger.receipts
    FOR EACH ROW EXECUTE FUNCTION memoledger.refuse_receipt_change();
CREATE TRIGGER receipts_are_kept BEFORE TRUNCATE ON memoledger.receipts
    FOR EACH STATEMENT EXECUTE FUNCTION memoledger.refuse_receipt_change();

-- Receipts and erasures of one store take turns, so that none of them misses the other: many receipts at
-- once, or one erasure.
CREATE FUNCTION memoledger.receipts_lock(of_tenant text, of_store uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended('memoledger.receipts ' || of_tenant || ' ' || of_store::text, 0);

-- Counts accesses, in the statement that writes the receipts: each receipt is counted once or not at all.
-- What was erased between a recall and its receipt is not counted, and the receipt is struck at once.
CREATE FUNCTION memoledger.count_accesses() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    late record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(memoledger.receipts_lock(s.tenant_id, s.store_id))
    FROM (SELECT DISTINCT n.tenant_id, n.store_id FROM new_rows AS n ORDER BY 1, 2) AS s;
    FOR late IN WITH returned AS MATERIALIZED (
        SELECT n.tenant_id, n.store_id, h.memory_id, n.recorded_at, n.unproven, m.private_to, m.erased_at
        FROM new_rows AS n
        CROSS JOIN LATERAL unnest(n.memory_ids, n.versions) AS h (memory_id, version)
        CROSS JOIN LATERAL (
            SELECT * FROM memoledger.memories AS m
            WHERE m.tenant_id = n.tenant_id AND m.store_id = n.store_id AND m.memory_id = h.memory_id
              AND m.version = h.version AND (m.private_to IS NULL OR m.private_to = n.user_id)
            OFFSET 0 -- looked up one by one, whatever the planner takes the store's size for
        ) AS m
    ), counted AS (
        INSERT INTO memoledger.memory_access AS a (tenant_id, store_id, memory_id, last_accessed, count, private_to)
        SELECT r.tenant_id, r.store_id, r.memory_id, max(r.recorded_at), count(*), max(r.private_to)
        FROM returned AS r
        WHERE r.erased_at IS NULL AND NOT r.unproven
        GROUP BY r.tenant_id, r.store_id, r.memory_id
        -- All writers take the rows in one order, so that none waits for another in a circle.
        ORDER BY r.tenant_id, r.store_id, r.memory_id
        ON CONFLICT (tenant_id, store_id, memory_id) DO UPDATE
        SET count = a.count + EXCLUDED.count, last_accessed = greatest(a.last_accessed, EXCLUDED.last_accessed),
            private_to = EXCLUDED.private_to
    )
    SELECT r.tenant_id, r.store_id, array_agg(DISTINCT r.memory_id) AS memory_ids
    FROM returned AS r WHERE r.erased_at IS NOT NULL
    GROUP BY r.tenant_id, r.store_id
    LOOP
        PERFORM memoledger.strike(late.tenant_id, late.store_id, late.memory_ids);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_accesses AFTER INSERT ON memoledger.receipts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.count_accesses();

-- Takes out of the receipts what, beside the fact that an erased memory was returned, could tell what it
-- said: the question, the filters, and its scores. That it was returned, to whom and when, remains.
CREATE FUNCTION memoledger.strike(of_tenant text, of_store uuid, erased uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE memoledger.receipts AS r
    SET query = NULL, query_hash = NULL, filters = NULL, struck_at = clock_timestamp(),
        scores = ARRAY(SELECT CASE WHEN h.memory_id = ANY (erased) THEN NULL ELSE h.score END
                       FROM unnest(r.memory_ids, r.scores) WITH ORDINALITY AS h (memory_id, score, place)
                       ORDER BY h.place)
    WHERE r.memory_ids && erased AND r.tenant_id = of_tenant AND r.store_id = of_store;
END
$$;

CREATE FUNCTION memoledger.strike_receipts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone record;
BEGIN
    FOR gone IN
        SELECT n.tenant_id, n.store_id, array_agg(DISTINCT n.memory_id) AS memory_ids
        FROM new_rows AS n WHERE n.erased_at IS NOT NULL
        GROUP BY n.tenant_id, n.store_id ORDER BY n.tenant_id, n.store_id
    LOOP
        PERFORM pg_advisory_xact_lock(memoledger.receipts_lock(gone.tenant_id, gone.store_id));
        DELETE FROM memoledger.memory_access AS a
        WHERE a.tenant_id = gone.tenant_id AND a.store_id = gone.store_id AND a.memory_id = ANY (gone.memory_ids);
        PERFORM memoledger.strike(gone.tenant_id, gone.store_id, gone.memory_ids);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER strike_receipts AFTER UPDATE ON memoledger.memories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.strike_receipts();

-- Partitions ---------------------------------------------------------------------------------------

-- The least UUID of version 7 that can be made from an instant on (UTC).
CREATE FUNCTION memoledger_system.least_id_from(instant timestamp) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

-- Makes the partitions of this month and the next, and drops those that are older than receipts are kept.
CREATE FUNCTION memoledger_system.tend_receipts_at(instant timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present CONSTANT timestamp := instant AT TIME ZONE 'UTC';
    month   timestamp;
    part    text;
    kept    integer;
BEGIN
    FOR month IN SELECT date_trunc('month', present) + n * interval '1 month' FROM generate_series(0, 1) AS n LOOP
        part := 'receipts_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'memoledger'::regnamespace);
        PERFORM pg_advisory_xact_lock(hashtext('memoledger'), hashtext('receipts'));
        -- Another may have made it while this one waited.
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'memoledger'::regnamespace);
        -- Attached rather than created in place: ATTACH lets reads and writes go on.
        EXECUTE format('CREATE TABLE memoledger.%I (LIKE memoledger.receipts INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
        EXECUTE format('ALTER TABLE memoledger.receipts ATTACH PARTITION memoledger.%I FOR VALUES FROM (%L) TO (%L)', part,
                       memoledger_system.least_id_from(month), memoledger_system.least_id_from(month + interval '1 month'));
        PERFORM memoledger_system.take_no_samples(format('memoledger.%I', part)::regclass);
        EXECUTE format('ALTER TABLE memoledger.%I ALTER COLUMN memory_ids SET STATISTICS 0, '
                       'ALTER COLUMN versions SET STATISTICS 0, ALTER COLUMN scores SET STATISTICS 0', part);
        -- Reached only through the parent, whose policies apply; directly, the partition shows nothing.
        EXECUTE format('ALTER TABLE memoledger.%I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE memoledger.%I FORCE ROW LEVEL SECURITY', part);
        EXECUTE format('CREATE POLICY maintenance ON memoledger.%I TO memoledger_owner USING (true) WITH CHECK (true)', part);
    END LOOP;
    SELECT r.days INTO kept FROM memoledger_system.receipt_retention AS r;
    FOR part IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE kept > 0 AND i.inhparent = 'memoledger.receipts'::regclass
          AND to_date(substr(c.relname, length('receipts_') + 1), 'YYYY_MM')::timestamp
              + interval '1 month' + kept * interval '1 day' <= present
    LOOP
        -- Writers of receipts wait meanwhile; whoever reads long is not waited for: there is a next time.
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            EXECUTE format('DROP TABLE memoledger.%I', part);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- For the ledger itself, at its opening and from time to time: it takes no argument and tells nothing, and
-- what it does follows from the clock and the retention alone.
CREATE FUNCTION memoledger.tend_receipts() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM memoledger_system.tend_receipts_at(now());
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.tend_receipts TO memoledger_app;
