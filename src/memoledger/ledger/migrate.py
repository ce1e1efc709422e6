"""Migrations: append-only SQL files, applied in order, each once, under a lock, by the owner.

A file's checksum is kept with its name. A file that changed after it was applied, one that is
missing, or a database that is ahead of this program is refused: all three mean that somebody's
idea of the schema is wrong, and writing on would make it worse.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import psycopg

from memoledger.ledger.failures import translated
from memoledger.ledger.round_trip import Connection
from memoledger.ledger.statements import statements
from memoledger.model.errors import MigrationError

_ROLES = statements("roles")
_SQL = statements("migrations")
_BECOME_OWNER = statements("principals")["become_owner"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: `0003_memories`, its SQL, and the SHA-256 of its text."""

    name: str
    sql: str
    checksum: str


@cache
def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations of this program, in order."""
    folder = resources.files("memoledger.ledger").joinpath("migrations")
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            text = entry.read_text("utf-8").replace("\r\n", "\n")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(entry.name.removesuffix(".sql"), text, checksum))
    return tuple(found)


async def prepare_database(connection: Connection, *, embedded: bool) -> None:
    """Make the roles, the extension and the schemas, where they are missing.

    Several processes may call this at once. The connection's login needs the rights that
    `server.check_server` names.
    """
    names = ["create_owner_role", "create_app_role", "become_able_to_act"]
    names += ["create_vector_extension", "create_schemas"]
    if embedded:
        names += ["let_roles_log_in", "forbid_temporary_tables"]
    with translated():
        async with connection.transaction():
            await connection.execute(_SQL["lock_migrations"].sql)
            for name in names:
                await connection.execute(_ROLES[name].sql)


async def pending_migrations(connection: Connection) -> list[Migration]:
    """What is still to be applied, in order.

    Raises:
        MigrationError: an applied migration changed or is unknown to this program.
    """
    applied = await _applied(connection)
    shipped = shipped_migrations()
    _refuse_misfit(applied, shipped)
    return [migration for migration in shipped if migration.name not in applied]


async def apply_migrations(connection: Connection) -> list[str]:
    """Apply what is pending, each in a transaction of its own; the names applied, in order.

    Several processes may call this at once: one applies, the others wait and find nothing to do.

    Raises:
        MigrationError: see `pending_migrations`; what was applied before stays applied.
    """
    with translated():
        async with connection.transaction():
            await connection.execute(_BECOME_OWNER.sql)
            await connection.execute(_SQL["lock_migrations"].sql)
            await connection.execute(_SQL["create_migrations_table"].sql)
            await connection.execute(_SQL["protect_migrations_table"].sql)
        done: list[str] = []
        for _ in shipped_migrations():
            name = await _apply_next(connection)
            if name is None:
                break
            done.append(name)
        return done


async def _apply_next(connection: Connection) -> str | None:
    async with connection.transaction():
        await connection.execute(_BECOME_OWNER.sql)
        await connection.execute(_SQL["lock_migrations"].sql)
        pending = await pending_migrations(connection)
        if not pending:
            return None
        migration = pending[0]
        try:
            # Several statements in one string: only without parameters, as the file holds them.
            await connection.execute(migration.sql.encode())
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                raise  # The server or the way to it: `translated` knows what to say.
            raise _failed(migration, error) from None
        params = {"name": migration.name, "checksum": migration.checksum}
        await connection.execute(_SQL["record_migration"].sql, params)
        return migration.name


def _failed(migration: Migration, error: psycopg.Error) -> MigrationError:
    return MigrationError(
        f"Migration {migration.name} failed: {error.diag.message_primary or error}.",
        remedy="Nothing of it was applied. Remove what stands in its way, then migrate again.",
        migration=migration.name,
        sqlstate=error.sqlstate,
    )


async def _applied(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute(_SQL["migrations_table_exists"].sql)
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return {}
    cursor = await connection.execute(_SQL["applied_migrations"].sql)
    return dict(await cursor.fetchall())


def _refuse_misfit(applied: dict[str, str], shipped: tuple[Migration, ...]) -> None:
    known = {migration.name: migration.checksum for migration in shipped}
    newer = sorted(applied.keys() - known.keys())
    if newer:
        raise MigrationError(
            f"The database has migrations that this program does not know: {', '.join(newer)}.",
            remedy="Use the release of Memoledger that applied them, or a newer one.",
        )
    changed = sorted(name for name, checksum in applied.items() if known[name] != checksum)
    if changed:
        raise MigrationError(
            f"Migrations changed after they were applied: {', '.join(changed)}.",
            remedy="Restore their text; write a new migration for a new change.",
        )
    skipped = sorted(
        name for name in known if name not in applied and name < max(applied, default="")
    )
    if skipped:
        raise MigrationError(
            f"Migrations are missing below one that was applied: {', '.join(skipped)}.",
            remedy="Restore the database from a backup, or give the new migration a later number.",
        )
