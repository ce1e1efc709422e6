"""PostgreSQL's settings for a small machine, and how a user's own settings get past them.

Four layers, each winning over the one before:

1. `memoledger.conf`, rewritten at every start: the values below, fitted to this machine's memory;
2. the settings given to `EmbeddedServer.start`, at the end of that file;
3. the user's own lines in `postgresql.conf`, below its include of `memoledger.conf`, and what
   ALTER SYSTEM wrote;
4. the command line: no network, and where the socket is. These cannot be changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from memoledger.ledger.embedded.account import ServerAccount
from memoledger.model.errors import SettingsError

CLUSTER_NAME = "memoledger"
CONFIGURATION_FILE = "memoledger.conf"
LOG_FOLDER = "memoledger-log"

_MIB = 1024 * 1024
_FALLBACK_MEMORY_BYTES = 2 * 1024 * _MIB

_INCLUDE = f"include_if_exists = '{CONFIGURATION_FILE}'"

POSTGRESQL_CONF = f"""\
# Memoledger's defaults are in the included file, which is rewritten at every start.
{_INCLUDE}

# Your own settings go below; they win over the included ones and are never overwritten.
"""

PG_HBA_CONF = """\
# Only the Unix socket exists, and only the folder's owner can open it.
local   all           all   trust
local   replication   all   trust
"""

_HEADER = """\
# Written by Memoledger at every start; changes here are lost. Put your own into postgresql.conf.

"""

_RESERVED = {
    "cluster_name": "the processes of a killed server are known by it",
    "listen_addresses": "the embedded server has no network door; give a database_url instead",
    "port": "it only names the socket file",
    "unix_socket_directories": "it is derived from the data folder",
    "unix_socket_permissions": "the socket is its owner's alone",
    "unix_socket_group": "the socket is its owner's alone",
    "data_directory": "it is the data folder",
    "config_file": "it is in the data folder",
    "hba_file": "it is in the data folder",
    "ident_file": "it is in the data folder",
    "external_pid_file": "it is in the data folder",
    "log_directory": "failed starts are explained from it",
    "logging_collector": "failed starts are explained from its files",
    "log_destination": "failed starts are explained from its files",
}

TEMPORARY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
"""What a server in a temporary folder does without: its data need not survive a power cut."""


def checked_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The given PostgreSQL settings, refused where they cannot work.

    Args:
        settings: PostgreSQL's own names (`work_mem`, `hnsw.ef_search`) and values as text.

    Raises:
        SettingsError: a malformed name, a value with control characters, or a setting that the
            embedded server decides itself.
    """
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", name):
            raise SettingsError(
                "server_settings",
                name,
                "not a name of a PostgreSQL setting",
                remedy="Names are letters, digits and underscores, with at most one dot.",
            )
        if re.search(r"[\x00-\x1f\x7f]", value):
            raise SettingsError(
                name, value, "a setting has no control characters", remedy="Remove them."
            )
        reason = _RESERVED.get(name.lower())
        if reason is not None:
            raise SettingsError(name, value, f"cannot be set: {reason}", remedy="Leave it out.")
    return dict(settings)


def write_configuration(
    data_dir: Path, settings: Mapping[str, str], account: ServerAccount, *, memory_bytes: int
) -> None:
    """Bring `memoledger.conf` up to date and make sure that `postgresql.conf` includes it.

    Nothing is written when nothing changed, so that a full disk does not stop a start here.

    Raises:
        OSError: a file cannot be read or written.
    """
    _write_if_changed(
        data_dir / CONFIGURATION_FILE, _rendered(settings, memory_bytes=memory_bytes), account
    )
    main = data_dir / "postgresql.conf"
    text = main.read_text("utf-8", "surrogateescape") if main.exists() else ""
    if CONFIGURATION_FILE not in text:
        # A folder that initdb alone made has active lines of its own, and no user's among them
        # that could be told apart; ours must come after those to be heard.
        _write_if_changed(main, f"{text.rstrip()}\n\n{_INCLUDE}\n".lstrip(), account)


