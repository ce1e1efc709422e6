"""The principal's transaction: every statement of a request runs inside one.

The principal is set for the transaction and with it vanishes, so that a pooled connection,
PgBouncer's in transaction mode included, carries nothing from one caller to the next. Where a
request is a fixed list of statements they travel in one round trip: a pipeline without BEGIN is
    one transaction.
"""

from __future__ import annotations

import json
import math
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import ConnStatus
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

from memoledger.ledger.failures import TROUBLE, as_memoledger_error, translated
from memoledger.ledger.pool_statistics import PoolStatistics
from memoledger.ledger.round_trip import Call, Connection, PreparedNames, Row, round_trip
from memoledger.ledger.statements import statements
from memoledger.ledger.vector_types import VectorOids, fetch_vector_oids, register_vectors
from memoledger.ledger.way import find_way
from memoledger.model.histogram import Histogram
from memoledger.model.keys import NO_SCOPES, Scope
from memoledger.model.principal import Principal
from memoledger.model.spans import Attributes, span

_BECOME = statements("principals")["become"]
_BECOME_OWNER = statements("principals")["become_owner"]


_NOBODY: Final = {"tenant": "", "user": "", "store": "", "scopes": ""}
_TOLD_MAX: Final = 20
"""Calls of a round trip that a trace names."""

OPEN_WAIT_S: Final = 5.0
"""The first connection may take this long, however short the wait for a free one is."""


