-- name: job_migrations_table_exists
-- Whether it can be told what was applied of the job queue's schema.
SELECT to_regclass('memoledger_system.job_migrations') IS NOT NULL

-- name: applied_job_migrations
-- Which of the library's migrations were applied here.
SELECT name FROM memoledger_system.job_migrations

-- name: record_job_migrations
-- Notes some of them as applied; those that were stay as they are.
INSERT INTO memoledger_system.job_migrations (name) SELECT unnest(%(names)s::text[]) ON CONFLICT DO NOTHING

-- name: look_into_job_schema
-- Has names without a schema mean the job queue's, until the transaction ends.
SELECT set_config('search_path', 'memoledger_jobs', true)

-- name: silence_jobs
-- Switches off what the library tells on channels that anybody could listen to: `memoledger.wake_workers`
-- tells it on one that nobody else can name.
DO $$
DECLARE
    loud record;
BEGIN
    FOR loud IN
        SELECT t.tgname, t.tgrelid::regclass AS of_table FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE p.pronamespace = 'memoledger_jobs'::regnamespace AND p.prosrc ~* 'notify' AND t.tgenabled <> 'D'
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', loud.of_table, loud.tgname);
    END LOOP;
END
$$
