"""How a text longer than a model's window is cut into windows of tokens."""

from __future__ import annotations


def window_spans(
    tokens: int, *, length: int, overlap: int, windows_max: int
) -> list[tuple[int, int]]:
    """Half-open spans of tokens that together stand for a text of `tokens` tokens.

    A text that fits is one span. A longer one is a row of spans of `length` tokens, each beginning
    `overlap` tokens before the end of the one before, the last one as short as it falls out. Where
    that makes more than `windows_max` spans, so many are taken, spread evenly over the text and
    always with the first and the last, so that the cost of one text has a bound.

    Args:
        tokens: number of tokens of the text, 0 or more.
        length: tokens in a span, more than `overlap`.
        overlap: tokens two neighbouring spans share, so that no sentence is seen only in halves.
        windows_max: most spans returned, at least 2.
    """
    step = length - overlap
    count = 1 + max(0, -(-(tokens - length) // step))
    chosen = range(count) if count <= windows_max else _spread(count, windows_max)
    return [(index * step, min(index * step + length, tokens)) for index in chosen]


def _spread(count: int, wanted: int) -> list[int]:
    """`wanted` different numbers below `count`, evenly apart, with the first and the last."""
    return [index * (count - 1) // (wanted - 1) for index in range(wanted)]
