"""The synchronous twin has the same names as the asynchronous API, and is up to date."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from memoledger.surfaces.python import blocking, principal, store

ROOT = Path(__file__).resolve().parents[4]


def test_the_generated_twin_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_sync.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("original", "twin"),
    [
        (principal.PrincipalHandle, blocking.PrincipalHandle),
        (store.StoreHandle, blocking.StoreHandle),
    ],
)
def test_every_method_has_a_twin_with_the_same_arguments(original: type, twin: type) -> None:
    public = {n for n, _ in inspect.getmembers(original, inspect.isfunction) if n[0] != "_"}
    assert public
    for name in public:
        asked = inspect.signature(getattr(original, name))
        given = inspect.signature(getattr(twin, name))
        assert asked.parameters == given.parameters, name
        assert not inspect.iscoroutinefunction(getattr(twin, name))
