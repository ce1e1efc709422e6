"""Shared fixtures: one embedded server a session, one database a test, copied from a template."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.bootstrap import open_application
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.settings import Settings, load_settings
from memoledger.surfaces.python.memoledger import Memoledger

TEMPLATE = "memoledger_template"

ROOM_BYTES = 4_000_000_000
"""What the databases of a session may take, with what they write ahead."""


@dataclass(frozen=True)
class Database:
    """A database of one test: how its roles connect."""

    server: EmbeddedServer
    name: str

    def conninfo(self, user: str = "memoledger_app") -> str:
        """As the application role, or as another."""
        return self.server.conninfo(user, self.name)

    def settings(self, **overrides: object) -> Settings:
        """Settings of a ledger in it; requests log in as the application role itself."""
        return load_settings(
            **{
                "database_url": SecretStr(self.conninfo()),
                "admin_database_url": SecretStr(self.conninfo("postgres")),
                "sweep_interval_s": 0.0,
                **overrides,
            }
        )


def pytest_configure() -> None:
    """Have Ctrl-C interrupt what the tests start.

    A shell without job control has its background jobs ignore it, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' user has programs keep their data."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, data_home: Path) -> None:
    """Tests see neither the developer's own settings nor their ledger."""
    monkeypatch.setenv("XDG_DATA_HOME", str(data_home))
    for name in list(os.environ):
        if name.startswith("MEMOLEDGER_"):
            monkeypatch.delenv(name)


def _room_in_memory() -> Path | None:
    """A folder in memory with room for the session's databases; Linux has one."""
    folder = Path("/dev/shm")
    usable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    return folder if usable and shutil.disk_usage(folder).free > ROOM_BYTES else None


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The session's PostgreSQL; it does not wait for the disk, and has none where it can.

    Every test has a database of its own: a thousand small files, which a disk takes 50 to 250 ms
    to copy and memory 15, and whose buffers are looked for among all there are when it is dropped.
    """
    with pytest.MonkeyPatch.context() as patch:
        if in_memory := _room_in_memory():
            patch.setattr(tempfile, "tempdir", str(in_memory))
        handle = EmbeddedServer.temporary(
            settings={"shared_buffers": "128MB", "max_wal_size": "512MB"}
        )
    yield handle
    handle.stop()


@pytest.fixture(scope="session")
def embedder() -> Iterator[LocalEmbedder]:
    """The default model, loaded once."""
    model = LocalEmbedder()
    yield model
    asyncio.run(model.aclose())


@pytest.fixture(scope="session")
def template(server: EmbeddedServer, embedder: LocalEmbedder) -> str:
    """A migrated, empty database, from which the tests' databases are copied."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
    settings = Database(server, TEMPLATE).settings(
        database_url=SecretStr(server.conninfo("postgres", TEMPLATE))
    )

    async def migrate() -> None:
        application = await open_application(settings, embedder=embedder)
        await application.close()

    asyncio.run(migrate())
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("ALTER ROLE memoledger_app LOGIN")
    return TEMPLATE


@pytest.fixture
def database(server: EmbeddedServer, template: str) -> Iterator[Database]:
    """A fresh database of this test's own."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield Database(server, name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def ledger(database: Database, embedder: LocalEmbedder) -> AsyncIterator[Memoledger]:
    """An open ledger in the test's database."""
    async with Memoledger.open(settings=database.settings(), embedder=embedder) as opened:
        yield opened


class RedisServer:
    """A Redis of a test's own, on a socket in a folder of its own; tools/get_redis.sh installs it.

    Args:
        folder: short, for the socket's sake.
    """

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}?db=0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = str(self._socket.parent)
        options = ["--port", "0", "--unixsocket", str(self._socket), "--dir", folder]
        self._process = subprocess.Popen(
            ["redis-server", *options, "--save", "", "--maxmemory", "64mb"],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            with socket.socket(socket.AF_UNIX) as trying, contextlib.suppress(OSError):
                trying.connect(str(self._socket))
                return
            time.sleep(0.05)
        raise TimeoutError("redis-server did not start")

    def stop(self) -> None:
        """Kill it. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def send(self, signal_number: int) -> None:
        """Send it a signal, SIGSTOP for example."""
        assert self._process is not None
        self._process.send_signal(signal_number)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running Redis of this test's own."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (tools/get_redis.sh)")
    with tempfile.TemporaryDirectory(prefix="memoledger-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips has failed: what it needs is installed there.

    (Not one that is about another user than the one who runs it, such as root.)
    """
    report = yield
    applies = "who runs it: " not in str(report.longrepr)
    if report.skipped and applies and os.environ.get("TESTS_MAY_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped where nothing may: {report.longrepr}"
    return report
