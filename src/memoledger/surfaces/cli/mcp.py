"""`mcp`: the ledger as an agent's tools, and the settings that make a host start it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from memoledger.model.errors import InvalidInput
from memoledger.surfaces.cli.invocation import (
    DEFAULT_STORE,
    DEFAULT_TENANT,
    Invocation,
    command,
    send_logs_to_standard_error,
)
from memoledger.surfaces.cli.output import say, tell, visible, write_json
from memoledger.surfaces.mcp.install.hosts import HostName

if TYPE_CHECKING:
    from memoledger.settings import Settings
    from memoledger.surfaces.mcp.install.hosts import Host

_KEY: Final = "MEMOLEDGER_API_KEY"
_DATABASE: Final = "MEMOLEDGER_DATABASE_URL"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="A Memoledger service that has the ledger; its key is MEMOLEDGER_API_KEY.",
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Let the agent find memories, and change none.")
]

app = typer.Typer()


@command(app, "", takes="shared store")
def serve(given: Invocation, *, url: Url = None, read_only: ReadOnly = False) -> None:
    """Serve the ledger to an agent by MCP, on standard input and output.

    Hosts such as Claude Desktop or an editor start this; `memoledger mcp install` writes their
    settings. The agent acts as one user, and in one store unless it names another. To serve many
    users over HTTP, each with a key of their own, use `memoledger serve`: its /mcp has the same
    tools.
    """
    from memoledger.model.principal import Principal
    from memoledger.surfaces.mcp.local import serve_stdio
    from memoledger.surfaces.mcp.opening import OwnDoor
    from memoledger.surfaces.python.memoledger import Memoledger

    settings = _settings(given, url)
    send_logs_to_standard_error()
    if sys.stdin.isatty():
        tell("This speaks MCP on standard input, for a program. See `memoledger mcp install`.")

    async def opened() -> Memoledger:
        return await Memoledger.open(settings=settings)

    async def run() -> None:
        door = OwnDoor(
            opened,
            Principal(given.tenant, given.acting_user),
            scopes=frozenset({"read"} if read_only else {"read", "write"}),
            store=given.store,
            owner=given.owner,
        )
        await serve_stdio(door)

    try:
        asyncio.run(run())
    except asyncio.CancelledError:  # Asked to end, and it has.
        return


@command(app, "install", takes="shared store")
def install(
    given: Invocation,
    *,
    host: Annotated[
        HostName, typer.Option("--host", help="The program with the agent.", show_default=False)
    ],
    write: Annotated[
        bool,
        typer.Option("--write", help="Write it into the host's settings, beside what is there."),
    ] = False,
    project: Annotated[
        Path | None,
        typer.Option(
            "--project",
            metavar="FOLDER",
            help="Only for the project in that folder, in its own settings.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="The host's settings, if they are elsewhere."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the host calls the server.")
    ] = "memoledger",
    url: Url = None,
    read_only: ReadOnly = False,
    with_secrets: Annotated[
        bool,
        typer.Option(
            "--with-secrets",
            help="Put the API key or the database's URL into the settings as they are. Without it "
            "the host takes them from its environment.",
        ),
    ] = False,
) -> None:
    """Print the settings with which a host uses this ledger, or write them.

    Everything else in the host's file stays as it is, comments too, and doing it twice changes
    nothing. Options say whose memories the agent works with, as everywhere.
    """
    from memoledger.surfaces.mcp.install.files import snippet
    from memoledger.surfaces.mcp.install.files import write as written
    from memoledger.surfaces.mcp.install.hosts import host_named

    _check_name(name)
    chosen = host_named(host)
    path = _file(chosen, project, file)
    entry, missing = _entry(given, chosen, url, read_only=read_only, with_secrets=with_secrets)
    outcome = written(path, chosen, name, entry) if write else None
    text = snippet(chosen, name, entry)
    if given.as_json:
        answer = {"host": host, "file": str(path), "outcome": outcome or "printed", "entry": entry}
        write_json({**answer, "missing": list(missing)})
    elif outcome is None:
        tell(Text(f"For {chosen.title}, in {visible(str(path))}:"))
        say(Text(visible(text)))
    else:
        said = {"created": "Written to", "updated": "Written to", "unchanged": "Already in"}
        say(Text(f"{said[outcome]} {visible(str(path))}. {chosen.next_step}"))
    if missing:
        tell(
            f"{chosen.title} needs {' and '.join(missing)} in its environment when it starts; or "
            "--with-secrets puts it into the settings."
        )


def _settings(given: Invocation, url: str | None) -> Settings:
    if url is not None and given.place.is_given:
        raise InvalidInput(
            "--url",
            url,
            "the ledger is either behind a service or opened here",
            remedy="Leave out --url, or --data-dir and --database-url.",
        )
    return given.place.settings(**({} if url is None else {"url": url}))


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise InvalidInput(
            "--name",
            name,
            "hosts take letters, digits, dashes and underscores",
            remedy="Choose such a name.",
        )


def _file(host: Host, project: Path | None, file: Path | None) -> Path:
    """Which file it goes into.

    Raises:
        InvalidInput: the host keeps none for projects, or both options are given.
    """
    if project is not None and file is not None:
        raise InvalidInput(
            "--file", str(file), "--project names one as well", remedy="Give one of the two."
        )
    if file is not None:
        return file.expanduser().absolute()
    if project is None:
        return host.file
    if host.project_file is None:
        raise InvalidInput(
            "--project",
            str(project),
            f"{host.title} keeps no settings in a project",
            remedy="Leave it out.",
        )
    return project.expanduser().absolute() / host.project_file


def _entry(
    given: Invocation, host: Host, url: str | None, *, read_only: bool, with_secrets: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The entry, and which variables the host must have besides."""
    from memoledger.surfaces.mcp.install.hosts import Program, Service

    settings = _settings(given, url)
    known = _secrets_of(settings)
    told = {name: text for name, text in known.items() if with_secrets and text is not None}
    secrets = tuple(name for name in known if name not in told)
    if settings.url is not None and not told and not read_only:
        entry = host.called(Service(_address(settings.url, given), _KEY))
        if entry is not None:
            return entry, secrets
    command, *arguments = _command()
    arguments += _arguments(given, settings, read_only=read_only)
    return host.started(Program(command, tuple(arguments), told, secrets)), secrets


