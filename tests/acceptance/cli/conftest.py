"""The command line on an embedded ledger whose server runs for the whole session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from memoledger.adapters.embedders.onnx_model import OnnxModel
from memoledger.ledger.embedded import EmbeddedServer
from memoledger.surfaces.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one object on standard output."""
        [line] = self.out.splitlines()
        return json.loads(line)

    @property
    def problem(self) -> Any:
        """The one error on standard error."""
        assert self.out == ""
        [line] = self.err.splitlines()
        return json.loads(line)


@dataclass(frozen=True)
class Program:
    """`memoledger` on one ledger, run in this process."""

    where: tuple[str, ...]
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        code = main.run([*self.where, *arguments])
        out, err = self.capsys.readouterr()
        return Result(code, out, err)

    def at(self, *where: str) -> Program:
        """The same on another ledger; without arguments, where the settings say."""
        return replace(self, where=where)

    def remember(self, store: str, content: str, *options: str) -> Any:
        """What `remember` answers."""
        return self.json("remember", content, *options, store=store)

    def json(self, *arguments: str, store: str | None = None) -> Any:
        """The answer of a command that succeeds."""
        chosen = () if store is None else ("--store", store)
        result = self(arguments[0], "--json", *chosen, *arguments[1:])
        assert result.code == 0, result.err
        return result.answer


@pytest.fixture(scope="session", autouse=True)
def model_loaded_once() -> Iterator[None]:
    """Every command of a test runs in one process: the model need not be loaded for each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxModel, "load", cache(OnnxModel.load))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a ledger whose server runs throughout."""
    path = tmp_path_factory.mktemp("cli") / "ledger"
    server = EmbeddedServer.start(path, settings={"fsync": "off"})
    yield path
    server.stop()


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(("--data-dir", str(folder)), capsys)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """A store of the test's own."""
    return str(request.node.name)[:100]
