"""What a round of indexing does about each store."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.ledger.store_indexes import Surveyed
from memoledger.services.index_stores import SEGMENTS_MAX, plan

STORE = UUID(int=1)


def surveyed(**given_: Any) -> Surveyed:
    fields: dict[str, Any] = {
        "tenant": "acme",
        "store_id": STORE,
        "texts": 1_000_000,
        "build": 1,
        "embedding_version": 1,
        "state": "ready",
        "indexed": given_.get("texts", 1_000_000),
        "made_of": given_.get("indexed", given_.get("texts", 1_000_000)),
        "segments": 1,
        "may_go": None,
        "recent": 0,
    }
    return Surveyed(**{**fields, **given_})


def bare(texts: int, store_id: UUID = STORE) -> Surveyed:
    nothing = dict.fromkeys(
        ("build", "embedding_version", "state", "indexed", "made_of", "segments")
    )
    return surveyed(texts=texts, store_id=store_id, **nothing)


def acts(
    *found: Surveyed, index_from: int = 30_000, versions: tuple[int, ...] = (1,)
) -> list[tuple[str, int | None]]:
    steps = plan(found, index_from=index_from, embedding_versions=versions)
    return [(step.act, step.about.build) for step in steps]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([bare(29_999)], []),
        ([bare(30_000)], [("build", None)]),
        ([surveyed(texts=30_000)], []),
        ([surveyed(texts=20_000)], []),
        ([surveyed(texts=19_999)], [("retire", 1)]),
        ([surveyed(recent=4_999)], []),
        ([surveyed(recent=5_000, texts=1_000_000)], [("extend", 1)]),
        ([surveyed(texts=30_000, recent=999)], []),
        ([surveyed(texts=30_000, recent=1_000)], [("extend", 1)]),
        ([surveyed(indexed=100_000, recent=900_000)], [("build", 1)]),
        ([surveyed(texts=60_000, indexed=59_000, made_of=40_000, recent=1_000)], [("extend", 1)]),
        ([surveyed(texts=60_001, indexed=59_000, made_of=40_000, recent=1_001)], [("build", 1)]),
        ([surveyed(segments=SEGMENTS_MAX)], [("build", 1)]),
        ([surveyed(indexed=1_500_000)], [("build", 1)]),
        ([surveyed(indexed=1_400_000)], []),
        ([surveyed(embedding_version=2)], [("drop", 1), ("build", 1)]),
        ([surveyed(state="building")], [("drop", 1), ("build", 1)]),
        ([surveyed(state="retired", may_go=True), surveyed(build=2)], [("drop", 1)]),
        ([surveyed(state="retired", may_go=False), surveyed(build=2)], []),
        ([surveyed(state="building", build=2), surveyed(build=1)], [("drop", 2)]),
    ],
)
def test_what_is_done(found: list[Surveyed], expected: list[tuple[str, int | None]]) -> None:
    assert acts(*found) == expected


def test_none_is_wanted_where_that_is_switched_off() -> None:
    assert acts(bare(10**9), index_from=0) == []
    assert acts(surveyed(), index_from=0) == [("retire", 1)]


@given(st.integers(0, 100_000), st.integers(1, 60_000))
def test_a_store_that_stays_as_it_is_is_left_alone(texts: int, index_from: int) -> None:
    """Whatever a round does about a size, the next does nothing more about the same size."""
    first = acts(bare(texts), index_from=index_from)
    after = surveyed(texts=texts) if first else bare(texts)
    assert acts(after, index_from=index_from) == []


def test_removals_come_first() -> None:
    found = [bare(50_000), surveyed(store_id=uuid4(), state="building", texts=1)]
    assert [act for act, _ in acts(*found)] == ["drop", "build"]


def test_a_store_has_an_index_in_every_version_that_may_serve() -> None:
    """Whichever serves from the next moment on: it is searched as fast as the one before."""
    one, other = surveyed(), surveyed(build=2, embedding_version=2)
    assert acts(one, versions=(1, 2)) == [("build", 1)]
    assert acts(one, other, versions=(1, 2)) == []
    recent = surveyed(recent=5_000), surveyed(build=2, embedding_version=2, recent=5_000)
    assert acts(*recent, versions=(2, 1)) == [("extend", 2), ("extend", 1)]
    assert acts(one, other, versions=(2,)) == [("drop", 1)]
    assert acts(surveyed(texts=10, indexed=10), versions=(1, 2)) == [("retire", 1)]
