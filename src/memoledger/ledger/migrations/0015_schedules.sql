-- Schedules: what was written and waits to be embedded, and which stores an index should be looked at for.
--
-- The row is written in the transaction that wrote what it is about, so that nothing durable is forgotten.
-- A worker claims a batch (for a time, after which another may), embeds it outside any transaction, and
-- writes the vectors and takes the row away in another. It writes as the principal whose row it is, under
-- every policy; only claiming, which goes by time over all tenants, is the ledger's own, and gives it ids.
--
--      (none) --schedule--> waiting --claim--> claimed --settle--> (none)
--                              ^                  |
--                              |--its time is over|
--                              '--failed, later---|--failed too often--> poisoned --retry--> waiting
--                                                                            \--drop--> (none)

CREATE TABLE memoledger.embedding_schedule (
    tenant_id         text COLLATE "C" NOT NULL,
    store_id          uuid NOT NULL,
    family            text COLLATE "C" NOT NULL,
    owner_id          uuid NOT NULL,
    version           integer NOT NULL,
    embedding_version integer NOT NULL,
    private_to        text COLLATE "C",
    reason            text COLLATE "C" NOT NULL,
    urgency           integer NOT NULL,
    scheduled_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts          integer NOT NULL DEFAULT 0,
    claimed_by        uuid,
    claimed_until     timestamptz,
    last_error        text,
    poisoned_at       timestamptz,
    PRIMARY KEY (tenant_id, store_id, embedding_version, family, owner_id, version),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id),
    CONSTRAINT schedule_family_is_known CHECK (family IN ('chunk', 'memory', 'summary', 'profile')),
    CONSTRAINT schedule_reason_is_known CHECK (reason IN ('written', 'backfill', 'refresh')),
    CONSTRAINT schedule_urgency_is_known CHECK (urgency BETWEEN 0 AND 2),
    CONSTRAINT schedule_claim_has_an_end CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
    CONSTRAINT schedule_poisoned_is_not_claimed CHECK (poisoned_at IS NULL OR claimed_by IS NULL)
) WITH (fillfactor = 70); -- room for a row's next state on its own page
-- In the order in which workers take what is due. It goes over all tenants and begins with no column that a
-- request asks for: only the ledger itself uses it.
CREATE INDEX embedding_schedule_due ON memoledger.embedding_schedule (urgency, due_at) WHERE poisoned_at IS NULL;
SELECT memoledger_system.take_no_samples('memoledger.embedding_schedule');
COMMENT ON TABLE memoledger.embedding_schedule IS 'What waits to be embedded: ids, and how often and why it failed; no content.';
COMMENT ON COLUMN memoledger.embedding_schedule.private_to IS 'The one user who may read what is to be embedded; as whom a worker does it. Else it is the store''s owner.';
COMMENT ON COLUMN memoledger.embedding_schedule.urgency IS '0: somebody waits for it; 1: one of many; 2: when there is nothing else.';
COMMENT ON COLUMN memoledger.embedding_schedule.due_at IS 'Not to be claimed before; while it is claimed, when the claim ends.';
COMMENT ON COLUMN memoledger.embedding_schedule.claimed_by IS 'Who is at it, once for each batch; shown to nobody, since whoever knows it may settle the batch.';

