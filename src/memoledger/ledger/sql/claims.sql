-- name: claim_batch
-- Claims what is due, the most urgent and then the oldest first, until an instant after which another worker
-- may claim it; whatever others are claiming at this moment is passed over. Each row is told with the principal
-- whose it is: the one user who may read it, or the store's owner.
WITH due AS (
    SELECT s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version
    FROM memoledger.embedding_schedule AS s
    WHERE s.poisoned_at IS NULL AND s.due_at <= now() AND s.embedding_version = ANY (%(embedding_versions)s::integer[])
    ORDER BY s.urgency, s.due_at
    LIMIT %(at_most)s
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE memoledger.embedding_schedule AS s
    SET claimed_by = %(claim)s, attempts = s.attempts + 1,
        claimed_until = now() + make_interval(secs => %(lease_s)s::double precision),
        due_at = now() + make_interval(secs => %(lease_s)s::double precision)
    FROM due AS d
    WHERE (s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version)
        = (d.tenant_id, d.store_id, d.embedding_version, d.family, d.owner_id, d.version)
    RETURNING s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version, s.private_to, s.attempts,
              s.scheduled_at
)
SELECT c.tenant_id, coalesce(c.private_to, t.owner_id), c.store_id, c.embedding_version, c.family, c.owner_id,
       c.version, c.attempts, extract(epoch FROM now() - c.scheduled_at)::double precision
FROM claimed AS c
JOIN memoledger.stores AS t USING (tenant_id, store_id)
ORDER BY c.tenant_id, c.store_id, c.owner_id

-- name: extend_claim
-- Keeps a batch claimed for longer, while its worker lives.
UPDATE memoledger.embedding_schedule AS s
SET claimed_until = now() + make_interval(secs => %(lease_s)s::double precision),
    due_at = now() + make_interval(secs => %(lease_s)s::double precision)
WHERE s.claimed_by = %(claim)s
  AND (s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version) IN (
      SELECT * FROM unnest(%(tenants)s::text[], %(stores)s::uuid[], %(embedding_versions)s::integer[],
                           %(families)s::text[], %(owner_ids)s::uuid[], %(versions)s::integer[]))

-- name: release_claim
-- Gives back what a worker that ends has claimed and not done, as if it had never been claimed.
UPDATE memoledger.embedding_schedule AS s
SET claimed_by = NULL, claimed_until = NULL, attempts = greatest(s.attempts - 1, 0), due_at = now()
WHERE s.claimed_by = %(claim)s
  AND (s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version) IN (
      SELECT * FROM unnest(%(tenants)s::text[], %(stores)s::uuid[], %(embedding_versions)s::integer[],
                           %(families)s::text[], %(owner_ids)s::uuid[], %(versions)s::integer[]))

-- name: fail_rows
-- Notes why rows could not be embedded: each is due again after its own time, or, without one, set aside.
UPDATE memoledger.embedding_schedule AS s
SET claimed_by = NULL, claimed_until = NULL, last_error = %(error)s,
    due_at = now() + make_interval(secs => coalesce(f.again_s, 0)),
    poisoned_at = CASE WHEN f.again_s IS NULL THEN now() END
FROM unnest(%(tenants)s::text[], %(stores)s::uuid[], %(embedding_versions)s::integer[], %(families)s::text[],
            %(owner_ids)s::uuid[], %(versions)s::integer[], %(again_s)s::double precision[])
     AS f (tenant_id, store_id, embedding_version, family, owner_id, version, again_s)
WHERE s.claimed_by = %(claim)s
  AND (s.tenant_id, s.store_id, s.embedding_version, s.family, s.owner_id, s.version)
    = (f.tenant_id, f.store_id, f.embedding_version, f.family, f.owner_id, f.version)

-- name: queue_depth
-- How much waits, is being embedded, or was set aside, and how many seconds the oldest that waits has waited.
SELECT count(*) FILTER (WHERE s.poisoned_at IS NULL AND (s.claimed_by IS NULL OR s.claimed_until <= now())),
       count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.claimed_until > now()),
       count(*) FILTER (WHERE s.poisoned_at IS NOT NULL),
       count(*) FILTER (WHERE s.poisoned_at IS NULL AND s.last_error IS NOT NULL),
       coalesce(max(extract(epoch FROM now() - s.scheduled_at)) FILTER (WHERE s.poisoned_at IS NULL), 0)::double precision
FROM memoledger.embedding_schedule AS s
WHERE (%(tenant)s::text IS NULL OR s.tenant_id = %(tenant)s::text)

-- name: list_queue
-- What is on the schedule, what was set aside first, then the oldest; a page of it.
SELECT s.tenant_id, s.store_id, t.owner_id, t.name, s.embedding_version, s.family, s.owner_id, s.version, s.reason,
       s.urgency, s.scheduled_at, s.due_at, s.attempts, s.last_error, s.claimed_until, s.poisoned_at
