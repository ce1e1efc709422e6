"""The OpenAPI document: what FastAPI knows, with every header, error and example added.

Which errors an operation can answer with follows from its door, its parameters and its body, so
that no operation can forget one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from memoledger.model.errors import (
    Busy,
    ConflictError,
    EmbedderError,
    Forbidden,
    InvalidInput,
    LedgerUnavailable,
    Malformed,
    MemoledgerError,
    NotFound,
    TooLarge,
    TooSlow,
    Unauthenticated,
    UnsupportedMedia,
)
from memoledger.surfaces.api import answers, examples
from memoledger.surfaces.api.bodies import LINES
from memoledger.surfaces.api.document_requests import UploadedDocument
from memoledger.surfaces.api.errors import MEDIA_TYPE, problem_of
from memoledger.surfaces.api.routing import Door, door_of
from memoledger.surfaces.api.uploads import FIELDS, FILE, FORM

DESCRIPTION: Final = """\
The memory database for AI agents, over HTTP.

Fields are written in lowerCamelCase; snake_case is taken too. Unknown fields and parameters are
refused. Errors are problem details (RFC 9457), whose `type` is stable. Listings are cut into pages:
`nextCursor` of one is `cursor` of the next. A write with an `Idempotency-Key` is done once, however
often it is sent within 24 hours. What a caller may not see is answered like what is not there: 404.
"""

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_TEXT: Final = {"type": "string"}

_SPECIMENS: Final[Mapping[int, tuple[str, MemoledgerError]]] = {
    400: ("It cannot be read.", Malformed("body", "{", "it is no JSON", remedy="Mend it.")),
    401: ("No key or token, or no good one.", Unauthenticated("No key or token came along.")),
    403: (
        "The caller's scopes, or their rights to the store, do not reach that far.",
        Forbidden("This takes the scope 'write'; yours: read.", scope="write"),
    ),
    404: (
        "There is no such thing, or the caller may not see it.",
        NotFound("There is no such store that this principal may see."),
    ),
    408: ("It did not arrive in time.", TooSlow("Nothing more arrived within 30 seconds.")),
    409: (
        "Somebody else changed it first, or its identity is taken; or the Idempotency-Key came "
        "with another request, or its first request is still under way.",
        ConflictError("The first request with this idempotency key is still under way."),
    ),
    412: (
        "Another version is current than those that If-Match names.",
        ConflictError("It is at version 3, which If-Match does not name.", current_version=3),
    ),
    413: (
        "It is larger than the service takes.",
        TooLarge("body", "…", "it is larger than 4,194,304 bytes", remedy="Send less at a time."),
    ),
    415: (
        "The body is of another media type, or packed.",
        UnsupportedMedia("Content-Type", "text/plain", "not taken", remedy="Send JSON."),
    ),
    422: (
        "A value was refused; nothing was written.",
        InvalidInput("importance", 7, "it is outside 0 to 1", remedy="Give a number from 0 to 1."),
    ),
    429: (
        "Too much at a time, or too many wrong keys: come back after `Retry-After` seconds.",
        Busy("The service has as much to do as it takes on at a time.", retry_after_s=5),
    ),
    500: ("A mistake in the service; its log says which.", MemoledgerError("")),
    502: ("The embedding model failed.", EmbedderError("")),
    503: (
        "The ledger is away, it took too long, or the service shuts down: come back later.",
        LedgerUnavailable(""),
    ),
}
"""Status -> when it comes, and an error that has it."""

_EMBEDS: Final = frozenset(
    {
        *("remember_memory", "update_memory", "recall_memories", "compose_context"),
        *("explain_memory", "remember_many_memories", "import_memories"),
        *("learn_document", "upload_document"),
    }
)
_CONDITIONAL: Final = frozenset({"update_memory", "forget_memory", "forget_one_document"})
_KNOWN: Final = frozenset({"get_memory", "get_one_document"})
"""Operations that answer 304 to If-None-Match."""

_ONCE: Final = frozenset(
    {
        *("remember_memory", "update_memory", "forget_memory", "create_store", "change_store"),
        *("grant_access", "revoke_access", "create_api_key"),
        *("learn_document", "upload_document", "forget_one_document"),
    }
)
_AT_STORE: Final = {"storeId": "$response.body#/id"}
_AT_MEMORY: Final = {"storeId": "$request.path.storeId", "memoryId": "$response.body#/id"}
_AT_DOCUMENT: Final = {
    "storeId": "$request.path.storeId",
    "documentId": "$response.body#/document/id",
}
_AT_GRANT: Final = {"storeId": "$request.path.storeId", "userId": "$request.path.userId"}
_LINKS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "create_store": dict.fromkeys(
        (
            *("get_one_store", "change_store", "remember_memory", "list_store_memories"),
            *("recall_memories", "compose_context", "export_memories", "import_memories"),
            *("remember_many_memories", "count_memories", "count_accesses"),
            *("list_store_grants", "grant_access"),
            *("learn_document", "upload_document", "list_store_documents"),
        ),
        _AT_STORE,
    ),
    "remember_memory": dict.fromkeys(
        (
            *("get_memory", "update_memory", "memory_history", "explain_memory"),
            "forget_memory",
        ),
        _AT_MEMORY,
    ),
    "learn_document": dict.fromkeys(
        (
            *("get_one_document", "list_document_versions", "list_document_chunks"),
            *("list_document_observations", "forget_one_document"),
        ),
        _AT_DOCUMENT,
    ),
    "recall_memories": {"get_one_receipt": {"receiptId": "$response.body#/receiptId"}},
    "grant_access": dict.fromkeys(("get_grant", "revoke_access"), _AT_GRANT),
    "create_api_key": {"revoke_api_key": {"keyId": "$response.body#/id"}},
}
"""Operation -> operations that may follow it, and where their parameters come from."""

_TAGGED: Final = frozenset(
    {
        *("remember_memory", "get_memory", "update_memory"),
        *("learn_document", "upload_document", "get_one_document"),
    }
)
_ETAG: Final = {"schema": _TEXT, "description": "The version, for If-Match."}
_HEADERS_OUT: Final = {
    "X-Request-Id": {"schema": _TEXT},
    "Server-Timing": {"schema": _TEXT, "description": "Parts and the whole, in ms."},
}
_KEY_PATTERN: Final = "^[!-~]([ -~]*[!-~])?$"

_STATES: Final = {503: "The ledger is away, something fails, or the service shuts down."}


def operation_id(route: APIRoute) -> str:
    """An operation is called like its function."""
    return route.name


def describe(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Have the application give out the whole document; it is put together at the first request.

    Args:
        routers: those whose operations follow the conventions of this package.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, routers)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI says to extend it


def _document(app: FastAPI, routers: Sequence[APIRouter]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    components = document["components"]
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for kind in (answers.Problem, answers.BulkOutcome, UploadedDocument):
        made = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= made.pop("$defs", {})
        schemas[kind.__name__] = made
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key or a token."}
    }
    for route, method, operation in _operations(routers, document):
        _complete(route, method, operation)
    return document


def _operations(
    routers: Sequence[APIRouter], document: Mapping[str, Any]
) -> Iterator[tuple[APIRoute, str, dict[str, Any]]]:
    by_id = {
        operation["operationId"]: (method, operation)
        for methods in document["paths"].values()
        for method, operation in methods.items()
    }
    for route in routes_of(routers):
        if route.name in by_id:
            method, operation = by_id[route.name]
            yield route, method, operation


def routes_of(routers: Sequence[APIRouter]) -> list[APIRoute]:
    """Every operation of some routers."""
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def _complete(route: APIRoute, method: str, operation: dict[str, Any]) -> None:
    let_in, name = door_of(route.endpoint), route.name
    operation["summary"] = (route.endpoint.__doc__ or "").strip().partition("\n")[0].rstrip(".:")
    if not let_in.open:
        operation["security"] = [{"key": []}]
    if let_in.lines:
        operation["requestBody"] = _lines_in()
    if let_in.form:
        operation["requestBody"] = _form_in()
    for media in operation.get("requestBody", {}).get("content", {}).values():
        _give_example(media, examples.BODIES)
    operation.setdefault("parameters", []).extend(_headers_in(name))
    if not operation["parameters"]:
        del operation["parameters"]
    responses = operation["responses"]
    responses.pop("422", None)
    _complete_success(name, responses)
    for status in sorted(_errors(route, method, operation, let_in)):
        told = _STATES.get(status) if name in ("is_ready", "get_health") else None
        if told is not None:
            responses[str(status)] = {**responses["200"], "description": told}
        else:
            responses[str(status)] = _error(status)


def _errors(route: APIRoute, method: str, operation: Mapping[str, Any], let_in: Door) -> set[int]:
    """The statuses of an operation's errors."""
    name = route.name
    conditions: tuple[tuple[bool, tuple[int, ...]], ...] = (
        (True, (500,)),
        (not let_in.open, (401, 403, 429, 503)),
        (name == "is_ready", (503,)),
        ("{" in route.path, (404, 422)),
        (name in ("list_tenants", "create_api_key"), (404,)),
        (bool(operation.get("parameters")), (422,)),
        (method != "get", (400, 408, 413, 415, 422)),
        (name in _ONCE or let_in.lines, (409,)),
        (name in _CONDITIONAL, (400, 409, 412)),
        (name in _KNOWN, (400,)),
        (name in _EMBEDS, (502,)),
    )
    return {status for holds, statuses in conditions if holds for status in statuses}


