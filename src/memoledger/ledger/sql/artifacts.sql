-- fragment: artifact_columns
-- What an artifact is to its readers.
       a.artifact_id, a.store_id, a.document_id, a.key, encode(a.hash, 'hex'), a.bytes, a.media_type, a.state, a.recorded_at

-- name: write_artifact
-- Notes an artifact before its object is written; then gives the row as it stands.
INSERT INTO memoledger.artifacts AS a (tenant_id, store_id, artifact_id, document_id, bytes, created_by, hash, media_type)
VALUES (%(tenant)s, %(store_id)s, %(artifact_id)s, %(document_id)s, %(bytes)s, %(user)s, decode(%(hash)s, 'hex'),
        %(media_type)s)
RETURNING
-- include: artifact_columns

-- name: kept_artifact
-- The artifact of a document that holds this content already.
SELECT
-- include: artifact_columns
FROM memoledger.artifacts AS a
WHERE a.store_id = %(store_id)s AND a.document_id = %(document_id)s AND a.state = 'kept'
  AND a.hash = decode(%(hash)s, 'hex') AND a.media_type IS NOT DISTINCT FROM %(media_type)s::text
ORDER BY a.artifact_id
LIMIT 1

-- name: artifact_by_id
-- One artifact whose object may be there.
SELECT
-- include: artifact_columns
FROM memoledger.artifacts AS a
WHERE a.store_id = %(store_id)s AND a.artifact_id = %(artifact_id)s AND a.state <> 'collected'

-- name: drop_artifact
-- Gives up an artifact that nothing keeps.
UPDATE memoledger.artifacts AS a SET state = 'dropped'
WHERE a.store_id = %(store_id)s AND a.artifact_id = %(artifact_id)s AND a.state = 'writing'
RETURNING a.artifact_id

-- name: dropped_artifacts
-- The artifacts of a document whose objects are to be deleted.
SELECT
-- include: artifact_columns
FROM memoledger.artifacts AS a
WHERE a.store_id = %(store_id)s AND a.document_id = %(document_id)s AND a.state = 'dropped'
ORDER BY a.artifact_id
LIMIT %(limit)s

-- name: collect_artifact
-- Empties the row of an artifact whose object is gone.
UPDATE memoledger.artifacts AS a SET state = 'collected', hash = NULL, media_type = NULL
WHERE a.store_id = %(store_id)s AND a.artifact_id = %(artifact_id)s AND a.state = 'dropped'
RETURNING a.artifact_id

-- name: drop_abandoned
-- Gives up artifacts of every tenant that nobody has kept in time; how many.
WITH due AS (
    SELECT a.tenant_id, a.store_id, a.artifact_id FROM memoledger.artifacts AS a
    WHERE a.state = 'writing' AND a.changed_at < clock_timestamp() - %(older_than_s)s * interval '1 second'
    ORDER BY a.changed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    UPDATE memoledger.artifacts AS a SET state = 'dropped' FROM due AS d
    WHERE (a.tenant_id, a.store_id, a.artifact_id) = (d.tenant_id, d.store_id, d.artifact_id)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: all_dropped
-- Artifacts of every tenant whose objects are to be deleted, a page at a time.
SELECT a.tenant_id,
-- include: artifact_columns
FROM memoledger.artifacts AS a
WHERE a.state = 'dropped' AND (a.tenant_id, a.store_id, a.artifact_id) > (%(tenant)s, %(store_id)s, %(artifact_id)s)
ORDER BY a.tenant_id, a.store_id, a.artifact_id
LIMIT %(limit)s

-- name: collect_all
-- Empties the rows of artifacts whose objects are gone; how many.
WITH gone AS (
    UPDATE memoledger.artifacts AS a SET state = 'collected', hash = NULL, media_type = NULL
    FROM unnest(%(tenants)s::text[], %(store_ids)s::uuid[], %(artifact_ids)s::uuid[]) AS d (tenant_id, store_id, artifact_id)
    WHERE a.tenant_id = d.tenant_id AND a.store_id = d.store_id AND a.artifact_id = d.artifact_id AND a.state = 'dropped'
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: remove_collected
-- Removes rows of artifacts that are gone; how many. The audit keeps that there were any.
WITH due AS (
    SELECT a.tenant_id, a.store_id, a.artifact_id FROM memoledger.artifacts AS a
    WHERE a.state = 'collected'
    ORDER BY a.changed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM memoledger.artifacts AS a USING due AS d
    WHERE (a.tenant_id, a.store_id, a.artifact_id) = (d.tenant_id, d.store_id, d.artifact_id)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: all_kept
-- Artifacts of every tenant that documents keep, a page at a time.
SELECT a.tenant_id,
-- include: artifact_columns
FROM memoledger.artifacts AS a
WHERE a.state = 'kept' AND (a.tenant_id, a.store_id, a.artifact_id) > (%(tenant)s, %(store_id)s, %(artifact_id)s)
ORDER BY a.tenant_id, a.store_id, a.artifact_id
LIMIT %(limit)s

-- name: known_keys
-- Which of some keys belong to an artifact, whatever its state.
SELECT a.key FROM memoledger.artifacts AS a
WHERE a.artifact_id = ANY (%(artifact_ids)s::uuid[]) AND a.key = ANY (%(keys)s::text[])
