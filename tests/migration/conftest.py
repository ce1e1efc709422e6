"""Databases without anything of ours in them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from memoledger.ledger.embedded import EmbeddedServer


class NewDatabase:
    """An empty database for as long as the block runs; gives its connection string."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server, self.name = server, f"migration_{uuid4().hex[:12]}"

    def __enter__(self) -> str:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.server.conninfo(database=self.name)

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


@pytest.fixture(scope="module")
def bare() -> Iterator[EmbeddedServer]:
    """A server of this module's own, without our roles."""
    with EmbeddedServer.temporary() as server:
        yield server


@pytest.fixture
def empty(bare: EmbeddedServer) -> Iterator[str]:
    """The administrator's way into an empty database."""
    with NewDatabase(bare) as conninfo:
        yield conninfo


@pytest.fixture
def new_database() -> type[NewDatabase]:
    """Makes empty databases: `with new_database(server) as conninfo`."""
    return NewDatabase
