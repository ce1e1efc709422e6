"""A service as users run it: a process of its own, reached over the loopback address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from memoledger.ledger.embedded import EmbeddedServer

PATIENCE_S = 60


class Served:
    """A service, and the process it runs in."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 0

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S)

    def raw(self) -> socket.socket:
        """A connection to it, for what no decent client does."""
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_S)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self) -> int:
        """End it in the orderly way; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


Serve = Callable[..., Served]


@contextmanager
def served(data_dir: Path, *options: str, log: Path, **settings: object) -> Iterator[Served]:
    command = [sys.executable, "-m", "memoledger", "serve", "--port", "0", "--json", "--no-worker"]
    given = {f"MEMOLEDGER_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **given},
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Served(process, json.loads(line)["url"])
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder, whose server is stopped at the end, however its services ended."""
    path = tmp_path_factory.mktemp("service") / "ledger"
    yield path
    if (path / "PG_VERSION").exists():
        EmbeddedServer.start(path).stop()


@pytest.fixture
def keyed(folder: Path, tmp_path: Path) -> Iterator[tuple[Served, str]]:
    """A service that asks for keys, and a key with every scope."""
    log = tmp_path / "log"
    with served(folder, "--development", log=log) as first, first.client() as client:
        wanted = {"name": "for the test", "scopes": ["read", "write", "admin"]}
        secret = client.post("/v1/keys", json=wanted).json()["secret"]
    with served(folder, log=log, failed_attempts_max=0) as second:
        yield second, secret


@pytest.fixture
def serve(folder: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts services in development; they are ended with the test."""
    with ExitStack() as stack:

        def start(**settings: object) -> Served:
            log = tmp_path / "log"
            return stack.enter_context(served(folder, "--development", log=log, **settings))

        yield start
