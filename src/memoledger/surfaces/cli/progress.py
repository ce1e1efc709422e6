"""A progress bar on standard error, where somebody is there to see it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from memoledger.surfaces.cli.output import messages


class ProgressBar:
    """Draws while it is open; silent without a terminal, or where the answer is JSON.

    Args:
        what: said in front of the bar.
        total: what `update` counts up to; None if that is not known.
        silent: draw nothing in any case.
    """

    def __init__(self, what: str, *, total: float | None = None, silent: bool = False) -> None:
        console = messages()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(what),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=silent or not console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=total, note="")

    def update(self, done: float, note: str) -> None:
        """How far it is, and what is said behind the bar."""
        self._progress.update(self._task, completed=done, note=note)

    def say(self, message: RenderableType) -> None:
        """Print above the bar, or plainly where there is none."""
        console = self._progress.console
        console.print(message, soft_wrap=not console.is_terminal)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
