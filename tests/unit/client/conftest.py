"""A service that answers as it is told, and a clock that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from memoledger.client.retry import RetryPolicy
from memoledger.client.transport import Patience, Transport

Scripted = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class FakeService:
    """Answers with what is scripted, then with an empty object; requests are written down."""

    script: list[Scripted] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    now: datetime = datetime(2026, 5, 8, 13, 56, tzinfo=UTC)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        step = self.script.pop(0) if self.script else httpx.Response(200, json={})
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx.Response) else step(request)

    async def sleep(self, seconds: float) -> None:
        """Let the time go by at once."""
        self.waits_s.append(seconds)

    def transport(self, *, drawn: float = 0.5, attempts: int = 4, **given: Any) -> Transport:
        """A transport to it."""
        policy = RetryPolicy(attempts, draw=lambda: drawn)
        patience = Patience(policy, sleep=self.sleep, now=lambda: self.now)
        given = {"api_key": "mlk_secret", **given}
        return Transport(
            "https://memory.example/base/",
            patience=patience,
            transport=httpx.MockTransport(self),
            **given,
        )


@pytest.fixture
def fake() -> FakeService:
    """The service."""
    return FakeService()


def problem(code: str, status: int, **members: Any) -> httpx.Response:
    """A problem as the service answers it."""
    headers = {"content-type": "application/problem+json"}
    if "retry_after" in members:
        headers["retry-after"] = str(members.pop("retry_after"))
    told = {"type": f"https://memoledger.dev/problems/{code}", "status": status, "detail": "No."}
    return httpx.Response(status, json={**told, **members}, headers=headers)


@pytest.fixture(name="problem")
def problem_fixture() -> Callable[..., httpx.Response]:
    """Makes problems."""
    return problem
