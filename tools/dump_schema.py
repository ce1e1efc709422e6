"""Writes src/memoledger/ledger/schema.sql: what the migrations make, in PostgreSQL's own words.

Run by `make schema`. A test compares the file with the migrations, and so does `--check`.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import psycopg

from memoledger.ledger.embedded import EmbeddedServer
from memoledger.ledger.embedded.programs import (
    SERVER_MAJOR,
    clean_environment,
    require_installation,
)
from memoledger.ledger.migrate import apply_migrations, prepare_database

SCHEMA = Path(__file__).parents[1] / "src" / "memoledger" / "ledger" / "schema.sql"

HEADER = """\
-- The schema that the migrations make, to be read; nothing runs it.
-- Written by `make schema`. Change the migrations, then run that again.

"""

# What differs from one run or version to the next, or says nothing that the statements do not say.
_NOISE = re.compile(
    r"^(SET |SELECT pg_catalog\.set_config\(|\\(un)?restrict |-- PostgreSQL database dump"
    r"|-- Dumped |--$|-- Name: |-- Data for Name: |-- TOC )"
)
_OPTIONS = ("--schema-only", "--no-owner", "--no-tablespaces", "--exclude-extension=*")


def normalised(dump: str) -> str:
    """What pg_dump printed, without its frame, and with one empty line between statements."""
    kept: list[str] = []
    inside = False  # of a function's body, where an empty line or a comment is somebody's
    for line in dump.splitlines():
        if not inside and (not line or _NOISE.match(line)):
            if kept and kept[-1]:
                kept.append("")
            continue
        inside ^= line.count("$$") % 2 == 1
        kept.append(line)
    return "\n".join(kept).strip() + "\n"


def dumped(conninfo: str) -> str:
    """The schema of a database, normalised.

    Raises:
        subprocess.CalledProcessError: pg_dump failed.
    """
    program = require_installation(SERVER_MAJOR) / "bin" / "pg_dump"
    done = subprocess.run(
        [str(program), *_OPTIONS, "--dbname", conninfo],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return normalised(done.stdout)


async def migrated(conninfo: str) -> None:
    """Bring the database up to date."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await prepare_database(connection, embedded=True)
        await apply_migrations(connection)


def made_by_migrations() -> str:
    """The schema that the migrations make in an empty database."""
    with EmbeddedServer.temporary() as server:
        asyncio.run(migrated(server.conninfo()))
        return HEADER + dumped(server.conninfo())


def main() -> int:
    """Write the file, or with --check say whether it is up to date."""
    text = made_by_migrations()
    if "--check" in sys.argv[1:]:
        same = SCHEMA.exists() and SCHEMA.read_text("utf-8") == text
        print("schema.sql is up to date" if same else "schema.sql is not what the migrations make")
        return 0 if same else 1
    SCHEMA.write_text(text, "utf-8")
    print(f"{SCHEMA}: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
