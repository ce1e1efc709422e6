"""Processes that open a new ledger at the same moment: together they migrate it once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import psycopg

from memoledger.ledger.embedded import EmbeddedServer
from memoledger.ledger.migrate import shipped_migrations

NAMES = [migration.name for migration in shipped_migrations()]

MIGRATOR = """
import asyncio, sys, psycopg
from memoledger.ledger.embedding_versions import declare_embedding_version
from memoledger.ledger.migrate import apply_migrations, pending_migrations, prepare_database
from memoledger.model.embedding import EmbeddingVersion

async def migrate(conninfo):
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        done = []
        if await pending_migrations(connection):
            await prepare_database(connection, embedded=True)
            done = await apply_migrations(connection)
        number = await declare_embedding_version(connection, EmbeddingVersion("m", 3))
        print(",".join(done), number, sep=";", flush=True)

for conninfo in sys.argv[1:]:
    asyncio.run(migrate(conninfo))
"""


class Migrators:
    """Processes that migrate databases one after the other, each at the same moment."""

    def __init__(self, *plans: list[str]) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", MIGRATOR, *plan],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for plan in plans
        ]

    def __enter__(self) -> Migrators:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def go(self) -> list[tuple[list[str], int]]:
        """Let each migrate its next database; what each applied, and the number it declared."""
        for process in self.processes:
            assert self.line(process) == "ready"
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [self.line(process).split(";") for process in self.processes]
        return [(names.split(",") if names else [], int(number)) for names, number in answers]

    def line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, process.communicate()[1]
        return line


def test_in_one_database_each_migration_is_applied_once(
    bare: EmbeddedServer, new_database: Any
) -> None:
    with (
        new_database(bare) as one,
        new_database(bare) as two,
        new_database(bare) as three,
        Migrators(*[[one, two, three]] * 3) as migrators,
    ):
        for conninfo in (one, two, three):
            results = migrators.go()
            assert sorted(name for names, _ in results for name in names) == NAMES
            assert {number for _, number in results} == {1}
            with psycopg.connect(conninfo, autocommit=True) as connection:
                noted = connection.execute(
                    "SELECT name FROM memoledger_system.migrations ORDER BY 1"
                ).fetchall()
            assert [name for (name,) in noted] == NAMES


def test_in_two_databases_of_a_server_that_has_no_roles_yet(new_database: Any) -> None:
    """Roles belong to the server: both make them."""
    with (
        EmbeddedServer.temporary() as server,
        new_database(server) as one,
        new_database(server) as two,
        Migrators([one], [two]) as migrators,
    ):
        assert [names for names, _ in migrators.go()] == [NAMES, NAMES]
