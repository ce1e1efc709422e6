"""The job queue's tables: procrastinate's own schema, in a schema of its own beside the tenants'.

The library ships its SQL, first the whole and then a file for each change. Both are applied as they
come with the library that is installed, under the lock of our migrations; ours never touch them.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.statements import statements
from memoledger.model.errors import MigrationError

_SQL = statements("job_schema")
_LOCK = statements("migrations")["lock_migrations"]
_BECOME_OWNER = statements("principals")["become_owner"]


@cache
def shipped_sql() -> tuple[str, dict[str, str]]:
    """The library's whole schema, and its changes by the names of their files, in order.

    Raises:
        MigrationError: the library is not installed.
    """
    # Found and not imported: that would take as long as opening a ledger.
    spec = find_spec("procrastinate")
    if spec is None or not spec.submodule_search_locations:
        raise MigrationError(
            "The job queue's library, procrastinate, is not installed.",
            remedy="Install Memoledger again, with its dependencies.",
        )
    folder = Path(spec.submodule_search_locations[0]) / "sql"
    changes = sorted((folder / "migrations").glob("*.sql"))
    return (
        (folder / "schema.sql").read_text("utf-8"),
        {path.stem: path.read_text("utf-8") for path in changes},
    )


async def pending_job_migrations(connection: Connection) -> list[str]:
    """What of the library's SQL is still to be applied: names, in order."""
    applied = await _applied(connection)
    return [name for name in shipped_sql()[1] if applied is None or name not in applied]


async def apply_job_schema(connection: Connection) -> None:
    """Make the job queue's tables, or bring them up to date; in one transaction, after ours.

    Several processes may call this at once: one applies, the others wait and find nothing to do.

    Raises:
        MigrationError: a statement failed; nothing was applied.
    """
    with translated():
        async with connection.transaction():
            await connection.execute(_BECOME_OWNER.sql)
            await connection.execute(_LOCK.sql)
            applied = await _applied(connection)
            if applied is None:
                return  # Our own migrations have not come so far.
            await connection.execute(_SQL["look_into_job_schema"].sql)
            try:
                await _apply(connection, applied)
            except psycopg.OperationalError:
                raise  # The server or the way to it: `translated` knows what to say.
            except psycopg.Error as error:
                raise MigrationError(
                    f"The job queue's schema failed: {error.diag.message_primary or error}.",
                    remedy="Nothing of it was applied. Remove what stands in its way, then "
                    "migrate again.",
                    sqlstate=error.sqlstate,
                ) from None


async def _apply(connection: Connection, applied: set[str]) -> None:
    whole, changes = shipped_sql()
    if not applied:
        await connection.execute(whole.encode())
    for name, text in changes.items():
        if applied and name not in applied:
            await connection.execute(text.encode())
    await connection.execute(_SQL["silence_jobs"].sql)
    await connection.execute(_SQL["record_job_migrations"].sql, {"names": list(changes)})


async def _applied(connection: Connection) -> set[str] | None:
    """The names of what was applied; None where that cannot be told yet."""
    cursor = await connection.execute(_SQL["job_migrations_table_exists"].sql)
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return None
    cursor = await connection.execute(_SQL["applied_job_migrations"].sql)
    return {name for (name,) in await cursor.fetchall()}