def _secrets_of(settings: Settings) -> dict[str, str | None]:
    """The variables that the way to the ledger needs, and what they hold here."""
    if settings.url is not None:
        key = settings.api_key
        return {_KEY: None if key is None else key.get_secret_value()}
    if settings.database_url is not None:
        return {_DATABASE: settings.database_url.get_secret_value()}
    return {}


def _address(url: str, given: Invocation) -> str:
    """The address of a service's tools, on the store that is meant."""
    from urllib.parse import urlencode

    chosen = {"store": given.store} if given.store != DEFAULT_STORE else {}
    if given.owner is not None:
        chosen |= {"store": given.store, "owner": given.owner}
    query = f"?{urlencode(chosen)}" if chosen else ""
    return f"{url.rstrip('/')}/mcp{query}"


def _command() -> list[str]:
    """This program, by paths that do not depend on where it is started from."""
    beside = Path(sys.executable).with_name("memoledger")
    started = [str(beside)] if beside.exists() else [sys.executable, "-m", "memoledger"]
    return [*started, "mcp"]


def _arguments(given: Invocation, settings: Settings, *, read_only: bool) -> list[str]:
    """The options with which it serves the same ledger to the same user."""
    from memoledger.settings import default_data_dir

    usual = {"--tenant": DEFAULT_TENANT, "--store": DEFAULT_STORE}
    said = {
        "--tenant": given.tenant,
        "--user": given.user,
        "--store": given.store,
        "--owner": given.owner,
        "--url": settings.url,
    }
    elsewhere = settings.url is not None or settings.database_url is not None
    if not elsewhere and settings.data_dir != default_data_dir():
        said["--data-dir"] = str(settings.data_dir.expanduser().absolute())
    options = [
        part
        for name, value in said.items()
        if value is not None and value != usual.get(name)
        for part in (name, value)
    ]
    return [*options, "--read-only"] if read_only else options
