"""Errors out of answers: every class of the tree, and what no service of ours says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.client.problems import (
    code_of,
    error_of,
    is_transient,
    problem_of,
    unknown_answer,
)
from memoledger.model.errors import (
    Busy,
    ConflictError,
    InvalidInput,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
    NotFound,
    TooManyAttempts,
)

TYPE = "https://memoledger.dev/problems/"


def classes(kind: type[MemoledgerError] = MemoledgerError) -> Iterator[type[MemoledgerError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from classes(narrower)


# A subclass of a surface may share the code of its parent.
KINDS = {kind.code: kind for kind in classes() if kind.__module__ == "memoledger.model.errors"}


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_class_comes_back(code: str) -> None:
    problem = {"type": TYPE + code, "status": 400, "detail": "What.", "remedy": "Do.", "code": code}
    error = error_of(problem)
    assert type(error) is KINDS[code]
    assert (error.message, error.remedy, str(error)) == ("What.", "Do.", "What. Do.")
    assert error.as_dict() == {"code": code, "message": "What.", "remedy": "Do."}


def test_an_input_with_its_field_and_value() -> None:
    given = InvalidInput("limit", "x" * 200, "it is no number", remedy="Give one.")
    told = {"type": TYPE + given.code, "detail": given.message, "remedy": given.remedy}
    error = error_of({**told, **given.details})
    assert isinstance(error, InvalidInput)
    assert isinstance(error, ValueError)
    assert (error.field, str(error)) == ("limit", str(given))
    assert error.details == given.details


@pytest.mark.parametrize(
    ("told", "field"),
    [
        *[
            ("expiresAt", "expires_at"),
            ("tags[3]", "tags[3]"),
            ("subjectRefs[0]", "subject_refs[0]"),
        ],
        *[("metadata.camelCase", "metadata.camelCase"), ("metadata key", "metadata key")],
        *[("If-Match", "If-Match"), ("", "")],
    ],
)
def test_a_field_has_the_name_of_the_argument(told: str, field: str) -> None:
    error = error_of({"type": TYPE + "invalid-input", "detail": "x", "field": told})
    assert isinstance(error, InvalidInput)
    assert error.field == error.details["field"] == field


def test_details_have_their_own_names() -> None:
    error = error_of(
        {"type": TYPE + "conflict", "detail": "x", "currentVersion": 3, "requestId": "r"}
    )
    assert isinstance(error, ConflictError)
    assert error.details == {"current_version": 3, "request_id": "r"}


@pytest.mark.parametrize("kind", [Busy, TooManyAttempts])
def test_when_to_try_again(kind: type[MemoledgerError]) -> None:
    error = error_of({"type": TYPE + kind.code, "detail": "x", "retryAfterS": 7})
    assert error.retry_after_s == 7  # type: ignore[attr-defined]


def test_a_code_of_a_later_version() -> None:
    error = error_of({"type": TYPE + "tired", "title": "The service is tired"})
    assert type(error) is MemoledgerError
    assert error.message == "The service is tired"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"null", b'"x"', b"{}", b'{"type": 5}', b"[" * 100_000, b"\xff"],
)
def test_what_is_no_problem(content: bytes) -> None:
    assert problem_of(content) is None


def test_a_path_that_is_not_served_is_no_missing_memory() -> None:
    unserved = {"type": TYPE + "not-found", "title": "There is no such thing", "status": 404}
    assert problem_of(json.dumps(unserved).encode()) is None
    missing = problem_of(json.dumps({**unserved, "detail": "There is no memory 1."}).encode())
    assert missing is not None
    assert isinstance(error_of(missing), NotFound)


@pytest.mark.parametrize(
    ("status", "code", "asks_to_wait", "transient"),
    [
        *[(500, "unexpected", False, True), (503, "ledger-unavailable", True, True)],
        *[(429, "busy", True, True), (429, "too-many-attempts", True, True)],
        *[(502, None, False, True), (504, None, False, True), (500, None, False, True)],
        *[(502, "embedder", False, False), (500, "ledger", False, False)],
        *[(503, "time-limit", True, False), (503, "data-folder-full", True, False)],
        *[(409, "conflict", True, True), (409, "conflict", False, False)],
        *[
            (412, "conflict", False, False),
            (404, None, False, False),
            (404, "not-found", True, False),
        ],
        *[(401, "unauthenticated", False, False), (422, "invalid-input", True, False)],
        *[(400, None, False, False), (301, None, False, False), (408, "too-slow", False, True)],
    ],
)
def test_what_may_pass(status: int, code: str | None, asks_to_wait: bool, transient: bool) -> None:
    problem = None if code is None else {"type": TYPE + code}
    assert is_transient(status, problem, asks_to_wait=asks_to_wait) is transient


@pytest.mark.parametrize(
    ("status", "kind"),
    [(502, LedgerUnavailable), (404, LedgerError), (200, LedgerError), (301, LedgerError)],
)
def test_a_proxys_page(status: int, kind: type[MemoledgerError]) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head>\x1b[31m" + b"x" * 10_000
    error = unknown_answer("https://memory.example", status, "text/html", page)
    assert type(error) is kind
    assert "https://memory.example" in error.message
    assert "502 Bad Gateway" in error.message
    assert "<" not in error.message
    assert error.message.isprintable()
    assert len(error.message) < 400


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.integers())))
def test_whatever_a_problem_holds(problem: dict[str, Any]) -> None:
    error = error_of({**problem, "type": f"{TYPE}{problem.get('code', 'invalid-input')}"})
    assert isinstance(error, MemoledgerError)
    assert str(error)
    assert code_of({"type": TYPE + "x/"}) == "x"
