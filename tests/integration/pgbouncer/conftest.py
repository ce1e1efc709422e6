"""PgBouncer in transaction mode in front of the session's server: three of them.

`old` knows nothing of prepared statements (Debian 12's 1.18, where that is installed), `off` could
keep them and is told not to, `on` keeps them. Few connections lead on to the server, so that those
of many callers share each of them. `tools/get_pgbouncer.sh` installs what is needed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from memoledger.ledger.embedded import EmbeddedServer
from memoledger.model.embedding import EmbeddingVersion
from memoledger.model.principal import Principal
from memoledger.ports import EmbeddingInput, Vectors
from memoledger.settings import Settings, load_settings

SERVER_CONNECTIONS = 3
KINDS = {
    "old": ("pgbouncer", None),
    "off": ("pgbouncer-prepared", 0),
    "on": ("pgbouncer-prepared", 200),
}
"""The program of each, and its max_prepared_statements."""

START_S = 10.0


class TinyEmbedder:
    """A text's vector is drawn from its letters."""

    version = EmbeddingVersion("tiny", 8)

    async def embed(self, texts: Sequence[str], *, input_type: EmbeddingInput) -> Vectors:
        vectors = []
        for text in texts:
            seed = int.from_bytes(text.encode()[-16:].rjust(16, b" "))
            numbers = np.random.default_rng(seed).standard_normal(8)
            vectors.append((numbers / np.linalg.norm(numbers)).astype(np.float32))
        return np.stack(vectors)

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer.

    Args:
        keeps_prepared: whether a statement prepared through it is found again.
    """

    kind: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def keeps_prepared(self) -> bool:
        return self.kind == "on"

    def conninfo(self, user: str, database: str) -> str:
        """How to connect through it."""
        return make_conninfo(host="127.0.0.1", port=self.port, user=user, dbname=database)

    def ask(self, command: str) -> list[dict[str, Any]]:
        """What its own console answers, `SHOW POOLS` for example."""
        with psycopg.connect(
            self.conninfo("postgres", "pgbouncer"),
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
        ) as console:
            cursor = console.execute(command.encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def stop(self) -> None:
        """Stop it now."""
        self.process.kill()
        self.process.wait()


Start = Callable[..., Pooler]


@contextmanager
def running(server: EmbeddedServer, kind: str, **options: object) -> Iterator[Pooler]:
    """A PgBouncer of that kind; `options` are its own settings by name."""
    program, prepared = KINDS[kind]
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"there is no {program} here; tools/get_pgbouncer.sh installs it")
    if prepared is not None:
        options = {"max_prepared_statements": prepared, **options}
    options = {"listen_port": free_port(), **options}
    folder = Path(tempfile.mkdtemp(prefix="memoledger-pgbouncer-"))
    pooler = _start(path, server, folder, kind, options)
    try:
        yield pooler
    finally:
        pooler.stop()
        shutil.rmtree(folder)


def _start(
    path: str, server: EmbeddedServer, folder: Path, kind: str, options: dict[str, object]
) -> Pooler:
    settings = {
        "listen_addr": "127.0.0.1",
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": folder / "users.txt",
        "admin_users": "postgres",
        "pool_mode": "transaction",
        "default_pool_size": SERVER_CONNECTIONS,
        "max_client_conn": 400,
        **options,
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    host = conninfo_to_dict(server.conninfo())["host"]
    text = f"[databases]\n* = host={host} port=5432\n[pgbouncer]\n" + "\n".join(lines) + "\n"
    users = dict.fromkeys(("memoledger_app", "postgres", "memory_service"), "")
    port = int(str(options["listen_port"]))
    pooler = launch(path, server, folder, text, users, kind=kind, port=port)
    _wait(pooler)
    return pooler


def launch(
    path: str,
    server: EmbeddedServer,
    folder: Path,
    text: str,
    users: dict[str, str],
    *,
    kind: str,
    port: int,
) -> Pooler:
    """A PgBouncer with this file of settings and these passwords, in a folder of its own."""
    (folder / "pgbouncer.ini").write_text(text, "utf-8")
    passwords = "".join(f'"{user}" "{password}"\n' for user, password in users.items())
    (folder / "users.txt").write_text(passwords, "utf-8")
    # Only the account that the server runs as can reach its socket; and PgBouncer refuses root.
    owner = Path(str(conninfo_to_dict(server.conninfo())["host"])).stat()
    account = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    if account:
        for made in (folder, *folder.iterdir()):
            os.chown(made, owner.st_uid, owner.st_gid)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [path, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, cwd="/", **account
        )
    return Pooler(kind, port, folder, process)


def _wait(pooler: Pooler) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with suppress(psycopg.OperationalError):
            pooler.ask("SHOW VERSION")
            return
        if pooler.process.poll() is not None or time.monotonic() > deadline:
            pooler.stop()
            pytest.fail(f"PgBouncer did not start: {(pooler.folder / 'log').read_text('utf-8')}")
        time.sleep(0.02)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", params=list(KINDS))
def pooler(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[Pooler]:
    """Each of them in turn."""
    with running(server, request.param) as started:
        yield started


@pytest.fixture
def start(server: EmbeddedServer) -> Iterator[Start]:
    """Starts one of this test's own."""
    opened: list[Any] = []

    def begin(kind: str, **options: Any) -> Pooler:
        manager = running(server, kind, **options)
        opened.append(manager)
        return manager.__enter__()

    yield begin
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture
def launched(server: EmbeddedServer) -> Iterator[Callable[[str, dict[str, str]], Pooler]]:
    """Starts the one that keeps prepared statements, with a file of settings and passwords.

    In the file PORT, USERS and HOST are replaced: where it listens, who may log in, and where the
    server is.
    """
    opened: list[Pooler] = []

    def begin(text: str, users: dict[str, str]) -> Pooler:
        path = shutil.which("pgbouncer-prepared")
        if path is None:
            pytest.skip("there is no pgbouncer-prepared here; tools/get_pgbouncer.sh installs it")
        folder, port = Path(tempfile.mkdtemp(prefix="memoledger-pgbouncer-")), free_port()
        host = str(conninfo_to_dict(server.conninfo())["host"])
        for name, found in (("PORT", port), ("USERS", folder / "users.txt"), ("HOST", host)):
            text = text.replace(name, str(found))
        opened.append(launch(path, server, folder, text, users, kind="on", port=port))
        return opened[-1]

    yield begin
    for pooler in opened:
        pooler.stop()
        shutil.rmtree(pooler.folder)


@pytest.fixture
def pooled(database: Any) -> Callable[..., Settings]:
    """Settings of a ledger behind a PgBouncer; the administrator goes past it."""

    def settings(pooler: Pooler, *, login: str = "memoledger_app", **overrides: object) -> Settings:
        given: dict[str, object] = {
            "database_url": SecretStr(pooler.conninfo(login, database.name)),
            "admin_database_url": SecretStr(database.conninfo("postgres")),
            "sweep_interval_s": 0.0,
            "connect_attempts": 1,
            **overrides,
        }
        return load_settings(**given)

    return settings


@pytest.fixture
def somebody() -> Principal:
    """Any user."""
    return Principal("acme", "alice")


@pytest.fixture
def tiny() -> TinyEmbedder:
    """A model that costs nothing."""
    return TinyEmbedder()
