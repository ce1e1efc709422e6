"""`bench isolation`: stores of very different sizes in one database, with and without filters.

What an approximate index with a filter loses: the nearest neighbours of a query in the whole table
are other users' memories. Memories of all users come interleaved, as they would over time.

Exact is what NumPy finds in float32 among the vectors given. The floor is a bare table with the
same rows in the same order, an index on the store, no policies, and one prepared statement that
scans the store exactly: ten ids and contents, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from memoledger.ledger.vector_types import HalfVector, fetch_vector_oids
from memoledger.surfaces.bench.place import BareConnection, Place, make_bare_table
from memoledger.surfaces.bench.report import Row, Say
from memoledger.surfaces.bench.samples import TAGS, Sample, Sampler
from memoledger.surfaces.bench.timing import repeat, take_turns
from memoledger.surfaces.python.store import StoreHandle

NEAREST: Final = 10

BARE_SEARCH: Final = (
    "SELECT id, content FROM public.bare WHERE store_id = %s ORDER BY embedding <#> %s LIMIT 10"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        users, each: so many small stores of so many memories each.
        others: the sizes of other stores, one of each.
        questions, filtered: asked of each size without a filter, and with each filter.
        rounds: in so many parts the memories of every user are written, in turn.
    """

    users: int = 50
    each: int = 1_000
    others: tuple[int, ...] = (10, 30_000, 100_000)
    questions: int = 300
    filtered: int = 50
    rounds: int = 20


FULL: Final = Sizes(others=(10, 30_000, 100_000, 1_000_000))
QUICK: Final = Sizes(users=4, each=100, others=(10, 1_000), questions=12, filtered=4, rounds=2)


@dataclass(frozen=True, slots=True)
class _User:
    """A store, what it is to hold, and the content of each memory's place in it."""

    notes: StoreHandle
    sample: Sample
    start: int
    stop: int


async def isolation(place: Place, sizes: Sizes, say: Say) -> list[Row]:
    """Load both sides, ask both, compare with the exact answer."""
    sampler = Sampler()
    small = sampler.memories(sizes.users * sizes.each)
    users = [
        _User(await _notes(place, f"user{n}"), small, n * sizes.each, (n + 1) * sizes.each)
        for n in range(sizes.users)
    ]
    others = [
        _User(await _notes(place, f"one of {size}"), sampler.memories(size), 0, size)
        for size in sizes.others
    ]
    await _load(place, [*users, *others], sizes.rounds, say)
    say("indexing what is large")
    await place.ledger.index_stores()
    questions = sampler.vectors(sizes.questions)
    named = {f"{sizes.users} users × {sizes.each:,}": users}
    named |= {f"one user × {one.stop:,}": [one] for one in others}
    rows: list[Row] = []
    for name, asked in named.items():
        say(f"asking {name}")
        case = "isolation", name
        rows += await _measure(place, case, asked, questions)
        rows += await _measure_filtered(case, asked, questions[: sizes.filtered])
    return rows


async def _notes(place: Place, user: str) -> StoreHandle:
    principal = await place.ledger.principal(tenant="bench", user=user)
    return await principal.store("notes")


async def _load(place: Place, users: Sequence[_User], rounds: int, say: Say) -> None:
    """Write a part of each user's memories in turn, here and in the bare table alike."""
    await make_bare_table(place.bare)
    halfvec = (await fetch_vector_oids(place.bare)).halfvec
    for turn in range(rounds):
        say(f"writing part {turn + 1} of {rounds}")
        for user in users:
            size = user.stop - user.start
            start = user.start + size * turn // rounds
            stop = user.start + size * (turn + 1) // rounds
            await user.notes.remember_many(user.sample.drafts(start, stop))
            await copy_bare(place.bare, halfvec, user.notes.id, user.sample, start, stop)
    await place.bare.execute("ANALYZE")


