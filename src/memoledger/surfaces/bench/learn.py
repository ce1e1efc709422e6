"""`bench learn`: what learning costs beside the least that could split and embed the same files.

The corpus is on every machine: the sources of Python's standard library, and of what is installed
beside it where that is not enough. It is learned portion by portion, several files under way
together as in `memoledger learn`. Of some portions the floors are measured too, on the same files
and in turn with the learning of others:

- splitter: the library semantic-text-splitter by itself, over the same tokenizer and for pieces as
  long, one file after the other;
- embedder: the bare local model on the very chunks that were learned, in as many threads as cores.

Learning does both, and it reads, hashes, weighs words, keeps the raw sources, and writes all of it
under row-level security with its audit. Then the same files are learned again, which embeds
nothing; and some with one paragraph changed, which embeds the chunks around that and no others.
"""

from __future__ import annotations

import asyncio
import re
import sysconfig
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from memoledger.model.document import Learned
from memoledger.surfaces.bench.bare_model import BareModel
from memoledger.surfaces.bench.place import Place
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.python.store import StoreHandle

AT_ONCE: Final = 4
"""Files under way together, as in `memoledger learn`."""

PIECE_TOKENS: Final = 224
"""The longest piece, as learning cuts them."""

CHANGED_TO: Final = "This paragraph says something else now: forty-two herons crossed the river."

_SUFFIXES: Final = frozenset({".py", ".pyi", ".md", ".rst", ".txt", ".html", ".json", ".c", ".h"})
_FILE_BYTES_MAX: Final = 2_000_000
_CHANGED_CHARS_MIN: Final = 8_000
_PARAGRAPH: Final = re.compile(r"(?<=\n\n)((?:[^\n]+\n){2,12})(?=\n)")
_DEFINES: Final = re.compile(r"^\s*(?:async |@|class |def |#)", re.MULTILINE)
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        files: learned at most.
        portion: files between two measurements of the floors.
        floors_every: of so many portions one has its floors measured.
        changed: files in which a paragraph is changed.
    """

    files: int = 400
    portion: int = 50
    floors_every: int = 2
    changed: int = 50


QUICK: Final = Sizes(files=12, portion=4, floors_every=2, changed=3)
FULL: Final = Sizes(files=6_000, portion=100, floors_every=12, changed=100)


@dataclass(slots=True)
class Work:
    """How much was done, and how long it took."""

    files: int = 0
    chunks: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def add(self, files: Sequence[Path], chunks: int, seconds: float) -> None:
        """Count a portion."""
        self.files += len(files)
        self.bytes += sum(file.stat().st_size for file in files)
        self.chunks += chunks
        self.seconds += seconds

    @property
    def chunks_per_s(self) -> float:
        """Chunks a second."""
        return self.chunks / self.seconds

    @property
    def files_per_s(self) -> float:
        """Files a second."""
        return self.files / self.seconds


@dataclass(slots=True)
class _Measured:
    """All that was learned, and what was measured beside floors, with the floors."""

    all: Work = field(default_factory=Work)
    beside: Work = field(default_factory=Work)
    splitter: Work = field(default_factory=Work)
    embedder: Work = field(default_factory=Work)


async def learn(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Measure learning files that are new, that are known, and that changed in one paragraph."""
    principal = await place.ledger.principal(tenant="bench", user="reader")
    store = await principal.store("library")
    files = list(corpus(sizes.files))
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    say(f"learning {len(files):,} files of {megabytes:.1f} MB")
    first = await _first_time(store, files, sizes, say)
    say("learning them again")
    rows = _first_rows(first, f"{len(files):,} files, first time")
    rows += await _again(place, store, files, first.all)
    say("learning some with a paragraph changed")
    return [*rows, *await _changed(store, files, sizes.changed)]


def corpus(most: int) -> Iterator[Path]:
    """Files of the standard library, then of what is installed, always in the same order.

    Args:
        most: how many at most.
    """
    library, installed = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    count = 0
    for folder in (library, installed):
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _SUFFIXES or not path.is_file():
                continue
            if folder is library and path.is_relative_to(installed):
                continue
            if 0 < path.stat().st_size <= _FILE_BYTES_MAX and count < most:
                count += 1
                yield path


async def _first_time(
    store: StoreHandle, files: Sequence[Path], sizes: Sizes, say: Say
) -> _Measured:
    measured = _Measured()
    bare = await asyncio.to_thread(BareSplitter)
    model = await asyncio.to_thread(BareModel)
    await store.learn("warm up", "x.py", content="x = 1\n", media_type="text/x-python")
    for number, start in enumerate(range(0, len(files), sizes.portion)):
        portion = files[start : start + sizes.portion]
        beside = number % sizes.floors_every == 0
        if beside:
            await _floor(measured.splitter, portion, asyncio.to_thread(bare.split, portion))
        learned, seconds = await _timed(_learn_all(store, portion))
        chunks = sum(one.chunks for one in learned)
        measured.all.add(portion, chunks, seconds)
        if beside:
            measured.beside.add(portion, chunks, seconds)
            texts = await _texts(store, learned)
            await _floor(measured.embedder, portion, asyncio.to_thread(_embedded, model, texts))
            say(f"{start + len(portion):,} files, {measured.all.chunks:,} chunks")
    return measured


