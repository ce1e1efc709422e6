"""The object stores: a folder, memory, and an S3 (moto's server) on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from memoledger.adapters.artifacts import open_artifacts
from memoledger.ports import Artifacts


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Where an S3 answers, on a free port of this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """A new bucket there: its name."""
    name = f"bucket-{uuid4().hex[:12]}"
    with urlopen(Request(f"{s3_endpoint}/{name}", method="PUT")):
        return name


@pytest.fixture
def s3_options(s3_endpoint: str) -> str:
    """What MEMOLEDGER_ARTIFACTS_OPTIONS would hold."""
    keys = "access_key_id=testing,secret_access_key=testing"
    return f"endpoint={s3_endpoint},region=us-east-1,{keys}"


@pytest.fixture(params=["folder", "memory", "s3"])
async def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Artifacts]:
    """One of each kind."""
    urls = {"folder": None, "memory": "memory:"}
    if request.param == "s3":
        url = f"s3://{request.getfixturevalue('bucket')}/ledger"
        opened = open_artifacts(url, request.getfixturevalue("s3_options"), folder=tmp_path)
    else:
        opened = open_artifacts(urls[request.param], None, folder=tmp_path / "artifacts")
    assert opened is not None
    yield opened
    await opened.aclose()
