"""The client has the names, arguments and words of the local API, and so have the twins."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from memoledger.client import blocking, blocking_ledger, memoledger, principal, store
from memoledger.surfaces.python import blocking as local_blocking
from memoledger.surfaces.python import blocking_ledger as local_blocking_ledger
from memoledger.surfaces.python import memoledger as local
from memoledger.surfaces.python import principal as local_principal
from memoledger.surfaces.python import store as local_store

HANDLES = [
    (local_principal.PrincipalHandle, principal.PrincipalHandle),
    (local_store.StoreHandle, store.StoreHandle),
    (local_blocking.PrincipalHandle, blocking.PrincipalHandle),
    (local_blocking.StoreHandle, blocking.StoreHandle),
]
KEEPERS = {"application", "embeddings", "collect_artifacts", "index_stores", "sweep", "temporary"}
"""What it means to keep a ledger; a service's affair."""


def public(kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(("here", "client"), HANDLES)
def test_handles_have_the_same_verbs(here: type, client: type) -> None:
    assert public(here).keys() == public(client).keys()
    for name, method in public(here).items():
        twin = public(client)[name]
        assert type(twin) is type(method)
        if inspect.isfunction(method) and inspect.isfunction(twin):
            assert inspect.signature(twin) == inspect.signature(method), name
            assert inspect.iscoroutinefunction(twin) == inspect.iscoroutinefunction(method)


@pytest.mark.parametrize(
    ("here", "client"),
    [
        (local.Memoledger, memoledger.Memoledger),
        (local_blocking_ledger.Memoledger, blocking_ledger.Memoledger),
    ],
)
def test_ledgers_have_the_same_verbs(here: type, client: type) -> None:
    assert public(here).keys() - KEEPERS == public(client).keys()
    verbs = public(here)["principal"], public(client)["principal"]
    first, second = (inspect.signature(verb) for verb in verbs if inspect.isfunction(verb))
    assert first.parameters == second.parameters


def test_the_client_brings_neither_the_driver_nor_a_model() -> None:
    heavy = "psycopg", "onnxruntime", "fastapi", "memoledger.services", "memoledger.ledger"
    code = (
        "import sys, memoledger.client.blocking_ledger\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_who_opens_a_ledger_here_needs_no_http() -> None:
    code = "import sys, memoledger.surfaces.python.memoledger; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
