"""`serve`: the ledger over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from memoledger.surfaces.cli.invocation import (
    DEFAULT_TENANT,
    Invocation,
    command,
    login_name,
)
from memoledger.surfaces.cli.output import tell, write_json

if TYPE_CHECKING:
    from memoledger.surfaces.api.serve import Listening

PANEL = "Serving"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "serve", panel=PANEL)(serve)


def serve(
    given: Invocation,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Address to listen on; without it MEMOLEDGER_HTTP_HOST, or else 127.0.0.1.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="NUMBER",
            help="Port, 0 for any free one; without it MEMOLEDGER_HTTP_PORT, or else 8427.",
        ),
    ] = None,
    no_worker: Annotated[
        bool,
        typer.Option(
            "--no-worker", help="Leave embedding from the queue, and upkeep, to other processes."
        ),
    ] = False,
    development: Annotated[
        bool,
        typer.Option(
            "--development",
            help="Ask nobody for a key; on loopback only. Headers say who acts.",
        ),
    ] = False,
) -> None:
    """Serve the ledger over HTTP until Ctrl-C or SIGTERM.

    Callers need an API key or a token. At the end, requests under way are finished; streams end
    after the batch in hand, and say so. With --json, a line tells where it listens.
    """
    from memoledger.model.principal import Principal
    from memoledger.surfaces.api.logs import configure_logs
    from memoledger.surfaces.api.serve import run

    overrides: dict[str, Any] = {"http_host": host, "http_port": port}
    if no_worker:
        overrides["sweep_interval_s"] = 0.0
    settings = given.place.settings(**overrides)
    configure_logs(settings.log_level, settings.log_format)
    principal = Principal(DEFAULT_TENANT, login_name()) if development else None

    def listening(where: Listening) -> None:
        if given.as_json:
            write_json({"url": where.url, "development": where.development})
        else:
            _say(where)

    run(settings, development=principal, on_listening=listening)


def _say(where: Listening) -> None:
    if where.development:
        warning = "DEVELOPMENT: whoever can reach this address may read and write everything."
        tell(Text(warning, style="bold red"))
    tell(f"Memoledger listens on {where.url}")
