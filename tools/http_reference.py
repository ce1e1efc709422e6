"""The text of docs/reference/http.md, from the OpenAPI document."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from memoledger.surfaces.api.app import document as api_document
from memoledger.surfaces.api.errors import KINDS

HTTP_HEAD = """\
# The HTTP API

<!-- Written by tools/write_reference.py from the program: edit docstrings and schemas there. -->

A running service gives out the same as an OpenAPI document at `/openapi.json`. Paths are those of
`memoledger serve`, at first `http://127.0.0.1:8427`.

Who calls says so with `Authorization: Bearer KEY`, an API key or a token. Bodies are JSON
(`application/json`), those of streams JSON Lines (`application/x-ndjson`). Fields are written in
lowerCamelCase; snake_case is taken too; unknown ones are refused. `null` in an answer means that
there is none.

| header | in | what it does |
|---|---|---|
| `Idempotency-Key` | writes | Done once, however often it is sent within 24 hours; see below. |
| `If-Match` | changes of a memory | Only if the current version has this `ETag`; 412 if not. |
| `If-None-Match` | reading a memory | 304 if the current version has this `ETag`. |
| `X-Request-Id` | any | Comes back, and stands in the log and in problems; made up if missing. |
| `Accept-Encoding: gzip` | any | Answers of 1 KiB or more are packed. |

The same write sent again under its `Idempotency-Key` is answered as it was the first time, with
`Idempotency-Replayed: true`; another one under that key is a conflict. Streams need no key: what is
there is found by its identity.

Listings have `nextCursor`: send it as `cursor` to have the next page, with the same parameters;
null means that this was the last. Rows that are added meanwhile neither repeat nor push out any
other.

## Problems

An error is an object of `application/problem+json` (RFC 9457) with `type`, `title`, `status`,
`code`, `requestId`, and where there is more to say `detail`, `remedy`, `field`, `value`, `errors`.
`type` is `https://memoledger.dev/problems/` and the code. After 429 and 503, `Retry-After` says how
many seconds to wait. What a caller may not see is answered like what is not there.

| status | code | when |
|---|---|---|
"""

OF_HTTP = (
    "| 405 | `method-not-allowed` | The path takes other methods: those in `Allow`. |\n",
    "| 412 | `conflict` | The current version is none of those that `If-Match` names. |\n",
    "| 421 | `misdirected` | In development, it was called by a name that is not loopback. |\n",
    "| 500 | `unexpected` | A mistake in the service; its log says where. |\n",
)
"""Problems that no error of the services stands for."""


def http_reference() -> str:
    """The text of http.md."""
    document = api_document()
    parts = [HTTP_HEAD + "".join(_problems())]
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation["tags"][0]
            by_tag.setdefault(tag, []).append(_operation(method.upper(), path, operation, document))
    for tag, operations in by_tag.items():
        parts += [f"## {tag.capitalize()}\n", *operations]
    return "\n".join(parts)


def _problems() -> Iterator[str]:
    kinds = sorted(KINDS.items(), key=lambda pair: (pair[1].status, pair[0].code))
    for error, kind in kinds:
        doc = " ".join((error.__doc__ or "").split("Args:")[0].split())
        yield f"| {kind.status} | `{error.code}` | {cell(doc)} |\n"
    yield from OF_HTTP


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parts = [f"### {method} {path}\n"]
    paragraphs = operation["description"].strip().split("\n\n")
    parts += [textwrap.fill(" ".join(one.split()), 100) + "\n" for one in paragraphs]
    if operation.get("parameters"):
        rows = [_parameter(one) for one in operation["parameters"]]
        parts.append("| parameter | in | |\n|---|---|---|\n" + "".join(rows))
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(_fields(media, document))
        parts.append(f"Body, `{kind}`:\n\n```json\n{_example(media)}\n```\n")
    for status, answer in operation["responses"].items():
        if status.startswith("2") and answer.get("content"):
            [(kind, media)] = answer["content"].items()
            parts.append(f"Answer {status}, `{kind}`:\n\n```json\n{_example(media)}\n```\n")
            break
    statuses = ", ".join(operation["responses"])
    parts.append(f"Statuses: {statuses}.\n")
    return "\n".join(part for part in parts if part)


def _parameter(one: dict[str, Any]) -> str:
    need = "" if one.get("required") else " (optional)"
    text = one.get("description", "")
    return f"| `{one['name']}` | {one['in']}{need} | {cell(text)} |\n"


def _fields(media: dict[str, Any], document: dict[str, Any]) -> str:
    """The fields of a body as a table; empty for a stream."""
    name = media["schema"].get("$ref", "").rpartition("/")[2]
    if not name:
        return ""
    schema = document["components"]["schemas"][name]
    required = schema.get("required", [])
    rows = "".join(
        f"| `{field}` | {_kind_of(about)} | {'yes' if field in required else ''} |"
        f" {_default_of(about)} |\n"
        for field, about in schema["properties"].items()
    )
    return f"| field | | needed | unless given |\n|---|---|---|---|\n{rows}"


def _kind_of(about: dict[str, Any]) -> str:
    """What a field holds, in words."""
    choices = about.get("anyOf", [about])
    return " or ".join(_one_kind(one) for one in choices)


def _one_kind(about: dict[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if about.get("format") == "date-time":
        return "instant"
    kind = about.get("type", "anything")
    if kind == "array":
        return f"list of {_one_kind(about.get('items', {}))}"
    bounds = [
        f"{words} {_number(about[name])}"
        for name, words in (
            *(("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to")),
            ("maxLength", "up to"),
        )
        if name in about
    ]
    unit = " characters" if "maxLength" in about else ""
    return " ".join([{"string": "text"}.get(kind, kind), *bounds]) + unit


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _default_of(about: dict[str, Any]) -> str:
    value = about.get("default")
    return "" if value in (None, [], {}) else f"`{json.dumps(value)}`"


def _example(media: dict[str, Any]) -> str:
    value = media["example"]
    if isinstance(value, str):
        return value.rstrip()
    return json.dumps(value, indent=1, ensure_ascii=False)


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