class Sessions:
    """A bounded pool of connections, and the transactions made on them.

    Args:
        conninfo: libpq connection string of the application's login, or what gives it before each
            connection is made.
        pool_min, pool_max: connections kept and at most opened.
        wait_s: seconds a caller waits for a free connection before `LedgerUnavailable`.
        waiting_max: callers that may wait; one more is refused at once. 0 is no limit.
        statement_timeout_s: seconds a statement may run; 0 is no limit.
        prepare: whether statements are prepared on the server; None to do so where they are found
            again, which a PgBouncer in transaction mode may not see to.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], Awaitable[str]],
        *,
        pool_min: int = 1,
        pool_max: int = 8,
        wait_s: float = 10.0,
        waiting_max: int = 0,
        statement_timeout_s: float = 60.0,
        prepare: bool | None = None,
    ) -> None:
        self._oids: VectorOids | None = None
        self._timeout = f"{math.ceil(statement_timeout_s * 1000)}ms"
        self._prepare = prepare
        self._waits_s = Histogram()
        self._prepared: WeakKeyDictionary[Connection, PreparedNames] = WeakKeyDictionary()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            min_size=pool_min,
            max_size=pool_max,
            max_waiting=waiting_max,
            timeout=wait_s,
            # The pauses between attempts double; a short limit keeps them short, so that a server
            # that is back is noticed soon. The next request begins anew.
            reconnect_timeout=wait_s,
            kwargs={"autocommit": True, "prepare_threshold": None},
            configure=self._configure,
            open=False,
            name="memoledger",
        )

    async def open(self) -> None:
        """Open the pool and its first connection.

        Raises:
            LedgerUnavailable: no connection could be made in time.
        """
        with translated():
            await self._pool.open(wait=True, timeout=max(self._pool.timeout, OPEN_WAIT_S))

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._pool.close()

    @property
    def statistics(self) -> PoolStatistics:
        """What the pool is doing, and has done."""
        return PoolStatistics.of(self._pool.get_stats(), self._waits_s.state)

    async def _configure(self, connection: Connection) -> None:
        if self._prepare is None:
            self._prepare = (await find_way(connection)).keeps_prepared
        if self._prepare:
            self._prepared[connection] = PreparedNames()
        if self._oids is None:
            self._oids = await fetch_vector_oids(connection)
        register_vectors(connection, self._oids)
        set_json_loads(_load_json, connection)

    async def run(
        self,
        principal: Principal,
        store_id: UUID | None,
        *calls: Call,
        scopes: frozenset[Scope] = NO_SCOPES,
    ) -> list[list[Row]]:
        """Run the calls in order in one transaction and one round trip; the rows of each.

        Args:
            principal: who acts.
            store_id: the one store this is about, or None. It narrows what can be seen.
            scopes: what the principal came with, where policies ask for that: those of keys do.
        """
        become = self._become(principal, store_id, calls, scopes)
        return (await self._pipeline([become, *calls]))[1:]

    async def run_each(self, several: Sequence[tuple[Principal, UUID, Sequence[Call]]]) -> None:
        """Run each principal's calls as that principal, all in one transaction and one round trip.

        For work that is put together from what many did: a transaction each would cost more than
        the work. If one fails, none of it has happened.
        """
        calls: list[Call] = []
        for principal, store_id, theirs in several:
            calls += [self._become(principal, store_id, theirs, NO_SCOPES), *theirs]
        await self._pipeline(calls)

    async def run_as_nobody(self, *calls: Call) -> list[list[Row]]:
        """Run the calls as the application, for no principal: only what is nobody's is seen."""
        become: Call = (_BECOME, {**self._settings(), **_NOBODY})
        return (await self._pipeline([become, *calls]))[1:]

    async def run_as_owner(self, *calls: Call) -> list[list[Row]]:
        """Run the calls as the ledger itself. Only maintenance does that."""
        return (await self._pipeline([(_BECOME_OWNER, {}), *calls]))[1:]

    async def _pipeline(self, calls: Sequence[Call]) -> list[list[Row]]:
        try:
            connection = await self._take()
            try:
                prepared = self._prepared.get(connection)
                with span("sql", lambda: _told(calls), outgoing=True):
                    return await round_trip(connection, calls, prepared)
            finally:
                await self._pool.putconn(connection)
        except TROUBLE as error:
            raise as_memoledger_error(error) from None

    @asynccontextmanager
    async def transaction(
        self, principal: Principal, store_id: UUID | None = None
    ) -> AsyncIterator[Connection]:
        """A connection in a transaction of the principal's, for work that needs its own answers."""
        with translated():
            connection = await self._take()
            try:
                async with connection.transaction():
                    await connection.execute(_BECOME.sql, self._identity(principal, store_id))
                    yield connection
            finally:
                await self._pool.putconn(connection)

    async def _take(self) -> Connection:
        """A connection of the pool that was not cut while it lay there; `putconn` gives it back.

        After a restart of the server every connection in the pool is dead; each is noticed here,
        without a round trip, and replaced.
        """
        started = time.perf_counter()
        try:
            for _ in range(self._pool.max_size):
                connection = await self._pool.getconn()
                if not _was_cut(connection):
                    return connection
                await self._pool.putconn(connection)
            return await self._pool.getconn()
        finally:
            self._waits_s.note(time.perf_counter() - started)

    def _become(
        self,
        principal: Principal,
        store_id: UUID | None,
        calls: Sequence[Call],
        scopes: frozenset[Scope],
    ) -> Call:
        plan_once = all(statement.plan_once for statement, _ in calls)
        return _BECOME, self._identity(principal, store_id, plan_once=plan_once, scopes=scopes)

    def _identity(
        self,
        principal: Principal,
        store_id: UUID | None,
        *,
        plan_once: bool = False,
        scopes: frozenset[Scope] = NO_SCOPES,
    ) -> dict[str, str]:
        return {
            "tenant": principal.tenant,
            "user": principal.user,
            "store": "" if store_id is None else str(store_id),
            "scopes": " ".join(sorted(scopes)) if scopes else "",
            **self._settings(plan_once=plan_once),
        }

    def _settings(self, *, plan_once: bool = False) -> dict[str, str]:
        return {
            "timeout": self._timeout,
            "plans": "force_generic_plan" if plan_once else "auto",
            "scans": "off" if plan_once else "on",
        }


def _told(calls: Sequence[Call]) -> Attributes:
    """For a trace: the statements of a round trip by their names. What was asked is not told."""
    told = (statement.name for statement, _ in calls[:_TOLD_MAX])
    names = " ".join(name for name in told if name not in {_BECOME.name, _BECOME_OWNER.name})
    return {"db.system.name": "postgresql", "db.query.summary": names}


def _load_json(data: str | bytes) -> object:
    # Of bytes, json.loads would guess the encoding each time; most metadata is empty.
    text = data if isinstance(data, str) else data.decode()
    return {} if text == "{}" else json.loads(text)


def _was_cut(connection: Connection) -> bool:
    """Whether the server has closed an idle connection: then there is an end to be read."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    try:
        while waiting.poll(0):  # A message may come first: why it was closed, or a mere notice.
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return connection.pgconn.status == ConnStatus.BAD
