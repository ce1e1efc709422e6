"""From a setting's text to an open reranker."""

from __future__ import annotations

from typing import Final

from memoledger.adapters.embedders.local import LocalEmbedder
from memoledger.adapters.rerankers.cross_encoder import CrossEncoderReranker
from memoledger.adapters.rerankers.late_interaction import LateInteractionReranker
from memoledger.model.errors import SettingsError
from memoledger.ports import Embedder, Reranker

LATE_INTERACTION: Final = "late-interaction"
"""The spec of the local model's reranker, and the default."""

CROSS_ENCODER: Final = "cross-encoder"

OFF: Final = "off"


def open_reranker(
    spec: str = LATE_INTERACTION, *, embedder: Embedder | None = None
) -> Reranker | None:
    """Open the reranker that `spec` names; None for `off`. Nothing is loaded yet.

    Args:
        spec: `late-interaction`, `cross-encoder:MODEL` or `off`.
        embedder: the ledger's; if it is the local one, its model and threads are shared.

    Raises:
        SettingsError: `spec` is none of these, or the packages it needs are not installed.
    """
    if spec == OFF:
        return None
    if spec == LATE_INTERACTION:
        if isinstance(embedder, LocalEmbedder):
            return LateInteractionReranker(embedder)
        return LateInteractionReranker(LocalEmbedder(), owned=True)
    kind, _, model = spec.partition(":")
    if kind != CROSS_ENCODER or not model.strip():
        raise SettingsError(
            "reranker",
            spec,
            "there is no such reranker",
            remedy=f"Give {LATE_INTERACTION}, {CROSS_ENCODER}:MODEL or {OFF}.",
        )
    return CrossEncoderReranker(model.strip())
