"""Memoledger: the memory database for AI agents and the teams that run them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memoledger.model.context_pack import ContextPack
    from memoledger.model.document import Chunk, Document, DocumentDraft, Learned
    from memoledger.model.errors import (
        ConflictError,
        EmbedderError,
        Forbidden,
        InvalidInput,
        LedgerError,
        LedgerUnavailable,
        MemoledgerError,
        NotFound,
        RerankerError,
        SettingsError,
    )
    from memoledger.model.memory import Draft, Memory, Remembered
    from memoledger.model.recall import Filter, Hit
    from memoledger.settings import Settings
    from memoledger.surfaces.python.memoledger import Memoledger

__version__ = "0.1.0"

__all__ = [
    "Chunk",
    "ConflictError",
    "ContextPack",
    "Document",
    "DocumentDraft",
    "Draft",
    "EmbedderError",
    "Filter",
    "Forbidden",
    "Hit",
    "InvalidInput",
    "Learned",
    "LedgerError",
    "LedgerUnavailable",
    "Memoledger",
    "MemoledgerError",
    "Memory",
    "NotFound",
    "Remembered",
    "RerankerError",
    "Settings",
    "SettingsError",
]

_HOMES = {
    "Chunk": "memoledger.model.document",
    "ContextPack": "memoledger.model.context_pack",
    "Document": "memoledger.model.document",
    "DocumentDraft": "memoledger.model.document",
    "Draft": "memoledger.model.memory",
    "Filter": "memoledger.model.recall",
    "Hit": "memoledger.model.recall",
    "Learned": "memoledger.model.document",
    "Memoledger": "memoledger.surfaces.python.memoledger",
    "Memory": "memoledger.model.memory",
    "Remembered": "memoledger.model.memory",
    "Settings": "memoledger.settings",
}
"""Where a public name lives; what is not here is an error's."""

# Names are imported when they are first asked for: the command line imports this package too, and
# its help should not wait for numpy and the driver. Hidden from the type checker, to which it would
# mean that any name is there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(_HOMES.get(name, "memoledger.model.errors")), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
