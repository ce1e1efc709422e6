"""What the SDK logs: nothing that a client said, since that may be what somebody remembers."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = (
    "",  # the root: the SDK logs requests that it cannot read there, with their words
    "mcp.server.lowlevel.server",
    "mcp.server.streamable_http",
    "mcp.server.streamable_http_manager",
    "mcp.server.transport_security",
)


class _WithoutWords(logging.Filter):
    """Lets the SDK's errors through without what they quote, and nothing lesser."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; ours and those of other libraries are left as they are."""
        if "/mcp/" not in record.pathname.replace("\\", "/") or "/memoledger/" in record.pathname:
            return True
        if record.levelno < logging.ERROR:
            return False
        kind = record.exc_info[0] if record.exc_info else None
        record.msg = "mcp: %s in %s"
        record.args = ("error" if kind is None else kind.__name__, record.module)
        record.exc_info = record.exc_text = None
        return True


_WITHOUT_WORDS: Final = _WithoutWords()


def keep_words_out_of_logs() -> None:
    """Have it so from now on, in this process. It does no harm to say it twice."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_WITHOUT_WORDS)
