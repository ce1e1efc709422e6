-- name: stay_owner
-- Makes a connection the ledger's own for as long as it lives, and has names without a schema mean the job
-- queue's: its library writes them so. The last two keep a lost worker from holding anything up.
SELECT set_config('role', 'memoledger_owner', false),
       set_config('search_path', 'memoledger_jobs', false),
       set_config('app.current_tenant_id', '', false),
       set_config('app.current_user', '', false),
       set_config('app.current_store_id', '', false),
       set_config('lock_timeout', '10s', false),
       set_config('idle_in_transaction_session_timeout', '60s', false)
