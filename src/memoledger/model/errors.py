"""Every error Memoledger raises on purpose, in one tree.

    MemoledgerError
    ├── InvalidInput            the caller's value is wrong: field, value, remedy
    │   └── SettingsError       a setting is unknown, malformed or contradicts another
    ├── NotFound                no such thing, or none this principal may see
    ├── ConflictError           someone else changed it first, or it exists with other content
    ├── Forbidden               visible, but this principal may not do that to it
    ├── EmbedderError           the embedding model failed, answered wrongly or not at all
    ├── RerankerError           the reranking model failed or answered wrongly
    └── LedgerError             PostgreSQL itself
        ├── LedgerUnavailable   unreachable, shutting down, out of connections: try again later
        ├── ServerUnsuitable    wrong version, no pgvector, missing rights: the remedy is SQL
        ├── MigrationError      migrations changed, missing, or newer than this program
        └── DataFolderError     the embedded server's folder cannot be used
            ├── DataFolderInUse
            ├── DataFolderUnwritable
            ├── DataFolderFull
            └── DataFolderOutdated

An error's message always has three parts: what is wrong, with which value, and what to do about it.
Values are shortened, so that an error never carries a whole memory into a log.
"""

from __future__ import annotations

import reprlib
from typing import Any, ClassVar

VALUE_PREVIEW_CHARS = 80

_FIELD_CHARS_MAX = 100

_short = reprlib.Repr()
_short.maxlist = _short.maxtuple = _short.maxset = _short.maxdict = 20
_short.maxstring = _short.maxlong = _short.maxother = VALUE_PREVIEW_CHARS


def preview(value: object) -> str:
    """Show `value` the way an error message does: its repr, cut at 80 characters.

    However large, deep or broken it is: an error about a value must not fail on the value.
    """
    text = _shown(value)
    return text if len(text) <= VALUE_PREVIEW_CHARS else text[: VALUE_PREVIEW_CHARS - 1] + "…"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return ascii(value[: VALUE_PREVIEW_CHARS + 1])
    try:
        return " ".join(_short.repr(value).split("\n"))
    except Exception:  # Python refuses to write out an integer of 5,000 digits, for example.
        return f"<{type(value).__name__}>"


def _shown_field(name: str) -> str:
    """A field's name as it is; made up by a caller, it may be long or unprintable."""
    text = name if name.isprintable() else ascii(name[: _FIELD_CHARS_MAX + 1])[1:-1]
    return text if len(text) <= _FIELD_CHARS_MAX else text[: _FIELD_CHARS_MAX - 1] + "…"


class MemoledgerError(Exception):
    """Something Memoledger was asked to do could not be done."""

    code: ClassVar[str] = "error"
    """Stable name of this kind of error; HTTP problem types and `--json` output carry it."""

    def __init__(self, message: str, *, remedy: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message

    def as_dict(self) -> dict[str, Any]:
        """The error as plain JSON-ready data: code, message, remedy and details."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy, **self.details}


class InvalidInput(MemoledgerError, ValueError):
    """A value given by the caller was refused; nothing was written."""

    code = "invalid-input"

    def __init__(self, field: str, value: object, reason: str, *, remedy: str) -> None:
        field, shown = _shown_field(field), preview(value)
        super().__init__(
            f"{field}: {reason} (got {shown}).", remedy=remedy, field=field, value=shown
        )
        self.field = field
        self.value = value
        self.reason = reason


class SettingsError(InvalidInput):
    """A setting is unknown, malformed, or contradicts another."""

    code = "invalid-setting"


class NotFound(MemoledgerError, LookupError):
    """There is no such thing, or none that this principal may see; the two are not told apart."""

    code = "not-found"


class ConflictError(MemoledgerError):
    """The row changed since the caller read it, or the identity is taken by other content."""

    code = "conflict"


class Forbidden(MemoledgerError, PermissionError):
    """The principal may see this but not do that to it."""

    code = "forbidden"


class EmbedderError(MemoledgerError):
    """The embedding model failed, timed out, or answered with something that is no embedding."""

    code = "embedder"


class RerankerError(MemoledgerError):
    """The reranking model cannot be loaded, failed, or answered with something that is no score."""

    code = "reranker"


class LedgerError(MemoledgerError):
    """PostgreSQL could not be used or refused something unexpectedly."""

    code = "ledger"


class LedgerUnavailable(LedgerError, ConnectionError):
    """PostgreSQL is unreachable, shutting down or out of connections; trying again may help."""

    code = "ledger-unavailable"


class ServerUnsuitable(LedgerError):
    """The server lacks a version, an extension or a right; the remedy names the SQL."""

    code = "server-unsuitable"


class MigrationError(LedgerError):
    """The schema's migrations and this program do not fit together."""

    code = "migration"


class DataFolderError(LedgerError):
    """The embedded server's data folder cannot be used."""

    code = "data-folder"


class DataFolderInUse(DataFolderError):
    """Another server, or another system user's server, holds the data folder."""

    code = "data-folder-in-use"


class DataFolderUnwritable(DataFolderError):
    """The data folder cannot be created or written."""

    code = "data-folder-unwritable"


class DataFolderFull(DataFolderError):
    """The disk under the data folder has no room left."""

    code = "data-folder-full"


class DataFolderOutdated(DataFolderError):
    """The data folder was made by another major version of PostgreSQL."""

    code = "data-folder-outdated"