def _first_rows(measured: _Measured, what: str) -> list[Row]:
    case = ("learn", what)
    ours, splitter, embedder = measured.beside, measured.splitter, measured.embedder
    slower = min(splitter.files_per_s, embedder.files_per_s)
    megabytes_per_s = measured.all.bytes / measured.all.seconds / 1e6
    return [
        Row.of(case, "files", ours.files_per_s, "/s", slower),
        Row.of(
            case, "chunks, of the bare embedder's", ours.chunks_per_s, "/s", embedder.chunks_per_s
        ),
        Row.of(
            case, "chunks, of the bare splitter's", ours.chunks_per_s, "/s", splitter.chunks_per_s
        ),
        Row.of(case, "files, all of them", measured.all.files_per_s, "/s"),
        Row.of(case, "chunks, all of them", measured.all.chunks_per_s, "/s"),
        Row.of(case, "bytes, all of them", megabytes_per_s, "MB/s"),
        Row.of(case, "time, all of them", measured.all.seconds, "s"),
    ]


async def _again(place: Place, store: StoreHandle, files: Sequence[Path], first: Work) -> list[Row]:
    before = _embedded_so_far(place)
    learned, seconds = await _timed(_learn_all(store, files))
    case = ("learn", "the same files again")
    changed = sum(one.outcome != "unchanged" for one in learned)
    return [
        Row.of(case, "time", seconds, "s", first.seconds),
        Row.of(case, "chunks embedded", _embedded_so_far(place) - before, "count"),
        Row.of(case, "files not known", changed, "count"),
    ]


async def _changed(store: StoreHandle, files: Sequence[Path], most: int) -> list[Row]:
    """Learn files in which one paragraph says something else; the floor is the chunks it is in."""
    new = touched = count = worst = 0
    for path in files:
        before = path.read_bytes()
        found = _with_change(before)
        if count == most or found is None:
            continue
        after, at = found
        learned = await store.learn("files", path.as_posix(), data=after)
        count += 1
        new += learned.chunks_new
        worst = max(worst, learned.chunks_new)
        touched += await _touching(store, learned, at)
    case = ("learn", f"a paragraph changed in each of {count:,} files")
    return [
        Row.of(case, "chunks embedded, a file", new / count, "chunks", touched / count),
        Row.of(case, "chunks embedded, the most", worst, "chunks"),
    ]


def _with_change(data: bytes) -> tuple[bytes, tuple[int, int]] | None:
    """A file with a paragraph near its middle changed, and where that is; None for a short one."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "\r" in text or len(text) < _CHANGED_CHARS_MIN:
        return None
    for found in _PARAGRAPH.finditer(text, len(text) // 2):
        start, end = found.span(1)
        if not _DEFINES.search(text[start:end]):
            paragraph = text[start:end]
            indent = " " * (len(paragraph) - len(paragraph.lstrip(" ")))
            changed = f"{indent}{CHANGED_TO}\n"
            return (text[:start] + changed + text[end:]).encode(), (start, start + len(changed))
    return None


async def _touching(store: StoreHandle, learned: Learned, at: tuple[int, int]) -> int:
    """In how many chunks some of the characters at `at` are."""
    page = await store.chunks(learned.document.id, limit=_PAGE)
    return sum(chunk.start < at[1] and chunk.end > at[0] for chunk in page.chunks)


async def _learn_all(store: StoreHandle, files: Sequence[Path]) -> list[Learned]:
    learned: list[Learned] = []
    waiting = iter(files)

    async def take() -> None:
        for path in waiting:
            done = await store.learn("files", path.as_posix(), file=path)
            learned.append(done)

    async with asyncio.TaskGroup() as takers:
        for _ in range(AT_ONCE):
            takers.create_task(take())
    return learned


async def _texts(store: StoreHandle, learned: Sequence[Learned]) -> list[str]:
    texts: list[str] = []
    for one in learned:
        cursor = None
        while True:
            page = await store.chunks(one.document.id, limit=_PAGE, cursor=cursor)
            texts += [
                chunk.text if chunk.section is None else f"{chunk.section}: {chunk.text}"
                for chunk in page.chunks
            ]
            if (cursor := page.next_cursor) is None:
                break
    return texts


async def _floor(work: Work, files: Sequence[Path], doing: Awaitable[int]) -> None:
    chunks, seconds = await _timed(doing)
    work.add(files, chunks, seconds)


async def _timed(doing: Awaitable[Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    done = await doing
    return done, time.perf_counter() - started


def _embedded(model: BareModel, texts: Sequence[str]) -> int:
    model.embed(texts)
    return len(texts)


def _embedded_so_far(place: Place) -> int:
    return place.ledger.application.context.preparer.statistics.texts["document"]


class BareSplitter:
    """The splitting library by itself, for pieces of as many tokens as learning makes."""

    def __init__(self) -> None:
        from semantic_text_splitter import TextSplitter
        from tokenizers import Tokenizer

        import memoledger_minilm as minilm

        tokenizer = Tokenizer.from_file(str(minilm.TOKENIZER_PATH))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer, PIECE_TOKENS)

    def split(self, files: Sequence[Path]) -> int:
        """Split these files; into how many pieces."""
        texts = (path.read_text("utf-8", "replace") for path in files)
        return sum(len(self._splitter.chunks(text)) for text in texts)
