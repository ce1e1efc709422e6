"""A server given by its URL is reached with patience, and its refusals are told apart."""

from __future__ import annotations

import math
import random
import re
from asyncio import sleep, timeout
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq, sql
from psycopg.conninfo import conninfo_to_dict

from memoledger.ledger.server.problems import Problem, unsuitable
from memoledger.model.errors import InvalidInput, LedgerUnavailable, ServerUnsuitable, SettingsError

PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 5.0

_FIELD = "database_url"

_LOGIN_REFUSED = re.compile(
    r"password authentication failed|no password supplied|authentication failed|no such user"
    r'|role ".*" does not exist|no pg_hba\.conf entry'
)
_TRANSPORT_REFUSED = re.compile(r"does not support SSL|certificate|SSL error|SSL connection is req")
_NO_DATABASE = re.compile(r'database ".*" does not exist|no such database')
_NO_CONNECT = re.compile(r"permission denied for database")
_NO_LOGIN = re.compile(r"is not permitted to log in")
_BAD_OPTION = re.compile(r'invalid [^"]*value|invalid port number|could not match \d+ ')


async def connect_with_retry(
    conninfo: str, *, attempts: int, timeout_s: float
) -> AsyncConnection[tuple[Any, ...]]:
    """Connect in autocommit mode, and try again while trying may help.

    A server that is not there, not there yet, shutting down or out of connections is tried again
    after a growing pause with jitter (0.2 s doubled up to 5 s). A refused login, a missing
    database or a malformed URL is reported at once. PostgreSQL tells these apart only by its
    messages; a server that speaks another language than English has its refusals tried again
    before they are reported.

    Args:
        conninfo: a PostgreSQL URL or libpq's keywords and values.
        attempts: how often to try, 1 or more.
        timeout_s: seconds one attempt may take for each host named.

    Raises:
        SettingsError: the URL is malformed, or the login or its encryption was refused.
        ServerUnsuitable: the database is missing or closed to this login; the remedy is SQL.
        LedgerUnavailable: no attempt succeeded; names host, port and database.
        InvalidInput: `attempts` is less than 1.
    """
    target = _Target.parse(conninfo)
    for attempt in range(attempts):
        try:
            return await _connect(conninfo, target, timeout_s)
        except (psycopg.Error, OSError) as error:
            # Chained causes could quote the URL, and with it the password.
            failure = _failure(error, target)
        if not isinstance(failure, LedgerUnavailable) or attempt + 1 == attempts:
            raise failure
        await sleep(_pause_s(attempt))
    raise InvalidInput(
        "attempts", attempts, "there is no connection without an attempt", remedy="Allow 1 or more."
    )