def machine_memory_bytes() -> int:
    """The memory this process may use: the machine's, or less where a container limits it."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        machine = _FALLBACK_MEMORY_BYTES
    limits = [
        _limit_bytes(Path("/sys/fs/cgroup/memory.max")),
        _limit_bytes(Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
    ]
    return min([machine, *(limit for limit in limits if limit)])


def default_settings(memory_bytes: int) -> dict[str, str]:
    """The settings for a machine that has `memory_bytes` and does other things as well."""
    maintenance_mib = _bounded_mib(memory_bytes / 16, 64, 512)
    return {
        # Memory. A quarter of the machine is what a dedicated server would take; an embedded one
        # shares it with the program and its models. A graph over 1,000,000 vectors has 1,300 MB.
        "shared_buffers": f"{_bounded_mib(memory_bytes / 8, 128, 4096)}MB",
        "effective_cache_size": f"{_bounded_mib(memory_bytes / 2, 256, 65_536)}MB",
        "work_mem": f"{_bounded_mib(memory_bytes / 512, 4, 32)}MB",
        "maintenance_work_mem": f"{maintenance_mib}MB",
        "dynamic_shared_memory_type": _shared_memory_type(maintenance_mib * _MIB),
        "max_connections": "100",
        # Safety: what was acknowledged is on disk.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # Write-ahead log. lz4 is not built in, and pglz costs much to gain little on vectors;
        # rarer checkpoints save more page images than it would.
        "wal_compression": "off",
        "min_wal_size": "80MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        # Planning: solid-state disks, and queries too short to be worth compiling.
        "random_page_cost": "1.1",
        "jit": "off",
        # Tables that only grow by versions still need their statistics and maps kept fresh.
        "autovacuum": "on",
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        # Nothing here subscribes to another server.
        "max_logical_replication_workers": "0",
        # The same answers everywhere.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "datestyle": "iso, ymd",
        "lc_messages": "C",
        "default_text_search_config": "pg_catalog.english",
        "cluster_name": CLUSTER_NAME,
        **_logging_settings(),
    }


def _logging_settings() -> dict[str, str]:
    """A week of small files without a word of anyone's memory.

    An ERROR's own message quotes values ("invalid input syntax for type json: …"), so errors go to
    the client only; the log keeps starts, crashes and refused connections. Details, which name key
    values and the query of a crashed process, are dropped by terse verbosity.
    """
    return {
        "logging_collector": "on",
        "log_destination": "stderr",
        "log_directory": LOG_FOLDER,
        "log_filename": "server-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_statement": "none",
        "log_duration": "off",
        "log_min_duration_statement": "-1",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_connections": "off",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
        "log_lock_waits": "off",
        "log_temp_files": "-1",
        "log_line_prefix": "%m [%p] ",
    }


def _rendered(settings: Mapping[str, str], *, memory_bytes: int) -> str:
    lines = [_line(name, value) for name, value in default_settings(memory_bytes).items()]
    if settings:
        lines += ["", "# Given by the program that started the server."]
        lines += [_line(name, value) for name, value in settings.items()]
    return _HEADER + "\n".join(lines) + "\n"


def _line(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{quoted}'"


def _bounded_mib(size_bytes: float, least: int, most: int) -> int:
    return max(least, min(most, int(size_bytes / _MIB)))


def _shared_memory_type(needed_bytes: int) -> str:
    """`sysv` where /dev/shm is too small for a parallel index build, as Docker's 64 MB are."""
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - where POSIX has shared memory
    except OSError:
        return "sysv"
    return "posix" if found.f_frsize * found.f_blocks >= 2 * needed_bytes else "sysv"


def _limit_bytes(path: Path) -> int | None:
    try:
        text = path.read_text("ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _write_if_changed(path: Path, text: str, account: ServerAccount) -> None:
    content = text.encode("utf-8", "surrogateescape")
    if path.exists() and path.read_bytes() == content:
        return
    # Written beside and moved over: a crash in between leaves the old file whole.
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with beside.open("xb") as file:
        file.write(content)
    beside.chmod(0o600)
    account.take(beside)
    beside.replace(path)
