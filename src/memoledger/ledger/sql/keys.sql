-- name: create_key
-- Makes a key for a user whose keys the current user manages; of the secret it gets the digest only.
INSERT INTO memoledger.api_keys (tenant_id, user_id, key_id, name, scopes, digest, created_by, created_with, expires_at)
VALUES (%(tenant)s, %(for_user)s, %(key_id)s, %(name)s, %(scopes)s, %(digest)s, %(user)s, %(created_with)s, %(expires_at)s)
RETURNING key_id, tenant_id, user_id, name, scopes, created_at, created_by, created_with, expires_at, revoked_at,
          NULL::timestamptz

-- name: list_keys
-- A page of the keys that the current user manages, newest first: a user's, or all of them.
SELECT k.key_id, k.tenant_id, k.user_id, k.name, k.scopes, k.created_at, k.created_by, k.created_with, k.expires_at, k.revoked_at,
       u.last_used_at
FROM memoledger.api_keys AS k
LEFT JOIN memoledger.api_key_uses AS u USING (tenant_id, user_id, key_id)
WHERE (%(for_user)s::text IS NULL OR k.user_id = %(for_user)s)
  AND (%(before)s::uuid IS NULL OR k.key_id < %(before)s::uuid)
ORDER BY k.key_id DESC
LIMIT %(limit)s

-- name: key_by_id
-- A key, if the current user manages it.
SELECT k.key_id, k.tenant_id, k.user_id, k.name, k.scopes, k.created_at, k.created_by, k.created_with, k.expires_at, k.revoked_at,
       u.last_used_at
FROM memoledger.api_keys AS k
LEFT JOIN memoledger.api_key_uses AS u USING (tenant_id, user_id, key_id)
WHERE k.key_id = %(key_id)s

-- name: revoke_key
-- Revokes a key that the current user manages; one that is revoked stays as it is.
UPDATE memoledger.api_keys
SET revoked_at = clock_timestamp(), revoked_by = %(user)s
WHERE key_id = %(key_id)s AND revoked_at IS NULL

-- name: keys_still_good
-- plan: once
-- The digests of those of some keys that are good now; notes their use.
SELECT g.digest
FROM memoledger.good_keys(%(key_ids)s::uuid[], %(digests)s::bytea[], %(used_ago_s)s::double precision[]) AS g

-- name: good_key
-- plan: once
-- A key by its id and digest, before anybody is known, if it is good; notes its use.
SELECT g.key_id, g.tenant_id, g.user_id, g.name, g.scopes, g.created_at, g.created_by, g.created_with, g.expires_at,
       NULL::timestamptz, NULL::timestamptz
FROM memoledger.good_keys(ARRAY[%(key_id)s]::uuid[], ARRAY[%(digest)s]::bytea[], '{0}') AS g
