"""Several statements in one round trip: sent together, run as one transaction, answered together.

psycopg's pipelines can do the same and much more, for which each statement goes through a cursor, a
lock and the event loop on its own. That took 0.13 ms of a recall that takes one, and as much of
every write, so the hot path speaks to libpq itself: in pipeline mode the statements up to a Sync
are one transaction without a BEGIN, and either all of them happened or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from psycopg import AsyncConnection, OperationalError, adapt
from psycopg.abc import Buffer, PQGen, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from memoledger.ledger.statements import Statement

Row = tuple[Any, ...]
Connection = AsyncConnection[Row]
Call = tuple[Statement, Mapping[str, Any]]

PREPARED_MAX: Final = 200
"""Statements prepared on a connection; what comes beyond is planned each time."""


class PreparedNames:
    """What one connection has prepared: names by a statement's text and its parameters' types.

    Args:
        prefix: what the names begin with; numbers from 0 follow.
    """

    def __init__(self, prefix: bytes = b"memoledger_") -> None:
        self._prefix = prefix
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        # Never used twice: a name may exist on the server although we were not told so.
        self._numbers = count()

    def find(self, request: _Request) -> bytes | None:
        """The name under which it was prepared."""
        return self._names.get(request.key)

    def invent(self) -> bytes | None:
        """A new name; None if there are enough."""
        if len(self._names) >= PREPARED_MAX:
            return None
        return b"%s%d" % (self._prefix, next(self._numbers))

    def keep(self, request: _Request, name: bytes) -> None:
        """Remember what the server has confirmed."""
        self._names[request.key] = name

    def forget_all(self) -> None:
        """Know of none any more."""
        self._names.clear()


async def round_trip(
    connection: Connection, calls: Sequence[Call], prepared: PreparedNames | None
) -> list[list[Row]]:
    """Run the calls in order as one transaction; the rows of each.

    Args:
        connection: in autocommit mode, outside a transaction, used by nobody else meanwhile.
        prepared: what it has prepared; None to prepare nothing.

    Raises:
        psycopg.Error: what the first failing statement reported; none has happened then.
    """
    requests = [_Request.of(connection, statement, given) for statement, given in calls]
    try:
        results = await connection.wait(_exchange(connection.pgconn, requests, prepared))
    except InvalidSqlStatementName:
        # Somebody else dropped what was prepared: psycopg does after a ROLLBACK, a pooler with
        # DISCARD ALL. Nothing has happened, so that all of it can be sent again.
        if prepared is None:
            raise
        prepared.forget_all()
        results = await connection.wait(_exchange(connection.pgconn, requests, prepared))
    return [request.rows(result) for request, result in zip(requests, results, strict=True)]


@dataclass(slots=True)
class _Request:
    """A statement with its parameters in the form in which they are sent."""

    sql: bytes
    transformer: Transformer
    values: Sequence[Buffer | None]
    types: tuple[int, ...]
    formats: Sequence[Format]
    preparing: bytes | None = field(default=None)

    @classmethod
    def of(cls, connection: Connection, statement: Statement, given: Mapping[str, Any]) -> _Request:
        transformer = adapt.Transformer(connection)
        parameters = [given[name] for name in statement.parameters]
        values = transformer.dump_sequence(parameters, [adapt.PyFormat.AUTO] * len(parameters))
        types, formats = transformer.types or (), transformer.formats or ()
        return cls(statement.positional, transformer, values, tuple(types), formats)

    @property
    def key(self) -> tuple[bytes, tuple[int, ...]]:
        return self.sql, self.types

    def enqueue(self, pgconn: PGconn, prepared: PreparedNames | None) -> None:
        """Hand it to libpq, which sends when it is told to, or has 64 kB."""
        name = None
        if prepared is not None:
            name = prepared.find(self)
            if name is None and (name := prepared.invent()) is not None:
                self.preparing = name
                pgconn.send_prepare(name, self.sql, self.types)
        if name is None:
            pgconn.send_query_params(self.sql, self.values, self.types, self.formats)
        else:
            pgconn.send_query_prepared(name, self.values, self.formats)

    def rows(self, result: PGresult) -> list[Row]:
        self.transformer.set_pgresult(result)
        return self.transformer.load_rows(0, result.ntuples, tuple)


def _exchange(
    pgconn: PGconn, requests: Sequence[_Request], prepared: PreparedNames | None
) -> PQGen[list[PGresult]]:
    pgconn.enter_pipeline_mode()
    for request in requests:
        request.enqueue(pgconn, prepared)
    pgconn.pipeline_sync()
    yield from _send(pgconn)
    answers: list[PGresult] = []
    results: list[PGresult] = []
    for request in requests:
        if request.preparing is not None and prepared is not None:
            [confirmed] = yield from _receive(pgconn)
            results.append(confirmed)
            if confirmed.status == ExecStatus.COMMAND_OK:
                prepared.keep(request, request.preparing)
        answers += yield from _receive(pgconn)
        results.append(answers[-1])
    yield from _receive(pgconn)  # the Sync
    pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
    return answers


def _send(pgconn: PGconn) -> PQGen[None]:
    """Send what is queued, reading meanwhile: a server that cannot write does not read either."""
    while pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            pgconn.consume_input()


def _receive(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """The result of the next statement, or of the Sync.

    Raises:
        OperationalError: the connection is lost.
    """
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
        result = pgconn.get_result()
        if pgconn.status == ConnStatus.BAD:
            raise OperationalError(pgconn.get_error_message() or "the connection was lost")
        if result is None:
            return results
        results.append(result)
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
