-- name: claim_idempotency_key
-- Claims a key that is new, whose time is over, or whose claim by the same request has run out.
INSERT INTO memoledger.idempotency_keys AS i (
    tenant_id, user_id, key_hash, request_hash, claim_id, claimed_until, kept_until)
VALUES (%(tenant)s, %(user)s, %(key_hash)s, %(request_hash)s, %(claim_id)s,
        clock_timestamp() + %(limit_s)s * interval '1 second', clock_timestamp() + %(kept_s)s * interval '1 second')
ON CONFLICT (tenant_id, user_id, key_hash) DO UPDATE
SET request_hash = EXCLUDED.request_hash, claim_id = EXCLUDED.claim_id, state = 'claimed',
    claimed_until = EXCLUDED.claimed_until, kept_until = EXCLUDED.kept_until, status = NULL, answer = NULL
WHERE i.kept_until <= clock_timestamp()
   OR i.state = 'claimed' AND i.claimed_until <= clock_timestamp() AND i.request_hash = EXCLUDED.request_hash

-- name: idempotency_key
-- What a key stands for now, and how many seconds its claim still lasts.
SELECT claim_id, request_hash, status, answer,
       extract(epoch FROM claimed_until - clock_timestamp())::double precision
FROM memoledger.idempotency_keys
WHERE user_id = %(user)s AND key_hash = %(key_hash)s

-- name: extend_idempotency_key
-- Gives a claim more time, if it is still the same one's.
UPDATE memoledger.idempotency_keys
SET claimed_until = clock_timestamp() + %(limit_s)s * interval '1 second',
    kept_until = greatest(kept_until, clock_timestamp() + %(limit_s)s * interval '1 second')
WHERE user_id = %(user)s AND key_hash = %(key_hash)s AND claim_id = %(claim_id)s AND state = 'claimed'
RETURNING key_hash

-- name: finish_idempotency_key
-- Keeps the answer, if the claim is still the same one's.
UPDATE memoledger.idempotency_keys
SET state = 'finished', status = %(status)s, answer = %(answer)s::jsonb,
    kept_until = clock_timestamp() + %(kept_s)s * interval '1 second'
WHERE user_id = %(user)s AND key_hash = %(key_hash)s AND claim_id = %(claim_id)s AND state = 'claimed'
RETURNING key_hash

-- name: abandon_idempotency_key
-- Frees the key of a claim whose request failed, so that it may be sent again at once; a sweep takes
-- it away.
UPDATE memoledger.idempotency_keys
SET claim_id = gen_random_uuid(), claimed_until = clock_timestamp(), kept_until = clock_timestamp()
WHERE user_id = %(user)s AND key_hash = %(key_hash)s AND claim_id = %(claim_id)s AND state = 'claimed'
RETURNING key_hash
