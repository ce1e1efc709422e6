-- Neighbours: what was said just before and after a memory, in the same conversation or document. A turn
-- such as "Yes, last Tuesday" is found by the words around it. Where a memory stands is told by its
-- metadata and computed here, so that rows of before have it too, and an erasure takes it along.

-- The conversation, and the part of it, that a memory belongs to. The store itself is the conversation
-- where memories are numbered but name none; NULL where nothing tells of any: a note stands alone.
-- A hash, because a name in metadata may be longer than an index holds.
CREATE FUNCTION memoledger.thread_of(metadata jsonb) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN metadata ?| '{conversation_id,conversation,thread_id,thread,chat_id,session_id,session,document_id,order,turn,turn_index,position}'
    THEN md5(coalesce(metadata ->> 'conversation_id', metadata ->> 'conversation', metadata ->> 'thread_id',
                      metadata ->> 'thread', metadata ->> 'chat_id', metadata ->> 'document_id', '')
             || E'\n' || coalesce(metadata ->> 'session_id', metadata ->> 'session', ''))::uuid
END;
GRANT EXECUTE ON FUNCTION memoledger.thread_of TO memoledger_app;

-- Where it stands there: its number, or else the second of its occurrence; equals follow each other as
-- they were made, which their ids tell. Bounded and rounded, so that every number of JSON has a place.
CREATE FUNCTION memoledger.place_of(metadata jsonb, occurred_at timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(metadata -> 'order') = 'number'
    THEN round(least(greatest((metadata -> 'order')::numeric, -1e15), 1e15), 6)::double precision
    WHEN jsonb_typeof(metadata -> 'turn') = 'number'
    THEN round(least(greatest((metadata -> 'turn')::numeric, -1e15), 1e15), 6)::double precision
    WHEN jsonb_typeof(metadata -> 'turn_index') = 'number'
    THEN round(least(greatest((metadata -> 'turn_index')::numeric, -1e15), 1e15), 6)::double precision
    WHEN jsonb_typeof(metadata -> 'position') = 'number'
    THEN round(least(greatest((metadata -> 'position')::numeric, -1e15), 1e15), 6)::double precision
    WHEN occurred_at BETWEEN timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 00:00:00+00'
    THEN extract(epoch FROM occurred_at - timestamptz '2000-01-01 00:00:00+00')::double precision
    ELSE 0 END;
GRANT EXECUTE ON FUNCTION memoledger.place_of TO memoledger_app;

-- How much of a text is questions, 0 to 1: the share of its characters in sentences that end in a
-- question mark. What asks is seldom the answer, and what follows it often is. Of a long text the end
-- is looked at, to which what follows replies.
CREATE FUNCTION memoledger.asking_share(content text) RETURNS real
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN content IS NULL OR content NOT LIKE '%?%' THEN 0
    ELSE 1 - char_length(regexp_replace(right(content, 2000), '[^.!?]+[?]+\s*', '', 'g'))::real
             / char_length(right(content, 2000))
END;
GRANT EXECUTE ON FUNCTION memoledger.asking_share TO memoledger_app;

ALTER TABLE memoledger.memories
    ADD COLUMN thread uuid GENERATED ALWAYS AS (memoledger.thread_of(metadata)) STORED,
    ADD COLUMN place double precision NOT NULL GENERATED ALWAYS AS (memoledger.place_of(metadata, occurred_at)) STORED,
    ADD COLUMN asks real NOT NULL GENERATED ALWAYS AS (memoledger.asking_share(content)) STORED;
-- From here on a trigger fills what follows from a memory's other columns: PostgreSQL plans the
-- expressions of generated columns anew for each INSERT, a quarter of what remembering one memory took.
ALTER TABLE memoledger.memories
    ALTER COLUMN thread DROP EXPRESSION, ALTER COLUMN place DROP EXPRESSION, ALTER COLUMN asks DROP EXPRESSION,
    ALTER COLUMN private_to DROP EXPRESSION,
    ALTER COLUMN thread SET STATISTICS 0, ALTER COLUMN place SET STATISTICS 0, ALTER COLUMN asks SET STATISTICS 0;
COMMENT ON COLUMN memoledger.memories.thread IS 'The conversation, session or document it is part of; NULL where it stands alone.';
COMMENT ON COLUMN memoledger.memories.place IS 'Where it stands in its thread; equals are in the order of their ids.';
COMMENT ON COLUMN memoledger.memories.asks IS 'Which share of its text is questions.';

-- Whatever a writer says of them, and also when an erasure empties the memory. Most memories are not
-- private, name no thread and ask nothing, which is seen more cheaply than it is computed.
CREATE FUNCTION memoledger.derive_columns() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.private_to := NULL;
    NEW.thread := NULL;
    NEW.place := 0;
    NEW.asks := 0;
    IF NEW.privacy = 'creator' THEN
        NEW.private_to := NEW.created_by;
    END IF;
    IF NEW.metadata <> '{}' THEN
        NEW.thread := memoledger.thread_of(NEW.metadata);
    END IF;
    IF NEW.metadata <> '{}' OR NEW.occurred_at IS NOT NULL THEN
        NEW.place := memoledger.place_of(NEW.metadata, NEW.occurred_at);
    END IF;
    IF strpos(NEW.content, '?') > 0 THEN
        NEW.asks := memoledger.asking_share(NEW.content);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER memory_derives_columns BEFORE INSERT OR UPDATE ON memoledger.memories
    FOR EACH ROW EXECUTE FUNCTION memoledger.derive_columns();

CREATE INDEX memories_by_thread ON memoledger.memories (tenant_id, store_id, thread, place, memory_id)
    WHERE thread IS NOT NULL;
