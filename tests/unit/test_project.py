"""Rules that the project set itself, checked on its own files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "memoledger"
CODE_FOLDERS = ("src", "models/minilm/src", "tests", "bench", "tools")

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400

# Path from the root -> why it is better long. Empty is how it should stay.
LONG_MODULES: dict[str, str] = {
    "src/memoledger/client/blocking.py": "generated: the twins of all handles",
    "src/memoledger/surfaces/python/blocking.py": "generated: the twins of all handles",
    "tests/integration/ledger/test_embedded.py": "one server's life; its fixtures serve all of it",
    "tests/integration/ledger/test_server.py": "one table of what a server can lack",
    "tests/integration/services/test_remember_many.py": "one verb with one set of fixtures",
    "tests/integration/services/test_update.py": "one verb with one set of fixtures",
    "tests/integration/test_bad_input.py": "one list of what callers get wrong",
    "tests/unit/adapters/embedders/test_remote.py": "one server's ways to fail",
}

NAMES_THAT_SAY_NOTHING = {"util", "common", "helper", "manager", "misc"}

# What the installed program may not drag along: it has to be small and start without a network.
HEAVY = {"torch", "tensorflow", "jax", "transformers", "sentence-transformers"}


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


PYPROJECT: dict[str, Any] = tomllib.loads(read("pyproject.toml"))
PROJECT: dict[str, Any] = PYPROJECT["project"]


def python_files() -> Iterator[Path]:
    for folder in CODE_FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def requirements(*, extras: bool = True, dev: bool = True) -> list[Requirement]:
    texts = list(PROJECT["dependencies"])
    if extras:
        texts += [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    if dev:
        texts += PYPROJECT["dependency-groups"]["dev"]
    return [Requirement(text) for text in texts]


def locked() -> dict[NormalizedName, list[Version]]:
    """Name -> versions; there are several where Pythons or systems differ."""
    versions: dict[NormalizedName, list[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^ ;\\]+)", read("requirements.lock"), re.M):
        versions.setdefault(canonicalize_name(name), []).append(Version(version))
    return versions


def supported_minors() -> list[int]:
    supported = SpecifierSet(PROJECT["requires-python"])
    return [minor for minor in range(40) if f"3.{minor}" in supported]


def test_the_version_is_written_in_one_place() -> None:
    home = ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    [version] = re.findall(r'^__version__ = "(\d+\.\d+\.\d+)"$', home.read_text("utf-8"), re.M)
    assert "version" not in PROJECT
    again = re.compile(rf"""^__version__ |["']{re.escape(version)}["']""", re.M)
    others = [path for path in SOURCE.rglob("*.py") if path != home]
    assert [path for path in others if again.search(path.read_text("utf-8"))] == []


def test_supported_pythons_are_the_same_everywhere() -> None:
    minors = supported_minors()
    finder = read("tools/find_python.sh")
    assert f"FROM_MINOR={minors[0]}\n" in finder
    assert f"BELOW_MINOR={minors[-1] + 1}\n" in finder
    assert all(f"python3.{minor}" in finder for minor in minors)
    classified = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    assert [int(minor) for minor in classified] == minors
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{minors[0]}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == f"3.{minors[0]}"


def test_names_say_what_a_module_is_about() -> None:
    empty = [
        str(path.relative_to(ROOT))
        for path in python_files()
        for part in path.relative_to(ROOT).with_suffix("").parts
        if NAMES_THAT_SAY_NOTHING & {word.removesuffix("s") for word in part.lower().split("_")}
    ]
    assert empty == []


def test_functions_are_short() -> None:
    long = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}")
    assert long == []


def test_modules_are_short() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in python_files()
    }
    long = {path for path, lines in lengths.items() if lines > MODULE_LINES_MAX}
    assert long == set(LONG_MODULES)


def test_import_contracts_have_no_exceptions() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    assert contracts
    excepted = [c["name"] for c in contracts if {"ignore_imports", "exhaustive_ignores"} & c.keys()]
    assert excepted == []


def test_what_is_imported_is_declared() -> None:
    ours = {"memoledger", "memoledger_minilm"}
    declared = {canonicalize_name(needed.name) for needed in requirements(dev=False)}
    # An extra's SDK comes with the extra that pydantic-ai-slim has for it.
    declared |= {canonicalize_name(extra) for extra in PROJECT["optional-dependencies"]} | {
        canonicalize_name("httpx")
    }
    # An extra of psycopg that is a distribution, and a package, of its own.
    declared |= {canonicalize_name("psycopg-pool")}
    homes = packages_distributions()
    undeclared = {}
    for path in SOURCE.rglob("*.py"):
        for package in imported_packages(path) - ours - sys.stdlib_module_names:
            distributions = {canonicalize_name(d) for d in homes.get(package, [package])}
            if not distributions & declared:
                undeclared[package] = path.relative_to(ROOT).as_posix()
    assert undeclared == {}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_lock_fits_the_project() -> None:
    versions = locked()
    # Ours is installed from its folder; the extra that brings torch is not in the lock.
    elsewhere = {"memoledger-minilm", "sentence-transformers"}
    wrong = [
        str(needed)
        for needed in requirements()
        if needed.name not in elsewhere
        and not all(
            v in needed.specifier
            for v in versions.get(canonicalize_name(needed.name), [Version("0")])
        )
    ]
    assert wrong == [], "run `make lock`"


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    lock = read("requirements.lock")
    entries = re.split(r"^(?=[A-Za-z])", lock, flags=re.M)[1:]
    assert len(entries) > len(PROJECT["dependencies"])
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|^-.*|file:", lock, re.M) == []


def test_nothing_heavy_is_installed() -> None:
    assert HEAVY & locked().keys() == set()


def test_the_packages_contain_what_is_no_python(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    [sdist] = tmp_path.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    data = [*SOURCE.rglob("*.sql"), SOURCE / "py.typed"]
    assert len(data) > 1
    assert {path.relative_to(SOURCE.parent).as_posix() for path in data} - in_wheel == set()
    assert {path.relative_to(ROOT).as_posix() for path in data} - in_sdist == set()
    assert [name for name in in_wheel if name.startswith("tests")] == []


@pytest.mark.docs
def test_every_dependency_is_explained() -> None:
    explained = set(re.findall(r"`([\w.-]+)`", read("docs/explanation/decisions.md")))
    names = {needed.name for needed in requirements()}
    assert names - explained == set()


@pytest.mark.docs
def test_the_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.M))
    phony = set(re.findall(r"^\.PHONY: ([a-z-]+)$", read("Makefile"), re.M))
    assert targets == phony, "each target is phony and says what it is for"
    for document in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", read(document), re.M))
        assert named - targets == set(), document


@pytest.mark.docs
def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert documents
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert broken == []
