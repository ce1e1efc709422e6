"""What an embedder accepts as a text; the same for every embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from memoledger.model.errors import InvalidInput

CHECKED_AT_ONCE = 4_096
"""Texts looked at between two turns of the event loop."""


async def checked_texts(texts: Sequence[str]) -> list[str]:
    """Copy `texts` after checking each; gives way to the event loop every few thousand.

    Blank text is refused rather than embedded: remote models answer it with an error, and the
    vector a local model gives it means nothing.

    Raises:
        InvalidInput: `texts` is a single string, or one of them is no string, is empty, only
            white space, or has lone surrogates, which UTF-8 cannot carry.
    """
    if isinstance(texts, str):
        raise InvalidInput(
            "texts", texts, "one string where several are expected", remedy="Pass a list of texts."
        )
    checked = list(texts)
    for start in range(0, len(checked), CHECKED_AT_ONCE):
        if start:
            await asyncio.sleep(0)
        for index, text in enumerate(checked[start : start + CHECKED_AT_ONCE], start):
            check_text(text, index)
    return checked


def check_text(text: object, index: int) -> None:
    """Refuse what no model can embed; `index` is its place in the call, for the message.

    Raises:
        InvalidInput: see `checked_texts`.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"texts[{index}]", text, "not a string", remedy="Pass strings only.")
    if not text or text.isspace():
        raise InvalidInput(
            f"texts[{index}]", text, "no text to embed", remedy="Leave out empty and blank texts."
        )
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"texts[{index}]",
            text,
            f"a lone surrogate at character {error.start}",
            remedy="Decode the text with errors='replace' before passing it on.",
        ) from error
