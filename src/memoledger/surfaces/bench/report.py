"""What benchmarks print: rows of figures beside their floors, and the machine they were made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from memoledger.surfaces.bench.place import BareConnection

Say = Callable[[str], None]
"""Told in a few words what is being done."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Args:
        bench, case, figure: what was measured, of what, by which measure.
        value: the figure, in `unit`.
        floor: the same by the least that could do it, in the same run; None where there is none.
        ratio: value / floor. For times at most so many times as long, for rates at least that part.
    """

    bench: str
    case: str
    figure: str
    value: float
    unit: str
    floor: float | None
    ratio: float | None

    @classmethod
    def of(
        cls, case: tuple[str, str], figure: str, value: float, unit: str, floor: float | None = None
    ) -> Row:
        """A row of a case (bench and case) with its ratio."""
        ratio = None if floor is None else value / floor
        return cls(case[0], case[1], figure, value, unit, floor, ratio)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were measured on."""

    processor: str
    cores: int
    system: str
    python: str
    postgresql: str
    pgvector: str

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.system}, Python {self.python},"
            f" PostgreSQL {self.postgresql}, pgvector {self.pgvector}"
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


async def this_machine(bare: BareConnection) -> Machine:
    """This machine and the server behind `bare`."""
    cursor = await bare.execute(
        "SELECT split_part(current_setting('server_version'), ' ', 1), extversion::text"
        " FROM pg_extension WHERE extname = 'vector'"
    )
    postgresql, pgvector = (str(value) for value in (await cursor.fetchone()) or ("?", "?"))
    return Machine(
        processor=_processor(),
        cores=_usable_cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        postgresql=postgresql,
        pgvector=pgvector,
    )


def rows_table(rows: Sequence[Row]) -> Table:
    """The rows for people; a bench and case that repeat are named once."""
    table = Table("bench", "case", "figure", box=None, pad_edge=False)
    for title in ("value", "floor", "ratio"):
        table.add_column(title, justify="right")
    before = ("", "")
    for row in rows:
        case = (row.bench, row.case)
        shown = ("", "") if case == before else case
        floor = "" if row.floor is None else _number(row.floor, row.unit)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(*shown, row.figure, _number(row.value, row.unit), floor, ratio)
        before = case
    return table


def _number(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{value:.4f}"
    if unit == "count":
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 1_000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f} {unit}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _usable_cores() -> int:
    """Cores this process may run on, which inside a container can be fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
