"""schema.sql is what the migrations make, and a dump of a ledger can be restored."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from memoledger.ledger.embedded.programs import (
    SERVER_MAJOR,
    clean_environment,
    require_installation,
)
from memoledger.surfaces.python.memoledger import Memoledger

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> Any:
    """The module tools/dump_schema.py."""
    spec = importlib.util.spec_from_file_location("dump_schema", ROOT / "tools" / "dump_schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fresh(server: Any) -> Iterator[str]:
    """The administrator's way into an empty database."""
    name = f"schema_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    yield server.conninfo(database=name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_schema_sql_is_what_the_migrations_make(tool: Any, fresh: str) -> None:
    await tool.migrated(fresh)
    made = tool.HEADER + tool.dumped(fresh)
    assert tool.SCHEMA.read_text("utf-8") == made, "run `make schema` and commit what it wrote"


def test_the_dump_is_free_of_noise_and_keeps_functions_whole(tool: Any) -> None:
    dump = "\n".join(
        (
            "--",
            "-- PostgreSQL database dump",
            "--",
            "",
            "\\restrict abc",
            "-- Dumped from database version 18.1",
            "SET client_encoding = 'UTF8';",
            "SELECT pg_catalog.set_config('search_path', '', false);",
            "--",
            "-- Name: f(); Type: FUNCTION; Schema: s; Owner: -",
            "--",
            "",
            "CREATE FUNCTION s.f() RETURNS void",
            "    AS $$",
            "BEGIN",
            "",
            "-- Name: a comment of its author's",
            "SET LOCAL x = 1;",
            "END",
            "$$;",
            "",
            "",
            "CREATE TABLE s.t ();",
            "\\unrestrict abc",
        )
    )
    assert tool.normalised(dump) == (
        "CREATE FUNCTION s.f() RETURNS void\n    AS $$\nBEGIN\n\n-- Name: a comment of its "
        "author's\n"
        "SET LOCAL x = 1;\nEND\n$$;\n\nCREATE TABLE s.t ();\n"
    )


def test_the_makefile_calls_the_tool() -> None:
    assert "python tools/dump_schema.py\n" in (ROOT / "Makefile").read_text("utf-8")


async def test_a_dump_of_a_ledger_can_be_restored(
    ledger: Memoledger, database: Any, fresh: str, tool: Any
) -> None:
    """With its rows, as they were: no trigger writes them a second time."""
    notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
    memory = await notes.remember("Tea", title="T")
    await notes.update(memory.id, content="Coffee")
    await notes.share("bob")
    gone = await notes.remember("Gone")
    await notes.forget(gone.id, hard=True)
    programs = require_installation(SERVER_MAJOR) / "bin"
    dump = await asyncio.to_thread(
        subprocess.run,
        [str(programs / "pg_dump"), "--dbname", database.conninfo("postgres")],
        env=clean_environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    await asyncio.to_thread(
        subprocess.run,
        [str(programs / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", fresh],
        env=clean_environment(),
        input=dump.stdout,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert tool.dumped(fresh) == tool.dumped(database.conninfo("postgres"))
    tables = ("tenants", "users", "stores", "grants", "memories", "embeddings", "term_vectors")
    for table in (*tables, "audit_records", "outbox"):
        query = f"SELECT to_jsonb(t)::text FROM memoledger.{table} AS t ORDER BY 1"
        rows = []
        for conninfo in (fresh, database.conninfo("postgres")):
            with psycopg.connect(conninfo) as connection:
                rows.append(connection.execute(query).fetchall())
        assert rows[0] == rows[1] != [], table
