-- name: backend_pid
-- Which process of the server answers here; a pooler in between has told the client another number.
SELECT pg_backend_pid()

-- name: knows_prepared
-- Whether the server knows a prepared statement by this very name.
SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = %(name)s)
