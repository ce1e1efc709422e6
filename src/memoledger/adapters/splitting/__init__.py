"""Cutting the texts of documents into pieces that are embedded and found by themselves."""

from __future__ import annotations

from memoledger.adapters.splitting.splitter import TextPieces

__all__ = ["TextPieces", "open_splitter"]


def open_splitter() -> TextPieces:
    """The splitter that counts as the default model does, whichever model is used.

    Pieces stay the same then when the model is changed, and with them the chunks and their ids.
    """
    import memoledger_minilm as minilm

    return TextPieces(minilm.TOKENIZER_PATH, "minilm")
