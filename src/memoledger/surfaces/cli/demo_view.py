"""How the demo is told: to people, step by step; to programs, as one object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich import box
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from memoledger.surfaces.cli import output
from memoledger.surfaces.cli.output import moment, visible
from memoledger.surfaces.cli.reading import history_table, hit_text

say = partial(output.say, wrapped=True)

if TYPE_CHECKING:
    from memoledger.surfaces.cli.demo_steps import (
        Answer,
        Change,
        Erasure,
        Latency,
        Onlooker,
        Written,
    )


def step(title: str, *, comment: str) -> None:
    """Begin a step."""
    say()
    say(Rule(Text(title, style="bold"), align="left", style="cyan"))
    say(Text(comment, style="dim"))
    say()


def welcome(where: str, took_s: float) -> None:
    """Say what this is about."""
    story = Text.assemble(
        ("Platform Two\n", "bold"),
        "Ines, Tomasz and Ruth turn an empty railway station into a bakery. Their agent, Quill, "
        "keeps notes for seven months: who said what, what was decided, what it costs.",
    )
    say(Panel(story, box=box.ROUNDED, border_style="cyan", padding=(0, 2)))
    say(f"Opened a ledger {visible(where)} in {took_s:.2f} s.")


def written(done: Written, model: str) -> None:
    """Tell about the notes."""
    rate = done.created / done.took_s
    say(
        f"{done.created} memories in {done.took_s:.2f} s, {rate:,.0f} a second: each embedded by "
        f"{model}, indexed by its words, audited, and committed."
    )


def answer(found: Answer) -> None:
    """A question and its hits."""
    narrowing = f"   only {found.question.narrowing}" if found.question.filters else ""
    took = f"   {found.took_ms:.1f} ms"
    say(
        Text.assemble(("? ", "bold cyan"), (found.question.text, "bold"), (narrowing + took, "dim"))
    )
    table = Table.grid(padding=(0, 2))
    for hit in found.hits:
        table.add_row(Text(f"{hit.score:.3f}", style="bold cyan"), hit_text(hit))
    say(Padding(table, (0, 0, 1, 2)))


def change(found: Change) -> None:
    """The same question, three times, and the versions."""
    told = {
        "before the update": found.before,
        "after it": found.after,
        f"as of {found.as_of}": found.back_then,
    }
    table = Table.grid(padding=(0, 2))
    for when, said in told.items():
        table.add_row(Text(when, style="dim"), Text(visible(said.hits[0].memory.content)))
    say(Text.assemble(("? ", "bold cyan"), (found.before.question.text, "bold")))
    say(Padding(table, (0, 0, 1, 2)))
    say(history_table(found.versions))


def onlookers(found: Sequence[Onlooker]) -> None:
    """Who sees what."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("tenant", "user", "rows seen", "recall in the store says"):
        table.add_column(column, overflow="fold", justify="right" if "rows" in column else "left")
    for one in found:
        table.add_row(one.tenant, one.user, str(one.rows), Text(visible(one.recalling)))
    say(table)


def erasure(found: Erasure) -> None:
    """What was said, and what is left."""
    say(Text.assemble("Erased: ", (visible(found.said), "strike")))
    say(f"Recall finds it: {'yes' if found.found_after else 'no'}. Its history:")
    say(Padding(history_table(found.versions), (0, 0, 1, 2)))
    say("What the audit keeps, without a word of it:")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("record", "when", "who", "act", "version", "salted hash of what it said"):
        table.add_column(column, no_wrap=True, justify="right" if column == "record" else "left")
    for act in found.acts:
        digest = f"{act.commitment[:16]}…" if act.commitment else "none: nothing is left to hash"
        when = moment(act.recorded_at, seconds=True)
        table.add_row(str(act.audit_id), when, act.actor, act.act, str(act.version), digest)
    say(Padding(table, (0, 0, 0, 2)))


def latencies(found: Sequence[Latency]) -> None:
    """The closing table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in ("measured just now", "times", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if "just" in column else "right")
    for one in found:
        table.add_row(one.what, str(one.count), f"{one.p50_ms:.2f}", f"{one.p95_ms:.2f}")
    say(table)


def farewell(where: str | None, store: str) -> None:
    """How to go on."""
    if where is None:
        say("The ledger was deleted. `memoledger demo --keep` leaves it, to play with.")
        return
    options = f"{where} --tenant platform-two --user quill --store {store}"
    say("The ledger is kept. Go on with:")
    say(Text(f"  memoledger recall 'the flue' {options}", no_wrap=True, overflow="ignore"))


def as_json(
    *,
    done: Written,
    answers: Sequence[Answer],
    changed: Change,
    seen: Sequence[Onlooker],
    erased: Erasure,
    measured: Sequence[Latency],
) -> dict[str, Any]:
    """Everything that was shown, as JSON-ready data."""
    return {
        "remembered": {"memories": done.created, "took_s": round(done.took_s, 4)},
        "recalled": [_plain_answer(found) for found in answers],
        "changed": {
            "as_of": changed.as_of,
            "before": _plain_answer(changed.before),
            "after": _plain_answer(changed.after),
            "back_then": _plain_answer(changed.back_then),
            "versions": [version.as_dict() for version in changed.versions],
        },
        "isolated": [
            {"tenant": s.tenant, "user": s.user, "rows": s.rows, "recalling": s.recalling}
            for s in seen
        ],
        "erased": {
            "found_after": erased.found_after,
            "versions": [version.as_dict() for version in erased.versions],
            "audit": [
                {
                    "audit_id": act.audit_id,
                    "recorded_at": act.recorded_at.isoformat(),
                    "actor": act.actor,
                    "act": act.act,
                    "version": act.version,
                    "commitment": act.commitment,
                }
                for act in erased.acts
            ],
        },
        "latencies": [
            {
                "what": one.what,
                "count": one.count,
                "p50_ms": round(one.p50_ms, 3),
                "p95_ms": round(one.p95_ms, 3),
            }
            for one in measured
        ],
    }


def _plain_answer(found: Answer) -> dict[str, Any]:
    return {
        "query": found.question.text,
        "filters": found.question.filters,
        "took_ms": round(found.took_ms, 3),
        "hits": [hit.as_dict() for hit in found.hits],
    }
