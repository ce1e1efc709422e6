"""Standard input, for commands that take `-`."""

from __future__ import annotations

import os
import sys
from io import BufferedReader

from memoledger.model.errors import InvalidInput


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def open_bytes() -> BufferedReader:
    """Standard input by a door of its own.

    A thread may still be waiting at it when the program ends; were that Python's own door, closing
    it would wait too.

    Raises:
        InvalidInput: it is closed.
    """
    try:
        # None where the program was started without one, whatever the type says.
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except (AttributeError, OSError, ValueError):
        raise InvalidInput(
            "-", "standard input", "it is closed", remedy="Pipe something in, or name a file."
        ) from None
