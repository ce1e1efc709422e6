"""Errors out of answers: problem details (RFC 9457) become the errors that the services raise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from memoledger.model.errors import (
    Busy,
    InvalidInput,
    LedgerError,
    LedgerUnavailable,
    MemoledgerError,
    TooManyAttempts,
)

_SHOWN_CHARS: Final = 100
_STANDARD: Final = frozenset({"type", "title", "status", "detail", "instance", "code", "remedy"})
"""Members that are not an error's details."""

_CAPITAL: Final = re.compile(r"(?<!^)([A-Z])")
_NAME: Final = re.compile(r"\w+")
_TAG: Final = re.compile(rb"<[^>]*>")

TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""

_PASSING_CODES: Final = frozenset({"busy", "error", "ledger-unavailable", "too-slow", "unexpected"})
_LASTING_CODES: Final = frozenset({"data-folder-full", "time-limit"})
"""What a service asks to wait for although the same request would hardly fare better in seconds."""


def problem_of(content: bytes) -> Mapping[str, Any] | None:
    """The problem that an answer's body is; None if it is none that a service tells.

    Of a path or method that it does not serve, a service says no more than a title: whoever sees
    that has called something else, and not looked for a memory that is not there.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    unserved = code_of(value) in ("not-found", "method-not-allowed") and "detail" not in value
    return None if unserved else value


def code_of(problem: Mapping[str, Any]) -> str:
    """The stable name of a problem: the last part of its type."""
    return str(problem["type"]).rstrip("/").rpartition("/")[2]


def is_transient(status: int, problem: Mapping[str, Any] | None, *, asks_to_wait: bool) -> bool:
    """Whether sending the same again may help.

    A failure that a service has named (the embedding model failed, for example) was met with what
    patience there is on the other side; a wait that is asked for is always worth it.
    """
    code = "error" if problem is None else code_of(problem)
    if code in _LASTING_CODES:
        return False
    # A conflict to wait for: the first attempt of this very request is still under way.
    if asks_to_wait and (status in TRANSIENT or status == 409):
        return True
    return status in TRANSIENT and code in _PASSING_CODES


def error_of(problem: Mapping[str, Any]) -> MemoledgerError:
    """The error that a problem tells of, in its class, with its message, remedy and details.

    A code that this version does not know becomes a plain `MemoledgerError`.
    """
    message = str(problem.get("detail") or problem.get("title") or "The server refused.")
    remedy = problem.get("remedy")
    kind = _KINDS.get(code_of(problem), MemoledgerError)
    details = {_snake(name): value for name, value in problem.items() if name not in _STANDARD}
    if isinstance(details.get("field"), str):
        details["field"] = _as_argument(details["field"])
    # The constructors put messages together from parts; here the message has been put together.
    error = kind.__new__(kind)
    MemoledgerError.__init__(
        error, message, remedy=remedy if isinstance(remedy, str) else None, **details
    )
    if isinstance(error, InvalidInput):
        error.field = str(details.get("field", ""))
        error.value = details.get("value")
        error.reason = message
    if isinstance(error, TooManyAttempts | Busy):
        error.retry_after_s = int(details.get("retry_after_s", 1))
    return error


def unknown_answer(url: str, status: int, content_type: str, content: bytes) -> LedgerError:
    """The error for an answer that no Memoledger gives: a proxy's page, or another program's."""
    kind = LedgerUnavailable if status in TRANSIENT else LedgerError
    words = b" ".join(_TAG.sub(b" ", content[:2_000]).split())[:_SHOWN_CHARS]
    shown = ascii(words.decode("utf-8", "replace"))[1:-1]
    return kind(
        f"{url} answered {status} with {content_type or 'no content type'}, which is not an answer "
        f"of Memoledger's: {shown or '(empty)'}.",
        remedy="See that MEMOLEDGER_URL leads to the service, and what the proxies before it say.",
        status=status,
    )


def _as_argument(field: str) -> str:
    """`expiresAt` as `expires_at`; what follows the name, such as a key in metadata, stays."""
    name = _NAME.match(field)
    return field if name is None else _snake(name[0]) + field[name.end() :]


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda found: f"_{found[1].lower()}", name)


def _kinds(kind: type[MemoledgerError]) -> Iterator[tuple[str, type[MemoledgerError]]]:
    yield kind.code, kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


_KINDS: Final = dict(_kinds(MemoledgerError))
