"""Embedding versions in the ledger: each a namespace of vectors, a partition of its own.

Which of them serves, and what becomes of the others, is the ledger's own affair: all that changes
it takes a connection of the owner's. Requests only read it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Rollback
from psycopg import errors as postgres
from psycopg.types.json import Jsonb

from memoledger.ledger.failures import TROUBLE, as_memoledger_error, translated
from memoledger.ledger.round_trip import Call, Connection, Row
from memoledger.ledger.statements import Statement, statements
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.embedding_states import KeptVersion, VersionStatus
from memoledger.model.errors import Forbidden

_SQL = statements("embedding_versions")
_TEXTS = statements("embedding_texts")
_BECOME_OWNER = statements("principals")["become_owner"]

LOCK_WAIT: Final = "2s"
"""How long holding up writes waits for those under way; later ones wait behind it."""

LIST_VERSIONS: Final[Call] = (_SQL["list_embedding_versions"], {})
"""Every embedding version; anybody may ask."""


async def find_embedding_version(connection: Connection, version: EmbeddingVersion) -> int | None:
    """The ledger's number for an embedding version; None if it was never declared."""
    params = {"name": version.name}
    cursor = await connection.execute(_SQL["find_embedding_version"].sql, params)
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def declare_embedding_version(connection: Connection, version: EmbeddingVersion) -> int:
    """Declare an embedding version and make its partition; the first of a ledger serves.

    Raises:
        Forbidden: the connection's login cannot become the owner.
    """
    with _declaring(version), translated():
        async with connection.transaction():
            await connection.execute(_BECOME_OWNER.sql)
            return await _declare(connection, version)


async def adopt_embedding_version(connection: Connection, version: EmbeddingVersion) -> int | None:
    """Have a version serve a ledger that holds nothing, and declare it where it is new.

    The versions that were there are retired: whoever sets up a ledger may change their mind.

    Returns:
        its number; None where the ledger holds something, and nothing was changed.

    Raises:
        Forbidden: the connection's login cannot become the owner.
    """
    number = None
    with _declaring(version), translated():
        async with connection.transaction() as transaction:
            await connection.execute(_BECOME_OWNER.sql)
            if await _ask(connection, "is_empty"):
                declared = await _declare(connection, version)
                if not await _ask(connection, "adopt_embedding_version", number=declared):
                    raise Rollback(transaction)  # Somebody has just written the first memory.
                number = declared
    return number


@contextmanager
def _declaring(version: EmbeddingVersion) -> Iterator[None]:
    try:
        yield
    except Forbidden:
        raise Forbidden(
            f"The embedding version {version.name} is new here, and this login may not declare it.",
            remedy="Open the ledger once with MEMOLEDGER_ADMIN_DATABASE_URL set to a login that "
            "may migrate.",
        ) from None


async def _declare(connection: Connection, version: EmbeddingVersion) -> int:
    return await _ask(
        connection,
        "declare_embedding_version",
        name=version.name,
        model=version.model,
        dimensions=version.dimensions,
        settings=Jsonb(dict(version.settings)),
    )


async def _ask(connection: Connection, name: str, /, **params: Any) -> int:
    """The one value that a statement answers with, a number or whether."""
    cursor = await connection.execute(_SQL[name].sql, params)
    row = await cursor.fetchone()
    assert row is not None, f"{name} answers with a row"
    return int(row[0])


def as_kept_version(row: Row) -> KeptVersion:
    """A version from a row of `LIST_VERSIONS`."""
    return KeptVersion(*row)


