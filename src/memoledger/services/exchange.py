"""Exchange: memories as JSON Lines, in and out, with bounded memory however long the file is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from memoledger.model import limits
from memoledger.model.bulk import BATCH_DEFAULT, Item, Progress
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Memory
from memoledger.model.queue import Wait
from memoledger.model.recall import Filter
from memoledger.services.context import Context, Scope
from memoledger.services.read import list_memories
from memoledger.services.remember_many import Given, remember_many

LINE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Twice what the largest memory takes with every character escaped and a vector."""

BLOCK_BYTES: Final = 256 * 1024
"""Read at a time; what a pipe has ready is taken at once, even if it is less."""

EXPORTED: Final = (
    "content",
    "type",
    "importance",
    "source",
    "tags",
    "subject_refs",
    "metadata",
    "title",
    "summary",
    "external_id",
    "occurred_at",
    "valid_from",
    "valid_to",
    "expires_at",
    "privacy",
)
"""The fields of a line: everything that a draft can say except the vector, which is made again."""

_UTF8_BOM: Final = b"\xef\xbb\xbf"


class Source(Protocol):
    """Where lines come from: any binary file."""

    def read1(self, size: int = ..., /) -> bytes:
        """Up to `size` bytes, as soon as there are some; empty at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank.

    Args:
        number: from 1, blank lines counted.
        end: bytes of the source up to the end of this line.
        value: the object it holds, or why it holds none.
    """

    number: int
    end: int
    value: dict[str, Any] | InvalidInput


@dataclass(frozen=True, slots=True)
class Imported:
    """How far an import has come; everything counted is committed or was rejected.

    Args:
        progress: memories by what became of them.
        bytes_done: bytes of the source up to the last line that was settled.
    """

    progress: Progress
    bytes_done: int


