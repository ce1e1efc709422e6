-- The vectors that recall scans are a store's current ones. Through the primary key a scan read every
-- version, in the order of ids, out of an index as wide as the key; here equal keys are kept once, so
-- that a thousand of them fill one page, and point to their rows in the order in which these lie.
CREATE INDEX embeddings_current ON memoledger.embeddings (tenant_id, store_id, family)
    WHERE superseded_at IS NULL;