class EmbeddingVersions:
    """Reads and changes which embedding versions there are.

    Args:
        connection: of a login that may become the owner, in autocommit mode, for this alone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> list[KeptVersion]:
        """Every version there is or was, in the order in which they were declared."""
        with translated():
            return [as_kept_version(row) for row in await self._run("list_embedding_versions")]

    async def declare(self, version: EmbeddingVersion, opening: Mapping[str, str] | None) -> int:
        """Declare a version, note how its embedder is opened, and give its number.

        Raises:
            Forbidden: the connection's login cannot become the owner.
        """
        number = await declare_embedding_version(self._connection, version)
        if opening is not None:
            await self.note_opening(number, opening)
        return number

    async def note_opening(self, number: int, opening: Mapping[str, str]) -> None:
        """Note with which words a version's embedder is opened."""
        async with self._owning():
            await self._run("note_opening", number=number, opening=Jsonb(dict(opening)))

    async def status(self, kept: KeptVersion) -> VersionStatus:
        """How complete a version is."""
        if kept.state == "retired":
            return VersionStatus(kept, 0, 0, 0)
        async with self._owning():
            [(vectors, size)] = await self._run("size_of_version", number=kept.number)
            [(missing,)] = await self._fetch(_TEXTS["count_missing"], number=kept.number)
        return VersionStatus(kept, int(vectors), int(missing), int(size))

    async def mark_filled(self, number: int) -> None:
        """A version that was being filled lacks nothing any more."""
        async with self._owning():
            await self._run("mark_filled", number=number)

    async def serve_if_complete(
        self, number: int, since: datetime, *, left_as: str, missing_max: int
    ) -> int | None:
        """Hold up writes for a moment and have a version serve, if it lacks nothing.

        Args:
            since: before this instant nothing is missing but what is known about.
            left_as: the state of the one that serves until now.
            missing_max: so many texts may lack a vector.

        Returns:
            None if it serves now. Otherwise nothing was changed: how many texts written since lack
            a vector, which is more than may; 0 where writes under way did not end in two seconds.
        """
        try:
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                await self._run("wait_briefly_for_locks", timeout=LOCK_WAIT)
                await self._run("hold_writes")
                rows = await self._fetch(
                    _TEXTS["recently_missing"], number=number, since=since, limit=missing_max + 1
                )
                if len(rows) > missing_max:
                    return len(rows)
                await self._run("serve_embedding_version", number=number, left_as=left_as)
        except postgres.LockNotAvailable:
            return 0
        except TROUBLE as error:
            raise as_memoledger_error(error) from None
        return None

    async def serve(self, number: int, *, left_as: str) -> None:
        """Have a version serve at once, whatever it lacks."""
        async with self._owning():
            await self._run("serve_embedding_version", number=number, left_as=left_as)

    async def mark_retired(self, number: int) -> bool:
        """Give a version no more vectors; False if it is the one that serves."""
        async with self._owning():
            marked = await self._run("mark_retired", number=number)
            if marked:
                await self._run("unschedule_version", number=number)
        return bool(marked)

    async def remove_vectors(self, kept: KeptVersion) -> None:
        """Remove a retired version's vectors; what somebody began and did not end is finished.

        Reads and writes of other versions go on. It waits for transactions under way.
        """
        with translated():
            await self._run("act_as_owner")
            try:
                await self._remove_partition(kept)
            finally:
                await self._run("act_as_oneself")

    async def builds(self, number: int) -> list[tuple[str, UUID, int]]:
        """The indexes of stores that are of a version: tenant, store and build."""
        async with self._owning():
            rows = await self._run("builds_of_version", number=number)
        return [(row[0], row[1], row[2]) for row in rows]

    @asynccontextmanager
    async def alone(self, number: int) -> AsyncIterator[bool]:
        """Whether nobody else fills or retires a version; and nobody will while this is open."""
        with translated():
            [(free,)] = await self._run("begin_filling", number=number)
        try:
            yield bool(free)
        finally:
            if free and not self._connection.closed:
                with translated():
                    await self._run("end_filling", number=number)

    async def _remove_partition(self, kept: KeptVersion) -> None:
        [(exists, attached, pending)] = await self._run("partition_of_version", name=kept.name)
        if not exists:
            return
        if pending:
            await self._connection.execute(_of_partition("finish_detaching", kept.name))
        elif attached:
            await self._connection.execute(_of_partition("detach_partition", kept.name))
        await self._connection.execute(_of_partition("drop_partition", kept.name))

    @asynccontextmanager
    async def _owning(self) -> AsyncIterator[None]:
        """A transaction as the owner; inside another one a part of it."""
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(_BECOME_OWNER.sql)
                yield

    async def _run(self, name: str, /, **params: Any) -> list[Row]:
        return await self._fetch(_SQL[name], **params)

    async def _fetch(self, statement: Statement, **params: Any) -> list[Row]:
        cursor = await self._connection.execute(statement.sql, params)
        return await cursor.fetchall() if cursor.description else []


def _of_partition(statement: str, name: str) -> bytes:
    """A statement about the partition `embeddings_0` as one about another.

    Names of tables cannot be parameters. A version's is of small letters, digits and underscores.
    """
    assert name.replace("_", "").isalnum(), "it was made by EmbeddingVersion"
    return _SQL[statement].sql.replace(b"embeddings_0", f"embeddings_{name}".encode())
