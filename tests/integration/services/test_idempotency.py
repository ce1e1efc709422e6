"""Idempotency keys: one write for each, whoever dies and however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoledger.model.errors import ConflictError, InvalidInput
from memoledger.model.idempotency import Claim, KeptAnswer, key_hash
from memoledger.model.principal import Principal
from memoledger.services.context import Context
from memoledger.services.idempotency import abandon, begin, extend, finish
from memoledger.services.sweep import sweep

REQUEST = {"method": "POST", "path": "/v1/stores/1/memories", "body": b'{"content": "tea"}'}


@pytest.fixture
def context(shared: Any) -> Context:
    return shared.application.context  # type: ignore[no-any-return]


@pytest.fixture
def me(alice: Any) -> Principal:
    return alice.principal  # type: ignore[no-any-return]


@pytest.fixture
def past(sql: Callable[..., Any]) -> Callable[..., None]:
    """Lets the time of a key's claim, or of all that is kept of it, be over."""

    def act(key: str, column: Literal["claimed_until", "kept_until"]) -> None:
        sql(
            f"UPDATE memoledger.idempotency_keys SET {column} = now() - interval '1 second'"
            " WHERE key_hash = %s RETURNING 1",
            key_hash(key),
        )

    return act


class TestOneKey:
    async def test_done_once_answered_twice(self, context: Context, me: Principal) -> None:
        key = str(uuid4())
        claim = await begin(context, me, key, **REQUEST)
        assert isinstance(claim, Claim)
        answer = {"id": str(uuid4()), "version": 1, "outcome": "created", "ids": ["a", None]}
        assert await finish(context, claim, status=201, answer=answer)
        for _ in range(2):
            assert await begin(context, me, key, **REQUEST) == KeptAnswer(201, answer)

    @pytest.mark.parametrize(
        "change", [{"method": "PUT"}, {"path": "/v1/stores/2/memories"}, {"body": b""}]
    )
    async def test_another_request_under_it_is_a_conflict(
        self, context: Context, me: Principal, change: Any
    ) -> None:
        key = str(uuid4())
        claim = await begin(context, me, key, **REQUEST)
        for _ in range(2):
            with pytest.raises(ConflictError, match="another request") as caught:
                await begin(context, me, key, **{**REQUEST, **change})
            assert "retry_after_s" not in caught.value.details
            assert isinstance(claim, Claim)
            await finish(context, claim, status=201, answer={})

    async def test_while_the_first_is_under_way_the_second_is_told_when_to_come_back(
        self, context: Context, me: Principal
    ) -> None:
        key = str(uuid4())
        await begin(context, me, key, limit_s=30, **REQUEST)
        with pytest.raises(ConflictError, match="under way") as caught:
            await begin(context, me, key, **REQUEST)
        assert 1 <= caught.value.details["retry_after_s"] <= 30

    async def test_of_many_at_once_one_gets_it(self, context: Context, me: Principal) -> None:
        key = str(uuid4())
        calls = (begin(context, me, key, **REQUEST) for _ in range(20))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Claim"] + 19 * [
            "ConflictError"
        ]

    async def test_one_that_failed_may_be_sent_again_at_once(
        self, context: Context, me: Principal
    ) -> None:
        key = str(uuid4())
        claim = await begin(context, me, key, **REQUEST)
        assert isinstance(claim, Claim)
        assert await abandon(context, claim)
        assert not await abandon(context, claim)
        again = await begin(context, me, key, **{**REQUEST, "body": b"another"})
        assert isinstance(again, Claim)

    async def test_whoever_died_is_taken_over_and_has_no_more_say(
        self, context: Context, me: Principal, past: Any
    ) -> None:
        key = str(uuid4())
        dead = await begin(context, me, key, **REQUEST)
        past(key, "claimed_until")
        with pytest.raises(ConflictError):  # another request takes nothing over
            await begin(context, me, key, **{**REQUEST, "body": b"another"})
        heir = await begin(context, me, key, **REQUEST)
        assert isinstance(dead, Claim)
        assert isinstance(heir, Claim)
        for act in (
            finish(context, dead, status=500, answer={}),
            abandon(context, dead),
            extend(context, dead),
        ):
            assert not await act
        assert await finish(context, heir, status=201, answer={"id": "x"})
        assert await begin(context, me, key, **REQUEST) == KeptAnswer(201, {"id": "x"})

    async def test_after_a_day_it_is_a_new_one(
        self, context: Context, me: Principal, past: Any, sql: Any
    ) -> None:
        kept, gone = str(uuid4()), str(uuid4())
        for key in (kept, gone):
            claim = await begin(context, me, key, **REQUEST)
            assert isinstance(claim, Claim)
            await finish(context, claim, status=201, answer={})
            past(key, "kept_until")
        assert isinstance(await begin(context, me, kept, **{**REQUEST, "body": b"new"}), Claim)
        await sweep(context)
        left = sql(
            "SELECT key_hash FROM memoledger.idempotency_keys WHERE tenant_id = %s", me.tenant
        )
        assert [row[0] for row in left] == [key_hash(kept)]

    async def test_another_user_has_keys_of_their_own(
        self, context: Context, me: Principal, bob: Any
    ) -> None:
        key = str(uuid4())
        mine = await begin(context, me, key, **REQUEST)
        theirs = await begin(context, bob.principal, key, **{**REQUEST, "body": b"another"})
        assert isinstance(mine, Claim)
        assert isinstance(theirs, Claim)
        stolen = Claim(bob.principal, mine.key_hash, mine.claim_id)
        assert not await finish(context, stolen, status=200, answer={})

    async def test_no_word_of_request_key_or_answer_is_kept(
        self, context: Context, me: Principal, sql: Any
    ) -> None:
        claim = await begin(
            context, me, "tell-nobody", method="POST", path="/secret", body=b"words of mine"
        )
        assert isinstance(claim, Claim)
        with pytest.raises(InvalidInput):
            await finish(context, claim, status=201, answer={"content": "words of mine " * 20})
        await finish(context, claim, status=201, answer={"id": "x"})
        kept = repr(sql("SELECT to_jsonb(i) FROM memoledger.idempotency_keys AS i"))
        for word in ("tell-nobody", "secret", "words", b"tell-nobody".hex(), b"words".hex()):
            assert word not in kept
        records = "SELECT count(*) FROM memoledger.audit_records WHERE table_name LIKE 'idem%%'"
        assert sql(records) == [(0,)]

    async def test_a_key_that_is_none(self, context: Context, me: Principal) -> None:
        with pytest.raises(InvalidInput):
            await begin(context, me, "", **REQUEST)


