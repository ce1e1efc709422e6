"""Callers on a real ledger: who has a good key, for how long, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from memoledger.model.caller import EVERY_SCOPE, Caller
from memoledger.model.errors import (
    LedgerUnavailable,
    TooManyAttempts,
    Unauthenticated,
)
from memoledger.model.keys import key_text
from memoledger.model.principal import Principal
from memoledger.services.authenticate import Authenticator
from memoledger.services.context import Context
from memoledger.services.keys import create_key, list_keys, revoke_key

HERE = "192.0.2.1"


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Counting:
    """The ledger's keys, counting how often they are asked for."""

    def __init__(self, keys: Any) -> None:
        self.keys = keys
        self.asked: list[int] = []
        self.away = False

    async def find(self, key_id: Any, digest: bytes) -> Any:
        self.ask(1)
        return await self.keys.find(key_id, digest)

    async def still_good(self, uses: Any) -> Any:
        self.ask(len(uses))
        return await self.keys.still_good(uses)

    def ask(self, count: int) -> None:
        self.asked.append(count)
        if self.away:
            raise LedgerUnavailable("away")


@pytest.fixture
def context(shared: Any) -> Context:
    return shared.application.context  # type: ignore[no-any-return]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counting(context: Context) -> Counting:
    return Counting(context.ledger.keys)


@pytest.fixture
async def door(context: Context, counting: Counting, clock: Clock) -> Any:
    """An authenticator whose background task never comes to it: tests refresh by hand."""
    made = Authenticator(
        counting,  # type: ignore[arg-type]
        context.ledger.stores,
        context.clock,
        trusted_s=300.0,
        attempts_max=3,
        monotonic=clock,
    )
    yield made
    await made.aclose()


@pytest.fixture
def caller(tenant: str) -> Callable[..., Caller]:
    """A caller of the test's tenant, with some scopes."""

    def make(user: str = "alice", *scopes: Any) -> Caller:
        return Caller(Principal(tenant, user), frozenset(scopes or EVERY_SCOPE), "development")

    return make


def ids(page: Any) -> list[Any]:
    return [key.id for key in page.keys]


class TestDoor:
    async def test_a_good_key_is_its_user(
        self, context: Context, caller: Any, door: Authenticator, tenant: str, counting: Counting
    ) -> None:
        made = await create_key(context, caller("bob"), name="x", scopes=["write"])
        for _ in range(3):
            found = await door.caller(f" {made.secret} ", HERE)
            assert found == Caller(Principal(tenant, "bob"), frozenset({"write"}), "key", made.id)
        assert counting.asked == [1]

    async def test_what_is_wrong_is_all_the_same(self, context: Context, caller: Any) -> None:
        good = await create_key(context, caller(), name="x")
        other = await create_key(context, caller(), name="y")
        revoked = await create_key(context, caller(), name="z")
        await revoke_key(context, caller(), revoked.id)
        expired = await create_key(
            context,
            caller(),
            name="e",
            expires_at=datetime.now(UTC) + timedelta(milliseconds=50),
        )
        await asyncio.sleep(0.06)
        last = good.secret[-1]
        wrong = [
            good.secret[:-1] + ("a" if last != "a" else "b"),
            good.secret[:37] + other.secret[37:],
            key_text(good.id),
            key_text(uuid4()),
            revoked.secret,
            expired.secret,
            good.secret[:-1],
            good.secret + "a",
            good.secret.upper(),
            "mlk_",
            "mlk_" + "x" * 100_000,
            "some.jwt.here",
            "\u00e9\ud800",
        ]
        told = set()
        door = Authenticator(
            context.ledger.keys, context.ledger.stores, context.clock, attempts_max=0
        )
        for text in wrong:
            with pytest.raises(Unauthenticated) as caught:
                await door.caller(text, HERE)
            told.add((str(caught.value), repr(caught.value.as_dict())))
        await door.aclose()
        assert len(told) == 1
        [(message, _)] = told
        assert "mlk" not in message

    @pytest.mark.parametrize("nothing", [None, "", "  "])
    async def test_nothing_is_no_attempt(self, door: Authenticator, nothing: str | None) -> None:
        for _ in range(10):
            with pytest.raises(Unauthenticated, match="No key"):
                await door.caller(nothing, HERE)

    async def test_attempts_are_limited_by_address_and_hold_up_nobody_else(
        self, context: Context, caller: Any, door: Authenticator, clock: Clock, counting: Counting
    ) -> None:
        good = await create_key(context, caller(), name="x")
        fresh = await create_key(context, caller(), name="y")
        await door.caller(good.secret, HERE)
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                await door.caller(key_text(good.id), HERE)
        asked = list(counting.asked)
        with pytest.raises(TooManyAttempts) as caught:
            await door.caller(key_text(good.id), HERE)
        assert caught.value.retry_after_s == caught.value.details["retry_after_s"] == 20
        with pytest.raises(TooManyAttempts):
            await door.caller(fresh.secret, HERE)  # unknown keys are not looked at, good or not
        assert counting.asked == asked
        await door.caller(good.secret, HERE)  # known ones are
        await door.caller(fresh.secret, "192.0.2.2")
        clock.now_s += 20
        await door.caller(fresh.secret, HERE)

    async def test_a_ledger_that_is_away_is_no_wrong_key(
        self, context: Context, caller: Any, door: Authenticator, counting: Counting
    ) -> None:
        good = await create_key(context, caller(), name="x")
        counting.away = True
        for _ in range(10):
            with pytest.raises(LedgerUnavailable):
                await door.caller(good.secret, HERE)
        counting.away = False
        await door.caller(good.secret, HERE)

    async def test_many_at_once_ask_once(
        self, context: Context, caller: Any, door: Authenticator, counting: Counting
    ) -> None:
        good = await create_key(context, caller(), name="x")
        callers = await asyncio.gather(*(door.caller(good.secret, HERE) for _ in range(50)))
        assert len(set(callers)) == 1
        assert sum(counting.asked) <= 2


