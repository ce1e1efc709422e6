"""The settings of PgBouncer in deploy/, and the script beside them, do what they are there for."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from memoledger.ledger.embedded import EmbeddedServer
from memoledger.model.errors import LedgerUnavailable, SettingsError
from memoledger.settings import load_settings
from memoledger.surfaces.python.memoledger import Memoledger

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
PASSWORD = secrets.token_hex(24)


@pytest.fixture(scope="module")
def fresh() -> Iterator[EmbeddedServer]:
    """A server on which the init script has run, and nothing else yet."""
    own = EmbeddedServer.temporary()
    script = (DEPLOY / "postgres/init.sh").read_text("utf-8")
    [statements] = re.findall(r"<<'SQL'\n(.*?)^SQL$", script, re.DOTALL | re.MULTILINE)
    with psycopg.connect(own.conninfo(), autocommit=True) as connection:
        connection.execute(statements.replace(":'password'", f"'{PASSWORD}'").encode())
    yield own
    own.stop()


@pytest.fixture
def server(fresh: EmbeddedServer) -> EmbeddedServer:
    """Instead of the session's."""
    return fresh


@pytest.fixture
def shipped() -> str:
    """The settings as they are shipped, but for places."""
    text = (DEPLOY / "pgbouncer/pgbouncer.ini").read_text("utf-8")
    for pattern, replacement in (
        (r"host=postgres ", "host=HOST "),
        (r"listen_addr = .*", "listen_addr = 127.0.0.1"),
        (r"listen_port = .*", "listen_port = PORT"),
        (r"auth_file = .*", "auth_file = USERS"),
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count == 1, pattern
    return text


async def test_a_service_works_through_it(
    fresh: EmbeddedServer, launched: Callable[..., Any], shipped: str, tiny: Any
) -> None:
    administrator = load_settings(database_url=SecretStr(fresh.conninfo()))
    async with Memoledger.open(settings=administrator, embedder=tiny):
        pass  # what the container `migrate` does
    pooler = launched(shipped, {"memory_service": PASSWORD})
    url = f"postgresql://memory_service:{PASSWORD}@127.0.0.1:{pooler.port}/memoledger"
    settings = load_settings(
        database_url=SecretStr(url), auto_migrate=False, sweep_interval_s=0.0, connect_attempts=1
    )
    deadline = time.monotonic() + 20
    while True:
        try:
            ledger = await Memoledger.open(settings=settings, embedder=tiny)
            break
        except LedgerUnavailable:  # PgBouncer is still starting.
            assert time.monotonic() < deadline
    try:
        sessions = ledger.application.context.ledger.sessions
        assert sessions._prepare is True
        notes = await (await ledger.principal(tenant="acme", user="alice")).store("notes")
        await notes.remember("The plumber comes on Tuesday.")
        assert len(await notes.recall("plumber")) == 1
    finally:
        await ledger.aclose()
    wrong = url.replace(PASSWORD, "wrong")
    with pytest.raises((SettingsError, LedgerUnavailable)):
        await Memoledger.open(
            settings=settings.model_copy(
                update={"database_url": SecretStr(wrong), "pool_wait_s": 1.0}
            ),
            embedder=tiny,
        )


def test_the_service_s_login_is_held_by_the_policies(fresh: EmbeddedServer) -> None:
    with psycopg.connect(fresh.conninfo("memory_service"), autocommit=True) as connection:
        [(superuser, bypass)] = connection.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchall()
        assert (superuser, bypass) == (False, False)
