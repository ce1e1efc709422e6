"""The handle on an embedded server that the rest of Memoledger holds."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import psycopg

from memoledger.ledger.embedded import upgrade
from memoledger.ledger.embedded.account import choose_account
from memoledger.ledger.embedded.configuration import (
    TEMPORARY_SETTINGS,
    checked_settings,
    machine_memory_bytes,
    write_configuration,
)
from memoledger.ledger.embedded.failures import folder_errors, full, in_use
from memoledger.ledger.embedded.folder import (
    PRIVATE_FOLDER,
    SUPERUSER,
    DataFolder,
    open_folder,
)
from memoledger.ledger.embedded.locks import FolderLock
from memoledger.ledger.embedded.postmaster import (
    START_WAIT_MAX_S,
    STOP_WAIT_S,
    bring_up,
    connection_string,
    take_down,
)
from memoledger.ledger.embedded.processes import PidFile
from memoledger.ledger.embedded.programs import SERVER_MAJOR, Programs
from memoledger.model.errors import DataFolderError, LedgerError, LedgerUnavailable, MemoledgerError

DATABASE = "memoledger"
"""The database of an embedded ledger."""

_CREATE_DATABASE = (
    f"create database {DATABASE} template template0 encoding 'UTF8' "
    "locale_provider builtin builtin_locale 'C.UTF-8'"
)

_TEMPORARY_PREFIX = "memoledger-temporary-"
_ABANDONED_AFTER_S = 600
"""Younger temporary folders are left alone: their owner may not have locked them yet."""

_REPORT_EVERY_S = 10
_BRING_UP_ATTEMPTS = 3

_log = logging.getLogger(__name__)

_open_handles: set[EmbeddedServer] = set()


class EmbeddedServer:
    """One handle on the server of a data folder.

    The server runs as long as any handle of any process is open and stops with the last one.
    A process that was killed counts no longer from that moment on; the server it leaves running
    is taken over by the next handle. Handles still open when Python exits are closed then. After
    a fork the child has no handle. All methods block; call them through `asyncio.to_thread`.
    """

    def __init__(self, folder: DataFolder, users_lock: FolderLock, *, temporary: bool) -> None:
        self._folder = folder
        self._users_lock: FolderLock | None = users_lock
        self._temporary = temporary
        self._running: PidFile | None = None
        _open_handles.add(self)

    @classmethod
    def start(
        cls, data_dir: str | Path, *, settings: Mapping[str, str] | None = None
    ) -> EmbeddedServer:
        """Open a handle: make the folder if needed, start its server or attach to the running one.

        Waits for another process that is starting or stopping the same server, and for crash
        recovery, however long it takes (up to an hour).

        Args:
            data_dir: the data folder; made, with its parents, when missing.
            settings: PostgreSQL's settings by name, for this start of the server; they are not
                applied when it is running already.

        Raises:
            SettingsError: a setting that cannot be set, or a path that cannot be used.
            DataFolderInUse, DataFolderUnwritable, DataFolderFull, DataFolderOutdated,
            DataFolderError: the folder cannot be used; the message says why and what to do.
            LedgerUnavailable: the server did not come up.
        """
        return cls._open(Path(data_dir), checked_settings(settings or {}), temporary=False)

    @classmethod
    def temporary(cls, *, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
        """Open a server in a new temporary folder that is deleted at `stop`.

        It does not wait for the disk (fsync is off), because its data need not survive a power
        cut; `settings` can say otherwise. Temporary folders that killed processes left behind
        more than ten minutes ago are removed on the way.

        Raises:
            the errors of `start`.
        """
        merged = {**TEMPORARY_SETTINGS, **checked_settings(settings or {})}
        _remove_abandoned()
        path = Path(tempfile.gettempdir())
        with folder_errors(path):
            path = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
        try:
            return cls._open(path, merged, temporary=True)
        except MemoledgerError:
            shutil.rmtree(path, ignore_errors=True)
            raise

    @staticmethod
    def upgrade(data_dir: str | Path) -> upgrade.UpgradeReport:
        """Bring a folder of an older major version of PostgreSQL to this program's.

        The old contents stay in the folder, as the report says, until somebody deletes them.

        Raises:
            DataFolderInUse: another program has the ledger open.
            DataFolderFull: there is no room for a second copy.
            DataFolderOutdated: made by a newer version, or by one this program cannot read.
            DataFolderError: there is no ledger in it, or the upgrade failed; nothing was changed.
        """
        folder = open_folder(Path(data_dir))
        with _transition(folder), folder.lock("users") as users_lock:
            if not users_lock.try_alone():
                raise in_use(folder.path, "by another program")
            return upgrade.upgrade_folder(folder)

    @property
    def data_dir(self) -> Path:
        """The data folder, as an absolute path without symbolic links."""
        return self._folder.path

    def conninfo(self, user: str = SUPERUSER, database: str = DATABASE) -> str:
        """The libpq connection string for `user` in `database`, through the Unix socket.

        Raises:
            LedgerUnavailable: the handle is closed.
        """
        if self._users_lock is None or self._running is None:
            raise self._closed()
        return connection_string(self._running, self.data_dir, user=user, database=database)

    def ensure_running(self) -> None:
        """Start the server again if it died since this handle was opened.

        Raises:
            LedgerUnavailable: the handle is closed.
            the errors of `start`.
        """
        if self._users_lock is None:
            raise self._closed()
        with _transition(self._folder):
            self._bring_up({}, keep_configuration=True)

    def stop(self) -> None:
        """Close this handle; stop the server if it was the last one. Safe to call twice."""
        users_lock, self._users_lock = self._users_lock, None
        _open_handles.discard(self)
        if users_lock is None:
            return
        try:
            with users_lock, self._folder.lock("transition") as transition:
                # Whoever keeps the transition lock this long is starting the server, and stops it.
                if transition.wait_alone(STOP_WAIT_S) and users_lock.try_alone():
                    self._stop_server()
        except DataFolderError as error:
            # The folder was deleted, most likely; the server sees that itself within a minute.
            _log.warning("the server of %s could not be stopped: %s", self.data_dir, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @classmethod
    def _open(
        cls, data_dir: Path, settings: Mapping[str, str], *, temporary: bool
    ) -> EmbeddedServer:
        folder = open_folder(data_dir)
        with contextlib.ExitStack() as undo:
            with _transition(folder):
                handle = cls(folder, folder.lock("users"), temporary=temporary)
                undo.callback(handle.stop)
                handle._share()
                handle._prepare()
                handle._bring_up(settings)
            undo.pop_all()
        return handle

    def _share(self) -> None:
        # Only a holder of the transition lock takes it alone, and that is us.
        if self._users_lock is None or not self._users_lock.try_shared():
            raise in_use(self.data_dir, "by another program")

    def _prepare(self) -> None:
        with self._folder.lock("server") as server_lock:
            if server_lock.try_alone():
                self._folder.resume()
        if self._folder.major() is None:
            self._folder.initialise(lasting=not self._temporary)
        self._folder.require_current()

    def _bring_up(self, settings: Mapping[str, str], *, keep_configuration: bool = False) -> None:
        folder = self._folder

        def configure() -> None:
            if keep_configuration:
                return
            memory_bytes = machine_memory_bytes()
            with folder_errors(folder.path):
                write_configuration(
                    folder.path, settings, folder.account, memory_bytes=memory_bytes
                )

        programs = Programs.of(SERVER_MAJOR, folder.account)
        for attempt in range(_BRING_UP_ATTEMPTS):
            with folder.lock("server") as server_lock:
                self._running = bring_up(folder, programs, server_lock, configure)
            try:
                _ensure_database(self.conninfo(database=SUPERUSER), folder.path)
                return
            except LedgerUnavailable:
                # It died between its answer and our connection.
                if attempt + 1 == _BRING_UP_ATTEMPTS:
                    raise

    def _stop_server(self) -> None:
        with self._folder.lock("server") as server_lock:
            stopped = take_down(self._folder, server_lock)
        if not stopped:
            _log.warning("PostgreSQL in %s was left running", self.data_dir)
        elif self._temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _closed(self) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"This handle on the server in {self.data_dir} is closed.",
            remedy="Open the ledger again.",
            data_dir=str(self.data_dir),
        )

    def forget(self) -> None:
        """Drop the handle in a forked child, which must not give up the parent's lock."""
        if self._users_lock is not None:
            self._users_lock.close()
            self._users_lock = None


