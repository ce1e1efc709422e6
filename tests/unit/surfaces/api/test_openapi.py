from __future__ import annotations

from typing import Any

import pytest
from fastapi.routing import APIRoute

from memoledger.surfaces.api import (
    answers,
    document_answers,
    document_requests,
    examples,
    recall_answers,
    requests,
)
from memoledger.surfaces.api.app import document
from memoledger.surfaces.api.openapi import routes_of
from memoledger.surfaces.api.routes import ROUTERS
from memoledger.surfaces.api.routing import Route, door_of

DOCUMENT = document()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
every = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)


def test_every_operation_is_described_once() -> None:
    routes = routes_of(ROUTERS)
    assert sorted(IDS) == sorted(route.name for route in routes)
    assert len(set(IDS)) == len(IDS)
    assert all(isinstance(route, Route) for route in routes)


@every
def test_an_operation_has_words_examples_and_errors(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"].strip().endswith(".")
    for status, answer in operation["responses"].items():
        for media in answer.get("content", {}).values():
            assert "example" in media, (status, media)
        if int(status) >= 400 and "problem" in str(answer):
            assert answer["content"].keys() == {"application/problem+json"}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        assert "example" in media
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
    assert "500" in operation["responses"]
    if method != "get":
        assert {"400", "408", "413", "415", "422"} <= operation["responses"].keys()
    if "{" in path:
        assert "404" in operation["responses"]


@pytest.mark.parametrize("route", routes_of(ROUTERS), ids=lambda route: route.name)
def test_nobody_is_let_in_unless_the_door_says_so(route: APIRoute) -> None:
    let_in = door_of(route.endpoint)
    operation = next(o for _, _, o in OPERATIONS if o["operationId"] == route.name)
    assert let_in.open == (not route.path.startswith("/v1") and route.path != "/health")
    assert ("security" in operation) != let_in.open
    if let_in.open:
        return
    assert {"401", "403", "429", "503"} <= operation["responses"].keys()
    methods = route.methods or set()
    if route.path.startswith("/v1/stores") and not methods & {"GET", "POST"}:
        assert let_in.scope == "write"
    if route.path.startswith("/v1/stores") and "GET" in methods:
        assert let_in.scope == "read"


@pytest.mark.parametrize(
    ("homes", "known"),
    [
        ((requests, document_requests), examples.BODIES),
        ((answers, document_answers, recall_answers), examples.ANSWERS),
    ],
    ids=["bodies", "answers"],
)
def test_examples_are_valid(homes: tuple[Any, ...], known: dict[str, dict[str, Any]]) -> None:
    for name, example in known.items():
        [kind] = {getattr(home, name) for home in homes if hasattr(home, name)}
        kind.model_validate(example)


def test_the_document_refers_only_to_what_it_holds() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    text = str(DOCUMENT)
    for name in schemas:
        assert f"#/components/schemas/{name}" in text or name == "BulkOutcome", name
    assert "HTTPValidationError" not in text
