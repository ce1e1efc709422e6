"""How what goes wrong is told: always with the remedy, since an agent can act on it.

What a tool could not do is its result, marked as an error. Everything else is an error of the
protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from mcp import McpError, types

from memoledger.model.errors import InvalidInput, MemoledgerError, NotFound

RESOURCE_NOT_FOUND: Final = -32002
"""The protocol's code for a resource that is not there."""

SERVER_ERROR: Final = -32000
"""JSON-RPC leaves -32000 to -32099 to servers."""

META_KEY: Final = "dev.memoledger/error"
"""Under which a tool's failed result carries the error as data."""

_log = structlog.get_logger("memoledger.mcp")


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of an error.

    Args:
        code: its stable name.
        message: what is wrong.
        remedy: what to do about it.
        details: what else it knows: the field, the value.
    """

    code: str
    message: str
    remedy: str | None = None
    details: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """All of it for a model to read."""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.code}: {self.message}{remedy}"

    @property
    def data(self) -> dict[str, Any]:
        """All of it for a program."""
        return {
            **(self.details or {}),
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        }


Tells = Callable[[Exception], Told]
"""Decides what of an error is for the client; a service tells strangers less than a program its
own user.
"""


def told_in_full(error: Exception) -> Told:
    """An error as its own user may see it: ours with all they say, others by their kind."""
    if isinstance(error, MemoledgerError):
        return Told(error.code, error.message, error.remedy, dict(error.details))
    # An error of others may quote what it was given: its kind is enough for the log.
    _log.error("request_failed", error=type(error).__name__)
    return Told(
        "unexpected",
        "Something failed in Memoledger.",
        "Try once more; if it fails again, report it with what the server's log says.",
    )


def failed_result(told: Told) -> types.CallToolResult:
    """The result of a tool that could not do it."""
    return types.CallToolResult.model_validate(
        {
            "content": [{"type": "text", "text": told.text}],
            "isError": True,
            "_meta": {META_KEY: told.data},
        }
    )


def protocol_error(error: Exception, told: Told) -> McpError:
    """The error of the protocol, for what is no tool."""
    code = SERVER_ERROR
    if isinstance(error, NotFound):
        code = RESOURCE_NOT_FOUND
    elif isinstance(error, InvalidInput):
        code = types.INVALID_PARAMS
    elif told.code == "unexpected":
        code = types.INTERNAL_ERROR
    return McpError(types.ErrorData(code=code, message=told.text, data=told.data))