@contextlib.contextmanager
def _transition(folder: DataFolder) -> Iterator[None]:
    """Hold the folder's transition lock, waiting for whoever has it.

    Raises:
        DataFolderInUse: someone has it for more than an hour.
    """
    with folder.lock("transition") as lock:
        if not lock.wait_alone(START_WAIT_MAX_S, _reporter(folder.path)):
            raise in_use(folder.path, "by a program that has been starting it for an hour")
        yield


def _reporter(data_dir: Path) -> Callable[[float], None]:
    """A callback for `wait_alone` that logs every ten seconds that we are waiting."""
    reported_s = 0.0

    def report(waited_s: float) -> None:
        nonlocal reported_s
        if waited_s - reported_s >= _REPORT_EVERY_S:
            reported_s = waited_s
            _log.info("another program is starting or stopping the server in %s", data_dir)

    return report


def _ensure_database(conninfo: str, data_dir: Path) -> None:
    """Make the database where there is none, with rules that are the same on every system."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(_CREATE_DATABASE)
    except psycopg.errors.DiskFull as error:
        raise full(data_dir, "the database could not be made") from error
    except psycopg.OperationalError as error:
        reason = str(error).splitlines()[0]
        raise LedgerUnavailable(
            f"PostgreSQL in {data_dir} runs but refused a connection: {reason}.",
            remedy="Close some of the programs that use this ledger, or try again.",
            data_dir=str(data_dir),
        ) from error
    except psycopg.Error as error:
        raise LedgerError(
            f"The database of the ledger in {data_dir} could not be made: {error}.",
            remedy="Look into memoledger-log/ in that folder.",
            data_dir=str(data_dir),
        ) from error


def _remove_abandoned() -> None:
    """Stop and delete the temporary servers whose processes were killed."""
    place = Path(tempfile.gettempdir())
    for path in place.glob(f"{_TEMPORARY_PREFIX}*"):
        # Another process may be removing it right now.
        with contextlib.suppress(OSError, MemoledgerError):
            account = choose_account(place / _TEMPORARY_PREFIX)
            used = (path / PRIVATE_FOLDER / "users.lock").lstat()
            # Everyone can make such a folder; only our own account's is ours to judge.
            ours = path.lstat().st_uid == used.st_uid == account.uid
            if ours and time.time() - used.st_mtime > _ABANDONED_AFTER_S:
                _remove_if_unused(DataFolder(path, account))


def _remove_if_unused(folder: DataFolder) -> None:
    with folder.lock("transition") as transition, folder.lock("users") as users_lock:
        if transition.try_alone() and users_lock.try_alone():
            with folder.lock("server") as server_lock:
                if take_down(folder, server_lock):
                    shutil.rmtree(folder.path, ignore_errors=True)


def _stop_all() -> None:
    for handle in list(_open_handles):
        try:
            handle.stop()
        except MemoledgerError as error:
            _log.warning("closing a server at exit failed: %s", error)


def _forget_all() -> None:
    for handle in list(_open_handles):
        handle.forget()
    _open_handles.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forget_all)
