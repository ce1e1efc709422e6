-- name: find_embedding_version
-- The number of an embedding version by its name.
SELECT embedding_version FROM memoledger_system.embedding_versions WHERE name = %(name)s

-- name: declare_embedding_version
-- Declares an embedding version with its partition, or finds it.
SELECT memoledger_system.declare_embedding_version(
    %(name)s, %(model)s, %(dimensions)s::integer, %(settings)s::jsonb)
