"""A PgBouncer between a benchmark's service and its server, in transaction mode."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memoledger.model.errors import InvalidInput, LedgerUnavailable

START_S: Final = 10.0
SERVER_CONNECTIONS: Final = 8
"""As many as a service's own pool has; what it costs is the way through, not a smaller pool."""

_SETTINGS: Final = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
max_prepared_statements = 200
default_pool_size = {connections}
"""


@asynccontextmanager
async def through_pgbouncer(conninfo: str, program: str) -> AsyncIterator[str]:
    """Start one in front of the embedded server; how to connect through it.

    Args:
        conninfo: how the application's role reaches the server, by its Unix socket.
        program: a PgBouncer, 1.21 or newer, by its name on the path or its place.

    Raises:
        InvalidInput: there is no such program.
        LedgerUnavailable: it did not start.
    """
    found = shutil.which(program)
    if found is None:
        raise InvalidInput(
            "--pgbouncer", program, "there is no such program", remedy="Install PgBouncer."
        )
    server = conninfo_to_dict(conninfo)
    with tempfile.TemporaryDirectory(prefix="memoledger-pgbouncer-") as name:
        port = _free_port()
        process = await _start(found, Path(name), server, port)
        through = make_conninfo(
            host="127.0.0.1", port=port, user=str(server["user"]), dbname=str(server["dbname"])
        )
        try:
            await _wait(through)
            yield through
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _start(
    program: str, folder: Path, server: dict[str, Any], port: int
) -> asyncio.subprocess.Process:
    user, group = await asyncio.to_thread(_write, folder, server, port)
    return await asyncio.create_subprocess_exec(
        program,
        "-q",
        str(folder / "pgbouncer.ini"),
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        user=user,
        group=group,
    )


def _write(folder: Path, server: dict[str, Any], port: int) -> tuple[int, int] | tuple[None, None]:
    """Write its settings; the user and group it has to run as, where they are not ours.

    Only the account that the server runs as can reach its socket; and PgBouncer refuses root.
    """
    settings = _SETTINGS.format(
        host=server["host"],
        server_port=server["port"],
        port=port,
        users=folder / "users.txt",
        connections=SERVER_CONNECTIONS,
    )
    (folder / "pgbouncer.ini").write_text(settings, "utf-8")
    (folder / "users.txt").write_text(f'"{server["user"]}" ""\n', "utf-8")
    if os.geteuid() != 0:
        return None, None
    owner = Path(str(server["host"])).stat()
    for made in (folder, *folder.iterdir()):
        os.chown(made, owner.st_uid, owner.st_gid)
    return owner.st_uid, owner.st_gid


async def _wait(conninfo: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo):
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise LedgerUnavailable(
                    "PgBouncer did not start.", remedy="Start it by hand to see why."
                ) from None
        await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
