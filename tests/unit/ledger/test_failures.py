"""PostgreSQL's reports in Memoledger's words: the right kind of error, nothing of a row in it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from memoledger.ledger.failures import as_ledger_error, translated
from memoledger.model.errors import (
    ConflictError,
    DataFolderFull,
    Forbidden,
    InvalidInput,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
)

UNAVAILABLE = [
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    errors.ConnectionFailure,
    psycopg.OperationalError,
    errors.ConnectionTimeout,
]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (errors.InsufficientPrivilege, Forbidden),
        (errors.UniqueViolation, ConflictError),
        (errors.DeadlockDetected, ConflictError),
        (errors.SerializationFailure, ConflictError),
        (errors.DiskFull, DataFolderFull),
        (errors.QueryCanceled, LedgerError),
        (errors.CheckViolation, LedgerError),
        (errors.UndefinedTable, LedgerError),
        (psycopg.InterfaceError, LedgerError),
        *[(kind, LedgerUnavailable) for kind in UNAVAILABLE],
    ],
)
def test_each_report_becomes_its_kind_of_error(
    reported: type[psycopg.Error], expected: type[MemoledgerError]
) -> None:
    with pytest.raises(MemoledgerError) as caught, translated():
        raise reported("something happened")
    assert type(caught.value) is expected
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("reported", [PoolTimeout, PoolClosed, TooManyRequests])
def test_a_pool_without_connections_is_a_ledger_unavailable(
    reported: type[psycopg.OperationalError],
) -> None:
    with pytest.raises(LedgerUnavailable, match=r"free \(no luck\)") as caught, translated():
        raise reported("no luck")
    assert caught.value.remedy


@pytest.mark.parametrize("message", ["", " \n ", "one\ntwo", "it is gone."])
def test_any_message_will_do(message: str) -> None:
    text = str(as_ledger_error(psycopg.OperationalError(message)))
    assert "\n" not in text
    assert ".." not in text
    assert "two" not in text


def test_only_the_first_line_is_told() -> None:
    report = psycopg.DataError('bad value\nDETAIL: row contains "my secret diary"')
    assert "secret" not in str(as_ledger_error(report))


def test_the_code_of_postgresql_goes_along() -> None:
    assert as_ledger_error(errors.DeadlockDetected("x")).details == {"sqlstate": "40P01"}


def test_other_errors_pass_through() -> None:
    mine = InvalidInput("a", 1, "b", remedy="c")
    with pytest.raises(InvalidInput) as caught, translated():
        raise mine
    assert caught.value is mine
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError
