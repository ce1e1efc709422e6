"""A server given by its URL is checked before anything is changed in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import class_row

from memoledger.ledger.server.problems import Problem, unsuitable

OWNER_ROLE = "memoledger_owner"
APP_ROLE = "memoledger_app"
SCHEMA = "memoledger"

VERSION_NUM_MIN = 160_000
VECTOR_VERSION_MIN = (0, 8, 0)

_FACTS = """
SELECT current_database() AS database,
       session_user AS login,
       (SELECT pg_encoding_to_char(encoding) FROM pg_database
        WHERE datname = current_database()) AS encoding,
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only,
       current_setting('fsync')::bool AS fsync,
       me.rolsuper AS superuser,
       me.rolbypassrls AS bypasses_rls,
       me.rolsuper OR me.rolcreaterole AS creates_roles,
       has_database_privilege(session_user, current_database(), 'CREATE') AS creates_schemas,
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'memoledger') AS has_schema,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector_installed,
       (SELECT default_version FROM pg_available_extensions
        WHERE name = 'vector') AS vector_available
FROM pg_roles AS me WHERE me.rolname = session_user
"""

# The right to become a role is SET, new in PostgreSQL 16; whoever has ADMIN can give it to himself.
_ROLES = """
SELECT rolname AS name,
       rolsuper OR rolbypassrls AS above_policies,
       pg_has_role(session_user, oid, 'SET')
           OR pg_has_role(session_user, oid, 'MEMBER WITH ADMIN OPTION') AS within_reach
FROM pg_roles WHERE rolname IN ('memoledger_owner', 'memoledger_app')
"""

_APP_IS_OWNER = """
SELECT pg_has_role('memoledger_app', 'memoledger_owner', 'MEMBER')
WHERE 2 = (SELECT count(*) FROM pg_roles
           WHERE rolname IN ('memoledger_owner', 'memoledger_app') AND NOT rolsuper)
"""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """A server that will do, and what its operator may want to know.

    `vector_version` is None when pgvector is not installed in the database but can be.
    """

    version: str
    version_num: int
    vector_version: str | None
    database: str
    login: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    database: str
    login: str
    encoding: str
    read_only: bool
    fsync: bool
    superuser: bool
    bypasses_rls: bool
    creates_roles: bool
    creates_schemas: bool
    has_schema: bool
    vector_installed: str | None
    vector_available: str | None


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    above_policies: bool
    within_reach: bool


async def check_server(conn: AsyncConnection[Any], *, migrating: bool = True) -> ServerReport:
    """See whether the server and this login will do; changes nothing.

    Args:
        conn: an open connection to the ledger's database, in no transaction that failed.
        migrating: whether the login shall also make or migrate the schema; without it the login
            only needs to become the application's role.

    Raises:
        ServerUnsuitable: everything that is wrong, and as its remedy the SQL to run, for an
            administrator, top to bottom.
    """
    version, version_num = await _version(conn)
    if version_num < VERSION_NUM_MIN:
        found = Problem(
            f"PostgreSQL {version} is too old",
            (f"-- move to a server with PostgreSQL {VERSION_NUM_MIN // 10_000} or newer",),
        )
        raise unsuitable([found], database=conn.info.dbname)
    facts = await _facts(conn)
    problems = [
        *_database_problems(conn, facts),
        *await _vector_problems(conn, facts, migrating=migrating),
        *await _role_problems(conn, facts, migrating=migrating),
    ]
    if problems:
        raise unsuitable(problems, database=facts.database)
    return ServerReport(
        version=version,
        version_num=version_num,
        vector_version=facts.vector_installed,
        database=facts.database,
        login=facts.login,
        warnings=tuple(_warnings(facts)),
    )


async def _version(conn: AsyncConnection[Any]) -> tuple[str, int]:
    cursor = await conn.execute(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int"
    )
    version, number = await cursor.fetchone() or ("unknown", 0)
    return str(version), int(number)


async def _facts(conn: AsyncConnection[Any]) -> _Facts:
    async with conn.cursor(row_factory=class_row(_Facts)) as cursor:
        await cursor.execute(_FACTS)
        found = await cursor.fetchone()
    assert found is not None, "a login has a role"
    return found


async def _roles(conn: AsyncConnection[Any]) -> dict[str, _Role]:
    async with conn.cursor(row_factory=class_row(_Role)) as cursor:
        await cursor.execute(_ROLES)
        return {role.name: role for role in await cursor.fetchall()}


async def _app_is_owner(conn: AsyncConnection[Any]) -> bool:
    row = await (await conn.execute(_APP_IS_OWNER)).fetchone()
    return row is not None and bool(row[0])


def _database_problems(conn: AsyncConnection[Any], facts: _Facts) -> Iterator[Problem]:
    if facts.encoding != "UTF8":
        yield Problem(
            f"the database {facts.database!r} is encoded in {facts.encoding}, not UTF8",
            (
                "-- and name the new database in the URL:",
                _statement(
                    conn,
                    "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8';",
                    f"{facts.database}_utf8",
                    facts.login,
                ),
            ),
        )
    if facts.read_only:
        yield Problem(
            "the server takes no writes",
            (
                "-- connect to the primary: add target_session_attrs=read-write to the URL, or",
                _statement(
                    conn, "ALTER ROLE {} SET default_transaction_read_only = off;", facts.login
                ),
            ),
        )


async def _vector_problems(
    conn: AsyncConnection[Any], facts: _Facts, *, migrating: bool
) -> list[Problem]:
    wanted = ".".join(map(str, VECTOR_VERSION_MIN))
    install = f"-- install pgvector {wanted} or newer on the server's machine first"
    installed, available = facts.vector_installed, facts.vector_available
    can_be_had = available is not None and _parts(available) >= VECTOR_VERSION_MIN
    if installed is not None:
        if _parts(installed) >= VECTOR_VERSION_MIN:
            return []
        statements = ("ALTER EXTENSION vector UPDATE;",)
        text = f"pgvector {installed} is too old; {wanted} is needed"
    elif not can_be_had:
        statements = ("CREATE EXTENSION vector;",)
        text = f"pgvector {wanted} is not there" + (f" (only {available})" if available else "")
    elif migrating and (facts.read_only or await _can_create_vector(conn)):
        return []
    else:
        statements = ("CREATE EXTENSION vector;",)
        text = f"pgvector is not installed in {facts.database!r}"
        if migrating:
            text += f", and {facts.login!r} may not install it"
    return [Problem(text, statements if can_be_had else (install, *statements))]


async def _can_create_vector(conn: AsyncConnection[Any]) -> bool:
    """Whether this login can; tried and undone, as hosted databases have rules of their own."""
    try:
        async with conn.transaction(force_rollback=True):
            await conn.execute("CREATE EXTENSION vector")
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile):
        return False
    return True


async def _role_problems(
    conn: AsyncConnection[Any], facts: _Facts, *, migrating: bool
) -> list[Problem]:
    roles = await _roles(conn)
    needed = (OWNER_ROLE, APP_ROLE) if migrating else (APP_ROLE,)
    problems: list[Problem] = []
    for name in needed:
        problems += _reach_problems(conn, facts, name, roles.get(name), migrating=migrating)
    app = roles.get(APP_ROLE)
    if app is not None and app.above_policies:
        problems.append(
            Problem(
                f"the role {APP_ROLE} stands above row-level security",
                (f"ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS;",),
            )
        )
    elif await _app_is_owner(conn):
        problems.append(
            Problem(
                f"the role {APP_ROLE} can act as {OWNER_ROLE}",
                (f"REVOKE {OWNER_ROLE} FROM {APP_ROLE};",),
            )
        )
    if migrating and not facts.creates_schemas and not facts.has_schema:
        problems.append(
            Problem(
                f"{facts.login!r} may not create a schema in {facts.database!r}",
                (
                    _statement(
                        conn, "GRANT CREATE ON DATABASE {} TO {};", facts.database, facts.login
                    ),
                ),
            )
        )
    return problems


def _reach_problems(
    conn: AsyncConnection[Any], facts: _Facts, name: str, role: _Role | None, *, migrating: bool
) -> Iterator[Problem]:
    """What keeps the login from becoming role `name`; `role` is None when there is no such role."""
    grant = _statement(conn, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE;", name, facts.login)
    if role is None:
        if not (migrating and facts.creates_roles):
            yield Problem(
                f"the role {name} does not exist, and {facts.login!r} may not create it"
                if migrating
                else f"the role {name} does not exist",
                (f"CREATE ROLE {name} NOLOGIN NOSUPERUSER NOBYPASSRLS;", grant),
            )
    elif not role.within_reach:
        yield Problem(f"{facts.login!r} may not become {name}", (grant,))


def _warnings(facts: _Facts) -> Iterator[str]:
    if facts.superuser:
        yield (
            f"{facts.login!r} is a superuser. Requests run as {APP_ROLE} all the same; a login "
            "without that power is safer should its password leak."
        )
    elif facts.bypasses_rls:
        yield (
            f"{facts.login!r} has BYPASSRLS. Requests run as {APP_ROLE} all the same; "
            "the login does not need it."
        )
    if not facts.fsync:
        yield "fsync is off: a power cut can destroy the database. Turn it on."


def _statement(conn: AsyncConnection[Any], template: LiteralString, *names: str) -> str:
    """`template` with `names` as quoted identifiers."""
    identifiers = [sql.Identifier(name) for name in names]
    return sql.SQL(template).format(*identifiers).as_string(conn)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
