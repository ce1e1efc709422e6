"""Tune the default parameters of recall, with cross-validation over groups.

    python bench/tune_recall.py FOLDER... [--only NAME]... [--output FILE.json]

Each FOLDER is in BEIR's layout. Its memories are remembered once in a temporary ledger and each
question is asked once; what PostgreSQL and the model answered is kept, so that every further
setting only repeats the stages in between, those of recall itself and no copy of them.

Leave one group out: for each group (a conversation; a folder without groups is one) the parameters
are chosen on all the other groups and measured on this one. The mean over the groups left out says
what tuning is worth on conversations that nobody has seen. Where it is no better than the defaults,
the defaults stay. The sensitivity of each parameter around its default says how much it matters.

What is looked for is the mean of recall@10 and nDCG@10. Parameters are tried one after the other,
from their defaults (coordinate ascent), and one moves only if that is worth 0.1 points at least:
of two settings that are as good as each other the documented one is better.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from uuid import UUID

import numpy as np

from memoledger.ledger.ledger import Ledger
from memoledger.ledger.memories import Memories
from memoledger.ledger.round_trip import Call, Row
from memoledger.ledger.sessions import Sessions
from memoledger.model.memory import Memory
from memoledger.model.principal import Principal
from memoledger.model.recall import Query
from memoledger.model.vectors import Vector
from memoledger.services.context import Context, Scope
from memoledger.services.evaluation.beir import Group, Question, read_dataset
from memoledger.services.evaluation.metrics import DEPTH, Scores, score
from memoledger.services.evaluation.retrieval import remember_dataset
from memoledger.services.evaluation.summary import Resampling, differences, summarize
from memoledger.services.prepare import Preparer
from memoledger.services.recall import answer
from memoledger.surfaces.python.memoledger import Memoledger

SOUGHT: Final = ("recall@10", "ndcg@10")

WORTH: Final = 0.001
"""By so much a setting must be better than the one before to be taken."""

SWEEPS_MAX: Final = 3
"""Rounds over all parameters; it ends with the first in which none moves."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constant of one of memoledger's modules, and the values that are tried."""

    name: str
    values: tuple[float, ...]

    @property
    def default(self) -> float:
        """What it is now."""
        module, constant = self._place()
        return float(getattr(module, constant))

    @contextmanager
    def set_to(self, value: float) -> Iterator[None]:
        """The constant has another value meanwhile."""
        module, constant = self._place()
        before = getattr(module, constant)
        setattr(module, constant, type(before)(value))
        try:
            yield
        finally:
            setattr(module, constant, before)

    def _place(self) -> tuple[ModuleType, str]:
        module, _, constant = self.name.rpartition(".")
        return importlib.import_module(f"memoledger.{module}"), constant


PARAMETERS: Final = (
    Parameter("model.fusion.EVIDENCE_WEIGHT", (0.0, 0.05, 0.1, 0.15, 0.2)),
    Parameter("model.fusion.COSINE_SPREAD_MIN", (0.0, 0.05, 0.2)),
    Parameter("model.neighbours.CLOSENESS", (0.0, 0.4, 0.5, 0.6, 0.7, 0.8)),
    Parameter("model.neighbours.OWN_WEIGHT", (1.0, 2.0, 3.0, 4.0, 6.0)),
)
"""What is tuned. The functions read these constants whenever they run."""

Setting = tuple[float, ...]
"""A value for each parameter, in their order."""


class KeptSessions(Sessions):
    """Runs a call once over the pool of other sessions; the same call again is answered at once."""

    def __init__(self, sessions: Sessions) -> None:
        vars(self).update(vars(sessions))
        self._answers: dict[bytes, list[list[Row]]] = {}

    async def run(
        self, principal: Principal, store_id: UUID | None, *calls: Call
    ) -> list[list[Row]]:
        """As `Sessions.run`."""
        key = pickle.dumps((principal, store_id, calls))
        if key not in self._answers:
            self._answers[key] = await super().run(principal, store_id, *calls)
        return self._answers[key]


