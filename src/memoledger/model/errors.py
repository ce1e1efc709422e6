"""Every error Memoledger raises on purpose, in one tree.

    MemoledgerError
    ├── InvalidInput            the caller's value is wrong: field, value, remedy
    │   ├── SettingsError       a setting is unknown, malformed or contradicts another
    │   ├── Malformed           it cannot be read at all: no JSON, no header of that kind
    │   ├── UnsupportedMedia    it is of a kind, or packed in a way, that is not taken here
    │   ├── TooLarge            it is larger than may be sent
    │   └── UnreadableSource    a document's source is of no known format, broken, hostile or large
    ├── NotFound                no such thing, or none this principal may see
    ├── ConflictError           someone else changed it first, or it exists with other content
    ├── Forbidden               visible, but this principal may not do that to it
    ├── Unauthenticated         no key or token came along, or none that is good
    ├── TooManyAttempts         too many bad ones came from one address: wait, then try again
    ├── Busy                    the service has as much to do as it may: wait, then try again
    ├── TooSlow                 the request did not arrive in time
    ├── TimeLimit               what was asked for took longer than it may
    ├── IdentityProviderError   its keys cannot be had, so that no token can be verified: try later
    ├── EmbedderError           the embedding model failed, answered wrongly or not at all
    ├── RerankerError           the reranking model failed or answered wrongly
    ├── ArtifactError           the store of raw sources failed or refused
    │   ├── ArtifactMissing     the ledger knows it, the store of raw sources does not have it
    │   └── ArtifactDamaged     its bytes are not those that were written
    └── LedgerError             PostgreSQL itself
        ├── LedgerUnavailable   unreachable, shutting down, out of connections: try again later
        │   └── ShuttingDown    the service before it ends; what it did not answer was not done
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


class Malformed(InvalidInput):
    """What came cannot be read: it is no JSON, or a header is not written as it should be."""

    code = "malformed"


class UnsupportedMedia(InvalidInput):
    """A body is of a media type, or packed in an encoding, that is not taken here."""

    code = "unsupported-media"


class TooLarge(InvalidInput):
    """A body is larger than the service takes."""

    code = "too-large"


class UnreadableSource(InvalidInput):
    """A source is of no known format, broken, hostile or too large; it names the file."""

    code = "unreadable-source"


class NotFound(MemoledgerError, LookupError):
    """There is no such thing, or none that this principal may see; the two are not told apart."""

    code = "not-found"


class ConflictError(MemoledgerError):
    """The row changed since the caller read it, or the identity is taken by other content."""

    code = "conflict"


class Forbidden(MemoledgerError, PermissionError):
    """The principal may see this but not do that to it."""

    code = "forbidden"


class Unauthenticated(MemoledgerError):
    """No key or token came along, or one that is wrong, expired or revoked; not told which."""

    code = "unauthenticated"


class TooManyAttempts(MemoledgerError):
    """Too many keys or tokens from one address were wrong; none is looked at for a while.

    Args:
        retry_after_s: whole seconds after which the next is looked at, 1 or more.
    """

    code = "too-many-attempts"

    def __init__(
        self, message: str, *, retry_after_s: int, remedy: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, remedy=remedy, retry_after_s=retry_after_s, **details)
        self.retry_after_s = retry_after_s


class Busy(MemoledgerError):
    """The service has as much to do as it may take on at a time.

    Args:
        retry_after_s: whole seconds after which trying again makes sense, 1 or more.
    """

    code = "busy"

    def __init__(
        self, message: str, *, retry_after_s: int, remedy: str | None = None, **details: Any
    ) -> None:
        super().__init__(message, remedy=remedy, retry_after_s=retry_after_s, **details)
        self.retry_after_s = retry_after_s


class TooSlow(MemoledgerError):
    """A request did not arrive in time, or nobody read the answer."""

    code = "too-slow"


class TimeLimit(MemoledgerError):
    """What was asked for took longer than a request may; nothing of it was written."""

    code = "time-limit"


class IdentityProviderError(MemoledgerError):
    """The keys of the identity provider cannot be had, so that no token can be verified now."""

    code = "identity-provider"


class EmbedderError(MemoledgerError):
    """The embedding model failed, timed out, or answered with something that is no embedding."""

    code = "embedder"


class RerankerError(MemoledgerError):
    """The reranking model cannot be loaded, failed, or answered with something that is no score."""

    code = "reranker"


class ArtifactError(MemoledgerError):
    """The store of raw sources failed, refused, or could not be reached."""

    code = "artifacts"


class ArtifactMissing(ArtifactError, LookupError):
    """The ledger knows a raw source that the store of raw sources does not have."""

    code = "artifact-missing"


class ArtifactDamaged(ArtifactError):
    """The bytes of a raw source are not those that were written: their hash differs."""

    code = "artifact-damaged"


class LedgerError(MemoledgerError):
    """PostgreSQL could not be used or refused something unexpectedly."""

    code = "ledger"


class LedgerUnavailable(LedgerError, ConnectionError):
    """PostgreSQL is unreachable, shutting down or out of connections; trying again may help."""

    code = "ledger-unavailable"


class ShuttingDown(LedgerUnavailable):
    """The service ends; what was not answered was not done, and can be sent to the next one."""

    code = "shutting-down"


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