@dataclass
class Expected:
    """What a key should stand for."""

    claim_id: UUID
    request: int
    answer: KeptAnswer | None = None
    lapsed: bool = False
    over: bool = False


class World:
    """Senders, servers that may die at any moment, and what should come of it."""

    def __init__(self, context: Context, store: Any, past: Any) -> None:
        self.context, self.store, self.past = context, store, past
        self.keys = [str(uuid4()) for _ in range(2)]
        self.expected: dict[str, Expected] = {}
        self.claims: list[tuple[str, int, Claim]] = []
        self.written: set[tuple[str, int]] = set()

    async def step(self, act: str, which: int, request: int) -> None:
        if act == "begin":
            await self.begin(self.keys[which % 2], request)
        elif act in {"lapse", "expire"}:
            self.pass_time(act, self.keys[which % 2])
        elif act == "sweep":
            await sweep(self.context)
            self.expected = {k: e for k, e in self.expected.items() if not e.over}
        elif self.claims:  # of anybody who ever had one, alive, overtaken or thought dead
            await self.go_on(act, *self.claims[which % len(self.claims)])

    async def begin(self, key: str, request: int) -> None:
        now = self.expected.get(key)
        free = now is None or now.over
        heir = now is not None and not now.answer and now.lapsed and now.request == request
        call = begin(
            self.context,
            self.store.principal,
            key,
            method="POST",
            path="/",
            body=str(request).encode(),
        )
        if free or heir:
            claim = await call
            assert isinstance(claim, Claim)
            self.claims.append((key, request, claim))
            self.expected[key] = Expected(claim.claim_id, request)
        elif now is not None and now.answer and now.request == request:
            assert await call == now.answer
        else:
            with pytest.raises(ConflictError):
                await call

    def pass_time(self, act: str, key: str) -> None:
        if key in self.expected:
            self.past(key, "claimed_until" if act == "lapse" else "kept_until")
            setattr(self.expected[key], "lapsed" if act == "lapse" else "over", True)

    async def go_on(self, act: str, key: str, request: int, claim: Claim) -> None:
        now = self.expected.get(key)
        mine = now is not None and now.claim_id == claim.claim_id and now.answer is None
        if act == "write":  # and die, if nothing follows
            await self.store.remember(f"{key} {request}", external_id=f"{key} {request}")
            self.written.add((key, request))
        elif act == "finish":
            answer = KeptAnswer(201, {"id": str(claim.claim_id)})
            done = await finish(self.context, claim, status=201, answer=dict(answer.answer))  # type: ignore[arg-type]
            assert done == mine
            if mine and now is not None:
                now.answer, now.over = answer, False
        elif act == "abandon":
            assert await abandon(self.context, claim) == mine
            if mine:
                del self.expected[key]
        else:
            assert await extend(self.context, claim) == mine
            if mine and now is not None:
                now.lapsed = now.over = False


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *4 * ["begin"],
                *3 * ["lapse"],
                "write",
                "finish",
                "abandon",
                "extend",
                "expire",
                "sweep",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    min_size=3,
    max_size=25,
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that outlives the examples."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_whatever_happens_in_whatever_order(
    loop: asyncio.AbstractEventLoop, open_ledger: Any, past: Any, tenant: str
) -> None:
    """The ledger agrees with the picture of it at every step, and no write is there twice."""
    ledger = loop.run_until_complete(open_ledger().__aenter__())

    async def live(steps: list[tuple[str, int, int]]) -> None:
        alice = await ledger.principal(tenant=tenant, user="alice")
        store = await alice.store(f"store {uuid4()}")
        world = World(ledger.application.context, store, past)
        world.store.principal = alice.principal
        for step in steps:
            await world.step(*step)
        assert await store.count() == len(world.written)

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(STEPS)
    def run(steps: list[tuple[str, int, int]]) -> None:
        loop.run_until_complete(live(steps))

    try:
        run()
    finally:
        loop.run_until_complete(ledger.aclose())
