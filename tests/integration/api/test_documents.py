"""Documents over HTTP: texts and files are learned, and what is no good is refused."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from memoledger.surfaces.api import document_answers as answers

TEXT = "# Roadmap\n\nThe fourth quarter is about search.\n"
BODY = {"source": "wiki", "sourceId": "roadmap", "content": TEXT, "mediaType": "text/markdown"}


def form(name: str = "plan.md", content: bytes = TEXT.encode(), **fields: object) -> dict[str, Any]:
    parts: dict[str, Any] = {"file": (name, content)}
    if fields:
        parts["document"] = (None, json.dumps(fields))
    return {"files": parts}


def leftovers() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("memoledger-upload-*"))


async def test_a_text_is_learned_once(alice: httpx.AsyncClient, store: str) -> None:
    first = await alice.post(f"{store}/documents", json=BODY)
    assert first.status_code == 201, first.text
    told = answers.Learned.model_validate(first.json())
    assert (told.outcome, told.chunks, told.chunks_new) == ("created", 1, 1)
    path = f"{store}/documents/{told.document.id}"
    assert (first.headers["etag"], first.headers["location"]) == ('"1"', path)
    again = await alice.post(f"{store}/documents", json=BODY)
    assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")
    got = await alice.get(path)
    assert answers.Document.model_validate(got.json()) == told.document
    known = await alice.get(path, headers={"if-none-match": '"1"'})
    assert known.status_code == 304
    chunks = answers.Chunks.model_validate((await alice.get(f"{path}/chunks")).json())
    assert [chunk.section for chunk in chunks.chunks] == ["Roadmap"]
    listed = answers.Documents.model_validate((await alice.get(f"{store}/documents")).json())
    assert [one.id for one in listed.documents] == [told.document.id]


async def test_a_write_sent_twice_with_one_key_is_answered_alike(
    alice: httpx.AsyncClient, store: str
) -> None:
    key = {"idempotency-key": "once"}
    body = {**BODY, "observations": [{"content": "Search comes first."}]}
    first = await alice.post(f"{store}/documents", json=body, headers=key)
    again = await alice.post(f"{store}/documents", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["document"] == first.json()["document"]
    assert [one["id"] for one in again.json()["observations"]] == [
        one["id"] for one in first.json()["observations"]
    ]
    sent = form("a.md")
    first = await alice.post(f"{store}/documents/upload", headers={"idempotency-key": "2"}, **sent)
    again = await alice.post(f"{store}/documents/upload", headers={"idempotency-key": "2"}, **sent)
    assert (first.status_code, again.status_code) == (201, 201), "with another boundary"
    other = form("a.md", b"other")
    refused = await alice.post(
        f"{store}/documents/upload", headers={"idempotency-key": "2"}, **other
    )
    assert refused.status_code == 409


async def test_a_file_is_learned_under_its_name(alice: httpx.AsyncClient, store: str) -> None:
    made = await alice.post(f"{store}/documents/upload", **form())
    assert made.status_code == 201, made.text
    document = made.json()["document"]
    assert (document["source"], document["sourceId"]) == ("upload", "plan.md")
    assert (document["title"], document["mediaType"]) == ("Roadmap", "text/markdown")
    given = form("größe.csv", b"a,b\n1,2\n", source="files", source_id="x/y", tags=["t"], title="T")
    made = await alice.post(f"{store}/documents/upload", **given)
    document = made.json()["document"]
    assert (document["source"], document["sourceId"], document["title"]) == ("files", "x/y", "T")
    assert (document["mediaType"], document["tags"]) == ("text/csv", ["t"])
    assert leftovers() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "C:\\x\\a.md", "a\nb.md", "x" * 2_000])
async def test_names_of_files_lead_nowhere(alice: httpx.AsyncClient, store: str, name: str) -> None:
    made = await alice.post(f"{store}/documents/upload", **form(name, sourceId="any"))
    assert made.status_code == 201, made.text
    assert "/" not in (made.json()["document"]["lineage"]["name"] or "")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": BODY}, 415, "unsupported-media"),
        ({"files": {"other": ("a.md", b"x")}}, 400, "malformed"),
        ({"files": {"document": (None, "{}")}}, 400, "malformed"),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]}, 400, "malformed"),
        ({"files": {"file": ("a.md", b"x"), "document": (None, "[]")}}, 400, "malformed"),
        ({"files": {"file": ("a.md", b"x"), "document": (None, "{")}}, 400, "malformed"),
        ({"files": {"file": ("a.md", b"x"), "document": (None, '{"a": 1}')}}, 422, "invalid-input"),
        ({"files": {"file": ("a.md", b"x"), "document": (None, '{"tags": 1}')}}, 422, None),
        ({"files": {"file": ("a.png", b"\x89PNG\x00")}}, 422, "unreadable-source"),
        ({"files": {"file": ("a.pdf", b"%PDF-1.4")}}, 422, "unreadable-source"),
        (
            {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data"}},
            400,
            "malformed",
        ),
        (
            {
                "content": b"--x\r\nbroken",
                "headers": {"content-type": "multipart/form-data; boundary=x"},
            },
            400,
            "malformed",
        ),
    ],
)
async def test_forms_that_are_no_good_are_refused(
    alice: httpx.AsyncClient, store: str, sent: dict[str, Any], status: int, code: str | None
) -> None:
    refused = await alice.post(f"{store}/documents/upload", **sent)
    assert refused.status_code == status, refused.text
    assert code is None or refused.json()["code"] == code
    assert (await alice.get(f"{store}/documents")).json()["documents"] == []
    assert leftovers() == []


async def test_a_file_that_is_too_large_is_refused(service_with: Callable[..., Any]) -> None:
    async with service_with(http_upload_bytes_max=10_000) as alice:
        made = await alice.post("/v1/stores", json={"name": "notes"})
        path = f"/v1/stores/{made.json()['id']}/documents/upload"
        assert (await alice.post(path, **form(content=b"x" * 9_000))).status_code == 201

        async def stream() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
            for _ in range(20):
                yield b"x" * 1_000
                await asyncio.sleep(0)
            yield b"\r\n--b--\r\n"

        for sent in (
            form(content=b"x" * 11_000),
            {"content": stream(), "headers": {"content-type": "multipart/form-data; boundary=b"}},
        ):
            refused = await alice.post(path, **sent)
            assert (refused.status_code, refused.json()["code"]) == (413, "too-large")
    assert leftovers() == []


async def test_reading_is_not_writing(caller: Any, alice: httpx.AsyncClient, store: str) -> None:
    made = await alice.post(f"{store}/documents", json=BODY)
    path = f"{store}/documents/{made.json()['document']['id']}"
    reader = await caller("alice", scopes=("read",))
    assert (await reader.get(path)).status_code == 200
    assert (await reader.post(f"{store}/documents", json=BODY)).status_code == 403
    assert (await reader.post(f"{store}/documents/upload", **form())).status_code == 403
    assert (await reader.delete(path)).status_code == 403
    stranger = await caller("mallory", tenant="other")
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.get(f"{store}/documents")).status_code == 404
    assert (await stranger.post(f"{store}/documents", json=BODY)).status_code == 404
    assert (await stranger.post(f"{store}/documents/upload", **form())).status_code == 404
    assert (await stranger.delete(path)).status_code == 404


async def test_it_is_forgotten_only_as_it_was_seen(alice: httpx.AsyncClient, store: str) -> None:
    made = await alice.post(f"{store}/documents", json=BODY)
    path = f"{store}/documents/{made.json()['document']['id']}"
    changed = await alice.post(f"{store}/documents", json={**BODY, "content": TEXT + "More."})
    assert (changed.status_code, changed.json()["outcome"]) == (200, "updated")
    for seen in ('"1"', '"1", "7"'):
        refused = await alice.delete(path, headers={"if-match": seen})
        assert refused.status_code == 412
        assert refused.json()["currentVersion"] == 2
    assert (await alice.delete(path, headers={"if-match": '"1", "2"'})).status_code == 204
    assert (await alice.get(path)).status_code == 404
    versions = (await alice.get(f"{path}/history")).json()["versions"]
    assert [one["version"] for one in versions] == [1, 2]
    assert (await alice.delete(path, params={"hard": "true"})).status_code == 204


async def test_versions_are_read_by_number_and_instant(
    alice: httpx.AsyncClient, store: str
) -> None:
    made = (await alice.post(f"{store}/documents", json=BODY)).json()["document"]
    path = f"{store}/documents/{made['id']}"
    await alice.post(f"{store}/documents", json={**BODY, "content": "Other."})
    for asked in ({"version": "1"}, {"asOf": made["recordedAt"]}):
        assert (await alice.get(path, params=asked)).json()["version"] == 1
        chunks = (await alice.get(f"{path}/chunks", params=asked)).json()["chunks"]
        assert [chunk["text"] for chunk in chunks] == [TEXT.strip()]
    assert (await alice.get(path, params={"version": "0"})).status_code == 422
    both = {"version": "1", "asOf": made["recordedAt"]}
    assert (await alice.get(path, params=both)).status_code == 422
