-- name: create_store
-- A store of the current user; nothing if there is one of that name.
INSERT INTO memoledger.stores (tenant_id, store_id, owner_id, name, visibility, created_by, updated_by)
VALUES (%(tenant)s, %(store_id)s, %(user)s, %(name)s, %(visibility)s, %(user)s, %(user)s)
ON CONFLICT (tenant_id, owner_id, name) DO NOTHING
RETURNING store_id, name, owner_id, visibility, created_at, updated_at

-- name: store_by_name
-- A store by its owner and name, if the current user may see it.
SELECT store_id, name, owner_id, visibility, created_at, updated_at
FROM memoledger.stores
WHERE owner_id = %(owner)s AND name = %(name)s

-- name: store_by_id
-- A store by its id, if the current user may see it.
SELECT store_id, name, owner_id, visibility, created_at, updated_at
FROM memoledger.stores
WHERE store_id = %(store_id)s

-- name: may_write_store
-- Whether the current user may write into a store: the own one, or one granted for writing.
SELECT store_id
FROM memoledger.stores
WHERE store_id = %(store_id)s
  AND (owner_id = %(user)s OR store_id = ANY (memoledger.granted_store_ids('write')))

-- name: list_stores
-- The stores the current user may read, own ones first, a page at a time.
SELECT store_id, name, owner_id, visibility, created_at, updated_at
FROM memoledger.stores
WHERE (%(after_id)s::uuid IS NULL OR store_id > %(after_id)s::uuid)
ORDER BY store_id
LIMIT %(limit)s

-- name: set_visibility
-- Opens a store of the current user to the tenant, or closes it.
UPDATE memoledger.stores
SET visibility = %(visibility)s, updated_at = now(), updated_by = %(user)s
WHERE store_id = %(store_id)s
RETURNING store_id, name, owner_id, visibility, created_at, updated_at

-- name: grant_access
-- Lets a user read, or read and write, a store of the current user; a second grant replaces the first.
INSERT INTO memoledger.grants (tenant_id, store_id, grantee_id, access, granted_by)
VALUES (%(tenant)s, %(store_id)s, %(grantee)s, %(access)s, %(user)s)
ON CONFLICT (tenant_id, store_id, grantee_id) DO UPDATE SET access = EXCLUDED.access, granted_at = now()
RETURNING store_id, grantee_id, access, granted_by, granted_at

-- name: revoke_access
-- Takes a grant back.
DELETE FROM memoledger.grants
WHERE store_id = %(store_id)s AND grantee_id = %(grantee)s
RETURNING grantee_id

-- name: list_grants
-- The grants on a store that the current user gave or holds.
SELECT store_id, grantee_id, access, granted_by, granted_at
FROM memoledger.grants
WHERE store_id = %(store_id)s
ORDER BY grantee_id
