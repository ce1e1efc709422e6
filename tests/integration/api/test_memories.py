"""Memories over HTTP: remember, get, list, update, forget, history."""

from __future__ import annotations

import json

import httpx
import pytest

from memoledger.surfaces.api import answers

TEXT = "Meeting with John about the Q4 roadmap"


async def test_a_text_is_remembered_once(alice: httpx.AsyncClient, store: str) -> None:
    first = await alice.post(f"{store}/memories", json={"content": TEXT, "type": "episode"})
    assert first.status_code == 201, first.text
    told = answers.Remembered.model_validate(first.json())
    assert (told.outcome, told.version, told.created_by) == ("created", 1, "alice")
    assert first.headers["etag"] == '"1"'
    assert first.headers["location"] == f"{store}/memories/{told.id}"
    again = await alice.post(f"{store}/memories", json={"content": TEXT})
    assert again.status_code == 200
    assert again.json()["outcome"] == "unchanged"
    assert again.json()["id"] == str(told.id)


async def test_fields_come_in_either_case_and_go_out_in_one(
    alice: httpx.AsyncClient, store: str
) -> None:
    body = {"content": TEXT, "external_id": "mail-1", "subjectRefs": ["john"]}
    made = (await alice.post(f"{store}/memories", json=body)).json()
    assert (made["externalId"], made["subjectRefs"]) == ("mail-1", ["john"])
    assert not [name for name in made if "_" in name]


async def test_the_same_field_in_both_cases_is_malformed(
    alice: httpx.AsyncClient, store: str
) -> None:
    body = {"content": TEXT, "external_id": "a", "externalId": "b"}
    refused = await alice.post(f"{store}/memories", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": 5}, "content"),
        ({}, "content"),
        ({"content": TEXT, "importance": 7}, "importance"),
        ({"content": TEXT, "importance": "0.5"}, "importance"),
        ({"content": TEXT, "occurredAt": "yesterday"}, "occurredAt"),
        ({"content": TEXT, "occurredAt": "2026-05-08T13:56:00"}, "occurredAt"),
        ({"content": TEXT, "speaker": "Ada"}, "speaker"),
        ({"content": TEXT, "embedding": [1.0, 2.0]}, "embedding"),
        ({"content": TEXT, "metadata": []}, "metadata"),
        ({"content": "\ud800"}, "content"),
        ({"content": "a\x00b"}, "content"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
    ],
)
async def test_a_wrong_value_is_refused_with_its_field(
    alice: httpx.AsyncClient, store: str, body: object, field: str
) -> None:
    headers = {"content-type": "application/json"}
    sent = json.dumps(body).encode()
    refused = await alice.post(f"{store}/memories", content=sent, headers=headers)
    assert refused.status_code == 422, refused.text
    problem = answers.Problem.model_validate(refused.json())
    assert problem.field == field
    assert problem.type == "https://memoledger.dev/problems/invalid-input"
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", [b"{", b'{"content": NaN}', b'{"content": "a", "content": "b"}', b"[" * 5_000, b"\xff"]
)
async def test_what_is_no_json_is_malformed(
    alice: httpx.AsyncClient, store: str, body: bytes
) -> None:
    headers = {"content-type": "application/json"}
    refused = await alice.post(f"{store}/memories", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")


async def test_another_media_type_is_not_taken(alice: httpx.AsyncClient, store: str) -> None:
    body = b'{"content": "a"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        refused = await alice.post(
            f"{store}/memories", content=body, headers={"content-type": kind}
        )
        assert refused.status_code == 415
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await alice.post(f"{store}/memories", content=body, headers=packed)).status_code == 415


