"""The data folder: recognised, made ready, filled by `initdb`, and its contents replaced.

A data folder is PostgreSQL's own data directory with three additions: `memoledger.conf`,
`memoledger-log/` and `memoledger/`, which has the locks. New contents, from `initdb` or from an
upgrade, are built in `memoledger/new` and then moved up, entry by entry. A marker file says which
step is under way, so that after a crash the next start finishes it or begins again.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from memoledger.ledger.embedded.account import ServerAccount, choose_account
from memoledger.ledger.embedded.configuration import LOG_FOLDER, PG_HBA_CONF, POSTGRESQL_CONF
from memoledger.ledger.embedded.failures import folder_errors, outdated, unwritable
from memoledger.ledger.embedded.locks import FolderLock
from memoledger.ledger.embedded.programs import SERVER_MAJOR, Programs, installation
from memoledger.model.errors import DataFolderError, SettingsError

PRIVATE_FOLDER = "memoledger"
SUPERUSER = "postgres"

_INITDB = (
    "--username",
    SUPERUSER,
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
    "--no-instructions",
)
# Sorting and case rules come from PostgreSQL itself and are the same on every system. The C
# library's C.UTF-8 only tells text search which characters are letters; not every system has it.
_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_CHARACTERS = "--lc-ctype=C.UTF-8"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """One data folder and the account that owns it."""

    path: Path
    account: ServerAccount

    @property
    def private(self) -> Path:
        """Where the locks are, and what is being built."""
        return self.path / PRIVATE_FOLDER

    @property
    def log(self) -> Path:
        """Where the server's log files are."""
        return self.path / LOG_FOLDER

    @property
    def new(self) -> Path:
        """Where new contents are built before they are moved up."""
        return self.private / "new"

    @property
    def version_file(self) -> Path:
        """The file that names the major version; it is there when the folder is complete."""
        return self.path / "PG_VERSION"

    def lock(self, name: str) -> FolderLock:
        """Open the lock `name`: "transition", "users" or "server"."""
        with folder_errors(self.path):
            return FolderLock(self.private / f"{name}.lock", self.account.owner)

    def major(self) -> int | None:
        """The major version of PostgreSQL that made the folder; None for an empty one.

        Raises:
            DataFolderOutdated: the version is no whole number.
        """
        with folder_errors(self.path):
            text = self.version_file.read_text("ascii", "replace") if self.has_ledger() else None
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,4}\s*", text):
            raise outdated(self.path, repr(text[:20]), SERVER_MAJOR, upgradable=False)
        return int(text)

    def has_ledger(self) -> bool:
        """Whether the folder holds a complete PostgreSQL data directory."""
        return self.version_file.exists()

    def require_current(self) -> None:
        """Refuse a folder of another major version.

        Raises:
            DataFolderOutdated: an older one, with the command that upgrades it; or one that this
                program cannot read at all.
        """
        found = self.major()
        if found is not None and found != SERVER_MAJOR:
            upgradable = found < SERVER_MAJOR and installation(found) is not None
            raise outdated(self.path, found, SERVER_MAJOR, upgradable=upgradable)

    def require_ours_or_empty(self) -> None:
        """Refuse a folder that holds other things than a ledger, and change nothing in it.

        Raises:
            DataFolderError: names some of what was found.
        """
        with folder_errors(self.path):
            entries = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
            strangers = sorted(entries - {PRIVATE_FOLDER, LOG_FOLDER})
            # Another process may be moving its new contents up at this moment: then a marker is
            # there, or, once it is gone, the version file.
            if not strangers or self._is_being_replaced() or self.has_ledger():
                return
        raise DataFolderError(
            f"The folder {self.path} holds other files ({', '.join(strangers[:3])}) and no ledger.",
            remedy="Choose an empty or new folder for the ledger, for example a subfolder of it.",
            data_dir=str(self.path),
        )

    def initialise(self, *, lasting: bool) -> None:
        """Make an empty ledger's folder with `initdb`.

        Args:
            lasting: whether to wait until the disk has it; not worth it for a temporary folder.

        Raises:
            DataFolderError: `initdb` failed.
        """
        self.discard_new()
        build(self, Programs.of(SERVER_MAJOR, self.account), [] if lasting else ["--no-sync"])
        self._mark("installing")
        self.resume()

    def discard_new(self) -> None:
        """Remove what a crash left half built."""
        with folder_errors(self.path):
            if self.new.exists():
                shutil.rmtree(self.new)

    def replace_contents(self, old_name: str) -> Path:
        """Move what is in the folder to `memoledger/<old_name>` and what is in `new` in its place.

        Returns where the old contents are. A crash in between is finished by the next `resume`.
        """
        with folder_errors(self.path):
            old = self.private / old_name
            old.mkdir(0o700, exist_ok=True)
            self.account.take(old)
        self._mark("retiring", old_name)
        self.resume()
        return old

    def resume(self) -> None:
        """Finish a replacement of contents that was begun; does nothing when none was.

        Call only with the transition lock held and no server running.
        """
        with folder_errors(self.path):
            retiring = self.private / "retiring"
            if retiring.exists():
                # Leaves the folder incomplete from the first move on, for anyone who looks.
                _move_all(self.path, self.private / retiring.read_text("ascii"), "PG_VERSION")
                retiring.replace(self.private / "installing")
            installing = self.private / "installing"
            if installing.exists():
                _move_all(self.new, self.path, "PG_VERSION", last=True)
                _sync_folder(self.path)
                installing.unlink()
                self.discard_new()

    def _is_being_replaced(self) -> bool:
        return any((self.private / name).exists() for name in ("retiring", "installing"))

    def _mark(self, name: str, text: str = "") -> None:
        with folder_errors(self.path):
            marker = self.private / name
            marker.with_suffix(".tmp").write_text(text, "ascii")
            marker.with_suffix(".tmp").replace(marker)
            _sync_folder(self.private)


