"""A folder of artifacts, the rows beside it, and one store of documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from memoledger import bootstrap
from memoledger.ledger.artifacts import AllArtifacts
from memoledger.services import artifact_upkeep
from memoledger.services.context import Context, Scope
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.surfaces.python.store import StoreHandle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
async def shared(open_ledger: Callable[..., Any], folder: Path) -> AsyncIterator[Memoledger]:
    """An open ledger with a folder of this test's own."""
    async with open_ledger(artifacts_url=str(folder)) as opened:
        yield opened


@pytest.fixture
def notes(papers: StoreHandle) -> StoreHandle:
    return papers


@pytest.fixture
def context(notes: StoreHandle) -> Context:
    return notes._context


@pytest.fixture
def scope(notes: StoreHandle) -> Scope:
    return notes._scope


@pytest.fixture
def rows(tenant: str, sql: Callable[..., Any]) -> Callable[[], list[tuple[str, int]]]:
    """State and size of the tenant's artifacts."""
    query = (
        "SELECT state, bytes FROM memoledger.artifacts WHERE tenant_id = %s ORDER BY artifact_id"
    )
    return lambda: sql(query, tenant)


@pytest.fixture
def objects(folder: Path) -> Callable[[], list[str]]:
    """What is stored: the keys."""
    return lambda: sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


@pytest.fixture
def collect(shared: Memoledger) -> Callable[..., Any]:
    """Collects what nobody keeps, of all tenants."""

    async def run(older_than_s: float = 0.0) -> artifact_upkeep.Collected:
        application = shared.application
        store = application.context.artifacts
        assert store is not None
        async with bootstrap.administering(application.settings, application.place) as connection:
            return await artifact_upkeep.collect(
                store, AllArtifacts(connection), older_than_s=older_than_s
            )

    return run