def _complete_success(name: str, responses: dict[str, Any]) -> None:
    for status, answer in responses.items():
        answer["description"] = "Done." if status == "204" else "The answer."
        if name in examples.LINES_OUT:
            answer["content"] = {LINES: {"schema": _TEXT, "example": examples.LINES_OUT[name]}}
        for media in answer.get("content", {}).values():
            _give_example(media, examples.ANSWERS)
        answer["headers"] = dict(_HEADERS_OUT)
        if name in _TAGGED:
            answer["headers"]["ETag"] = _ETAG
        if name in _LINKS:
            answer["links"] = _links_of(name)
    if "201" in responses:
        responses["201"]["description"] = "It is new."
        if name != "create_api_key":
            responses["200"] = {**responses["201"], "description": "It was there."}
    if name in _KNOWN:
        responses["304"] = {"description": "The client has this version, says If-None-Match."}


def _links_of(name: str) -> dict[str, Any]:
    return {
        operation: {"operationId": operation, "parameters": dict(parameters)}
        for operation, parameters in _LINKS[name].items()
    }


def _error(status: int) -> dict[str, Any]:
    when, specimen = _SPECIMENS[status]
    example = {**problem_of(specimen, status=status), "requestId": "5b0c7f6e2d8a4f1e"}
    answer: dict[str, Any] = {
        "description": when,
        "content": {MEDIA_TYPE: {"schema": _PROBLEM, "example": example}},
    }
    if status in (429, 503):
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        answer["headers"] = {"Retry-After": seconds}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"schema": _TEXT}}
    return answer


