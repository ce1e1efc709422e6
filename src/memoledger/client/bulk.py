"""Remember many over HTTP: a request for each batch, whose outcomes come back line by line.

One request without end would be simpler to send, but whoever sends without reading, to one who
answers without being read, soon waits for ever; and of a batch it is known what to send again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memoledger.client import wire
from memoledger.client.problems import error_of, is_transient
from memoledger.client.transport import Passing, Transport, as_json
from memoledger.model import limits
from memoledger.model.bulk import (
    BulkReport,
    Item,
    Progress,
    Tally,
    each_of,
    refuse_what_is_no_list,
)
from memoledger.model.checks import check_count
from memoledger.model.errors import InvalidInput, LedgerUnavailable, MemoledgerError
from memoledger.model.memory import Draft

Given = Draft | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some items as they were read: the lines of those that are right, and those that are not."""

    lines: dict[int, bytes]
    """By position."""

    rejected: list[Item]

    def __len__(self) -> int:
        return len(self.lines) + len(self.rejected)


async def remember_many(
    transport: Transport,
    path: str,
    items: Iterable[Given] | AsyncIterable[Given],
    *,
    batch_size: int,
    on_progress: Callable[[Progress], None] | None,
    on_items: Callable[[Sequence[Item]], None] | None,
    query: Mapping[str, str] | None = None,
) -> BulkReport:
    """Remember many memories, in batches; an item that is wrong is rejected and the rest is kept.

    Args:
        path: the store's path for bulk writes.
        items, batch_size, on_progress, on_items: as of `StoreHandle.remember_many`.
        query: of the request's URL.

    Raises:
        MemoledgerError: a batch could not be written, or not all of it; those before were.
    """
    refuse_what_is_no_list(items)
    size = check_count("batch_size", batch_size, least=1, most=limits.BATCH_MAX)
    tally = Tally(on_progress, on_items)
    async for batch in _batches(items, size):
        done: dict[int, Item] = {}
        try:
            await _write(transport, path, batch, done, query)
            done |= {item.position: item for item in batch.rejected}
        finally:
            # Whoever is interrupted is told what was acknowledged until then.
            if done:
                tally.note([done[position] for position in sorted(done)])
    return tally.report


async def _write(
    transport: Transport,
    path: str,
    batch: _Batch,
    done: dict[int, Item],
    query: Mapping[str, str] | None,
) -> None:
    """Send what is not acknowledged yet until everything is.

    What was written and not acknowledged is found to be there by its identity: it takes no key for
    that, and is told as unchanged.
    """

    async def attempt() -> None:
        waiting = {position: line for position, line in batch.lines.items() if position not in done}
        if not waiting:
            return
        content = b"".join(line + b"\n" for line in waiting.values())
        positions = list(waiting)
        async with transport.lines(path, content, query=query) as lines:
            async for line in lines:
                _note(line, positions, done)
        if any(position not in done for position in positions):
            raise _broken_off()

    await transport.repeated(attempt)


def _note(line: bytes, positions: Sequence[int], done: dict[int, Item]) -> None:
    """Take down what a line of the answer says: of an item, or why there are no more lines."""
    if not line.strip():
        return
    try:
        told = json.loads(line)
        problem = told.get("problem")
        position = positions[int(told["position"]) - 1] if "position" in told else None
    except (ValueError, AttributeError, IndexError, TypeError):
        raise _broken_off() from None
    error = None if problem is None else error_of(problem)
    if position is None:
        raise _broken_off() if error is None else _ended(problem, error)
    if error is not None and not isinstance(error, InvalidInput):
        raise error
    done[position] = wire.decoded(lambda data: wire.item(data, position, error), told)


def _ended(problem: Mapping[str, Any], error: MemoledgerError) -> Exception:
    """The last line of a stream that failed: what was acknowledged before it was done."""
    passing = is_transient(int(problem.get("status", 500)), problem, asks_to_wait=False)
    return Passing(error) if passing else error


def _broken_off() -> Passing:
    return Passing(
        LedgerUnavailable(
            "The server's answer ended before every item was acknowledged.",
            remedy="Call again with the same items: what was written is found to be there.",
        )
    )


async def _batches(
    items: Iterable[Given] | AsyncIterable[Given], size: int
) -> AsyncIterator[_Batch]:
    """Batches of items, each checked as it is read: what it refers to may change after that."""
    batch = _Batch({}, [])
    position = 0
    async for item in each_of(items):
        position += 1
        try:
            batch.lines[position] = as_json(wire.draft_body(Draft.of(item)))
        except InvalidInput as error:
            batch.rejected.append(Item(position, error=error))
        if len(batch) == size:
            yield batch
            batch = _Batch({}, [])
            await asyncio.sleep(0)
    if len(batch):
        yield batch
