"""Keys of what is cached, and what a value has been through when it comes back."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from memoledger.adapters.cache.memory import MemoryCache
from memoledger.model.caching import CHUNKS, CONTRACTS
from memoledger.model.document import Chunk, Document
from memoledger.services import caching
from memoledger.services.cached_documents import (
    _decoded,
    _encoded,
    decode_chunks,
    encode_chunks,
)
from memoledger.services.caching import (
    Cached,
    adjacency_key,
    chunks_key,
    dedupe_key,
    document_key,
)

SECRET = bytes(range(16))
COMMON = [
    "document_id",
    "version",
    "store_id",
    "source",
    "source_id",
    "title",
    "type",
    "tags",
    "occurred_at",
]
NAMES = st.text(min_size=1, max_size=60)
IDS = st.uuids()
INSTANTS = st.datetimes(timezones=st.just(UTC))

CHUNK = st.builds(
    Chunk,
    id=IDS,
    document_id=IDS,
    version=st.integers(1, 2**31 - 1),
    first_version=st.integers(1, 2**31 - 1),
    store_id=IDS,
    place=st.integers(0, 2**31 - 1),
    text=NAMES,
    section=st.none() | NAMES,
    start=st.integers(0, 10**7),
    end=st.integers(0, 10**7),
    token_count=st.integers(0, 10**6),
    keywords=st.lists(NAMES, max_size=5).map(tuple),
    source=NAMES,
    source_id=NAMES,
    title=st.none() | NAMES,
    type=NAMES,
    tags=st.lists(NAMES, max_size=5).map(tuple),
    occurred_at=st.none() | INSTANTS,
    recorded_at=INSTANTS,
    superseded_at=st.none() | INSTANTS,
)


def test_the_contracts_are_those_that_were_agreed_on() -> None:
    hours = {contract.name: contract.ttl_s / 3_600 for contract in CONTRACTS}
    assert hours == {"document": 72, "chunks": 24, "source-dedupe": 24, "graph:out": 24}


@given(st.lists(CHUNK, max_size=4))
def test_chunks_of_a_version_come_back_as_they_were(made: list[Chunk]) -> None:
    chunks = [replace(chunk, **{name: getattr(made[0], name) for name in COMMON}) for chunk in made]
    assert decode_chunks(encode_chunks(chunks)) == chunks


def test_every_field_of_a_document_comes_back() -> None:
    """A field whose type JSON does not have, and that nobody makes again, would be another."""
    an_id, now = UUID(int=1), datetime.now(UTC)
    by_type = {"UUID": an_id, "datetime": now, "int": 7, "str": "tea", "tuple[str, ...]": ("a",)}
    values = {
        field.name: by_type.get(str(field.type).removesuffix(" | None"), {"a": [1, None, "b"]})
        for field in fields(Document)
    }
    document = Document(**values)
    assert _decoded(_encoded(document)) == document


@given(NAMES, NAMES, IDS, NAMES, NAMES)
def test_no_two_tenants_share_a_key(
    one: str, other: str, an_id: UUID, source: str, source_id: str
) -> None:
    for keys in zip(
        *(
            (
                document_key(tenant, an_id),
                chunks_key(tenant, an_id, 1),
                dedupe_key(tenant, an_id, source, source_id),
                adjacency_key(tenant, an_id, source, an_id),
            )
            for tenant in (one, other)
        ),
        strict=True,
    ):
        assert (keys[0] == keys[1]) is (one == other)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_sources_share_a_key(source: str, id_: str, other: str, other_id: str) -> None:
    keys = [dedupe_key("t", UUID(int=0), *pair) for pair in ((source, id_), (other, other_id))]
    assert (keys[0] == keys[1]) is ((source, id_) == (other, other_id))


def test_keys_say_what_they_are_of() -> None:
    an_id = UUID(int=7)
    assert document_key("a:b", an_id) == f"memoledger:a%3Ab:document:{an_id}"
    assert chunks_key("acme", an_id, 3) == f"memoledger:acme:chunks:{an_id}:v3"
    assert adjacency_key("acme", an_id, "person", an_id).startswith(
        f"memoledger:acme:graph:out:{an_id}:person:"
    )


async def test_a_value_that_was_tampered_with_is_no_value() -> None:
    cache = MemoryCache(1_000_000)
    cached = Cached(cache)
    await cached.put(CHUNKS, "k", SECRET, b"tea")
    assert await cached.get("k", SECRET) == b"tea"
    assert await cached.get("k", bytes(16)) is None
    await cache.set("k", b"\x01" + bytes(40), ttl_s=60)
    assert await cached.get("k", SECRET) is None
    assert cache.statistics.answers["hit"] == 1
    assert cache.statistics.answers["refused"] == 2


async def test_what_is_too_large_is_not_cached() -> None:
    cache = MemoryCache(100_000_000)
    await Cached(cache).put(CHUNKS, "k", SECRET, bytes(caching.VALUE_BYTES_MAX + 1))
    assert cache.statistics.written == 0


def test_a_day_is_a_day() -> None:
    assert datetime.fromtimestamp(CHUNKS.ttl_s, UTC) == datetime(1970, 1, 2, tzinfo=UTC)