class LineSplitter:
    """Cuts a stream of bytes into lines and parses them; holds one line at most.

    Lines end with a line feed; a carriage return before it does not count. A line of more than
    `line_bytes_max` bytes is read to its end and rejected without being kept.
    """

    def __init__(self, *, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._begun = bytearray()
        self._begun_bytes = 0
        self._number = 0
        self._position = 0

    def feed(self, block: bytes) -> Iterator[Line]:
        """The lines that end in this block."""
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            self._add(block[start:end])
            self._position += 1
            yield from self._ended()
            start = end + 1
        self._add(block[start:])

    def finish(self) -> Iterator[Line]:
        """The last line, where the stream does not end with a line feed."""
        if self._begun_bytes:
            yield from self._ended()

    def _add(self, piece: bytes) -> None:
        self._begun_bytes += len(piece)
        self._position += len(piece)
        if self._begun_bytes <= self._line_bytes_max:
            self._begun += piece
        else:
            self._begun.clear()

    def _ended(self) -> Iterator[Line]:
        self._number += 1
        text, size_bytes = bytes(self._begun), self._begun_bytes
        self._begun.clear()
        self._begun_bytes = 0
        if self._number == 1:
            text = text.removeprefix(_UTF8_BOM)
        if size_bytes > self._line_bytes_max:
            yield Line(self._number, self._position, _too_long(size_bytes, self._line_bytes_max))
        elif not text.isspace() and text:
            yield Line(self._number, self._position, _parsed(text))


def parse_object(field: str, text: str) -> dict[str, Any]:
    """The JSON object in `text`, more strictly than `json.loads`.

    Raises:
        InvalidInput: it is no JSON, no object, has a key twice, or NaN or an infinity; `field` is
            named in the error.
    """
    value = parse_json(field, text)
    if not isinstance(value, dict):
        raise InvalidInput(field, value, "it is no JSON object", remedy='Write {"content": "…"}.')
    return value


def parse_json(field: str, text: str) -> object:
    """The JSON value in `text`; see `parse_object`."""

    def refuse_constant(name: str) -> None:
        raise InvalidInput(field, name, "JSON has no such number", remedy="Use null.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InvalidInput(field, twice, "the key is there twice", remedy="Keep one of them.")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    except InvalidInput:
        raise
    except RecursionError:
        reason = "it nests too deeply"
    except json.JSONDecodeError as error:
        reason = f"it is no JSON: {error.msg} at character {error.pos + 1}"
    except ValueError:  # An integer of more digits than Python is willing to read.
        reason = "it has a number that is too long"
    raise InvalidInput(field, text, reason, remedy="Mend it, or leave it out.")


async def read_lines(
    source: Source, *, line_bytes_max: int = LINE_BYTES_MAX
) -> AsyncIterator[Line]:
    """The lines of a source, parsed; blank ones are passed over.

    Reading happens in a thread that nothing waits for at the end: who gives up on a pipe that has
    fallen silent is not held by it.
    """
    splitter = LineSplitter(line_bytes_max=line_bytes_max)
    while block := await _in_daemon_thread(lambda: source.read1(BLOCK_BYTES)):
        for line in splitter.feed(block):
            yield line
    for line in splitter.finish():
        yield line


async def import_lines(
    context: Context,
    scope: Scope,
    source: Source,
    *,
    batch_size: int = BATCH_DEFAULT,
    on_rejected: Callable[[int, InvalidInput], None] | None = None,
    on_progress: Callable[[Imported], None] | None = None,
    wait: Wait = "searchable",
) -> Progress:
    """Remember every line of a source; a wrong one is rejected, the rest is kept.

    Interrupted, it is resumed by importing the same source again: what is there is recognised by
    its identity and not embedded again.

    Args:
        source: JSON Lines; a line is an object with `content` and any other field of a draft; `id`
            is kept as `external_id`.
        batch_size: memories in one transaction, 1 to 1,000.
        on_rejected: called with the number of each rejected line, from 1, and the reason.
        on_progress: called after each batch.
        wait: "durable" to leave embedding to the workers.

    Raises:
        EmbedderError, LedgerUnavailable, Forbidden: the batch in hand was not written, those before
            were.
    """
    return await import_parsed(
        context,
        scope,
        read_lines(source),
        batch_size=batch_size,
        on_rejected=on_rejected,
        on_progress=on_progress,
        wait=wait,
    )


async def import_parsed(
    context: Context,
    scope: Scope,
    lines: AsyncIterator[Line],
    *,
    batch_size: int = BATCH_DEFAULT,
    on_rejected: Callable[[int, InvalidInput], None] | None = None,
    on_progress: Callable[[Imported], None] | None = None,
    wait: Wait = "searchable",
) -> Progress:
    """The same for lines that somebody else has read, as `LineSplitter` gives them."""
    places: dict[int, tuple[int, int]] = {}
    bytes_done = 0

    async def values() -> AsyncIterator[Given]:
        position = 0
        async for line in lines:
            position += 1
            places[position] = (line.number, line.end)
            yield line.value

    def settled(items: Sequence[Item]) -> None:
        nonlocal bytes_done
        for item in items:
            number, bytes_done = places.pop(item.position)
            if item.error is not None and on_rejected is not None:
                on_rejected(number, item.error)

    def progressed(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(Imported(progress, bytes_done))

    report = await remember_many(
        context,
        scope,
        values(),
        batch_size=batch_size,
        on_items=settled,
        on_progress=progressed,
        wait=wait,
    )
    return report.progress


async def export_lines(
    context: Context,
    scope: Scope,
    *,
    filter: Filter | None = None,  # noqa: A002 - the field's natural name
    as_of: datetime | str | None = None,
) -> AsyncIterator[bytes]:
    """Every memory of a store as a line that `import_lines` takes back, the oldest first.

    Args:
        filter: only memories that pass it.
        as_of: what the store held at that instant; None for what is current.
    """
    cursor: str | None = None
    while True:
        page = await list_memories(
            context, scope, filter=filter, as_of=as_of, limit=limits.LIMIT_MAX, cursor=cursor
        )
        for memory in page.memories:
            yield json.dumps(as_line(memory), ensure_ascii=False).encode() + b"\n"
        cursor = page.next_cursor
        if cursor is None:
            return


def as_line(memory: Memory) -> Mapping[str, Any]:
    """What a memory says, as an object for a line; fields that are empty are left out.

    Its id is no part of it: in a line, `id` is the identity in the source (`external_id`).
    """
    fields = memory.as_dict()
    return {name: fields[name] for name in EXPORTED if fields[name] not in (None, [], {})}


def _parsed(raw: bytes) -> dict[str, Any] | InvalidInput:
    try:
        return parse_object("line", raw.decode())
    except UnicodeDecodeError as error:
        return InvalidInput(
            "line",
            raw,
            f"it is no UTF-8 at byte {error.start + 1}",
            remedy="Convert the file to UTF-8.",
        )
    except InvalidInput as error:
        return error


def _too_long(size_bytes: int, most: int) -> InvalidInput:
    return InvalidInput(
        "line",
        f"{size_bytes:,} bytes",
        f"it is longer than {most:,} bytes",
        remedy="Split it; no memory needs that much.",
    )


async def _in_daemon_thread(read: Callable[[], bytes]) -> bytes:
    """What `read` returns. Unlike the threads of an executor, this one holds up nobody's exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(block: bytes | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(block or b"")

    def work() -> None:
        block: bytes | None = None
        failure: BaseException | None = None
        try:
            block = read()
        except Exception as error:  # Whatever it is, the caller gets it.
            failure = error
        # The loop is closed when the caller gave up in the meantime.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, block, failure)

    threading.Thread(target=work, daemon=True, name="memoledger-read").start()
    return await done