def _headers_in(name: str) -> Iterator[dict[str, Any]]:
    if name in _ONCE:
        yield _header(
            "Idempotency-Key",
            "Of the client's choice, best a random UUID; the same when sending it again.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _KEY_PATTERN},
        )
    if name in _CONDITIONAL:
        yield _header("If-Match", 'Only if this version is current, for example `"3"`.', _TEXT)
    if name in _KNOWN:
        yield _header("If-None-Match", "Answer 304 if this version is current.", _TEXT)


def _header(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": dict(schema),
    }


def _lines_in() -> dict[str, Any]:
    media = {
        # Of no type: a line that is wrong is told of in the answer, and the request is right.
        "schema": {"description": "JSON Lines: each is a NewMemory."},
        "example": examples.LINES_IN,
    }
    return {"required": True, "content": {LINES: media}}


def _form_in() -> dict[str, Any]:
    fields = {"$ref": "#/components/schemas/UploadedDocument"}
    file = {"type": "string", "format": "binary", "description": "Its name tells what it is."}
    media = {
        "schema": {
            "type": "object",
            "required": [FILE],
            "properties": {FILE: file, FIELDS: fields},
            "additionalProperties": False,
        },
        "encoding": {FIELDS: {"contentType": "application/json"}},
        "example": examples.FORM_IN,
    }
    return {"required": True, "content": {FORM: media}}


def _give_example(media: dict[str, Any], known: Mapping[str, Mapping[str, Any]]) -> None:
    name = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    if name in known:
        media["example"] = known[name]