ALTER TABLE memoledger.embedding_schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.embedding_schedule FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.embedding_schedule TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger.embedding_schedule FOR SELECT TO memoledger_app
    USING (tenant_id = (SELECT memoledger.current_tenant())
           AND store_id = ANY ((SELECT memoledger.readable_store_ids())::uuid[])
           AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
CREATE POLICY writable_insert ON memoledger.embedding_schedule FOR INSERT TO memoledger_app
    WITH CHECK (tenant_id = (SELECT memoledger.current_tenant())
                AND store_id = ANY ((SELECT memoledger.writable_store_ids())::uuid[])
                AND (private_to IS NULL OR private_to = (SELECT current_setting('app.current_user', true))));
-- What becomes of a row is decided by the ledger: no column of that can be given. (No right to update or
-- delete, with which goes one to lock the whole table.)
GRANT SELECT (tenant_id, store_id, family, owner_id, version, embedding_version, private_to, reason, urgency,
              scheduled_at, due_at, attempts, last_error, poisoned_at),
      INSERT (tenant_id, store_id, family, owner_id, version, embedding_version, private_to, reason, urgency)
    ON memoledger.embedding_schedule TO memoledger_app;

-- Takes what was embedded off the schedule, in the transaction that writes its vectors, and tells which of
-- it was still claimed by the caller: of the rest another worker has begun to write the vectors.
CREATE FUNCTION memoledger.settle_schedule(
    of_claim uuid, of_store uuid, of_embedding_version integer, owner_ids uuid[], versions integer[])
    RETURNS TABLE (family text, owner_id uuid, version integer, embedding_version integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    DELETE FROM memoledger.embedding_schedule AS s
    USING unnest(owner_ids, versions) AS d (owner_id, version)
    WHERE s.tenant_id = memoledger.current_tenant() AND s.store_id = of_store AND s.claimed_by = of_claim
      AND s.embedding_version = of_embedding_version AND s.owner_id = d.owner_id AND s.version = d.version
    RETURNING s.family, s.owner_id, s.version, s.embedding_version;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.settle_schedule TO memoledger_app;

-- An erasure takes what is erased off the schedule. Only statements that set erased_at come here; arguments are
-- the family, and the columns of its id and version.
CREATE FUNCTION memoledger.unschedule_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    erased CONSTANT jsonb := to_jsonb(NEW);
BEGIN
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE s.tenant_id = NEW.tenant_id AND s.store_id = NEW.store_id AND s.family = TG_ARGV[0]
      AND s.owner_id = (erased ->> TG_ARGV[1])::uuid AND s.version = (erased ->> TG_ARGV[2])::integer
      AND s.embedding_version IN (SELECT v.embedding_version FROM memoledger_system.embedding_versions AS v);
    RETURN NULL;
END
$$;
CREATE TRIGGER unschedule_erased AFTER UPDATE OF erased_at ON memoledger.memories
    FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL)
    EXECUTE FUNCTION memoledger.unschedule_erased('memory', 'memory_id', 'version');
CREATE TRIGGER unschedule_erased AFTER UPDATE OF erased_at ON memoledger.chunks
    FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL)
    EXECUTE FUNCTION memoledger.unschedule_erased('chunk', 'chunk_id', 'first_version');

-- The name of the queue of wake-ups, which is the name of a channel too: to those anybody may listen, and would
-- hear how much others write, if the name could be guessed. It belongs to the installation and to no tenant.
CREATE TABLE memoledger_system.job_queue (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    name text COLLATE "C" NOT NULL DEFAULT 'embed-' || left(translate(gen_random_uuid()::text, '-', ''), 24)
);
COMMENT ON TABLE memoledger_system.job_queue IS 'The name of the queue of wake-ups; shown to nobody but the workers.';
INSERT INTO memoledger_system.job_queue DEFAULT VALUES;
ALTER TABLE memoledger_system.job_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger_system.job_queue FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger_system.job_queue TO memoledger_owner USING (true) WITH CHECK (true);

-- Wakes a worker once this transaction is committed. The job names nothing: what is to be done is on the
-- schedule. Who may write may also wake; a worker that finds nothing goes back to sleep. The library's own
-- notifications, which go to channels that anybody can name, are switched off.
CREATE FUNCTION memoledger.wake_workers() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, memoledger_jobs, pg_temp
AS $$
DECLARE
    queue CONSTANT text := (SELECT q.name FROM memoledger_system.job_queue AS q);
BEGIN
    INSERT INTO memoledger_jobs.procrastinate_jobs (queue_name, task_name) VALUES (queue, 'embed');
    PERFORM pg_notify('procrastinate_queue_v1#' || queue, '{"type": "job_inserted", "job_id": 0}');
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.wake_workers TO memoledger_app;

-- What admins of a tenant see of its schedule, and may do about it: with the scope admin in
-- app.current_scopes. They manage and do not read: ids, counts, and of an error its kind, because its words may
-- quote a text.
CREATE FUNCTION memoledger.managed_tenant() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF 'admin' = ANY (memoledger.current_scopes()) THEN
        RETURN memoledger.current_tenant();
    END IF;
    RAISE EXCEPTION 'this takes the scope admin' USING ERRCODE = 'insufficient_privilege';
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.managed_tenant TO memoledger_app;

CREATE FUNCTION memoledger.tenant_queue_depth(
    OUT waiting bigint, OUT claimed bigint, OUT poisoned bigint, OUT failed bigint, OUT age_s double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
BEGIN
    SELECT count(*) FILTER (WHERE s.poisoned_at IS NULL AND (s.claimed_by IS NULL OR s.claimed_until <= now())),
           count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.claimed_until > now()),
           count(*) FILTER (WHERE s.poisoned_at IS NOT NULL),
           count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.last_error IS NOT NULL),
           coalesce(max(extract(epoch FROM now() - s.scheduled_at)) FILTER (WHERE s.poisoned_at IS NULL), 0)
    INTO waiting, claimed, poisoned, failed, age_s
    FROM memoledger.embedding_schedule AS s WHERE s.tenant_id = managed;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.tenant_queue_depth TO memoledger_app;

