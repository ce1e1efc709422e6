"""Finding the text in sources of many formats."""

from memoledger.adapters.formats.reader import SourceReader

__all__ = ["SourceReader"]
