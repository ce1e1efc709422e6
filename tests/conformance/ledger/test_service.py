"""What only a service has: keys and their scopes, development, and going away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from memoledger import (
    Forbidden,
    InvalidInput,
    LedgerUnavailable,
    Memoledger,
    NotFound,
    SettingsError,
)
from memoledger.model.errors import Unauthenticated
from memoledger.model.principal import Principal
from memoledger.settings import Settings
from memoledger.surfaces.cli.main import app


async def test_no_key_and_wrong_keys(service: Any, tenant: str) -> None:
    good = service.key(tenant, "alice")
    for key in (None, "mlk_wrong", good[:-1] + ("a" if good[-1] != "a" else "b")):
        async with Memoledger.open(service.url, api_key=key) as ledger:
            with pytest.raises(Unauthenticated) as caught:
                await ledger.principal(tenant=tenant, user="alice")
            assert caught.value.code == "unauthenticated"
            assert good not in str(caught.value)


async def test_a_key_acts_as_its_holder_only(service: Any, tenant: str) -> None:
    async with Memoledger.open(service.url, api_key=service.key(tenant, "alice")) as ledger:
        for whose, user in ((tenant, "bob"), ("other", "alice")):
            with pytest.raises(Forbidden, match="acts as 'alice'"):
                await ledger.principal(tenant=whose, user=user)
        alice = await ledger.principal(tenant=tenant, user="alice")
        assert alice.principal == Principal(tenant, "alice")


async def test_a_key_that_may_only_read(service: Any, tenant: str) -> None:
    async with Memoledger.open(service.url, api_key=service.key(tenant, "alice")) as ledger:
        notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
        await notes.remember("Tea at five")
    key = service.key(tenant, "alice", "read")
    async with Memoledger.open(service.url, api_key=key) as ledger:
        alice = await ledger.principal(tenant=tenant, user="alice")
        notes = await alice.store("notes")
        [hit] = await notes.recall("tea")
        for act in (
            notes.remember("Coffee"),
            notes.update(hit.memory.id, content="Coffee"),
            notes.forget(hit.memory.id),
            notes.remember_many([{"content": "Coffee"}]),
            notes.share("bob"),
            alice.store("another"),
        ):
            with pytest.raises(Forbidden, match="scope 'write'"):
                await act
        with pytest.raises(NotFound):
            await alice.find_store("another")


async def test_the_same_write_sent_twice_is_done_once(service: Any, tenant: str) -> None:
    headers = {
        "authorization": f"Bearer {service.key(tenant, 'alice')}",
        "idempotency-key": "the-same",
    }
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as http:
        first, second = [await http.post("/v1/stores", json={"name": "notes"}) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert second.headers["idempotency-replayed"] == "true"


async def test_many_at_the_same_time(service: Any, tenant: str) -> None:
    async with Memoledger.open(service.url, api_key=service.key(tenant, "alice")) as ledger:
        notes = await (await ledger.principal(tenant=tenant, user="alice")).store("notes")
        written = await asyncio.gather(*(notes.remember(f"Memory {i % 20}") for i in range(60)))
        assert len({memory.id for memory in written}) == await notes.count() == 20
        found = await asyncio.gather(*(notes.recall(f"memory {i}", limit=3) for i in range(40)))
        assert [len(hits) for hits in found] == [3] * 40


async def test_in_development_headers_say_who_acts(
    ledger_settings: Callable[..., Settings], serve: Callable[..., Any], tenant: str
) -> None:
    development = Principal("default", "developer")
    serving = serve(ledger_settings(), development=development)
    async with serving as (url, _), Memoledger.open(url) as ledger:
        zoe = await ledger.principal(tenant=tenant, user="zoë")
        notes = await zoe.store("notes")
        assert (await notes.remember("Tea")).created_by == "zoë"
        other = await ledger.principal(tenant=tenant, user="bob")
        assert (await other.stores()).stores == []


async def test_when_the_service_has_gone(
    ledger_settings: Callable[..., Settings], serve: Callable[..., Any], tenant: str
) -> None:
    async with serve(ledger_settings(), development=Principal(tenant, "alice")) as (url, _):
        ledger = await Memoledger.open(url, client_attempts=2)
        alice = await ledger.principal(tenant=tenant, user="alice")
        notes = await alice.store("notes")
        with pytest.raises(InvalidInput) as caught:
            await notes.recall("tea", embedding=[1.0])
        assert caught.value.field == "embedding"
    with pytest.raises(LedgerUnavailable) as gone:
        await notes.remember("Tea")
    assert isinstance(gone.value, ConnectionError)
    await ledger.aclose()


def test_the_command_line_goes_through_the_service(
    service: Any, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_URL", service.url)
    monkeypatch.setenv("MEMOLEDGER_API_KEY", service.key(tenant, "alice"))
    who = ["--tenant", tenant, "--user", "alice", "--store", "notes", "--json"]

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, *who])

    written = run("remember", "Tea at five")
    assert written.exit_code == 0, written.output
    found = json.loads(run("recall", "tea").stdout)
    assert [hit["memory"]["content"] for hit in found["hits"]] == ["Tea at five"]
    memory_id = json.loads(written.stdout)["id"]
    assert run("update", memory_id, "--content", "Tea at six").exit_code == 0
    assert run("forget", memory_id).exit_code == 0
    assert len(json.loads(run("history", memory_id).stdout)) > 0
    refused = run("export", str(tmp_path / "notes.jsonl"))
    assert isinstance(refused.exception, SettingsError)
    assert refused.exception.field == "MEMOLEDGER_URL"
