"""Settings of hosts as text: shown, or written beside what is there already."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.mcp.install.hosts import Host
from memoledger.surfaces.mcp.install.json_edit import with_member
from memoledger.surfaces.mcp.install.members import NotEditable
from memoledger.surfaces.mcp.install.toml_edit import table, with_table

FILE_BYTES_MAX: Final = 67_108_864
"""A larger file is not a host's settings."""

_OWN: Final = 0o600

Written = Literal["created", "updated", "unchanged"]


def snippet(host: Host, name: str, entry: Mapping[str, Any]) -> str:
    """The entry as it stands in the host's file."""
    if host.form == "toml":
        return table((host.member, name), entry).rstrip("\n")
    return json.dumps({host.member: {name: entry}}, indent=2, ensure_ascii=False)


def write(path: Path, host: Host, name: str, entry: Mapping[str, Any]) -> Written:
    """Set the entry in the host's file, which keeps everything else, comments too.

    It is replaced as a whole or not at all, and a link to it stays one.

    Raises:
        InvalidInput: the file cannot be changed safely; it is left as it is.
        OSError: the system refused.
    """
    target = path.resolve()
    there = target.exists()
    before = _text(target) if there else ""
    try:
        if host.form == "toml":
            after = with_table(before, (host.member, name), entry)
        else:
            after = with_member(before, (host.member, name), dict(entry))
    except NotEditable as error:
        raise _not_editable(path, str(error)) from None
    if there and after == before:
        return "unchanged"
    target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, after, mode=target.stat().st_mode & 0o777 if there else _OWN)
    return "updated" if there else "created"


def _text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
        raise _not_editable(path, "it is no settings file")
    try:
        # Bytes, so that line ends stay as they are.
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise _not_editable(path, "it is no UTF-8") from None


def _replace(path: Path, text: str, *, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _not_editable(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        "file",
        str(path),
        reason,
        remedy="Mend it, or run this without --write and put in by hand what it prints.",
    )
