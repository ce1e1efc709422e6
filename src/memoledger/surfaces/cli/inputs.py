"""What `learn` is to read: the files that its arguments name, and standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memoledger.model.errors import InvalidInput

_PASSED_OVER: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_PATTERN: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Input:
    """One document to be learned.

    Args:
        source_id: as what: its identity in the source.
        file: from where; None for standard input.
    """

    source_id: str
    file: Path | None


def find_inputs(paths: Sequence[str], base: Path | None, name: str | None) -> Iterator[Input]:
    """Every file that the arguments name, once.

    Args:
        paths: files, folders, patterns, and - for standard input.
        base: the folder from which a file's path is its identity; without it, the whole path is.
        name: the identity of standard input.

    Raises:
        InvalidInput: one of the paths names nothing, or a file that is not below the base; or
            standard input has no name.
    """
    seen: set[str] = set()
    for path in paths:
        if path == "-":
            if name is None:
                raise InvalidInput(
                    "--name", None, "standard input has no name", remedy="Give it one: notes.md."
                )
            yield Input(name, None)
            continue
        files = list(_files(path))
        if not files:
            raise InvalidInput("PATH", path, "there is no such file", remedy="Check the path.")
        for file in files:
            source_id = _identity(file, base)
            if source_id not in seen:
                seen.add(source_id)
                yield Input(source_id, file)


def _files(path: str) -> Iterable[Path]:
    given = Path(path).expanduser()
    if given.is_dir():
        return _below(given)
    if given.exists() or given.is_symlink():
        return [given]
    if _PATTERN.isdisjoint(path):
        return []
    found = glob.glob(str(given), recursive=True)  # noqa: PTH207 - its patterns may be absolute
    return [file for file in map(Path, sorted(found)) if file.is_file()]


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            one for one in folders if not one.startswith(".") and one not in _PASSED_OVER
        )
        for file in sorted(files):
            path = Path(where, file)
            if not file.startswith(".") and path.is_file():
                yield path


def _identity(file: Path, base: Path | None) -> str:
    whole = file.resolve()
    if base is None:
        return whole.as_posix()
    try:
        return whole.relative_to(base.resolve()).as_posix()
    except ValueError:
        raise InvalidInput(
            "--relative-to", str(base), f"{file} is not below it", remedy="Name a folder above it."
        ) from None
