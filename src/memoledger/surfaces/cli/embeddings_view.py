"""`embeddings` for people: versions, checks and what was done, in tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import typer
from rich.table import Table
from rich.text import Text

from memoledger.surfaces.cli.failures import FAILED
from memoledger.surfaces.cli.invocation import Invocation
from memoledger.surfaces.cli.output import facts, moment, say, tell, visible, write_json
from memoledger.surfaces.cli.progress import ProgressBar

if TYPE_CHECKING:
    from memoledger.model.embedding_states import (
        Filled,
        FillProgress,
        Switched,
        Verification,
        VersionStatus,
    )

_SIGNS: Final = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def shown_on(bar: ProgressBar) -> Callable[[FillProgress], None]:
    """What draws progress on a bar of 1."""

    def shown(progress: FillProgress) -> None:
        share = 1.0 if progress.done else progress.embedded / max(progress.total, 1)
        bar.update(share, f"{progress.embedded:,} of {progress.total:,}")

    return shown


def say_filled(given: Invocation, filled: Sequence[Filled]) -> None:
    """Say what was embedded; the exit code is 1 where a model refused something."""
    refused = sum(one.refused_count for one in filled)
    if given.as_json:
        write_json({"filled": [one.as_dict() for one in filled]})
    else:
        for one in filled:
            tell(
                f"{one.name}: {one.embedded:,} embedded in {one.seconds:.1f} s; it is {one.state}."
            )
            for text in one.refused:
                whose = f"{visible(text.tenant)}: {text.family} {text.owner_id}"
                tell(f"  refused, {whose}, version {text.version}: {visible(text.reason)}")
    if refused:
        raise typer.Exit(FAILED)


def say_switched(given: Invocation, switched: Switched) -> None:
    """Say which version serves now."""
    if given.as_json:
        write_json(switched.as_dict())
        return
    say(f"{switched.serving} serves.")
    say(
        facts(
            {
                "before it": switched.replaced,
                "writes waited": f"{switched.held_ms:.0f} ms",
                "embedded on the way": switched.embedded,
                "without a vector then": switched.missing,
            }
        )
    )


def versions_table(found: Sequence[VersionStatus]) -> Table:
    """Every version in a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("number", "name", "state", "embedder", "vectors", "missing", "size", "since"):
        right = column in {"number", "vectors", "missing", "size"}
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    for one in found:
        kept = one.kept
        since = {
            "ready": kept.filled_at,
            "serving": kept.served_at,
            "previous": kept.replaced_at,
            "retired": kept.retired_at,
        }.get(kept.state, kept.created_at)
        live = kept.state != "retired"
        table.add_row(
            str(kept.number),
            kept.name,
            Text(kept.state, style="bold" if kept.state == "serving" else ""),
            visible(kept.spec or "a program's own"),
            f"{one.vectors:,}" if live else "",
            f"{one.missing:,}" if live else "",
            f"{one.bytes / 1e6:,.0f} MB" if live else "",
            moment(since),
        )
    return table


def checks_table(found: Verification) -> Table:
    """Every check in a line."""
    table = Table.grid(padding=(0, 2))
    for check in found.checks:
        sign, style = _SIGNS[check.status]
        table.add_row(
            Text(sign, style=style), Text(check.name, style="bold"), Text(visible(check.message))
        )
    return table