def _pause_s(attempt: int) -> float:
    """Seconds to wait after failed attempt number `attempt`, counted from 0."""
    longest_s = min(PAUSE_FIRST_S * 2.0**attempt, PAUSE_MAX_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a connection string leads, without its secrets."""

    host: str
    port: str
    database: str
    user: str
    connect_timeout: str | None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @classmethod
    def parse(cls, conninfo: str) -> _Target:
        """Read `conninfo` with libpq's own defaults, environment included.

        Raises:
            SettingsError: it is malformed. What is wrong is not quoted: it may be the password.
        """
        try:
            given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
        except (psycopg.Error, ValueError):
            given = None
        if given is None or re.search(r"[\x00-\x1f\x7f]", conninfo):
            raise _malformed("it is neither a PostgreSQL URL nor libpq's keywords")
        defaults = {
            option.keyword.decode(): option.val.decode()
            for option in pq.Conninfo.get_defaults()
            if option.val
        }
        found = {**defaults, **given}
        user = found.get("user", "")
        target = cls(
            host=found.get("host") or found.get("hostaddr") or "the local socket",
            port=found.get("port", "5432"),
            database=found.get("dbname") or user,
            user=user,
            connect_timeout=given.get("connect_timeout"),
        )
        _require_readable(target, conninfo)
        return target


def _require_readable(target: _Target, conninfo: str) -> None:
    """Refuse a target whose parts are not what they seem to be."""
    # An unescaped @ or / in a password ends it early, and its rest looks like a host, a port or a
    # database: refused here, before it can be printed as one.
    spilled = "@" in target.host or ("@" in target.database and "%40" not in conninfo)
    ports = [port for port in target.port.split(",") if port]
    if spilled or not all(_is_number(port, 65_535) for port in ports):
        raise _malformed("its host, port or database cannot be made out")
    if target.connect_timeout is not None and not _is_number(target.connect_timeout, 86_400):
        raise _malformed("connect_timeout is no number of seconds")


def _is_number(text: str, most: int) -> bool:
    return re.fullmatch(r"\d{1,5}", text) is not None and int(text) <= most


def _malformed(reason: str) -> SettingsError:
    return SettingsError(
        _FIELD,
        "not shown, it may hold a password",
        reason,
        remedy="Write postgresql://user:password@host:5432/database, with every character of "
        "the password that is no letter or digit percent-encoded (@ as %40, / as %2F).",
    )


async def _connect(
    conninfo: str, target: _Target, timeout_s: float
) -> AsyncConnection[tuple[Any, ...]]:
    hosts = target.host.count(",") + 1
    # psycopg tries each host in turn and knows no limit below two seconds; ours is around all.
    limit = target.connect_timeout or str(max(2, math.ceil(timeout_s)))
    async with timeout(timeout_s * hosts):
        # Nothing here runs often enough to be prepared, and a pooler may not keep what is.
        return await AsyncConnection.connect(
            conninfo, autocommit=True, connect_timeout=limit, prepare_threshold=None
        )


def _failure(
    error: psycopg.Error | OSError, target: _Target
) -> SettingsError | ServerUnsuitable | LedgerUnavailable:
    """What a failed attempt means; a `LedgerUnavailable` may pass."""
    text = str(error).strip()
    if _BAD_OPTION.search(text):
        option = re.search(r'connection option "(\w+)"|invalid (\w+) value', text)
        name = (
            next((group for group in option.groups() if group), "port") if option else "an option"
        )
        return _malformed(f"{name} has a value that libpq does not take")
    if _LOGIN_REFUSED.search(text):
        return SettingsError(
            _FIELD,
            str(target),
            f"the server refused the login: {_reason(text)}",
            remedy="Check user and password (percent-encoded in a URL), and that the server's "
            "pg_hba.conf lets this user in from here.",
        )
    if _TRANSPORT_REFUSED.search(text):
        return SettingsError(
            _FIELD,
            str(target),
            f"no encrypted connection came about: {_reason(text)}",
            remedy="Set sslmode and sslrootcert in the URL as the server requires.",
        )
    return _missing_right(text, target) or _unavailable(text or type(error).__name__, target)


def _missing_right(text: str, target: _Target) -> ServerUnsuitable | None:
    database, user = sql.Identifier(target.database), sql.Identifier(target.user)
    if _NO_DATABASE.search(text):
        problem = f"there is no database {target.database!r} at {target.host}:{target.port}"
        statement = sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8';"
        ).format(database, user)
    elif _NO_CONNECT.search(text):
        problem = f"{target.user!r} may not connect to the database {target.database!r}"
        statement = sql.SQL("GRANT CONNECT ON DATABASE {} TO {};").format(database, user)
    elif _NO_LOGIN.search(text):
        problem = f"the role {target.user!r} may not log in"
        statement = sql.SQL("ALTER ROLE {} LOGIN;").format(user)
    else:
        return None
    found = Problem(problem, (statement.as_string(None),))
    return unsuitable([found], database="postgres")


def _unavailable(text: str, target: _Target) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"PostgreSQL at host {target.host}, port {target.port}, database {target.database} "
        f"could not be reached: {_reason(text)}.",
        remedy="See that the server runs, that this machine reaches it and that it has connections "
        "to spare; then try again.",
        host=target.host,
        port=target.port,
        database=target.database,
    )


def _reason(text: str) -> str:
    """The first line of psycopg's message, without the address in front of it."""
    line = text.splitlines()[0] if text else "no answer"
    return re.sub(r"^.*(?:FATAL|failed):\s+", "", line).rstrip(".")
