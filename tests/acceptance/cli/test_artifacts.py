"""`artifacts`: what a document was learned from is got back, verified and collected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program

TEXT = "# Tea\n\nTea is hot.\n"


@pytest.fixture
def key(cli: Program, store: str, tmp_path: Path) -> str:
    """Of the source of a document that was learned."""
    from memoledger.sync import Memoledger

    folder = cli.where[cli.where.index("--data-dir") + 1]
    with Memoledger.open(data_dir=folder) as ledger:
        notes = ledger.principal(tenant="default", user=store).store(store)
        found = notes.learn("files", "tea.md", data=TEXT.encode(), media_type="text/markdown")
    assert found.document.artifact_key is not None
    return found.document.artifact_key


def of(cli: Program, key: str) -> Path:
    """Where its bytes are."""
    folder = cli.where[cli.where.index("--data-dir") + 1]
    return Path(folder) / "memoledger" / "artifacts" / key


def test_a_source_is_got_back(cli: Program, store: str, key: str, tmp_path: Path) -> None:
    whose = ["--store", store, "--user", store]
    assert cli("artifacts", "get", key, *whose).out == TEXT
    file = tmp_path / "tea.md"
    answer = cli("artifacts", "get", key.rpartition("/")[2], "-o", str(file), "--json", *whose)
    assert answer.answer["bytes"] == len(TEXT)
    assert file.read_text("utf-8") == TEXT
    assert list(tmp_path.iterdir()) == [file]
    assert cli("artifacts", "get", key, "--json", *whose).problem["field"] == "--json"
    nowhere = str(tmp_path / "no" / "tea.md")
    assert cli("artifacts", "get", key, "-o", nowhere, *whose).code == 2
    assert cli("artifacts", "get", key, "--store", store, "--user", f"{store}-2").code == 1


def test_sources_are_verified_and_what_is_wrong_is_said(
    cli: Program, store: str, key: str, tmp_path: Path
) -> None:
    whole = cli("artifacts", "verify", "--json")
    assert (whole.code, whole.answer["ok"]) == (0, True)
    assert whole.answer["counts"]["ok"] >= 1
    of(cli, key).write_bytes(b"#" * len(TEXT))
    assert cli("artifacts", "verify", "--quick").code == 0
    found = cli("artifacts", "verify", "--json")
    assert (found.code, found.answer["ok"]) == (1, False)
    [wrong] = [one for one in found.answer["findings"] if one["key"] == key]
    assert wrong["state"] == "damaged"
    assert f"damaged: {key}" in cli("artifacts", "verify").out
    file = tmp_path / "tea.md"
    got = cli("artifacts", "get", key, "-o", str(file), "--store", store, "--user", store)
    assert (got.code, file.exists()) == (1, False)
    of(cli, key).write_bytes(TEXT.encode())
    assert cli("artifacts", "verify", "--json").answer["ok"]


def test_a_collection_leaves_what_is_kept(cli: Program, key: str) -> None:
    assert cli("artifacts", "gc", "--json").answer["left"] == 0
    assert cli("artifacts", "gc", "--older-than", "0").code == 0
    assert of(cli, key).read_bytes() == TEXT.encode()
