"""Reranking through recall: whom it asks, about what, and what its verdict does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from memoledger.model.errors import InvalidInput, SettingsError
from memoledger.model.recall import Hits, Query, Ranking
from memoledger.ports import Scores
from memoledger.services import recall as service
from memoledger.services.context import Context
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle

MODES = ("hybrid", "dense", "lexical")


class Judge:
    """A reranker that is told what to think of a text, and keeps what it was asked."""

    name = "judge:test"

    def __init__(
        self, opinion: Callable[[str], float], *, depth: int = 20, weight: float = 0.5
    ) -> None:
        self.opinion = opinion
        self.depth = depth
        self.weight = weight
        self.asked: list[tuple[str, list[str]]] = []

    async def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        self.asked.append((query, list(texts)))
        return np.array([self.opinion(text) for text in texts], dtype=np.float32)

    async def aclose(self) -> None: ...


@pytest.fixture
async def teas(notes: StoreHandle) -> StoreHandle:
    for number in range(1, 9):
        await notes.remember(f"tea number {number} " + "and more tea " * number)
    return notes


async def ask(
    store: StoreHandle, context: Context, *, rerank: bool | None = True, **options: object
) -> Hits:
    query = Query.of("tea", ranking=Ranking.of(rerank=rerank), explain=True, **options)  # type: ignore[arg-type]
    return await service.recall(context, store._scope, query)


def with_judge(store: StoreHandle, judge: Judge | None, *, default: bool = False) -> Context:
    return replace(store._context, reranker=judge, rerank_by_default=default)


def numbers(hits: Hits) -> list[str]:
    return [hit.memory.content.split()[2] for hit in hits]


@pytest.mark.parametrize("mode", MODES)
async def test_its_verdict_moves_a_hit_up(teas: StoreHandle, mode: str) -> None:
    plain = await ask(teas, with_judge(teas, None), rerank=False, mode=mode)
    last = numbers(plain)[-1]
    judge = Judge(lambda text: float(f"number {last} " in text), weight=0.9)
    judged = await ask(teas, with_judge(teas, judge), mode=mode)
    assert numbers(judged)[0] == last
    assert numbers(judged)[1:] == numbers(plain)[:-1]
    assert judged[0].score >= 0.9 - 1e-9
    assert [hit.parts.reranked for hit in judged if hit.parts] == [1.0] + [0.0] * 7
    scores = [hit.score for hit in judged]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", MODES)
async def test_a_judge_without_an_opinion_changes_no_order(teas: StoreHandle, mode: str) -> None:
    plain = await ask(teas, with_judge(teas, None), rerank=False, mode=mode)
    judged = await ask(teas, with_judge(teas, Judge(lambda _: 3.0)), mode=mode)
    assert numbers(judged) == numbers(plain)


async def test_only_the_best_are_judged_and_stay_in_front(teas: StoreHandle) -> None:
    plain = await ask(teas, with_judge(teas, None), rerank=False)
    judge = Judge(lambda text: -len(text), depth=3)
    judged = await ask(teas, with_judge(teas, judge))
    [(query, texts)] = judge.asked
    assert query == "tea"
    assert len(texts) == 3
    assert set(numbers(judged)[:3]) == set(numbers(plain)[:3])
    assert numbers(judged)[3:] == numbers(plain)[3:]
    assert [hit.parts.reranked is None for hit in judged if hit.parts] == [False] * 3 + [True] * 5


async def test_it_reads_who_when_title_and_summary(notes: StoreHandle) -> None:
    when = datetime(2023, 5, 8, tzinfo=UTC)
    await notes.remember(
        "green tea",
        title="Tea time",
        summary="On tea",
        occurred_at=when,
        metadata={"speaker": "Ann"},
    )
    judge = Judge(lambda _: 0.0)
    await ask(notes, with_judge(notes, judge))
    [(_, [text])] = judge.asked
    assert text == "Tea time\nOn tea\nAnn (on Monday 8 May 2023): green tea"


async def test_the_past_is_judged_by_what_it_said(notes: StoreHandle) -> None:
    memory = await notes.remember("green tea")
    await notes.update(memory.id, content="black tea")
    judge = Judge(lambda _: 0.0)
    await ask(notes, with_judge(notes, judge), as_of=memory.recorded_at)
    assert [texts for _, texts in judge.asked] == [["green tea"]]


@pytest.mark.parametrize(
    ("rerank", "default", "asked"),
    [(None, False, 0), (None, True, 1), (False, True, 0), (True, False, 1), (True, True, 1)],
)
async def test_the_query_decides_and_else_the_ledger(
    teas: StoreHandle, rerank: bool | None, default: bool, asked: int
) -> None:
    judge = Judge(lambda _: 0.0)
    await ask(teas, with_judge(teas, judge, default=default), rerank=rerank)
    assert len(judge.asked) == asked


async def test_nothing_found_asks_nobody(notes: StoreHandle) -> None:
    judge = Judge(lambda _: 0.0)
    assert await ask(notes, with_judge(notes, judge)) == []
    assert judge.asked == []


async def test_without_a_reranker_only_an_explicit_wish_is_refused(teas: StoreHandle) -> None:
    assert len(await ask(teas, with_judge(teas, None, default=True), rerank=None)) == 8
    with pytest.raises(InvalidInput) as caught:
        await ask(teas, with_judge(teas, None))
    assert caught.value.field == "rerank"


async def test_the_local_model_reranks_by_default(teas: StoreHandle) -> None:
    hits = await teas.recall("tea number 3", rerank=True, explain=True)
    assert all(hit.parts and hit.parts.reranked is not None for hit in hits)
    assert numbers(hits)[0] == "3"


async def test_settings_choose_it(database: object, embedder: object) -> None:
    settings = database.settings(reranker="off", rerank=True)  # type: ignore[attr-defined]
    async with Memoledger.open(settings=settings, embedder=embedder) as ledger:  # type: ignore[arg-type]
        context = ledger.application.context
        assert context.reranker is None
        assert context.rerank_by_default
    with pytest.raises(SettingsError):
        await Memoledger.open(settings=database.settings(reranker="on"), embedder=embedder)  # type: ignore[attr-defined, arg-type]
