"""Where the server's Unix socket goes.

The address of a socket has room for 107 bytes (103 on macOS), and libpq takes a comma in a host
for the start of the next one; not every file system has sockets at all. So the data folder is
tried first, and a private folder under the system's temporary one after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path

from memoledger.ledger.embedded.account import ServerAccount
from memoledger.ledger.embedded.failures import folder_errors

PORT = 5432
"""The number in the socket's name; nothing listens on it."""

_SHORT_FOLDER = Path("/tmp")  # noqa: S108 - only private folders are made in it

SOCKET_NAME = f".s.PGSQL.{PORT}"


def choose_socket_folder(data_dir: Path, account: ServerAccount) -> Path:
    """A folder whose socket can be bound and addressed.

    The same data folder gets the same answer as long as nobody else takes the name, so that a
    connection string outlives a restart of the server.

    Raises:
        DataFolderError: no private folder can be made in the temporary one.
    """
    if _usable(data_dir):
        return data_dir
    with folder_errors(data_dir):
        name = f"memoledger-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"
        for parent in (_SHORT_FOLDER, Path(tempfile.gettempdir())):
            folder = parent / name
            if parent.is_dir() and _make_private(folder, account) and _usable(folder):
                return folder
        # Someone else has the name, and could be waiting there with a socket of their own.
        folder = Path(tempfile.mkdtemp(prefix="memoledger-", dir=_SHORT_FOLDER))
        account.take(folder)
        return folder


def remove_leftover_socket(folder: Path) -> None:
    """Remove what a killed server left, which would stop the next one if its id is in use again."""
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()


def remove_socket_folder(folder: Path, data_dir: Path) -> None:
    """Remove a folder that was made for the socket alone, if nothing is left in it."""
    if folder != data_dir and folder.name.startswith("memoledger-"):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _make_private(folder: Path, account: ServerAccount) -> bool:
    """Whether `folder` is now a real folder that only `account` can enter."""
    try:
        folder.mkdir(0o700)
        account.take(folder)
    except FileExistsError:
        found = os.lstat(folder)
        private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
        return private and found.st_uid == account.uid
    except OSError:
        return False
    account.make_reachable(folder)
    return True


def _usable(folder: Path) -> bool:
    if "," in str(folder) or not str(folder).isprintable():
        return False
    probe = folder / ".s.PGSQL.probe"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.bind(os.fsencode(probe))
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return len(probe.name) >= len(SOCKET_NAME)
