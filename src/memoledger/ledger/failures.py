"""What PostgreSQL reports, told in Memoledger's errors.

The server's detail lines can quote a row's content, so only its code and primary message go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from memoledger.model.errors import (
    ConflictError,
    DataFolderFull,
    Forbidden,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
)

TROUBLE: Final = (psycopg.Error, PoolTimeout, TooManyRequests, PoolClosed)
"""What the driver and its pool raise."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise psycopg's errors as the ledger's own."""
    try:
        yield
    except TROUBLE as error:
        raise as_memoledger_error(error) from None


def as_memoledger_error(error: Exception) -> MemoledgerError:
    """The Memoledger error for one of `TROUBLE`."""
    if isinstance(error, PoolTimeout | TooManyRequests | PoolClosed):
        return LedgerUnavailable(
            f"No connection to the ledger became free ({error}).",
            remedy="Try again, or raise MEMOLEDGER_POOL_MAX.",
        )
    if isinstance(error, psycopg.Error):
        return as_ledger_error(error)
    raise error


def as_ledger_error(error: psycopg.Error) -> MemoledgerError:
    """The Memoledger error for what PostgreSQL or the connection reported."""
    code = error.sqlstate
    message = _first_line(error.diag.message_primary or str(error)) or type(error).__name__
    if isinstance(error, errors.InsufficientPrivilege):
        return Forbidden(
            "This principal may not do that.",
            remedy="Ask the store's owner for a write grant.",
            sqlstate=code,
        )
    if isinstance(error, errors.UniqueViolation):
        return ConflictError(
            "Another current memory or store already has that identity.",
            remedy="Read it, and update or forget it first.",
            sqlstate=code,
        )
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return ConflictError("Two writes collided.", remedy="Try again.", sqlstate=code)
    if isinstance(error, errors.DiskFull):
        return DataFolderFull(
            f"PostgreSQL has no disk space left: {message}.",
            remedy="Free space, then try again; nothing was written.",
            sqlstate=code,
        )
    if isinstance(error, errors.QueryCanceled):
        return LedgerError(
            "The statement took longer than it may.",
            remedy="Narrow the question, or raise MEMOLEDGER_STATEMENT_TIMEOUT_S.",
            sqlstate=code,
        )
    if isinstance(error, psycopg.OperationalError):
        return LedgerUnavailable(
            f"PostgreSQL did not answer: {message}.", remedy="Try again.", sqlstate=code
        )
    return LedgerError(f"PostgreSQL refused: {message}.", sqlstate=code)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(" .")