class KeptMemories(Memories):
    """Keeps each memory it has fetched: which ones are fetched together changes all the time."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._known: dict[tuple[UUID, int], Memory] = {}

    async def get_versions(
        self,
        principal: Principal,
        store_id: UUID,
        wanted: Sequence[tuple[UUID, int]],
        as_of: datetime | None,
    ) -> dict[UUID, Memory]:
        """As `Memories.get_versions`."""
        missing = [pair for pair in wanted if pair not in self._known]
        if missing:
            rows = await super().get_versions(principal, store_id, missing, as_of)
            self._known |= {pair: rows[pair[0]] for pair in missing if pair[0] in rows}
        return {pair[0]: self._known[pair] for pair in wanted if pair in self._known}


class KeptPreparer(Preparer):
    """Embeds each question once."""

    def __init__(self, preparer: Preparer) -> None:
        vars(self).update(vars(preparer))
        self._vectors: dict[str, Vector] = {}

    async def embed_query(self, text: str) -> Vector:
        """As `Preparer.embed_query`."""
        if text not in self._vectors:
            self._vectors[text] = await super().embed_query(text)
        return self._vectors[text]


@dataclass(frozen=True, slots=True)
class StillClock:
    """The instant at which tuning began: the same question is the same call the next time."""

    instant: datetime

    def now(self) -> datetime:
        """That instant."""
        return self.instant


def kept(context: Context) -> Context:
    """The same ledger, which answers from memory what it was asked before."""
    number = context.ledger.embedding_version
    ledger = Ledger.over(KeptSessions(context.ledger.sessions), embedding_version=number)
    return replace(
        context,
        ledger=replace(ledger, memories=KeptMemories(context.ledger.sessions)),
        preparer=KeptPreparer(context.preparer),
        clock=StillClock(context.clock.now()),
        embedders=None,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with where it is asked and the group that it is left out with."""

    question: Question
    scope: Scope
    group: str


class Tuning:
    """Every setting that was tried, question by question."""

    def __init__(
        self, parameters: Sequence[Parameter], asked: Sequence[Asked], context: Context, say: Say
    ) -> None:
        self.parameters = parameters
        self.asked = asked
        self.defaults: Setting = tuple(parameter.default for parameter in parameters)
        self._context = context
        self._say = say
        self._scores: dict[Setting, list[Scores]] = {}

    async def evaluate(self, setting: Setting) -> list[Scores]:
        """The measures of each question under a setting."""
        if setting not in self._scores:
            with self._set_to(setting):
                self._scores[setting] = [await self._score(asked) for asked in self.asked]
            self._say(f"{len(self._scores)} settings tried")
        return self._scores[setting]

    async def sought(self, setting: Setting, rows: Sequence[int]) -> float:
        """What is looked for, over some questions."""
        scores = await self.evaluate(setting)
        return float(np.mean([[scores[row][name] for name in SOUGHT] for row in rows]))

    async def choose(self, rows: Sequence[int]) -> Setting:
        """The best setting for some questions, by coordinate ascent from the defaults."""
        best = self.defaults
        for _ in range(SWEEPS_MAX):
            before = best
            for place in range(len(self.parameters)):
                best = await self._best_along(place, best, rows)
            if best == before:
                break
        return best

    async def _best_along(self, place: int, start: Setting, rows: Sequence[int]) -> Setting:
        best, reached = start, await self.sought(start, rows)
        for tried in self.along(place, start):
            found = await self.sought(tried, rows)
            if found >= reached + WORTH:
                best, reached = tried, found
        return best

    def along(self, place: int, start: Setting) -> list[Setting]:
        """`start` with each value of one parameter."""
        values = sorted({*self.parameters[place].values, self.defaults[place]})
        return [(*start[:place], value, *start[place + 1 :]) for value in values]

    @contextmanager
    def _set_to(self, setting: Setting) -> Iterator[None]:
        with ExitStack() as stack:
            for parameter, value in zip(self.parameters, setting, strict=True):
                stack.enter_context(parameter.set_to(value))
            yield

    async def _score(self, asked: Asked) -> Scores:
        query = Query.of(asked.question.text, limit=DEPTH, mode="hybrid")
        hits = await answer(self._context, asked.scope, query)
        return score([hit.memory.external_id or "" for hit in hits], asked.question.gains)


Say = Callable[[str], None]


async def tune(
    folders: Sequence[Path], parameters: Sequence[Parameter], say: Say
) -> dict[str, Any]:
    """Everything that is printed, as JSON-ready data."""
    async with Memoledger.temporary(sweep_interval_s=0.0) as ledger:
        context = ledger.application.context
        asked: list[Asked] = []
        for folder in folders:
            say(f"remembering {folder}")
            asked += await _remember(context, folder)
        tuning = Tuning(parameters, asked, kept(context), say)
        return {
            "defaults": _named(parameters, tuning.defaults),
            "folds": await _folds(tuning),
            "sensitivity": await _sensitivity(tuning),
        }


