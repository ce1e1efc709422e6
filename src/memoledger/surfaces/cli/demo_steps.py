"""What the demo does, step by step, and what came of it. Every number is measured as it runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, cast

from memoledger.ledger.inspection import count_visible_memories
from memoledger.model.errors import MemoledgerError, NotFound
from memoledger.model.principal import Principal
from memoledger.services.audit import audit_of_memory
from memoledger.services.context import Scope
from memoledger.services.exchange import Source, import_lines

if TYPE_CHECKING:
    from memoledger.ledger.audit import MemoryAct
    from memoledger.model.memory import Memory
    from memoledger.model.recall import Hit, Mode
    from memoledger.services.exchange import Imported
    from memoledger.surfaces.python.memoledger import Memoledger
    from memoledger.surfaces.python.store import StoreHandle

TENANT: Final = "platform-two"
USER: Final = "quill"
COLLEAGUE: Final = "samira"
OTHER_TENANT: Final = "rival-bakery"
STORE: Final = "notes"
SCRATCH_STORE: Final = "scratch"
DATA: Final = "demo_data/platform_two.jsonl"

KEPT_STORES_MAX: Final = 1_000

OPENING: Final = "When do we open?"
OPENING_CHANGED: Final = (
    "Platform Two opens on Saturday 21 March 2026 at seven in the morning, two weeks later than "
    "planned, because the flue liner did not fit."
)
KEY_SAFE: Final = "What is the code of the key safe?"

ROUNDS: Final = 5
"""Every question is asked so many times for the closing table."""

WRITES: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what shall narrow the answer."""

    text: str
    filters: dict[str, Any] = field(default_factory=dict)

    @property
    def narrowing(self) -> str:
        """The filters, as Python or the command line has them."""
        return ", ".join(f"{name}={json.dumps(value)}" for name, value in self.filters.items())


QUESTIONS: Final = (
    Question("What kind of power supply does the oven need?"),
    Question("Why can the vent not go on the platform side?"),
    Question("What should I know before I phone Ines?"),
    Question("Does anybody have an allergy?"),
    Question("What was said about money?", {"metadata": {"speaker": "Ruth"}}),
    Question("What about the birds?", {"types": ["decision"]}),
)


@dataclass(frozen=True, slots=True)
class Written:
    """What remembering the notes came to."""

    created: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the best hits, and how long that took."""

    question: Question
    hits: list[Hit]
    took_ms: float


@dataclass(frozen=True, slots=True)
class Change:
    """The same question before an update and after it."""

    before: Answer
    after: Answer
    as_of: str
    back_then: Answer
    versions: list[Memory]


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Who looks, how many rows of the table the database shows them, and what recalling says."""

    tenant: str
    user: str
    rows: int
    recalling: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erased memory: what it said, what is left of it, and what the audit keeps."""

    said: str
    found_after: bool
    versions: list[Memory]
    acts: list[MemoryAct]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, measured `count` times; milliseconds."""

    what: str
    count: int
    p50_ms: float
    p95_ms: float


async def fresh_store(ledger: Memoledger) -> StoreHandle:
    """The demo's store; on a ledger that was kept, the next one that is still empty."""
    principal = await ledger.principal(tenant=TENANT, user=USER)
    for number in range(1, KEPT_STORES_MAX):
        store = await principal.store(STORE if number == 1 else f"{STORE}-{number}")
        if not await store.count():
            return store
    raise NotFound(
        f"{KEPT_STORES_MAX} demos were kept in this ledger.", remedy="Choose another folder."
    )


async def remember_notes(
    ledger: Memoledger, store: StoreHandle, on_progress: Callable[[Imported], None]
) -> Written:
    """Remember the notes, as `memoledger import` does."""
    scope = Scope(Principal(TENANT, USER), store.id)
    file = resources.files("memoledger.surfaces.cli").joinpath(DATA)
    begun = time.perf_counter()
    with file.open("rb") as source:
        done = await import_lines(
            ledger.application.context,
            scope,
            cast("Source", source),
            batch_size=50,
            on_progress=on_progress,
        )
    return Written(done.created, time.perf_counter() - begun)


def notes_bytes() -> int:
    """How large the file of notes is."""
    return len(resources.files("memoledger.surfaces.cli").joinpath(DATA).read_bytes())