async def test_get_answers_304_to_who_has_it(alice: httpx.AsyncClient, store: str) -> None:
    made = (await alice.post(f"{store}/memories", json={"content": TEXT})).json()
    path = f"{store}/memories/{made['id']}"
    found = await alice.get(path)
    assert found.json() == {name: made[name] for name in made if name != "outcome"}
    known = await alice.get(path, headers={"if-none-match": 'W/"9", "1"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await alice.get(path, headers={"if-none-match": '"2"'})).status_code == 200
    assert (await alice.get(path, headers={"if-none-match": "1"})).status_code == 400


async def test_update_with_if_match(alice: httpx.AsyncClient, store: str) -> None:
    made = (await alice.post(f"{store}/memories", json={"content": TEXT})).json()
    path = f"{store}/memories/{made['id']}"
    stale = await alice.patch(path, json={"importance": 0.9}, headers={"if-match": '"2"'})
    assert stale.status_code == 412
    assert (stale.json()["code"], stale.json()["currentVersion"]) == ("conflict", 1)
    done = await alice.patch(path, json={"importance": 0.9}, headers={"if-match": '"7", "1"'})
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    assert done.json()["outcome"] == "updated"
    for tag in ('W/"2"', '"two"', '"99999999999"'):
        refused = await alice.patch(path, json={"importance": 0.1}, headers={"if-match": tag})
        assert refused.status_code == 412
    anyone = await alice.patch(path, json={"title": "Roadmap"}, headers={"if-match": "*"})
    assert anyone.json()["version"] == 3
    cleared = await alice.patch(path, json={"title": None})
    assert (cleared.json()["title"], cleared.json()["importance"]) == (None, 0.9)
    versions = (await alice.get(f"{path}/history")).json()["versions"]
    assert [one["version"] for one in versions] == [1, 2, 3, 4]


async def test_forget(alice: httpx.AsyncClient, store: str) -> None:
    made = (await alice.post(f"{store}/memories", json={"content": TEXT})).json()
    path = f"{store}/memories/{made['id']}"
    assert (await alice.delete(path, headers={"if-match": '"4"'})).status_code == 412
    gone = await alice.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await alice.get(path)).status_code == 404
    assert (await alice.delete(path)).status_code == 404
    assert (await alice.delete(path, params={"hard": "true"})).status_code == 204
    [version] = (await alice.get(f"{path}/history")).json()["versions"]
    assert version["content"] == ""
    assert version["erasedAt"] is not None


async def test_a_listing_goes_on_where_it_was_while_memories_are_added(
    alice: httpx.AsyncClient, store: str
) -> None:
    for number in range(5):
        await alice.post(f"{store}/memories", json={"content": f"number {number}"})
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await alice.get(f"{store}/memories", params=query)).json()
        seen += [one["content"] for one in page["memories"]]
        await alice.post(f"{store}/memories", json={"content": f"added after {seen[-1]}"})
        cursor = page["nextCursor"]
        if cursor is None or len(seen) > 9:
            break
    assert seen[:5] == [f"number {number}" for number in range(5)]
    assert len(set(seen)) == len(seen)


async def test_a_cursor_is_refused_by_another_listing(alice: httpx.AsyncClient, store: str) -> None:
    for name in "ab":
        await alice.post("/v1/stores", json={"name": name})
    cursor = (await alice.get("/v1/stores", params={"limit": 1})).json()["nextCursor"]
    refused = await alice.get(f"{store}/memories", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["field"]) == (422, "cursor")


async def test_filters_of_a_listing(alice: httpx.AsyncClient, store: str) -> None:
    drafts = [
        {"content": "one", "tags": ["a"], "type": "fact", "importance": 0.1},
        {"content": "two", "tags": ["a", "b"], "type": "episode", "metadata": {"k": 1}},
    ]
    for draft in drafts:
        await alice.post(f"{store}/memories", json=draft)

    async def found(**query: object) -> list[str]:
        page = await alice.get(f"{store}/memories", params=query)  # type: ignore[arg-type]
        assert page.status_code == 200, page.text
        return [one["content"] for one in page.json()["memories"]]

    assert await found(tags=["a", "b"]) == ["two"]
    assert await found(types=["fact", "episode"]) == ["one", "two"]
    assert await found(min_importance=0.4) == ["two"]
    assert await found(metadata='{"k": 1}') == ["two"]
    assert await found(asOf="2020-01-01T00:00:00Z") == []
    assert (await alice.get(f"{store}/memories", params={"colour": "red"})).status_code == 422
    assert (await alice.get(f"{store}/memories", params={"limit": "many"})).status_code == 422
    assert (await alice.get(f"{store}/memories/count")).json() == {"count": 2}
