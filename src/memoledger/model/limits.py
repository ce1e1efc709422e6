"""Every bound on what may be given to the ledger, in one place, with its unit in its name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NAME_BYTES_MAX: Final = 200
"""Tenant, user and store names, in UTF-8 bytes."""

CONTENT_CHARS_MAX: Final = 100_000
"""A memory's content. Longer texts are documents: they are learned in chunks."""

TITLE_CHARS_MAX: Final = 1_000
SUMMARY_CHARS_MAX: Final = 10_000
SOURCE_CHARS_MAX: Final = 500
EXTERNAL_ID_CHARS_MAX: Final = 500
TYPE_CHARS_MAX: Final = 50

TAGS_MAX: Final = 64
TAG_CHARS_MAX: Final = 100
SUBJECT_REFS_MAX: Final = 64
SUBJECT_REF_CHARS_MAX: Final = 500

METADATA_BYTES_MAX: Final = 65_536
"""Metadata as JSON text, in UTF-8 bytes."""

METADATA_DEPTH_MAX: Final = 20

METADATA_INTEGER_BITS_MAX: Final = 1_024
"""Integers in metadata: as large as floats can be, 308 decimal digits."""

QUERY_CHARS_MAX: Final = 10_000
LIMIT_MAX: Final = 1_000
"""Results of one recall or one page of a listing."""

FILTER_VALUES_MAX: Final = 100
"""Types in a filter."""

BATCH_MAX: Final = 1_000
"""Memories written in one transaction of a bulk write."""

INSTANT_MIN: Final = datetime(1000, 1, 1, tzinfo=UTC)
INSTANT_MAX: Final = datetime(3000, 1, 1, tzinfo=UTC)
"""Dates outside are taken for mistakes, such as milliseconds read as seconds."""

DOCUMENT_CHARS_MAX: Final = 20_000_000
"""The extracted text of a document."""

CHUNKS_MAX: Final = 100_000
"""Chunks of one version of a document."""

OBSERVATIONS_MAX: Final = 1_000
"""Memories that one learned document yields."""

SECTION_CHARS_MAX: Final = 500
KEYWORDS_MAX: Final = 8
"""Words kept as the keywords of a chunk."""