async def _remember(context: Context, folder: Path) -> list[Asked]:
    dataset = read_dataset(folder)
    scopes: Mapping[Group, Scope] = await remember_dataset(
        context, dataset, prefix=f"{folder.name} "
    )
    return [
        Asked(question, scopes[question.group], f"{folder.name}/{question.group or 'all'}")
        for question in dataset.questions
    ]


async def _folds(tuning: Tuning) -> dict[str, Any]:
    """What is chosen without each group, and what that is worth on it; then all of them."""
    groups = list(dict.fromkeys(asked.group for asked in tuning.asked))
    defaults = await tuning.evaluate(tuning.defaults)
    tuned: list[Scores] = list(defaults)
    folds: dict[str, Any] = {}
    for group in groups if len(groups) > 1 else ():
        held_out = [row for row, asked in enumerate(tuning.asked) if asked.group == group]
        others = [row for row, asked in enumerate(tuning.asked) if asked.group != group]
        chosen = await tuning.choose(others)
        scores = await tuning.evaluate(chosen)
        for row in held_out:
            tuned[row] = scores[row]
        folds[group] = {
            "chosen": _named(tuning.parameters, chosen),
            "questions": len(held_out),
            "defaults": _means([defaults[row] for row in held_out]),
            "tuned": _means([scores[row] for row in held_out]),
        }
    return {"by_group": folds, "all": _compared(tuned, defaults)}


async def _sensitivity(tuning: Tuning) -> dict[str, Any]:
    """What each value of each parameter does while all others are at their defaults."""
    defaults = await tuning.evaluate(tuning.defaults)
    found: dict[str, Any] = {}
    for place, parameter in enumerate(tuning.parameters):
        found[parameter.name] = {
            f"{setting[place]:g}": _compared(await tuning.evaluate(setting), defaults)
            for setting in tuning.along(place, tuning.defaults)
        }
    return found


def _compared(ours: Sequence[Scores], others: Sequence[Scores]) -> dict[str, Any]:
    """Means, and differences with their intervals, of what is looked for."""
    better = summarize(differences(ours, others), [None] * len(ours), Resampling()).overall
    return {
        name: {
            "mean": mean,
            "difference": better.means[name],
            "interval": list(better.intervals[name]),
        }
        for name, mean in _means(ours).items()
    }


def _means(scores: Sequence[Scores]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in scores])) for name in SOUGHT}


def _named(parameters: Sequence[Parameter], setting: Setting) -> dict[str, float]:
    return {p.name: value for p, value in zip(parameters, setting, strict=True)}


def show(found: Mapping[str, Any]) -> None:
    """Print it for people."""
    defaults = found["defaults"]
    print("defaults:", ", ".join(f"{name} {value:g}" for name, value in defaults.items()))
    print("\nleft out: recall@10 / nDCG@10 there with the defaults -> tuned on all the others")
    for group, fold in found["folds"]["by_group"].items():
        moved = [f"{n} {v:g}" for n, v in fold["chosen"].items() if v != defaults[n]]
        before, after = (
            " / ".join(f"{100 * fold[which][name]:.1f}" for name in SOUGHT)
            for which in ("defaults", "tuned")
        )
        print(f"  {group} ({fold['questions']}): {before} -> {after}  {', '.join(moved) or '='}")
    print("all, each question as it was left out:", _line(found["folds"]["all"]))
    print("\nsensitivity, the others at their defaults:")
    for name, values in found["sensitivity"].items():
        for value, compared in values.items():
            mark = "*" if float(value) == defaults[name] else " "
            print(f"  {name:<30} {value:>6} {mark} {_line(compared)}")


def _line(compared: Mapping[str, Any]) -> str:
    return "   ".join(
        f"{name} {100 * c['mean']:.1f} ({100 * c['difference']:+.1f},"
        f" {100 * c['interval'][0]:+.1f} to {100 * c['interval'][1]:+.1f})"
        for name, c in compared.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Tune, print, and write the JSON if that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path)
    parser.add_argument("--only", metavar="NAME", action="append", help="tune this one; repeatable")
    parser.add_argument("--output", metavar="FILE.json", type=Path, help="also write it as JSON")
    given = parser.parse_args(arguments)
    names = [parameter.name for parameter in PARAMETERS]
    if unknown := set(given.only or ()) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = [p for p in PARAMETERS if not given.only or p.name in given.only]
    found = asyncio.run(tune(given.folders, wanted, lambda what: print(what, file=sys.stderr)))
    if given.output is not None:
        given.output.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
