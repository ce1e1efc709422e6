"""What the operating system and PostgreSQL say when a data folder fails, in our own errors."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memoledger.model.errors import (
    DataFolderError,
    DataFolderFull,
    DataFolderInUse,
    DataFolderOutdated,
    DataFolderUnwritable,
)

OUTPUT_TAIL_CHARS = 1_500
"""How much of a program's output an error carries; its end is where the reason stands."""

NEARLY_FULL_BYTES = 1_000_000
"""With less free than this, a failure that gave no reason is put down to the full disk."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    # The kernel's answer to making a folder in /proc, where parents seem to exist but take nothing.
    errno.ENOENT,
}


@contextmanager
def folder_errors(data_dir: Path) -> Iterator[None]:
    """Turn every `OSError` of the block into the `DataFolderError` that fits.

    Raises:
        DataFolderFull: no space or quota left.
        DataFolderUnwritable: permission, read-only file system, a file where a folder belongs.
        DataFolderError: any other failure of the operating system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full(data_dir, str(error)) from error
        if error.errno in _UNWRITABLE:
            raise unwritable(data_dir, str(error)) from error
        raise DataFolderError(
            f"The data folder {data_dir} cannot be used: {error}.",
            remedy="Check the disk and the path, or choose another data folder.",
            data_dir=str(data_dir),
        ) from error


def full(data_dir: Path, reason: str) -> DataFolderFull:
    """The disk has no room left."""
    return DataFolderFull(
        f"The disk under the data folder {data_dir} is full: {reason}.",
        remedy="Free some space there (a new ledger needs about 100 MB) and try again; "
        "what was acknowledged is kept.",
        data_dir=str(data_dir),
    )


def unwritable(data_dir: Path, reason: str) -> DataFolderUnwritable:
    """This account may not write there."""
    return DataFolderUnwritable(
        f"The data folder {data_dir} cannot be written: {reason}.",
        remedy="Give it to the account that runs this program (chown, chmod 700), "
        "or choose another folder with MEMOLEDGER_DATA_DIR.",
        data_dir=str(data_dir),
    )


def in_use(data_dir: Path, by: str) -> DataFolderInUse:
    """Someone else holds the folder."""
    return DataFolderInUse(
        f"The data folder {data_dir} is in use {by}.",
        remedy="Stop that server or close that program first, or choose another data folder.",
        data_dir=str(data_dir),
    )


def outdated(
    data_dir: Path, found: int | str, ours: int, *, upgradable: bool
) -> DataFolderOutdated:
    """The folder belongs to another major version of PostgreSQL."""
    remedy = (
        "Run `memoledger migrate --upgrade-server` once, with other programs that use it closed."
        if upgradable
        else f"Use a release of Memoledger that brings PostgreSQL {found}, "
        "or export there and import here."
    )
    return DataFolderOutdated(
        f"The data folder {data_dir} was made by PostgreSQL {found}, "
        f"and this program runs PostgreSQL {ours}.",
        remedy=remedy,
        data_dir=str(data_dir),
        found=found,
        expected=ours,
    )


def failure_from_output(action: str, data_dir: Path, output: str) -> DataFolderError:
    """The error that fits what a PostgreSQL program printed before it gave up.

    Args:
        action: what was being done, for the message: "initdb", "starting PostgreSQL".
        data_dir: the data folder.
        output: its standard error and log; only the end of it is kept.
    """
    tail = output.strip()[-OUTPUT_TAIL_CHARS:]
    # shmget answers "No space left" for want of memory segments; that is no full disk.
    on_disk = re.sub(r".*shared memory.*", "", output)
    if re.search(r"No space left on device|Disk quota exceeded", on_disk):
        return full(data_dir, f"{action} failed")
    if "could not look up effective user ID" in output:
        return DataFolderError(
            f"{action} failed in {data_dir}: this process runs as a user id without an account, "
            "and PostgreSQL needs one.",
            remedy="Run as a user that /etc/passwd knows (docker run --user, an entry for the id), "
            "or give a database_url.",
            data_dir=str(data_dir),
        )
    if re.search(r"Permission denied|Read-only file system|has wrong ownership", output):
        return unwritable(data_dir, f"{action} failed: {_last_line(tail)}")
    if re.search(r"lock file .* already exists|is in use|being used by another", output):
        return in_use(data_dir, f"by another server ({_last_line(tail)})")
    if _free_bytes(data_dir) < NEARLY_FULL_BYTES:
        # Its log could not be written either.
        return full(data_dir, f"{action} failed")
    return DataFolderError(
        f"{action} failed in the data folder {data_dir}. PostgreSQL said: {tail or 'nothing'}",
        remedy="Undo the last change to postgresql.conf or to the server settings if it names one; "
        "otherwise look into memoledger-log/ in that folder.",
        data_dir=str(data_dir),
    )


def _free_bytes(path: Path) -> int:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
