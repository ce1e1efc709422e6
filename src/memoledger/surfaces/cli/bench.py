"""`bench`: figures of this machine, each beside its floor in the same run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from memoledger.model.checks import check_choice
from memoledger.surfaces.cli.invocation import AsJson, send_logs_to_standard_error
from memoledger.surfaces.cli.output import messages, say, visible, write_json

if TYPE_CHECKING:
    from memoledger.surfaces.bench.place import Place
    from memoledger.surfaces.bench.report import Machine, Row, Say

BENCHES: Final = (
    *("isolation", "write", "learn", "cache", "scale", "concurrency", "http"),
    "migrate-embeddings",
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="isolation (stores of 10 to 100,000 memories in one database), write, "
        "learn (files of the standard library), "
        "cache (documents with and without one), "
        "scale (10,000 and 100,000 memories), "
        "concurrency (64 recalls at a time), "
        "http (1,000 clients of a service), "
        "migrate-embeddings (100,000 memories change their model); all if none is named.",
        show_default=False,
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Small sizes: shows that it runs, not how fast.")
]
Full = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Let isolation and scale go on to 1,000,000 memories, and learn to 6,000 files (takes "
        "long).",
    ),
]
PgBouncer = Annotated[
    str | None,
    typer.Option(
        "--pgbouncer",
        metavar="PROGRAM",
        help="Have http's service reach its server through this PgBouncer (1.21 or newer).",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Also write rows and machine as JSON here."),
]


def register(app: typer.Typer, panel: str) -> None:
    """Add `bench` to the program."""
    app.command("bench", rich_help_panel=panel)(bench)


def bench(
    names: Names = None,
    quick: Quick = False,
    full: Full = False,
    *,
    pgbouncer: PgBouncer = None,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Measure this machine, each figure beside its floor in the same run.

    It happens on a temporary ledger, durable as yours is; nothing is written to your own.

    A ratio says how many times the floor a time is, or which part of the floor a rate is. Leave the
    machine alone while it runs.
    """
    wanted = [name for name in BENCHES if not names or name in names or "all" in names]
    for name in names or ():
        check_choice("NAME", name, (*BENCHES, "all"))
    machine, rows = asyncio.run(_run(wanted, quick=quick, full=full, pgbouncer=pgbouncer))
    data = [row.as_dict() for row in rows]
    if output is not None:
        import json

        record = {"machine": machine.as_dict(), "rows": data}
        output.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    if as_json:
        messages().print(visible(str(machine)))
        write_json(data)
        return
    from memoledger.surfaces.bench.report import rows_table

    say(visible(str(machine)), "", rows_table(rows))


async def _run(
    wanted: list[str], *, quick: bool, full: bool, pgbouncer: str | None
) -> tuple[Machine, list[Row]]:
    from memoledger.surfaces.bench.place import opened_place
    from memoledger.surfaces.bench.report import this_machine

    send_logs_to_standard_error()
    rows: list[Row] = []
    machine: Machine | None = None
    for name in wanted:
        # A place of its own for each, so that none is slowed by what another wrote.
        async with opened_place() as place:
            machine = await this_machine(place.bare)
            if name == "http":
                rows += await _serve(place, quick=quick, pgbouncer=pgbouncer)
            else:
                rows += await _measure(name, place, quick=quick, full=full)
    assert machine is not None, "at least one is wanted"
    return machine, rows


async def _measure(name: str, place: Place, *, quick: bool, full: bool) -> list[Row]:
    from memoledger.surfaces.bench import (
        cache,
        concurrency,
        isolation,
        learn,
        migration,
        scale,
        write,
    )

    told = _teller(name)
    if name == "isolation":
        users = isolation.QUICK if quick else isolation.FULL if full else isolation.Sizes()
        return await isolation.isolation(place, users, told)
    if name == "write":
        return await write.write(place, write.QUICK if quick else write.Sizes(), told)
    if name == "learn":
        work = learn.QUICK if quick else learn.FULL if full else learn.Sizes()
        return await learn.learn(place, work, told)
    if name == "cache":
        return await cache.cache(place, cache.QUICK if quick else cache.Sizes(), told)
    if name == "migrate-embeddings":
        change = migration.QUICK if quick else migration.Sizes()
        return await migration.migrate_embeddings(place, change, told)
    if name == "concurrency":
        load = concurrency.QUICK if quick else concurrency.Sizes()
        return await concurrency.concurrency(place, load, told)
    steps = scale.QUICK if quick else scale.FULL if full else scale.Sizes()
    return await scale.scale(place, steps, told)


async def _serve(place: Place, *, quick: bool, pgbouncer: str | None) -> list[Row]:
    from memoledger.surfaces.bench import http

    sizes = http.QUICK if quick else http.Sizes()
    return await http.http(place, sizes, _teller("http"), pgbouncer=pgbouncer)


def _teller(name: str) -> Say:
    def told(what: str) -> None:
        messages().print(visible(f"… {name}: {what}"))

    return told