class TestTrust:
    async def test_a_key_revoked_elsewhere_is_found_out_by_the_refresh(
        self, context: Context, caller: Any, door: Authenticator, clock: Clock
    ) -> None:
        made = await create_key(context, caller(), name="x")
        kept = await create_key(context, caller(), name="y")
        for key in (made, kept):
            await door.caller(key.secret, HERE)
        await revoke_key(context, caller(), made.id)
        await door.caller(made.secret, HERE)  # still trusted
        await door.refresh()
        with pytest.raises(Unauthenticated):
            await door.caller(made.secret, HERE)
        await door.caller(kept.secret, HERE)

    async def test_trust_ends_with_its_time(
        self, context: Context, caller: Any, door: Authenticator, clock: Clock
    ) -> None:
        made = await create_key(context, caller(), name="x")
        await door.caller(made.secret, HERE)
        await revoke_key(context, caller(), made.id)
        clock.now_s += 301
        with pytest.raises(Unauthenticated):
            await door.caller(made.secret, HERE)

    async def test_one_that_is_forgotten_is_refused_at_once(
        self, context: Context, caller: Any, door: Authenticator, counting: Counting
    ) -> None:
        made = await create_key(context, caller(), name="x")
        await door.caller(made.secret, HERE)
        await revoke_key(context, caller(), made.id)
        door.forget(made.id)
        asked = list(counting.asked)
        with pytest.raises(Unauthenticated):
            await door.caller(made.secret, HERE)
        assert counting.asked == asked

    async def test_an_expiry_ends_trust_to_the_instant(
        self, context: Context, caller: Any, door: Authenticator
    ) -> None:
        until = datetime.now(UTC) + timedelta(milliseconds=300)
        made = await create_key(context, caller(), name="x", expires_at=until)
        await door.caller(made.secret, HERE)
        await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        with pytest.raises(Unauthenticated):
            await door.caller(made.secret, HERE)

    async def test_while_the_ledger_is_away_nobody_is_trusted_for_longer(
        self, context: Context, caller: Any, door: Authenticator, counting: Counting, clock: Clock
    ) -> None:
        made = await create_key(context, caller(), name="x")
        await door.caller(made.secret, HERE)
        counting.away = True
        with pytest.raises(LedgerUnavailable):
            await door.refresh()
        await door.caller(made.secret, HERE)
        clock.now_s += 301
        with pytest.raises(LedgerUnavailable):
            await door.caller(made.secret, HERE)

    async def test_the_background_task_keeps_busy_keys_trusted(
        self, context: Context, caller: Any, counting: Counting
    ) -> None:
        made = await create_key(context, caller(), name="x")
        door = Authenticator(
            counting,  # type: ignore[arg-type]
            context.ledger.stores,
            context.clock,
            trusted_s=0.2,
        )
        await door.caller(made.secret, HERE)
        while len(counting.asked) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await revoke_key(context, caller(), made.id)
        with pytest.raises(Unauthenticated):
            await self.keep_coming(door, made.secret)
        await door.aclose()
        await door.aclose()

    async def keep_coming(self, door: Authenticator, secret: str) -> None:
        async with asyncio.timeout(60):
            while True:
                await door.caller(secret, HERE)
                await asyncio.sleep(0.01)

    async def test_without_trust_every_request_asks(
        self, context: Context, caller: Any, counting: Counting
    ) -> None:
        made = await create_key(context, caller(), name="x")
        door = Authenticator(
            counting,  # type: ignore[arg-type]
            context.ledger.stores,
            context.clock,
            trusted_s=0,
        )
        for _ in range(3):
            await door.caller(made.secret, HERE)
        assert counting.asked == [1, 1, 1]
        await door.aclose()