def open_folder(data_dir: Path) -> DataFolder:
    """Make the folder ready to be locked: it exists, it is ours, and its account can reach it.

    Args:
        data_dir: the data folder; it and its parents are made when missing.

    Raises:
        SettingsError: the path has control characters, which PostgreSQL's own files cannot hold.
        DataFolderError: other files are in it, or it cannot be made or written.
    """
    if re.search(r"[\x00-\x1f\x7f]", str(data_dir)):
        raise SettingsError(
            "data_dir", str(data_dir), "a path has no control characters", remedy="Rename it."
        )
    with folder_errors(data_dir):
        path = data_dir.expanduser().resolve()
        if path.exists() and not path.is_dir():
            raise unwritable(path, "it is a file, not a folder")
        account = choose_account(path)
    folder = DataFolder(path, account)
    folder.require_ours_or_empty()
    with folder_errors(path):
        _make_ready(folder)
    return folder


def build(folder: DataFolder, programs: Programs, options: list[str]) -> None:
    """Run `initdb` into `folder.new` and give the result our configuration files."""
    arguments = [*_INITDB, *_LOCALE, *options, "--pgdata", str(folder.new)]
    try:
        programs.run("initdb", [*arguments, _CHARACTERS], data_dir=folder.path)
    except DataFolderError as error:
        if "invalid locale name" not in error.message:
            folder.discard_new()
            raise
        programs.run("initdb", arguments, data_dir=folder.path)
    with folder_errors(folder.path):
        for name, text in (("postgresql.conf", POSTGRESQL_CONF), ("pg_hba.conf", PG_HBA_CONF)):
            (folder.new / name).write_text(text, "ascii")


def _make_ready(folder: DataFolder) -> None:
    path, account = folder.path, folder.account
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    account.make_reachable(path)
    found = path.stat()
    if found.st_uid != account.uid:
        if not account.borrowed:
            raise unwritable(path, f"it belongs to user id {found.st_uid}, not to {account.uid}")
        account.take_tree(path)
    # PostgreSQL starts only in a folder that others cannot enter.
    if stat.S_IMODE(found.st_mode) not in (0o700, 0o750):
        path.chmod(0o700)
    for part in (folder.private, folder.log):
        part.mkdir(0o700, exist_ok=True)
        if part.is_symlink():
            raise unwritable(path, f"{part.name} in it is a link")
        account.take(part)


def _move_all(source: Path, target: Path, pivot: str, *, last: bool = False) -> None:
    """Move every entry but our own from `source` to `target`; `pivot` goes first, or last."""
    if not source.exists():
        return
    names = {entry.name for entry in source.iterdir()} - {PRIVATE_FOLDER, LOG_FOLDER}
    for name in sorted(names, key=lambda name: (name == pivot) is last):
        (source / name).rename(target / name)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