CREATE FUNCTION memoledger.tenant_queue(only_poisoned boolean, at_most integer)
    RETURNS TABLE (store_id uuid, store_owner text, store_name text, embedding_version integer, family text, owner_id uuid,
                   version integer, reason text, urgency integer, scheduled_at timestamptz, due_at timestamptz,
                   attempts integer, last_error text, claimed_until timestamptz, poisoned_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
BEGIN
    RETURN QUERY
    SELECT s.store_id, t.owner_id, t.name, s.embedding_version, s.family, s.owner_id, s.version, s.reason, s.urgency,
           s.scheduled_at, s.due_at, s.attempts, split_part(s.last_error, ':', 1), s.claimed_until, s.poisoned_at
    FROM memoledger.embedding_schedule AS s
    JOIN memoledger.stores AS t ON t.tenant_id = s.tenant_id AND t.store_id = s.store_id
    WHERE s.tenant_id = managed AND (NOT only_poisoned OR s.poisoned_at IS NOT NULL)
    ORDER BY s.poisoned_at IS NULL, s.scheduled_at, s.owner_id, s.version, s.embedding_version
    LIMIT at_most;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.tenant_queue TO memoledger_app;

-- Has what was set aside, or waits for its next attempt, tried again at once; how many rows that were.
CREATE FUNCTION memoledger.retry_tenant_queue(owner_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
    again   bigint;
BEGIN
    UPDATE memoledger.embedding_schedule AS s
    SET poisoned_at = NULL, attempts = 0, due_at = now()
    WHERE s.tenant_id = managed AND s.claimed_by IS NULL AND (s.poisoned_at IS NOT NULL OR s.last_error IS NOT NULL)
      AND (owner_ids IS NULL OR s.owner_id = ANY (owner_ids));
    GET DIAGNOSTICS again = ROW_COUNT;
    IF again > 0 THEN
        PERFORM memoledger.wake_workers();
    END IF;
    RETURN again;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.retry_tenant_queue TO memoledger_app;

-- Takes what was set aside off the schedule; how many rows that were.
CREATE FUNCTION memoledger.drop_tenant_queue(owner_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    managed CONSTANT text := memoledger.managed_tenant();
    gone    bigint;
BEGIN
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE s.tenant_id = managed AND s.poisoned_at IS NOT NULL AND (owner_ids IS NULL OR s.owner_id = ANY (owner_ids));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
GRANT EXECUTE ON FUNCTION memoledger.drop_tenant_queue TO memoledger_app;

-- Stores that were written to since their index was last looked at. Nobody's but the ledger's own.
CREATE TABLE memoledger.index_schedule (
    tenant_id    text COLLATE "C" NOT NULL,
    store_id     uuid NOT NULL,
    scheduled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES memoledger.stores (tenant_id, store_id)
);
SELECT memoledger_system.take_no_samples('memoledger.index_schedule');
COMMENT ON TABLE memoledger.index_schedule IS 'Stores written to since somebody looked whether they need an index, or theirs to be brought up to date.';
ALTER TABLE memoledger.index_schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger.index_schedule FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger.index_schedule TO memoledger_owner USING (true) WITH CHECK (true);

-- Filled by whatever writes texts. A store that is on the schedule is only looked up: a row that every write
-- changed would have the writers of a store wait for each other.
CREATE FUNCTION memoledger.schedule_index() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO memoledger.index_schedule (tenant_id, store_id)
    SELECT DISTINCT n.tenant_id, n.store_id FROM new_rows AS n
    WHERE NOT EXISTS (SELECT FROM memoledger.index_schedule AS x
                      WHERE x.tenant_id = n.tenant_id AND x.store_id = n.store_id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER schedule_index AFTER INSERT ON memoledger.memories
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.schedule_index();
CREATE TRIGGER schedule_index AFTER INSERT ON memoledger.chunks
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION memoledger.schedule_index();

-- The job queue's tables are those of a library, in the schema memoledger_jobs; this tells which of its own
-- migrations were applied there. It belongs to the installation and to no tenant.
CREATE TABLE memoledger_system.job_migrations (
    name       text COLLATE "C" PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE memoledger_system.job_migrations IS 'Which migrations of the job queue''s library were applied, by the names of their files.';
ALTER TABLE memoledger_system.job_migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE memoledger_system.job_migrations FORCE ROW LEVEL SECURITY;
CREATE POLICY maintenance ON memoledger_system.job_migrations TO memoledger_owner USING (true) WITH CHECK (true);
CREATE POLICY readable ON memoledger_system.job_migrations FOR SELECT TO memoledger_app USING (true);
GRANT SELECT ON memoledger_system.job_migrations TO memoledger_app;
