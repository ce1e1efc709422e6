-- name: records_of_memory
-- The audit's records of one memory that the current user may see, in the order in which they were
-- made.
SELECT r.audit_id, r.recorded_at, r.actor, r.act, (r.row_key ->> 'version')::integer, r.after ->> 'commitment'
FROM memoledger.audit_records AS r
WHERE r.table_name = 'memories' AND r.store_id = %(store_id)s AND r.row_key ->> 'memory_id' = %(memory_id)s
ORDER BY r.audit_id
