"""Errors as problem details (RFC 9457): one stable `type` for each code, whatever went wrong.

What the ledger, the model or the operating system said stays in the log: a problem never tells a
client of hosts, statements or other people's data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from memoledger.model.errors import (
    ArtifactError,
    Busy,
    ConflictError,
    DataFolderFull,
    EmbedderError,
    Forbidden,
    InvalidInput,
    LedgerUnavailable,
    Malformed,
    MemoledgerError,
    NotFound,
    RerankerError,
    SettingsError,
    ShuttingDown,
    TimeLimit,
    TooLarge,
    TooManyAttempts,
    TooSlow,
    Unauthenticated,
    UnsupportedMedia,
    preview,
)
from memoledger.model.plain import camel
from memoledger.surfaces.api.render import to_json
from memoledger.surfaces.api.service import service_of

TYPES: Final = "https://memoledger.dev/problems/"
"""What every problem's `type` begins with; its code follows."""

MEDIA_TYPE: Final = "application/problem+json"

RETRY_AFTER_S: Final = 2
"""When to try again where the error does not know better."""

ERRORS_MAX: Final = 20
"""Fields that one problem names."""

_TIMED_OUT: Final = "57014"
"""PostgreSQL's code for a statement that took longer than it may."""

_log = structlog.get_logger("memoledger.api")


@dataclass(frozen=True, slots=True)
class Kind:
    """How errors of one class are told.

    Args:
        told: whether the error's own words are for the client; if not, the title must do.
        passing: whether trying again later may help.
        closes: whether what is left of the request is not read, so that the connection ends.
    """

    status: int
    title: str
    told: bool = True
    passing: bool = False
    closes: bool = False


KINDS: Final[Mapping[type[MemoledgerError], Kind]] = {
    Malformed: Kind(400, "The request cannot be read"),
    Unauthenticated: Kind(401, "A key or token is needed"),
    Forbidden: Kind(403, "This is not allowed"),
    NotFound: Kind(404, "There is no such thing"),
    TooSlow: Kind(408, "The request did not arrive in time", closes=True),
    ConflictError: Kind(409, "It was changed, or is there already"),
    TooLarge: Kind(413, "The request is too large", closes=True),
    UnsupportedMedia: Kind(415, "The media type is not taken"),
    SettingsError: Kind(500, "The service is not set up correctly", told=False),
    InvalidInput: Kind(422, "A value was refused"),
    TooManyAttempts: Kind(429, "Too many attempts", passing=True),
    Busy: Kind(429, "The service is busy", passing=True),
    EmbedderError: Kind(502, "The embedding model failed", told=False),
    RerankerError: Kind(502, "The reranking model failed", told=False),
    ArtifactError: Kind(502, "The store of raw sources failed", told=False),
    TimeLimit: Kind(503, "It took too long", passing=True),
    ShuttingDown: Kind(503, "The service is shutting down", passing=True),
    LedgerUnavailable: Kind(503, "The ledger cannot be reached", told=False, passing=True),
    DataFolderFull: Kind(503, "The ledger has no room left", told=False, passing=True),
    MemoledgerError: Kind(500, "Something failed in the service", told=False),
}
"""By class; the nearest of an error's classes counts."""

_UNEXPECTED: Final = Kind(500, "Something failed in the service", told=False)
_HTTP: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed", "The request cannot be read"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "The method is not known here"),
}


def kind_of(error: Exception) -> Kind:
    """How an error is told."""
    for base in type(error).__mro__:
        if base in KINDS:
            return KINDS[base]
    return _UNEXPECTED


def problem_of(error: Exception, *, status: int | None = None) -> dict[str, Any]:
    """The problem that stands for an error, without what only the request knows."""
    kind = kind_of(error)
    if isinstance(error, MemoledgerError) and error.details.get("sqlstate") == _TIMED_OUT:
        error = TimeLimit("It took longer than it may.", remedy="Ask for less at a time.")
        kind = kind_of(error)
    code = error.code if isinstance(error, MemoledgerError) else "unexpected"
    found: dict[str, Any] = {
        "type": TYPES + code,
        "title": kind.title,
        "status": status or kind.status,
        "code": code,
    }
    if not kind.told or not isinstance(error, MemoledgerError):
        return found
    details = {camel(name): value for name, value in error.details.items() if name != "sqlstate"}
    if isinstance(details.get("field"), str):
        details["field"] = camel(details["field"])
    found |= {"detail": error.message, **details}
    if error.remedy:
        found["remedy"] = error.remedy
    return found


def answer_to(request: Request, error: Exception, *, status: int | None = None) -> Response:
    """The response that tells a client of an error; what it is not told goes to the log."""
    kind = kind_of(error)
    problem = problem_of(error, status=status)
    request_id = getattr(request.state, "request_id", "")
    if not kind.told:
        log_failure(error, request_id)
    request.state.code = problem["code"]
    return as_response({**problem, "requestId": request_id}, _headers_for(error, problem["status"]))


def log_failure(error: Exception, request_id: str) -> None:
    """Say in the log what a client is not told: where it happened; no value is in that."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    known = isinstance(error, MemoledgerError)
    _log.error(
        "request_failed",
        error=type(error).__name__,
        # Errors of others may quote what they were given.
        reason=error.message if isinstance(error, MemoledgerError) else None,
        places=places[-1:] if known else places[-12:],
        request_id=request_id,
    )


def _headers_for(error: Exception, status: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    kind = kind_of(error)
    if kind.closes:
        headers["Connection"] = "close"
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="memoledger"'
    details = error.details if isinstance(error, MemoledgerError) else {}
    if kind.passing or "retry_after_s" in details:
        headers["Retry-After"] = str(max(1, math.ceil(details.get("retry_after_s", RETRY_AFTER_S))))
    return headers


def as_response(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response."""
    return Response(
        to_json(problem), problem["status"], media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """What pydantic found wrong with a request, as an error that names the first field.

    Nothing that was sent is repeated beyond a short preview; all fields are in `errors`.
    """
    found = [_field_error(error) for error in errors[:ERRORS_MAX]]
    first = errors[0]
    error = InvalidInput(
        found[0]["field"],
        first.get("input"),
        _as_reason(found[0]["reason"]),
        remedy="See the description of the operation in /openapi.json.",
    )
    error.details["errors"] = found
    return error


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    # The first part says where the field was: body, query, path or header.
    path = [camel(str(part)) for part in error["loc"][1:]] or [str(part) for part in error["loc"]]
    shown = preview(".".join(path))[1:-1]
    return {"field": shown, "reason": str(error["msg"])}


def _as_reason(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


async def on_memoledger_error(request: Request, error: Exception) -> Response:
    """One of ours."""
    return answer_to(request, error)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """Something that does not fit the operation's description."""
    assert isinstance(error, RequestValidationError)
    return answer_to(request, invalid(error.errors()))


async def on_http_error(request: Request, error: Exception) -> Response:
    """No such path, no such method, and what else the framework refuses."""
    assert isinstance(error, HTTPException)
    code, title = _HTTP.get(error.status_code, ("error", "The request was refused"))
    request.state.code = code
    problem = {
        "type": TYPES + code,
        "title": title,
        "status": error.status_code,
        "code": code,
        "requestId": getattr(request.state, "request_id", ""),
    }
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # The framework names those of one operation; another one at the path may take others. What
        # is mounted beside ours names its own.
        methods = service_of(request).methods_at(request.url.path)
        headers |= {"Allow": ", ".join(methods)} if methods else {}
    return as_response(problem, headers)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours: told without a word about what it was."""
    return answer_to(request, error)
