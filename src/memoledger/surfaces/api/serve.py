"""The service as a process: it opens the ledger, listens, and ends in an orderly way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from memoledger.model.errors import EmbedderError, SettingsError
from memoledger.model.principal import Principal
from memoledger.ports import Embedder
from memoledger.settings import Settings
from memoledger.surfaces.api.app import create_app
from memoledger.surfaces.api.service import Service
from memoledger.surfaces.python.memoledger import Memoledger

BACKLOG: Final = 2_048
"""Connections that wait to be accepted."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("memoledger.api")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a service listens.

    Args:
        development: whether it asks for no keys.
    """

    host: str
    port: int
    development: bool

    @property
    def url(self) -> str:
        """Its address for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def run(
    settings: Settings,
    *,
    development: Principal | None = None,
    on_listening: Callable[[Listening], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let what is under way end, and close the ledger.

    Args:
        development: as whom requests without a key act; None to require keys or tokens.
        on_listening: called once requests are taken.

    Raises:
        SettingsError: the address cannot be listened on, or is open to others in development.
        LedgerError, EmbedderError: the ledger cannot be opened.
    """
    if development is not None:
        require_loopback(settings.http_host)
    # uvloop, where there is one.
    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(settings, development, on_listening))


async def _serve(
    settings: Settings,
    development: Principal | None,
    on_listening: Callable[[Listening], None] | None,
) -> None:
    # Before the ledger is opened: a taken port should not cost the time of that.
    with bound_socket(settings.http_host, settings.http_port) as listener:
        async with Memoledger.open(settings=settings) as ledger:
            await _warm(ledger.application.embedder)
            app = create_app(ledger.application, settings, development=development)
            # What is there now stays: the collector need not look at it again with every request.
            gc.collect()
            gc.freeze()
            server = server_of(app, settings)
            serving = asyncio.create_task(server.serve([listener]))
            await started(server, serving)
            host, port = listener.getsockname()[:2]
            if on_listening is not None:
                on_listening(Listening(host, port, development is not None))
            await serving


async def _warm(embedder: Embedder) -> None:
    """Load the model now rather than in the first request; one that is away may be back by then."""
    with contextlib.suppress(EmbedderError):
        await embedder.embed(["warm"], input_type="query")


async def started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    """Wait until a server takes requests; if it ends before, its error is raised."""
    while not server.started:
        if serving.done():
            await serving
            return
        await asyncio.sleep(0.01)


def server_of(app: FastAPI, settings: Settings) -> OrderlyServer:
    """The server of an application, with the limits that the settings name."""
    proxies = settings.http_trusted_proxies.strip()
    config = uvicorn.Config(
        app,
        http=_protocol(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        backlog=BACKLOG,
        limit_concurrency=settings.http_connections_max,
        timeout_keep_alive=round(settings.http_keep_alive_s),
        timeout_graceful_shutdown=max(1, round(settings.http_shutdown_s)),
    )
    return OrderlyServer(config, app.state.service)


def _protocol(settings: Settings) -> type[asyncio.Protocol] | str:
    try:
        from memoledger.surfaces.api.protocol import guarded_protocol
    except ImportError:  # No httptools on this machine.
        return "h11"
    return guarded_protocol(settings.http_body_timeout_s)


class OrderlyServer(uvicorn.Server):
    """A server that tells the service before it waits for it, and leaves the process to its owner.

    uvicorn raises the signal that ended it once more, which would end the process before the ledger
    is closed and its last receipts are written.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let requests end, and break off what does not."""
        _log.info("shutting_down", streams=self._service.streams.inside)
        self._service.closing.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Have SIGINT and SIGTERM end the server, a second SIGINT at once."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            for number in SIGNALS:
                signal.signal(number, self.handle_exit)
        except ValueError:  # Not in the main thread; then somebody else ends the server.
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to an address, which listens once a server takes it.

    Raises:
        SettingsError: there is no such address, or it is taken.
    """
    remedy = "Give another with --host and --port; --port 0 takes any that is free."
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _unusable(host, port, error, remedy) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error, remedy) from None
    return listener


def _unusable(host: str, port: int, error: Exception, remedy: str) -> SettingsError:
    reason = getattr(error, "strerror", None) or "there is no such address"
    return SettingsError("MEMOLEDGER_HTTP_HOST", f"{host}:{port}", reason.lower(), remedy=remedy)


def require_loopback(host: str) -> None:
    """Refuse to serve without keys where others can reach it.

    Raises:
        SettingsError: the address is not one of this machine's own for itself.
    """
    try:
        good = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        good = False
    if not good:
        raise SettingsError(
            "MEMOLEDGER_HTTP_HOST",
            host,
            "in development nobody is asked for a key, and others could reach this address",
            remedy="Leave --development out and make a key, or listen on 127.0.0.1.",
        )