class TestUses:
    async def test_the_first_use_shows_at_once_and_later_ones_to_the_minute(
        self, context: Context, caller: Any, door: Authenticator, clock: Clock, sql: Any
    ) -> None:
        made = await create_key(context, caller(), name="x")

        async def last_used() -> datetime:
            [key] = (await list_keys(context, caller())).keys
            assert key.last_used_at is not None
            return key.last_used_at

        await door.caller(made.secret, HERE)
        first = await last_used()
        assert abs((datetime.now(UTC) - first).total_seconds()) < 60
        clock.now_s += 1
        await door.caller(made.secret, HERE)
        await door.refresh()
        assert await last_used() == first
        sql(
            "UPDATE memoledger.api_key_uses SET last_used_at = last_used_at - interval '1 hour'"
            " WHERE key_id = %s RETURNING 1",
            made.id,
        )
        await door.refresh()  # not used since
        assert await last_used() == first - timedelta(hours=1)
        clock.now_s += 1
        await door.caller(made.secret, HERE)
        await door.refresh()
        assert abs((datetime.now(UTC) - await last_used()).total_seconds()) < 60

    async def test_what_nobody_uses_is_not_asked_for_any_more(
        self, context: Context, caller: Any, door: Authenticator, clock: Clock, counting: Counting
    ) -> None:
        made = await create_key(context, caller(), name="x")
        await door.caller(made.secret, HERE)
        clock.now_s += 61
        await door.refresh()
        asked = list(counting.asked)
        await door.refresh()
        assert counting.asked == asked
        await door.caller(made.secret, HERE)
        assert len(counting.asked) == len(asked) + 1


class Tokens:
    """A verifier that knows one token."""

    def __init__(self, caller: Caller) -> None:
        self.known = caller
        self.closed = False

    async def caller(self, token: str) -> Caller:
        if token != "good.token.here":
            raise Unauthenticated("wrong")
        return self.known

    async def aclose(self) -> None:
        self.closed = True


async def test_the_holder_of_a_token_is_noted_as_a_user(
    context: Context, caller: Any, sql: Any, tenant: str
) -> None:
    tokens = Tokens(Caller(Principal(tenant, "zoe"), frozenset({"read"}), "token"))
    door = Authenticator(context.ledger.keys, context.ledger.stores, context.clock, tokens=tokens)
    assert await door.caller("good.token.here", HERE) == tokens.known
    with pytest.raises(Unauthenticated):
        await door.caller("bad.token.here", HERE)
    users = "SELECT user_id FROM memoledger.users WHERE tenant_id = %s ORDER BY 1"
    assert sql(users, tenant) == [("zoe",)]
    found = await door.development(Principal(tenant, "dev"))
    assert (found.method, found.scopes) == ("development", EVERY_SCOPE)
    assert sql(users, tenant) == [("dev",), ("zoe",)]
    await door.aclose()
    assert tokens.closed
