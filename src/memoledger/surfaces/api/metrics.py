"""Metrics for Prometheus: what the service answered, and what it has in hand.

Labels are bounded: methods, routes and statuses out of fixed sets, parts by the names the program
gives them. No label holds what a user wrote. Tenants are counted only where a setting asks for it,
and no more than a thousand by name.

Counts belong to one process; behind several, each is scraped for itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from memoledger import __version__
from memoledger.model.artifact import STORE_ACTS
from memoledger.model.errors import Forbidden, Unauthenticated
from memoledger.model.histogram import SECONDS, HistogramState
from memoledger.settings import Settings
from memoledger.surfaces.api.limits import Gate
from memoledger.surfaces.api.service import Answered, Service

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PARTS: Final = frozenset({"embed", "search", "rank", "fetch", "pack"})
OTHER: Final = "other"
UNMATCHED: Final = "unmatched"
"""The route of a request that led to no operation."""

TENANTS_MAX: Final = 1_000
"""Tenants counted by name; those that come later are counted together."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")

Families = Iterator[Metric]


class Metrics:
    """The metrics of one running service.

    Args:
        tenants: count requests by tenant too.
    """

    def __init__(self, service: Service, *, tenants: bool = False) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "memoledger_requests",
            "Requests answered, by method, route and status (0: the connection broke before).",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "memoledger_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._parts = Histogram(
            "memoledger_recall_part_seconds",
            "Time that each part of a recall took.",
            ("part",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._tenants: Counter | None = None
        if tenants:
            self._tenants = Counter(
                "memoledger_tenant_requests",
                "Requests answered, by tenant and class of status.",
                ("tenant", "status"),
                registry=self.registry,
            )
        self._named: set[str] = set()
        self.registry.register(_State(service))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def observe(self, answered: Answered) -> None:
        """Count a request that was answered."""
        method = answered.method if answered.method in METHODS else OTHER
        route = answered.route or UNMATCHED
        self._requests.labels(method, route, str(answered.status)).inc()
        self._seconds.labels(method, route).observe(answered.duration_s)
        for part, duration_ms in answered.timings_ms.items():
            self._parts.labels(part if part in PARTS else OTHER).observe(duration_ms / 1e3)
        if self._tenants is not None and answered.tenant is not None:
            self._tenants.labels(self._name(answered.tenant), f"{answered.status // 100}xx").inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All of them as text, and its media type: the one of those accepted that fits best."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def _name(self, tenant: str) -> str:
        if tenant not in self._named and len(self._named) >= TENANTS_MAX:
            return OTHER
        self._named.add(tenant)
        return tenant


class _State(Collector):
    """Reads what the service has in hand, at the moment it is asked."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Families:
        """Every metric that is read rather than counted here."""
        yield InfoMetricFamily("memoledger_build", "The program.", {"version": __version__})
        yield from self._gates()
        yield from self._pool()
        yield from self._receipts()
        yield from self._embedder()
        yield from self._keys()
        yield from self._cache()
        yield from self._artifacts()
        yield from self._upkeep()
        yield from self._queue()

    def _gates(self) -> Families:
        gates: Mapping[str, Gate] = {"heavy": self._service.heavy, "streams": self._service.streams}
        inside = _gauge("memoledger_gate_inside", "Requests being worked on.", "gate")
        waiting = _gauge("memoledger_gate_waiting", "Requests waiting for their turn.", "gate")
        refused = _counter("memoledger_gate_refused", "Requests told to come back later.", "gate")
        for name, gate in gates.items():
            inside.add_metric([name], gate.inside)
            waiting.add_metric([name], gate.waiting)
            refused.add_metric([name], gate.refused)
        yield from (inside, waiting, refused)

    def _pool(self) -> Families:
        pool = self._service.context.ledger.sessions.statistics
        sizes = _gauge("memoledger_pool_connections", "Connections to PostgreSQL.", "state")
        sizes.add_metric(["free"], pool.free)
        sizes.add_metric(["used"], pool.size - pool.free)
        yield sizes
        yield GaugeMetricFamily(
            "memoledger_pool_connections_max", "Connections that may be opened.", pool.size_max
        )
        yield GaugeMetricFamily(
            "memoledger_pool_waiting", "Callers waiting for a free connection.", pool.waiting
        )
        yield CounterMetricFamily(
            "memoledger_pool_refused", "Callers that got no connection in time.", pool.refused
        )
        attempts = _counter("memoledger_pool_attempts", "Attempts to connect.", "outcome")
        attempts.add_metric(["opened"], pool.opened)
        attempts.add_metric(["failed"], pool.failed)
        yield attempts
        yield CounterMetricFamily("memoledger_pool_lost", "Connections found broken.", pool.lost)
        waits = HistogramMetricFamily(
            "memoledger_pool_wait_seconds", "Time that callers waited for a connection.", labels=()
        )
        _add(waits, [], pool.waits_s)
        yield waits

    def _receipts(self) -> Families:
        receipts = self._service.context.receipts
        yield GaugeMetricFamily(
            "memoledger_receipts_waiting", "Receipts in memory, not yet written.", receipts.waiting
        )
        yield CounterMetricFamily(
            "memoledger_receipts_lost", "Receipts given up; each is in the log.", receipts.lost
        )

    def _embedder(self) -> Families:
        embedded = self._service.context.preparer.statistics
        texts = _counter("memoledger_embedded_texts", "Texts embedded.", "input")
        seconds = HistogramMetricFamily(
            "memoledger_embedding_seconds", "Time that the embedding model took.", labels=["input"]
        )
        for kind, histogram in embedded.seconds.items():
            texts.add_metric([kind], embedded.texts[kind])
            _add(seconds, [kind], histogram.state)
        yield from (texts, seconds)
        yield CounterMetricFamily(
            "memoledger_embedding_failures", "Calls in which the model failed.", embedded.failures
        )

    def _keys(self) -> Families:
        authenticator = self._service.authenticator
        keys = _counter("memoledger_credentials", "Keys and tokens looked at.", "cache")
        keys.add_metric(["hit"], authenticator.trusted)
        keys.add_metric(["miss"], authenticator.asked)
        yield keys

    def _cache(self) -> Families:
        cached = self._service.context.cached
        if cached is None:
            return
        told = cached.cache.statistics
        answers = _counter("memoledger_cache_answers", "What came of asking the cache.", "outcome")
        for outcome, count in told.answers.items():
            answers.add_metric([outcome], count)
        yield answers
        yield CounterMetricFamily("memoledger_cache_written", "Values it took.", told.written)
        yield GaugeMetricFamily(
            "memoledger_cache_up", "Whether it answered the last time.", told.state == "ok"
        )

    def _artifacts(self) -> Families:
        artifacts = self._service.context.artifacts
        if artifacts is None:
            return
        told = artifacts.statistics
        asked = _counter("memoledger_artifact_acts", "Acts of the store of raw sources.", "act")
        failed = _counter("memoledger_artifact_failures", "Those that failed.", "act")
        for act in STORE_ACTS:
            asked.add_metric([act], told.asked[act])
            failed.add_metric([act], told.failed[act])
        moved = _counter("memoledger_artifact_bytes", "Bytes put there and read.", "act")
        moved.add_metric(["put"], told.bytes_put)
        moved.add_metric(["read"], told.bytes_read)
        yield from (asked, failed, moved)

    def _upkeep(self) -> Families:
        upkeep = self._service.application.upkeep
        done = _gauge(
            "memoledger_upkeep_last_success_timestamp_seconds",
            "When background work last came to its end: sweeping, and indexing large stores.",
            "task",
        )
        for task, when in upkeep.last_success.items():
            done.add_metric([task], when.timestamp())
        failed = _counter("memoledger_upkeep_failures", "Rounds of it that failed.", "task")
        for task, count in upkeep.failures.items():
            failed.add_metric([task], count)
        yield from (done, failed)

    def _queue(self) -> Families:
        queue = self._service.application.queue
        rows = _counter("memoledger_queue_rows", "Rows of the queue settled.", "outcome")
        for outcome, count in (
            ("embedded", queue.embedded),
            ("dropped", queue.dropped),
            ("failed", queue.failed),
            ("poisoned", queue.poisoned),
        ):
            rows.add_metric([outcome], count)
        seconds = HistogramMetricFamily(
            "memoledger_queue_seconds", "Time that embedding and writing a batch took.", labels=()
        )
        _add(seconds, [], queue.seconds.state)
        waited = HistogramMetricFamily(
            "memoledger_queue_wait_seconds", "Time that a row had waited when claimed.", labels=()
        )
        _add(waited, [], queue.waited_s.state)
        yield from (rows, seconds, waited)
        if queue.depth is None:
            return  # no worker runs in this process, or it has not looked yet
        depth = _gauge("memoledger_queue_depth", "Rows of the queue, of all tenants.", "state")
        for state in ("waiting", "claimed", "poisoned"):
            depth.add_metric([state], getattr(queue.depth, state))
        yield depth
        yield GaugeMetricFamily(
            "memoledger_queue_age_seconds", "Age of the oldest row that waits.", queue.depth.age_s
        )


def _gauge(name: str, meaning: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=[label])


def _counter(name: str, meaning: str, label: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=[label])


def _add(family: HistogramMetricFamily, labels: list[str], state: HistogramState) -> None:
    bounds = [*(str(bound) for bound in state.bounds), "+Inf"]
    buckets = [(bound, float(count)) for bound, count in zip(bounds, state.below, strict=True)]
    family.add_metric(labels, buckets, state.total)


@dataclass(frozen=True, slots=True)
class Scrape:
    """Shows the metrics to whoever may see them.

    Args:
        token: what the Authorization header has to bring; None to show them to this machine only.
    """

    metrics: Metrics
    token: SecretStr | None

    async def __call__(self, request: Request) -> Response:
        """The metrics as text.

        Raises:
            Unauthenticated: the token is missing or wrong.
            Forbidden: there is no token to be had, and the request comes from elsewhere.
        """
        self._admit(request)
        body, media_type = self.metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    def _admit(self, request: Request) -> None:
        if self.token is None:
            if not _is_near(request):
                raise Forbidden(
                    "Metrics are shown to this machine only.",
                    remedy="Set MEMOLEDGER_METRICS_TOKEN, and scrape with it as bearer token.",
                )
            return
        given = request.headers.get("authorization", "").encode()
        wanted = f"Bearer {self.token.get_secret_value()}".encode()
        if not hmac.compare_digest(given, wanted):
            raise Unauthenticated(
                "Metrics are shown to whoever brings the token for them.",
                remedy="Send `Authorization: Bearer` with the value of MEMOLEDGER_METRICS_TOKEN.",
            )


def _is_near(request: Request) -> bool:
    """Whether a program of this machine asks, and not for somebody else."""
    passed_on = any(header in request.headers for header in _FORWARDED)
    return not passed_on and request.client is not None and request.client.host in _LOOPBACK


def install(app: FastAPI, service: Service, settings: Settings) -> Metrics:
    """Count what `service` answers, and show it under /metrics."""
    metrics = Metrics(service, tenants=settings.metrics_tenants)
    service.observers.append(metrics.observe)
    router = APIRouter()
    scrape = Scrape(metrics, settings.metrics_token)
    router.add_api_route("/metrics", scrape.__call__, include_in_schema=False)
    app.include_router(router)
    return metrics
