"""Receipts as values: what is kept of a question, and the time in an id."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.model.ids import new_id
from memoledger.model.recall import Filter, Query, Ranking
from memoledger.model.receipts import (
    Receipt,
    ReceiptHit,
    asked_besides,
    instant_of,
    least_id_from,
)

seconds = st.floats(0, (datetime(3000, 1, 1, tzinfo=UTC) - instant_of(UUID(int=0))).total_seconds())
instants = seconds.map(lambda s: datetime.fromtimestamp(s, UTC))


@given(instants)
def test_the_least_id_of_an_instant_tells_the_instant(instant: datetime) -> None:
    told = instant_of(least_id_from(instant))
    assert timedelta() <= instant - told < timedelta(milliseconds=1)


@given(instants, instants)
def test_ids_are_bounds_of_a_period(one: datetime, other: datetime) -> None:
    assert (least_id_from(one) <= least_id_from(other)) or one > other


def test_an_id_made_now_lies_between_now_and_soon() -> None:
    before = datetime.now(UTC)
    made = new_id()
    assert least_id_from(before) <= made < least_id_from(before + timedelta(minutes=1))


def test_before_1970_every_id_is_later() -> None:
    assert least_id_from(datetime(1000, 1, 1, tzinfo=UTC)) == UUID(int=0)


def test_a_plain_question_asked_for_nothing_besides() -> None:
    assert asked_besides(Query.of("tea"), without_words=False) == {}


def test_what_was_asked_for_besides_is_json_and_only_what_was_given() -> None:
    query = Query.of(
        "tea",
        mode="dense",
        min_similarity=0.2,
        filter=Filter.of(types=["fact"], tags=["x"], since="2026-01-01T00:00:00Z"),
        as_of="2026-02-01T00:00:00Z",
        ranking=Ranking.of(recency=0.5),
    )
    assert json.loads(json.dumps(asked_besides(query, without_words=False))) == {
        "min_similarity": 0.2,
        "types": ["fact"],
        "tags": ["x"],
        "since": "2026-01-01T00:00:00+00:00",
        "as_of": "2026-02-01T00:00:00+00:00",
        "recency": 0.5,
    }


def test_without_words_a_filter_tells_only_that_it_was_given() -> None:
    query = Query.of(
        "tea", filter=Filter.of(types=["a"], tags=["b"], metadata={"c": "d"}, min_importance=0.5)
    )
    kept = asked_besides(query, without_words=True)
    assert kept == {"types": True, "tags": True, "metadata": True, "min_importance": 0.5}


def receipt(**changes: object) -> Receipt:
    given_fields: dict[str, object] = {
        "id": new_id(),
        "user": "alice",
        "store_id": uuid4(),
        "recorded_at": datetime.now(UTC),
        "struck_at": None,
        "embedding_version": "minilm",
        "limit": 10,
        "pending": 0,
        "complete": True,
        "mode": "hybrid",
        "searched_by": "exact",
        "query": "tea",
        "query_hash": None,
        "filters": {"types": ["fact"]},
        "hits": (ReceiptHit(uuid4(), 1, 0.5), ReceiptHit(uuid4(), 2, None)),
        "timings_ms": {"search": 1.5},
    }
    return Receipt(**{**given_fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("struck", [None, datetime(2026, 5, 8, tzinfo=UTC)])
def test_a_receipt_is_json_ready(struck: datetime | None) -> None:
    made = receipt(struck_at=struck)
    plain = json.loads(json.dumps(made.as_dict()))
    assert plain["id"] == str(made.id)
    assert datetime.fromisoformat(plain["asked_at"]) == made.asked_at
    assert [hit["score"] for hit in plain["hits"]] == [0.5, None]
    assert plain["struck_at"] == (None if struck is None else struck.isoformat())
