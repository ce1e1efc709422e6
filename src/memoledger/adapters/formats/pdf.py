"""PDF, read by pypdf in a process of its own with bounded time and memory.

A PDF is a program that draws, and a hostile one can keep a reader busy for hours. No thread can be
stopped from outside; a process can.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from memoledger.adapters.formats.plain_text import short_title
from memoledger.adapters.formats.source import Source
from memoledger.model.document import Extracted
from memoledger.model.limits import DOCUMENT_CHARS_MAX

if TYPE_CHECKING:
    from pypdf import DocumentInformation, PdfReader

SECONDS_MAX: Final = 60
"""Of processor time; some thousands of pages."""

MEMORY_BYTES_MAX: Final = 1_500_000_000
PAGES_MAX: Final = 20_000

_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    "from memoledger.adapters.formats.pdf import answer\n"
    "answer(json.loads(sys.argv[2]))"
)


def read_pdf(source: Source) -> Extracted:
    """The text of all pages, each but the first after a form feed, with title, author and date.

    Raises:
        UnreadableSource: it is broken, locked, takes too long, or has no text (a scan has none).
    """
    found = _asked(source)
    if "error" in found:
        raise source.broken("PDF", ValueError(found["error"]))
    text = "\n\f".join(page.rstrip() for page in found["pages"])
    if not text.strip():
        raise source.refused(
            "it has no text, as scanned pages have none",
            "Have its text recognised first (OCR).",
        )
    author = short_title(found["author"])
    occurred_at = found["occurred_at"]
    return Extracted(
        text,
        title=short_title(found["title"]),
        author=None if author is None else {"name": author},
        occurred_at=None if occurred_at is None else datetime.fromisoformat(occurred_at),
        media_type="text/plain",
    )


def _asked(source: Source) -> dict[str, Any]:
    asked = {"path": None if source.path is None else str(source.path.absolute())}
    given = b"" if source.path is not None else source.data
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _START, json.dumps(sys.path), json.dumps(asked)],
            input=given,
            capture_output=True,
            timeout=SECONDS_MAX * 3,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_much(source) from None
    if done.returncode != 0 or not done.stdout:
        raise _too_much(source)
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


def _too_much(source: Source) -> Exception:
    return source.refused(
        "reading it takes more time or memory than it may",
        "Learn it in parts, or print it into a new PDF.",
    )


def answer(asked: dict[str, Any]) -> None:
    """In the other process: read the PDF given, and write what is in it to standard output."""
    import logging
    import warnings

    _bound()
    warnings.simplefilter("ignore")
    logging.disable()
    path = asked["path"]
    try:
        found = _read(Path(path) if path is not None else BytesIO(sys.stdin.buffer.read()))
    except MemoryError:
        sys.exit(1)
    except Exception as error:  # "Broken PDF files might cause other exceptions", says pypdf.
        found = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.buffer.write(json.dumps(found).encode())


def _bound() -> None:
    import resource

    for limit, most in (
        (resource.RLIMIT_CPU, SECONDS_MAX),
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
    ):
        _, hard = resource.getrlimit(limit)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (least, hard))


def _read(source: Path | BytesIO) -> dict[str, Any]:
    from pypdf import PdfReader

    reader = PdfReader(source)
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "it is locked by a password"}
    if len(reader.pages) > PAGES_MAX:
        return {"error": f"it has {len(reader.pages):,} pages, {PAGES_MAX:,} are read"}
    told = reader.metadata
    return {
        "pages": list(_pages(reader)),
        "title": _text(told, "title"),
        "author": _text(told, "author"),
        "occurred_at": _date(told),
    }


def _pages(reader: PdfReader) -> Iterator[str]:
    room = DOCUMENT_CHARS_MAX + 1
    for page in reader.pages:
        text = str(page.extract_text())[:room]
        room -= len(text) + 2
        yield text
        if room <= 0:
            return


def _text(told: DocumentInformation | None, name: str) -> str | None:
    value = getattr(told, name, None)
    return value if isinstance(value, str) else None


def _date(told: DocumentInformation | None) -> str | None:
    try:
        found = None if told is None else told.creation_date
    except ValueError:
        return None
    return found.isoformat() if found is not None and found.tzinfo else None
