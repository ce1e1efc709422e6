-- name: sweep_expired
-- Closes a bounded number of expired memories of every tenant; true while there may be more.
SELECT memoledger.sweep_expired()

-- name: refresh_statistics
-- Lets the planner know of tables that have more than doubled since it last looked; cheap otherwise.
SELECT memoledger.refresh_statistics()

-- name: sweep_idempotency_keys
-- Removes a bounded number of idempotency keys whose time is over; true while there may be more.
SELECT memoledger.sweep_idempotency_keys()
