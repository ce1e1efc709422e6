"""What the requests of one running service share; it is in `app.state.service`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from memoledger.bootstrap import Application
from memoledger.model.principal import Principal
from memoledger.services.authenticate import Authenticator
from memoledger.services.context import Context
from memoledger.surfaces.api.limits import Gate, Limits


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered, for whoever counts them. There is no content in it.

    Args:
        route: the operation's path with its parameters by name; empty where none matched.
        status: of the answer; 0 where the connection broke before there was one.
        duration_s: until the end of the answer.
        timings_ms: parts of a recall, where it was one.
        tenant: of the caller; None where it was not known.
    """

    method: str
    route: str
    status: int
    duration_s: float
    timings_ms: Mapping[str, float]
    request_id: str
    tenant: str | None


Observer = Callable[[Answered], None]
"""Is told of every request once it was answered; must be quick, and must not fail."""


@dataclass(slots=True)
class Service:
    """A running service.

    Args:
        development: as whom requests without a key act; None where a key or token is required.
        heavy: the gate of what searches and writes.
        streams: the gate of bulk writes, imports and exports.
        ready_at_s: when the ledger last answered to a look at its health, on the monotonic clock.
        closing: set when the service shuts down; streams end at the next batch then.
        observers: are told of every answered request.
        methods_at: the methods that are taken at a path.
    """

    application: Application
    limits: Limits
    heavy: Gate
    streams: Gate
    development: Principal | None = None
    ready_at_s: float = -1e9
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    observers: list[Observer] = field(default_factory=list)
    methods_at: Callable[[str], Sequence[str]] = lambda _path: ()

    @classmethod
    def of(cls, application: Application, *, development: Principal | None = None) -> Service:
        """The service on an open ledger, with the limits that its settings name."""
        settings = application.settings
        heavy = Gate(
            settings.http_heavy_at_once,
            waiting_max=settings.http_heavy_waiting,
            wait_s=settings.http_heavy_wait_s,
        )
        return cls(
            application=application,
            limits=Limits.of(settings),
            heavy=heavy,
            streams=Gate(settings.http_streams_at_once),
            development=development,
        )

    @property
    def context(self) -> Context:
        """What services work with."""
        return self.application.context

    @property
    def authenticator(self) -> Authenticator:
        """What tells who calls."""
        return self.application.authenticator


def service_of(connection: HTTPConnection) -> Service:
    """The service that a request came to."""
    service = connection.app.state.service
    assert isinstance(service, Service)
    return service
