"""`demo`: what Memoledger does, shown on a ledger of its own with real text and real numbers."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memoledger.surfaces.cli import demo_view as view
from memoledger.surfaces.cli.invocation import Invocation, command, send_logs_to_standard_error
from memoledger.surfaces.cli.output import write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.surfaces.cli.demo_steps import Written
    from memoledger.surfaces.python.memoledger import Memoledger
    from memoledger.surfaces.python.store import StoreHandle

PANEL: Final = "To begin with"
KEPT_IN: Final = Path("memoledger-demo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", panel=PANEL)(demo)


def demo(
    given: Invocation,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep the ledger, in ./memoledger-demo unless told otherwise."),
    ] = False,
) -> None:
    """Show what Memoledger does, in a few seconds.

    It remembers the notes of three people and an agent who turn a railway station into a bakery,
    then recalls, changes its mind, looks back, keeps others out and erases. The ledger is a
    temporary one and deleted at the end, unless --keep, --data-dir or --database-url says where.
    """
    if keep and not given.place.is_given:
        given = replace(given, data_dir=KEPT_IN)
    asyncio.run(_demo(given))


async def _demo(given: Invocation) -> None:
    from memoledger.surfaces.cli import demo_steps

    begun = time.perf_counter()
    async with _ledger(given) as ledger:
        started_s = time.perf_counter() - begun
        store = await demo_steps.fresh_store(ledger)
        if not given.as_json:
            view.welcome(_where(given), started_s)
        told = await _perform(given, ledger, store)
    if given.as_json:
        write_json({"started_s": round(started_s, 4), "store": store.name, **told})
    else:
        view.farewell(_options(given), store.name)


async def _perform(given: Invocation, ledger: Memoledger, store: StoreHandle) -> dict[str, Any]:
    """All the steps, each told as soon as it is done; the whole as JSON-ready data."""
    from memoledger.surfaces.cli import demo_steps as steps

    loud = not given.as_json
    if loud:
        view.step("Remember", comment="Chat turns, notes and decisions, with speaker and date.")
    written = await _remember(given, ledger, store)
    if loud:
        view.written(written, ledger.application.embedder.version.model)
        view.step(
            "Recall",
            comment="By meaning and by words together. The score is made of both: each raw, then "
            "on the scale on which they are added.",
        )
    answers = []
    for question in steps.QUESTIONS:
        answers.append(await steps.ask(store, question))
        if loud:
            view.answer(answers[-1])
    changed = await steps.change_plans(store)
    if loud:
        view.step("Change, and look back", comment="An update adds a version; none is lost.")
        view.change(changed)
    seen = await steps.look_over_shoulders(ledger, store)
    if loud:
        view.step(
            "Keep others out",
            comment="The database is asked for every row there is. It shows each user their own: "
            "the query has no condition that could be forgotten.",
        )
        view.onlookers(seen)
    erased = await steps.erase_key_safe(ledger, store)
    if loud:
        view.step("Erase", comment="A door code has no business in a memory.")
        view.erasure(erased)
    measured = await steps.measure(ledger, store, changed)
    if loud:
        view.step("How long it took", comment="One call after the other, in this process.")
        view.latencies(measured)
    return view.as_json(
        done=written,
        answers=answers,
        changed=changed,
        seen=seen,
        erased=erased,
        measured=measured,
    )


async def _remember(given: Invocation, ledger: Memoledger, store: StoreHandle) -> Written:
    from memoledger.surfaces.cli import demo_steps

    with ProgressBar("Remembering", total=demo_steps.notes_bytes(), silent=given.as_json) as bar:
        return await demo_steps.remember_notes(
            ledger, store, lambda done: bar.update(done.bytes_done, f"{done.progress.created}")
        )


@asynccontextmanager
async def _ledger(given: Invocation) -> AsyncIterator[Memoledger]:
    from memoledger.surfaces.python.memoledger import Memoledger

    if given.place.is_given:
        async with given.ledger() as ledger:
            yield ledger
        return
    send_logs_to_standard_error()
    settings = given.place.settings(sweep_interval_s=0.0, auto_migrate=True)
    async with Memoledger.temporary(settings=settings) as ledger:
        yield ledger


def _where(given: Invocation) -> str:
    if given.data_dir is not None:
        return f"in {given.data_dir}"
    if given.database_url is not None:
        return "on the server given"
    return "on a PostgreSQL of its own, made in a temporary folder,"


def _options(given: Invocation) -> str | None:
    """The options that lead to the ledger that was kept; None if it was not."""
    if given.data_dir is not None:
        return f"--data-dir {shlex.quote(str(given.data_dir))}"
    return "--database-url …" if given.database_url is not None else None
