-- name: find_embedding_version
-- The number of an embedding version by its name.
SELECT embedding_version FROM memoledger_system.embedding_versions WHERE name = %(name)s

-- name: declare_embedding_version
-- Declares an embedding version with its partition, or finds it.
SELECT memoledger_system.declare_embedding_version(
    %(name)s, %(model)s, %(dimensions)s::integer, %(settings)s::jsonb)

-- name: note_opening
-- Notes with which words an embedder is opened, where none are known or these are others.
UPDATE memoledger_system.embedding_versions AS v SET opening = %(opening)s::jsonb
WHERE v.embedding_version = %(number)s AND v.opening IS DISTINCT FROM %(opening)s::jsonb

-- name: list_embedding_versions
-- Every embedding version there is or was, in the order in which they were declared.
SELECT v.embedding_version, v.name, v.model, v.dimensions, v.settings, v.state, v.opening, v.created_at, v.filled_at,
       v.served_at, v.replaced_at, v.retired_at
FROM memoledger_system.embedding_versions AS v
ORDER BY v.embedding_version

-- name: size_of_version
-- How many vectors an embedding version has, and what they take on the disk.
SELECT (SELECT count(*) FROM memoledger.embeddings AS e WHERE e.embedding_version = %(number)s),
       coalesce(pg_total_relation_size(to_regclass(format('memoledger.%%I', 'embeddings_' || v.name))), 0)
FROM memoledger_system.embedding_versions AS v
WHERE v.embedding_version = %(number)s

-- name: is_empty
-- Whether the ledger holds nothing yet.
SELECT NOT EXISTS (SELECT FROM memoledger.memories) AND NOT EXISTS (SELECT FROM memoledger.term_vectors)
       AND NOT EXISTS (SELECT FROM memoledger.embeddings)

-- name: adopt_embedding_version
-- Has a version serve a ledger that holds nothing yet; false where there is something.
SELECT memoledger_system.adopt_embedding_version(%(number)s::integer)

-- name: mark_filled
-- A version lacks nothing any more.
UPDATE memoledger_system.embedding_versions AS v SET state = 'ready', filled_at = now()
WHERE v.embedding_version = %(number)s AND v.state = 'filling'

-- name: hold_writes
-- Waits for the writes under way and holds up others until the transaction ends; recalls go on. Whatever is
-- found later writes its words in the transaction that writes it, so that this table stands for all of them.
LOCK TABLE memoledger.term_vectors IN SHARE MODE

-- name: wait_briefly_for_locks
-- How long the transaction waits for a lock. Others queue up behind it.
SELECT set_config('lock_timeout', %(timeout)s, true)

-- name: serve_embedding_version
-- Has a version serve in the place of the one that does.
SELECT memoledger_system.serve_embedding_version(%(number)s::integer, %(left_as)s)

-- name: mark_retired
-- A version gets no vectors any more, and cannot serve. Not the one that serves.
UPDATE memoledger_system.embedding_versions AS v SET state = 'retired', retired_at = coalesce(v.retired_at, now())
WHERE v.embedding_version = %(number)s AND v.state <> 'serving'
RETURNING v.name

-- name: partition_of_version
-- How a version's partition is attached: whether at all, and whether somebody began to detach it.
SELECT c.oid IS NOT NULL, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
FROM (SELECT to_regclass(format('memoledger.%%I', 'embeddings_' || %(name)s::text)) AS oid) AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = 'memoledger.embeddings'::regclass

-- name: act_as_owner
-- Makes the session the ledger's own, for what no transaction can hold.
SELECT set_config('role', 'memoledger_owner', false)

-- name: act_as_oneself
-- Makes the session its login's again.
SELECT set_config('role', 'none', false)

-- name: detach_partition
-- Takes a version's partition out of the table. Reads and writes of the other versions go on meanwhile.
ALTER TABLE memoledger.embeddings DETACH PARTITION memoledger.embeddings_0 CONCURRENTLY

-- name: finish_detaching
-- Ends what somebody began who was interrupted.
ALTER TABLE memoledger.embeddings DETACH PARTITION memoledger.embeddings_0 FINALIZE

-- name: drop_partition
-- Removes the vectors of a retired version.
DROP TABLE IF EXISTS memoledger.embeddings_0

-- name: unschedule_version
-- Takes what waits to be embedded in a retired version off the schedule.
DELETE FROM memoledger.embedding_schedule AS s WHERE s.embedding_version = %(number)s

-- name: builds_of_version
-- The indexes of stores that are of an embedding version.
SELECT x.tenant_id, x.store_id, x.build
FROM memoledger.store_indexes AS x
WHERE x.embedding_version = %(number)s
ORDER BY x.tenant_id, x.store_id, x.build

-- name: begin_filling
-- Lets one process at a time fill or retire a version; the lock ends with the connection.
SELECT pg_try_advisory_lock(hashtext('memoledger embeddings'), %(number)s::integer)

-- name: end_filling
-- Gives the lock back.
SELECT pg_advisory_unlock(hashtext('memoledger embeddings'), %(number)s::integer)
