from __future__ import annotations

import json

import pytest
from starlette.requests import Request

from memoledger.model import errors
from memoledger.model.errors import MemoledgerError
from memoledger.surfaces.api.answers import Problem
from memoledger.surfaces.api.errors import TYPES, answer_to, kind_of, problem_of

SECRET = "host=db.internal password=x"


def every_kind(kind: type[MemoledgerError] = MemoledgerError) -> list[type[MemoledgerError]]:
    return [kind, *(inner for one in kind.__subclasses__() for inner in every_kind(one))]


def made(kind: type[MemoledgerError]) -> MemoledgerError:
    if issubclass(kind, errors.InvalidInput):
        return kind("external_id", "value", "reason", remedy="remedy")
    if kind in (errors.TooManyAttempts, errors.Busy):
        return kind(SECRET, retry_after_s=7)  # type: ignore[call-arg]
    return kind(SECRET, remedy="remedy", sqlstate="XX000", current_version=3)


def a_request() -> Request:
    return Request({"type": "http", "headers": [], "state": {"request_id": "r-1"}})


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem(kind: type[MemoledgerError]) -> None:
    error = made(kind)
    answer = answer_to(a_request(), error)
    problem = Problem.model_validate_json(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert (problem.type, problem.code) == (TYPES + kind.code, kind.code)
    assert (problem.status, answer.status_code) == (kind_of(error).status,) * 2
    assert problem.request_id == "r-1"
    text = bytes(answer.body).decode()
    assert "sqlstate" not in text
    if not kind_of(error).told:
        assert SECRET not in text
        assert "detail" not in json.loads(text)
    if kind_of(error).passing:
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("kind", every_kind(errors.LedgerError), ids=lambda kind: kind.__name__)
def test_no_problem_tells_of_the_database(kind: type[MemoledgerError]) -> None:
    if kind is errors.ShuttingDown:
        return  # That one is about the service itself.
    assert not kind_of(made(kind)).told


def test_details_are_told_in_camel_case() -> None:
    error = errors.ConflictError("It changed.", current_version=3, id="x")
    assert problem_of(error, status=412)["currentVersion"] == 3
    assert problem_of(made(errors.InvalidInput))["field"] == "externalId"


def test_a_statement_that_took_too_long_is_a_time_limit() -> None:
    error = errors.LedgerError("canceled", sqlstate="57014")
    assert problem_of(error)["code"] == "time-limit"
    assert problem_of(error)["status"] == 503
    assert answer_to(a_request(), error).status_code == 503


def test_a_mistake_is_told_without_its_words() -> None:
    answer = answer_to(a_request(), RuntimeError(SECRET))
    assert answer.status_code == 500
    assert SECRET not in bytes(answer.body).decode()


def test_what_ends_the_connection_says_so() -> None:
    assert answer_to(a_request(), made(errors.TooLarge)).headers["connection"] == "close"
    refused = answer_to(a_request(), made(errors.Unauthenticated))
    assert refused.headers["www-authenticate"].startswith("Bearer")
