-- name: become
-- Makes the transaction some principal's, until it ends. The role comes first: whoever logged in,
-- from here on every policy applies. Requests share the processor: none takes a second process to
-- itself. The last two settings say whether statements are planned once, or for each set of parameters
-- where PostgreSQL expects a better plan from that; a plan for all stores must suit the small ones, so
-- it reads no table from end to end, whatever share of it a store has in the mean.
SELECT set_config('role', 'memoledger_app', true),
       set_config('app.current_tenant_id', %(tenant)s, true),
       set_config('app.current_user', %(user)s, true),
       set_config('app.current_store_id', %(store)s, true),
       set_config('app.current_scopes', %(scopes)s, true),
       set_config('statement_timeout', %(timeout)s, true),
       set_config('max_parallel_workers_per_gather', '0', true),
       set_config('plan_cache_mode', %(plans)s, true),
       set_config('enable_seqscan', %(scans)s, true)

-- name: become_owner
-- Makes the transaction the ledger's own, for maintenance and migrations.
SELECT set_config('role', 'memoledger_owner', true),
       set_config('app.current_tenant_id', '', true),
       set_config('app.current_user', '', true),
       set_config('app.current_store_id', '', true),
       set_config('app.current_scopes', '', true)

-- name: introduce_tenant
-- Notes the tenant at its first use.
INSERT INTO memoledger.tenants (tenant_id, created_by) VALUES (%(tenant)s, %(user)s)
ON CONFLICT DO NOTHING

-- name: introduce_user
-- Notes a user at their first use, or when somebody shares with them.
INSERT INTO memoledger.users (tenant_id, user_id, created_by) VALUES (%(tenant)s, %(introduced)s, %(user)s)
ON CONFLICT DO NOTHING

-- name: own_tenant
-- The current tenant, once it was noted.
SELECT tenant_id, created_at
FROM memoledger.tenants

-- name: list_users
-- The users of the current tenant, in the order of their names, a page at a time.
SELECT user_id, created_at, created_by
FROM memoledger.users
WHERE (%(after)s::text IS NULL OR user_id > %(after)s::text)
ORDER BY user_id
LIMIT %(limit)s

-- name: user_by_id
-- A user of the current tenant.
SELECT user_id, created_at, created_by
FROM memoledger.users
WHERE user_id = %(wanted)s
