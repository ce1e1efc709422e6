"""The queue over HTTP: for admins of the tenant, who see ids and kinds of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg

from memoledger.bootstrap import queueing
from memoledger.ledger.claims import Claims
from memoledger.surfaces.api import answers
from memoledger.surfaces.python.memoledger import Memoledger
from memoledger.worker.drain import Drain, Terms
from memoledger.worker.throttle import Throttle

MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]


async def work(ledger: Memoledger) -> None:
    """Embed what waits."""
    application = ledger.application
    async with queueing(application.settings, application.place) as pool:
        await Drain(
            application.context,
            Claims(pool),
            terms=Terms(),
            throttle=Throttle({}),
            statistics=application.queue,
        ).run()


def poison(database: Any) -> None:
    """As a row is left that failed too often; what the provider said quotes it."""
    with psycopg.connect(database.conninfo("postgres"), autocommit=True) as root:
        root.execute(
            "UPDATE memoledger.embedding_schedule SET poisoned_at = now(), attempts = 20,"
            " last_error = 'embedder: cannot embed Tea with milk'"
        )


async def test_what_is_written_durably_waits_and_is_then_found(
    alice: httpx.AsyncClient, admin: httpx.AsyncClient, store: str, ledger: Memoledger
) -> None:
    written = await alice.post(
        f"{store}/memories", params={"wait": "durable"}, json={"content": "Tea with milk"}
    )
    assert written.status_code == 201, written.text
    lines = b'{"content": "One"}\n{"content": "Two"}\n'
    headers = {"content-type": "application/x-ndjson"}
    for path in ("memories/bulk", "import"):
        sent = await alice.post(
            f"{store}/{path}", params={"wait": "durable"}, content=lines, headers=headers
        )
        assert sent.status_code == 200, sent.text
    queue = answers.Queue.model_validate((await admin.get("/v1/queue")).json())
    assert (queue.waiting, queue.claimed, queue.poisoned) == (3, 0, 0)
    assert {str(row.id) for row in queue.rows} > {written.json()["id"]}
    assert "Tea" not in str(queue)
    found = (await alice.post(f"{store}/recall", json={"query": "milk"})).json()
    assert (found["pending"], len(found["hits"])) == (3, 1)
    await work(ledger)
    found = (await alice.post(f"{store}/recall", json={"query": "milk", "mode": "dense"})).json()
    assert (found["pending"], found["hits"][0]["memory"]["content"]) == (0, "Tea with milk")
    assert (await admin.get("/v1/queue")).json()["waiting"] == 0


async def test_another_word_for_waiting_is_refused(alice: httpx.AsyncClient, store: str) -> None:
    for path in ("memories", "memories/bulk", "import"):
        kind = "application/json" if path == "memories" else "application/x-ndjson"
        refused = await alice.post(
            f"{store}/{path}",
            params={"wait": "soon"},
            content=b'{"content": "Tea"}',
            headers={"content-type": kind},
        )
        assert refused.status_code in (400, 422), refused.text


async def test_it_is_for_admins_of_the_tenant(
    alice: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    caller: MakeClient,
    store: str,
    database: Any,
) -> None:
    await alice.post(f"{store}/memories?wait=durable", json={"content": "Tea with milk"})
    poison(database)
    elsewhere = await caller("eve", tenant="globex", scopes=("admin",))
    for client, status in ((alice, 403), (elsewhere, 200)):
        assert (await client.get("/v1/queue")).status_code == status
        for act in ("retry", "drop"):
            answer = await client.post(f"/v1/queue/{act}", json={})
            assert answer.status_code == status
            assert status == 403 or answer.json() == {"count": 0}
    [row] = (await admin.get("/v1/queue", params={"poisoned": "true"})).json()["rows"]
    told = answers.QueueRow.model_validate(row)
    assert (told.state, told.attempts, told.last_error) == ("poisoned", 20, "embedder")
    assert (told.owner, told.store) == ("alice", "notes")
    assert (await admin.get("/v1/queue", params={"limit": "0"})).status_code in (400, 422)


async def test_retry_and_drop(
    alice: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    store: str,
    database: Any,
    ledger: Memoledger,
) -> None:
    ids = []
    for content in ("Tea", "Milk", "Sugar"):
        made = await alice.post(f"{store}/memories?wait=durable", json={"content": content})
        ids.append(made.json()["id"])
    poison(database)
    answer = await admin.post("/v1/queue/drop", json={"ids": ids[:1]})
    assert (answer.status_code, answer.json()) == (200, {"count": 1})
    assert (await admin.post("/v1/queue/retry", json={"ids": ids})).json() == {"count": 2}
    assert (await admin.post("/v1/queue/drop", json={})).json() == {"count": 0}
    await work(ledger)
    found = await alice.post(f"{store}/recall", json={"query": "x", "mode": "dense"})
    assert {hit["memory"]["content"] for hit in found.json()["hits"]} == {"Milk", "Sugar"}
    refused = await admin.post("/v1/queue/retry", json={"ids": ["no id"]})
    assert refused.status_code in (400, 422)