async def ask(
    store: StoreHandle, question: Question, *, limit: int = 2, as_of: str | None = None
) -> Answer:
    """Recall, and take the time."""
    begun = time.perf_counter()
    hits = await store.recall(
        question.text, limit=limit, explain=True, as_of=as_of, **question.filters
    )
    return Answer(question, hits, (time.perf_counter() - begun) * 1e3)


async def change_plans(store: StoreHandle) -> Change:
    """Update the opening day, then ask about it now and as of the instant before."""
    question = Question(OPENING)
    before = await ask(store, question, limit=1)
    [hit] = before.hits
    changed = await store.update(hit.memory.id, content=OPENING_CHANGED, if_version=1)
    after = await ask(store, question, limit=1)
    instant = (changed.recorded_at - timedelta(microseconds=1)).isoformat()
    back_then = await ask(store, question, limit=1, as_of=instant)
    return Change(before, after, instant, back_then, await store.history(hit.memory.id))


async def look_over_shoulders(ledger: Memoledger, store: StoreHandle) -> list[Onlooker]:
    """Let others look: without a grant, from another tenant, and with a grant to read."""
    found = [
        await _look(ledger, store, TENANT, USER),
        await _look(ledger, store, TENANT, COLLEAGUE),
    ]
    found.append(await _look(ledger, store, OTHER_TENANT, USER))
    await store.share(COLLEAGUE, access="read")
    shared = await _look(ledger, store, TENANT, COLLEAGUE)
    return [
        *found,
        Onlooker(TENANT, f"{COLLEAGUE}, granted to read", shared.rows, shared.recalling),
    ]


async def _look(ledger: Memoledger, store: StoreHandle, tenant: str, user: str) -> Onlooker:
    principal = await ledger.principal(tenant=tenant, user=user)
    sessions = ledger.application.context.ledger.sessions
    rows = await count_visible_memories(sessions, principal.principal)
    try:
        seen = await principal.find_store(store.name, owner=USER)
        hits = await seen.recall(OPENING, limit=3)
        said = f"{len(hits)} hits"
    except MemoledgerError as error:
        said = error.message
    return Onlooker(tenant, user, rows, said)


async def erase_key_safe(ledger: Memoledger, store: StoreHandle) -> Erasure:
    """Erase something that should never have been written down, and see what is left."""
    [hit] = (await ask(store, Question(KEY_SAFE), limit=1)).hits
    memory_id = hit.memory.id
    await store.forget(memory_id, hard=True)
    after = await store.recall(KEY_SAFE, limit=10)
    context = ledger.application.context
    scope = Scope(Principal(TENANT, USER), store.id)
    return Erasure(
        said=hit.memory.content,
        found_after=any(other.memory.id == memory_id for other in after),
        versions=await store.history(memory_id),
        acts=await audit_of_memory(context, scope, memory_id),
    )


async def measure(ledger: Memoledger, store: StoreHandle, change: Change) -> list[Latency]:
    """Take the times of the verbs, one call after the other."""
    texts = [question.text for question in QUESTIONS] * ROUNDS
    memory_id = change.versions[0].id

    async def recall(mode: Mode, as_of: str | None = None) -> list[float]:
        return await _timed(texts, lambda text: store.recall(text, mode=mode, as_of=as_of))

    page = await store.list(limit=WRITES)
    contents = [memory.content for memory in page.memories]
    principal = await ledger.principal(tenant=TENANT, user=USER)
    scratch = await principal.store(f"{SCRATCH_STORE}-{store.id}")
    samples = {
        "recall, hybrid": await recall("hybrid"),
        "recall, dense": await recall("dense"),
        "recall, lexical": await recall("lexical"),
        "recall, hybrid, as of an instant": await recall("hybrid", change.as_of),
        "remember, embedding included": await _timed(contents, scratch.remember),
        "remember again, unchanged": await _timed(contents, scratch.remember),
        "get": await _timed(texts, lambda _: store.get(memory_id)),
        "history": await _timed(texts, lambda _: store.history(memory_id)),
    }
    return [
        Latency(what, len(times), _percentile(times, 0.5), _percentile(times, 0.95))
        for what, times in samples.items()
    ]


async def _timed(inputs: Sequence[str], act: Callable[[str], Awaitable[object]]) -> list[float]:
    times = []
    for value in inputs:
        begun = time.perf_counter()
        await act(value)
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def _percentile(times: Sequence[float], fraction: float) -> float:
    """The smallest time that at least this fraction of the times does not exceed."""
    return sorted(times)[math.ceil(fraction * len(times)) - 1]