FROM memoledger.embedding_schedule AS s
JOIN memoledger.stores AS t USING (tenant_id, store_id)
WHERE (%(tenant)s::text IS NULL OR s.tenant_id = %(tenant)s::text)
  AND (NOT %(poisoned)s::boolean OR s.poisoned_at IS NOT NULL)
ORDER BY s.poisoned_at IS NULL, s.scheduled_at, s.owner_id, s.version, s.embedding_version
LIMIT %(limit)s

-- name: retry_rows
-- Has what was set aside, or waits for its next attempt, tried again at once, as if for the first time.
WITH again AS (
    UPDATE memoledger.embedding_schedule AS s
    SET poisoned_at = NULL, attempts = 0, due_at = now()
    WHERE s.claimed_by IS NULL AND (s.poisoned_at IS NOT NULL OR s.last_error IS NOT NULL)
      AND (%(tenant)s::text IS NULL OR s.tenant_id = %(tenant)s::text)
      AND (%(owner_ids)s::uuid[] IS NULL OR s.owner_id = ANY (%(owner_ids)s::uuid[]))
    RETURNING 1
)
SELECT count(*) FROM again

-- name: drop_rows
-- Takes what was set aside off the schedule: it stays without a vector, and is found by its words.
WITH gone AS (
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE s.poisoned_at IS NOT NULL
      AND (%(tenant)s::text IS NULL OR s.tenant_id = %(tenant)s::text)
      AND (%(owner_ids)s::uuid[] IS NULL OR s.owner_id = ANY (%(owner_ids)s::uuid[]))
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: is_anything_due
-- Whether a worker would find something.
SELECT EXISTS (SELECT FROM memoledger.embedding_schedule AS s WHERE s.poisoned_at IS NULL AND s.due_at <= now())

-- name: drop_wakeups
-- Takes away the wake-ups that are waiting: whoever runs this claims after it, and sees all they were for.
DELETE FROM memoledger_jobs.procrastinate_jobs AS j
WHERE j.id IN (SELECT x.id FROM memoledger_jobs.procrastinate_jobs AS x
               WHERE x.task_name = 'embed' AND x.status = 'todo' AND (x.scheduled_at IS NULL OR x.scheduled_at <= now())
               FOR UPDATE SKIP LOCKED)

-- name: wake_later
-- A wake-up for when what failed is due again, unless there is one for about that time.
INSERT INTO memoledger_jobs.procrastinate_jobs (queue_name, task_name, scheduled_at)
SELECT q.name, 'embed', now() + make_interval(secs => %(after_s)s::double precision)
FROM memoledger_system.job_queue AS q
WHERE NOT EXISTS (
    SELECT FROM memoledger_jobs.procrastinate_jobs AS j
    WHERE j.task_name = 'embed' AND j.status = 'todo'
      AND j.scheduled_at BETWEEN now() + make_interval(secs => %(after_s)s::double precision - 1)
                             AND now() + make_interval(secs => %(after_s)s::double precision + 1))

-- name: wake
-- A wake-up for one worker.
SELECT memoledger.wake_workers()

-- name: drop_dead_jobs
-- Takes away jobs whose worker is gone: what they were for is on the schedule, or comes again by the clock.
DELETE FROM memoledger_jobs.procrastinate_jobs AS j
WHERE j.status = 'doing'
  AND NOT EXISTS (SELECT FROM memoledger_jobs.procrastinate_workers AS w
                  WHERE w.id = j.worker_id AND w.last_heartbeat > now() - make_interval(secs => %(dead_after_s)s::double precision))

-- name: drop_aimless_rows
-- Takes rows off the schedule that nothing can come of: of an embedding version that is no more, or retired.
WITH gone AS (
    DELETE FROM memoledger.embedding_schedule AS s
    WHERE NOT EXISTS (SELECT FROM memoledger_system.embedding_versions AS v
                      WHERE v.embedding_version = s.embedding_version AND v.state <> 'retired')
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: schedule_indexes
-- Has stores looked at that got vectors late: they are to be taken into their index, as texts are. On its own,
-- because a writer of the store may be waiting for what the vectors' transaction holds.
INSERT INTO memoledger.index_schedule (tenant_id, store_id)
SELECT DISTINCT g.tenant_id, g.store_id FROM unnest(%(tenants)s::text[], %(stores)s::uuid[]) AS g (tenant_id, store_id)
WHERE NOT EXISTS (SELECT FROM memoledger.index_schedule AS x WHERE x.tenant_id = g.tenant_id AND x.store_id = g.store_id)
ON CONFLICT DO NOTHING

-- name: name_of_the_queue
-- The queue of wake-ups.
SELECT q.name FROM memoledger_system.job_queue AS q
