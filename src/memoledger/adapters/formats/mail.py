"""Mail (.eml, RFC 5322) as Markdown: who wrote to whom and when, the text, and what is attached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any, Final

from memoledger.adapters.formats.html import html_text
from memoledger.adapters.formats.plain_text import short_title, tidy
from memoledger.adapters.formats.source import TEXT_BYTES_MAX, Source
from memoledger.model.document import Extracted
from memoledger.model.errors import UnreadableSource

PARTS_MAX: Final = 1_000
DEPTH_MAX: Final = 3
"""How many mails are read inside of each other."""

_SHOWN: Final = ("From", "To", "Cc", "Date")

ReadAny = Callable[[Source, str | None], Extracted]


def read_mail(source: Source, read_any: ReadAny) -> Extracted:
    """A mail: its subject as heading, sender, recipients and date, its text, its attachments.

    Args:
        read_any: reads what is attached. What it cannot read is named and passed over.

    Raises:
        UnreadableSource: it is no mail.
    """
    if len(source.data) > TEXT_BYTES_MAX:
        raise source.too_large(len(source.data), TEXT_BYTES_MAX)
    try:
        message = BytesParser(policy=policy.default).parsebytes(source.data)
        parts = _leaves(source, message)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise source.broken("a mail", error) from None
    if _header(message, "From") is None and _header(message, "Subject") is None:
        raise source.broken("a mail", ValueError("it names neither a sender nor a subject"))
    title = short_title(_header(message, "Subject"))
    told = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    blocks = [f"# {title}"] if title else []
    blocks += ["\n".join(told), *_texts(source, parts, read_any)]
    return Extracted(
        "\n\n".join(block for block in blocks if block.strip()),
        title=title,
        author=_author(message),
        occurred_at=_instant(message),
        media_type="text/markdown",
    )


def _leaves(source: Source, message: EmailMessage) -> list[EmailMessage]:
    """The parts that hold something: of alternatives the plain one."""
    found: list[EmailMessage] = []
    waiting: list[Any] = [message]
    while waiting:
        part = waiting.pop()
        if len(found) + len(waiting) > PARTS_MAX:
            raise source.refused(f"it has more than {PARTS_MAX:,} parts", "Learn its parts.")
        kind = part.get_content_type()
        if kind == "message/rfc822" or not part.is_multipart():
            found.append(part)
            continue
        inside = list(part.iter_parts())
        if kind == "multipart/alternative" and inside:
            inside = [min(inside, key=_preference)]
        waiting += reversed(inside)
    return found


def _preference(part: EmailMessage) -> int:
    order = ("text/plain", "text/html")
    kind = part.get_content_type()
    return order.index(kind) if kind in order else len(order) - part.is_multipart()


def _texts(source: Source, parts: list[EmailMessage], read_any: ReadAny) -> Iterator[str]:
    for part in parts:
        name = short_title(_header(part, "filename", _filename))
        if name is None and part.get_content_maintype() == "text":
            yield _body(source, part)
        elif source.depth < DEPTH_MAX:
            kind = part.get_content_type()
            named = name or ("attached.eml" if kind == "message/rfc822" else "attached")
            yield f"# Attached: {named}\n\n{_attached(source, part, named, read_any)}".strip()


def _body(source: Source, part: EmailMessage) -> str:
    data = _bytes_of(part)
    try:
        text = data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    if part.get_content_subtype() == "html":
        return html_text(source, tidy(text)).text
    return tidy(text).strip()


def _attached(source: Source, part: EmailMessage, name: str, read_any: ReadAny) -> str:
    inner = Source(name, _bytes_of(part), depth=source.depth + 1)
    kind = part.get_content_type()
    try:
        return read_any(inner, None if kind == "application/octet-stream" else kind).text.strip()
    except UnreadableSource:
        return ""


def _bytes_of(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inside = list(part.iter_parts())
        return inside[0].as_bytes() if inside else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _filename(part: EmailMessage) -> str | None:
    return part.get_filename()


def _header(
    message: EmailMessage, name: str, get: Callable[[EmailMessage], str | None] | None = None
) -> str | None:
    """What a header says, in one line; None where it is missing or beyond understanding."""
    try:
        value = message[name] if get is None else get(message)
        return None if value is None else " ".join(str(value).split()) or None
    except Exception:  # The standard library's parser of headers raises all kinds of things.
        return None


def _author(message: EmailMessage) -> dict[str, Any] | None:
    name, address = parseaddr(_header(message, "From") or "")
    told = {"name": short_title(name or address), "email": short_title(address)}
    return {key: value for key, value in told.items() if value} or None


def _instant(message: EmailMessage) -> datetime | None:
    try:
        found = parsedate_to_datetime(_header(message, "Date") or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else None
