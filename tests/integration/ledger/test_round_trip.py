"""Several statements in one round trip: one transaction, whatever goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus

from memoledger.ledger import round_trip as module
from memoledger.ledger.round_trip import Connection, PreparedNames, round_trip
from memoledger.ledger.statements import Statement

A_UUID = UUID("01936f6e-0000-7000-8000-000000000001")


def statement(sql: str) -> Statement:
    return Statement("a_statement", "For a test.", sql.encode())


ONE = statement("SELECT 1")
COUNT = statement("SELECT count(*)::integer FROM numbers")
INSERT = statement("INSERT INTO numbers VALUES (%(number)s)")
DIVIDE = statement("SELECT 1 / %(by)s::integer")


@pytest.fixture
async def connection(database: Any) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(
        database.conninfo("postgres"), autocommit=True
    ) as opened:
        await opened.execute("CREATE TEMPORARY TABLE numbers (number integer PRIMARY KEY)")
        yield opened


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def prepared(request: pytest.FixtureRequest) -> PreparedNames | None:
    return PreparedNames() if request.param else None


def is_as_new(connection: Connection) -> bool:
    return (
        connection.pgconn.pipeline_status == PipelineStatus.OFF
        and connection.pgconn.transaction_status == TransactionStatus.IDLE
    )


async def test_each_statement_has_its_rows(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    for number in (1, 2):  # the second time what was prepared is used
        call = (INSERT, {"number": number})
        assert await round_trip(connection, [(ONE, {}), call, (COUNT, {})], prepared) == [
            [(1,)],
            [],
            [(number,)],
        ]
    assert is_as_new(connection)


async def test_parameters_go_by_name_and_values_come_back_as_they_were(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    values: dict[str, Any] = {
        "a": "text with % and é",
        "b": A_UUID,
        "c": datetime(2026, 5, 8, 13, 56, tzinfo=UTC),
        "d": [1, 2],
        "e": None,
        "f": b"\x00\xff",
    }
    asked = statement(
        "SELECT %(b)s, %(a)s::text, %(c)s::timestamptz, %(d)s, %(e)s::text, %(f)s, %(a)s || '%%'"
    )
    [[row]] = await round_trip(connection, [(asked, values)], prepared)
    a, b, c, d, e, f = values.values()
    assert row == (b, a, c, d, e, f, f"{a}%")


async def test_the_same_statement_takes_other_types(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    asked = statement("SELECT %(value)s::text IS NULL, pg_typeof(%(number)s)::text")
    for value, number, type_ in ((None, 1, "smallint"), ("a", 2**40, "bigint")):
        [[row]] = await round_trip(
            connection, [(asked, {"value": value, "number": number})], prepared
        )
        assert row == (value is None, type_)


async def test_all_of_it_happens_or_nothing(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    calls = [(INSERT, {"number": 1}), (DIVIDE, {"by": 0}), (INSERT, {"number": 2})]
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await round_trip(connection, calls, prepared)
        assert is_as_new(connection)
        assert await round_trip(connection, [(COUNT, {})], prepared) == [[(0,)]]


async def test_a_statement_that_cannot_be_prepared_is_reported(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    wrong = statement("SELECT nothing")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await round_trip(connection, [(INSERT, {"number": 1}), (wrong, {}), (ONE, {})], prepared)
    assert await round_trip(connection, [(COUNT, {}), (ONE, {})], prepared) == [[(0,)], [(1,)]]


async def test_more_than_buffers_hold_goes_both_ways(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    echo = statement("SELECT %(text)s::text")
    text = "x" * 5_000_000
    async with asyncio.timeout(60):
        answers = await round_trip(connection, [(echo, {"text": text})] * 3, prepared)
    assert answers == [[(text,)]] * 3


async def test_a_cancelled_caller_leaves_the_connection_usable(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    sleep = statement("SELECT pg_sleep(60)")
    calls = [(INSERT, {"number": 1}), (sleep, {})]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await round_trip(connection, calls, prepared)
    assert is_as_new(connection)
    assert await round_trip(connection, [(COUNT, {})], prepared) == [[(0,)]]


async def test_a_lost_connection_is_reported(
    connection: Connection, prepared: PreparedNames | None
) -> None:
    end = statement("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError):
        await round_trip(connection, [(end, {}), (ONE, {})], prepared)
    with pytest.raises(psycopg.OperationalError):
        await round_trip(connection, [(ONE, {})], prepared)


async def test_statements_are_prepared_once_and_not_without_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PREPARED_MAX", 3)
    names = PreparedNames()
    for number in range(5):
        for _ in range(2):
            [[row]] = await round_trip(connection, [(statement(f"SELECT {number}"), {})], names)
            assert row == (number,)
    cursor = await connection.execute(
        "SELECT statement, generic_plans + custom_plans FROM pg_prepared_statements"
        " WHERE name LIKE 'memoledger%' ORDER BY 1"
    )
    assert await cursor.fetchall() == [("SELECT 0", 2), ("SELECT 1", 2), ("SELECT 2", 2)]


@pytest.mark.parametrize("how", ["ROLLBACK", "DEALLOCATE ALL", "DISCARD ALL"])
async def test_what_others_drop_is_prepared_again(connection: Connection, how: str) -> None:
    names = PreparedNames()
    await round_trip(connection, [(INSERT, {"number": 1}), (ONE, {})], names)
    if how == "ROLLBACK":  # psycopg drops all that is prepared after it
        await connection.execute("BEGIN")
    if how == "DISCARD ALL":
        await connection.execute("CREATE TABLE IF NOT EXISTS numbers (number integer)")
    await connection.execute(how)
    await connection.execute("CREATE TABLE IF NOT EXISTS numbers (number integer)")
    for number in (2, 3):
        calls = [(INSERT, {"number": number}), (ONE, {})]
        assert await round_trip(connection, calls, names) == [[], [(1,)]]