async def copy_bare(  # noqa: PLR0917 - what is copied, from where to where
    bare: BareConnection,
    halfvec: int,
    store: UUID,
    sample: Sample,
    start: int,
    stop: int,
) -> None:
    """Copy a part of a sample into the bare table, in one transaction.

    Args:
        halfvec: the object id of that type in this database.
    """
    command = "COPY public.bare (store_id, id, content, embedding) FROM STDIN WITH (FORMAT BINARY)"
    async with bare.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(["uuid", "uuid", "text", halfvec])
        for at in range(start, stop):
            row = (store, uuid4(), sample.texts[at], HalfVector(sample.vectors[at]))
            await copy.write_row(row)


async def _measure(
    place: Place, case: tuple[str, str], users: Sequence[_User], questions: NDArray[np.float32]
) -> list[Row]:
    bare_found: dict[int, list[str]] = {}
    found: dict[int, list[str]] = {}

    async def bare(turn: int) -> None:
        user = users[turn % len(users)]
        cursor = await place.bare.execute(BARE_SEARCH, (user.notes.id, HalfVector(questions[turn])))
        bare_found[turn] = [str(content) for _, content in await cursor.fetchall()]

    async def ours(turn: int) -> None:
        user = users[turn % len(users)]
        hits = await user.notes.recall(
            "nothing", limit=NEAREST, mode="dense", embedding=questions[turn]
        )
        found[turn] = [hit.memory.content for hit in hits]

    warm_up = min(20, len(questions))
    floor, times = await take_turns(bare, ours, len(questions), warm_up=warm_up)
    exact = [_exact(users[n % len(users)], question) for n, question in enumerate(questions)]
    return [
        Row.of(case, "recall@10", _recall(found, exact), "fraction", _recall(bare_found, exact)),
        Row.of(case, "recall p50", times.p50_ms, "ms", floor.p50_ms),
        Row.of(case, "recall p95", times.p95_ms, "ms", floor.p95_ms),
    ]


async def _measure_filtered(
    case: tuple[str, str], users: Sequence[_User], questions: NDArray[np.float32]
) -> list[Row]:
    """The same under filters; there is no floor, since the bare table has no tags."""
    rows: list[Row] = []
    for tag, every in TAGS.items():
        found: dict[int, list[str]] = {}
        exact = [_exact(users[n % len(users)], q, every=every) for n, q in enumerate(questions)]

        async def ask(turn: int, tag: str = tag, found: dict[int, list[str]] = found) -> None:
            hits = await users[turn % len(users)].notes.recall(
                "nothing", limit=NEAREST, mode="dense", embedding=questions[turn], tags=[tag]
            )
            found[turn] = [hit.memory.content for hit in hits]

        times = await repeat(ask, len(questions), warm_up=1)
        rows += [
            Row.of(case, f"recall@10, filter keeps {tag}", _recall(found, exact), "fraction"),
            Row.of(case, f"recall p50, filter keeps {tag}", times.p50_ms, "ms"),
        ]
    return rows


def _exact(user: _User, question: NDArray[np.float32], *, every: int = 1) -> set[str]:
    """The contents of the ten nearest among every so many-th, in float32."""
    places = np.arange(-(-user.start // every) * every, user.stop, every)
    if every == 1:
        similarity = user.sample.vectors[user.start : user.stop] @ question
    else:
        similarity = user.sample.vectors[places] @ question
    nearest = (
        np.argsort(-similarity)[:NEAREST]
        if len(places) <= NEAREST
        else (np.argpartition(-similarity, NEAREST - 1)[:NEAREST])
    )
    return {user.sample.texts[place] for place in places[nearest].tolist()}


def _recall(found: dict[int, list[str]], exact: Sequence[set[str]]) -> float:
    """The part of what was wanted that was found, in the mean; 1 where nothing was there."""
    shares = [
        len(wanted.intersection(found[turn])) / len(wanted) if wanted else float(not found[turn])
        for turn, wanted in enumerate(exact)
    ]
    return float(np.mean(shares))
