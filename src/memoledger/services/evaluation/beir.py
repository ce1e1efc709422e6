"""Folders in BEIR's layout: a corpus, questions, and judgments of which memory answers which.

    corpus.jsonl    {"_id", "text", "title"?, "metadata"?} a line
    queries.jsonl   {"_id", "text", "metadata"?} a line
    qrels/*.tsv     query-id, corpus-id and score between tabs; a first line may name the columns

A `group` in the metadata of both keeps a question to the memories of its own group; a `category`
in a question's metadata is what results are broken down by. Of a memory's metadata `occurred_at`
becomes its own field; all else stays metadata, `speaker` included. (Thakur et al., "BEIR", 2021.)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from memoledger.model import limits
from memoledger.model.checks import check_text
from memoledger.model.errors import InvalidInput
from memoledger.model.memory import Draft

LAYOUT: Final = "A folder in BEIR's layout has corpus.jsonl, queries.jsonl and qrels/*.tsv."

Group = str | None
"""The group of memories that a question is kept to; None where the folder has no groups."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its judgments.

    Args:
        gains: gain by the memory's id; at least one is above 0.
    """

    id: str
    text: str
    group: Group
    category: str | None
    gains: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a folder holds: the memories of each group, and the questions that have an answer.

    Args:
        remarks: what was passed over or cannot be right, in sentences.
    """

    folder: Path
    groups: Mapping[Group, list[Draft]]
    questions: list[Question]
    remarks: list[str] = field(default_factory=list)

    @property
    def memories(self) -> int:
        """How many memories there are in all groups."""
        return sum(map(len, self.groups.values()))


@dataclass(frozen=True, slots=True)
class _Line:
    """One object of a JSON Lines file and where it stands."""

    where: str
    value: dict[str, Any]

    def text(self, name: str) -> str:
        value = self.value.get(name, "")
        if not isinstance(value, str):
            raise self.wrong(name, value, "it is no text", "Give a string.")
        return value

    def id(self) -> str:
        value = self.value.get("_id")
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.wrong("_id", value, "a line needs an id", "Give a string.")
        return str(value)

    def metadata(self) -> dict[str, Any]:
        value = self.value.get("metadata") or {}
        if not isinstance(value, dict):
            raise self.wrong(
                "metadata", value, "it is no object", "Give an object or leave it out."
            )
        return value

    def label(self, name: str) -> str | None:
        value = self.metadata().get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.wrong(f"metadata.{name}", value, "it is no name", "Give a string.")
        return str(value)

    def wrong(self, name: str, value: object, reason: str, remedy: str) -> InvalidInput:
        return InvalidInput(f"{self.where}, {name}", value, reason, remedy=remedy)


def read_dataset(folder: Path, *, split: str | None = None) -> Dataset:
    """Read and check a folder; nothing of it is written anywhere.

    The whole corpus is held in memory.

    Args:
        split: the one file of `qrels` to use, such as "test"; None for all of them together.

    Raises:
        InvalidInput: a file is missing, empty or malformed; the message names file and line.
    """
    if not folder.is_dir():
        raise InvalidInput("folder", str(folder), "there is no such folder", remedy=LAYOUT)
    remarks: list[str] = []
    groups, group_of = _read_corpus(folder / "corpus.jsonl", remarks)
    judged = _read_judgments(folder, split)
    questions = _read_questions(folder / "queries.jsonl", judged, groups)
    answerable = _answerable(questions, judged, group_of, remarks)
    return Dataset(folder, groups, answerable, remarks)


def _read_corpus(
    path: Path, remarks: list[str]
) -> tuple[dict[Group, list[Draft]], dict[str, Group]]:
    groups: dict[Group, list[Draft]] = {}
    group_of: dict[str, Group] = {}
    silent: list[str] = []
    for line in _lines(path):
        memory_id, group = line.id(), line.label("group")
        if memory_id in group_of:
            raise line.wrong("_id", memory_id, "that id was used before", "Ids are distinct.")
        group_of[memory_id] = group
        draft = _draft(line, memory_id)
        if draft is None:
            silent.append(memory_id)
        else:
            groups.setdefault(group, []).append(draft)
    if not groups:
        raise InvalidInput(path.name, "no line with a text", "it holds no memory", remedy=LAYOUT)
    if silent:
        remarks.append(f"{path.name}: {len(silent)} lines without a text or title are left out.")
    return groups, group_of


def _draft(line: _Line, memory_id: str) -> Draft | None:
    """The memory of a line; None where it says nothing. A title alone is taken for the text."""
    text, title = line.text("text"), line.text("title").strip()
    if not text.strip():
        text, title = title, ""
    if not text:
        return None
    metadata = line.metadata()
    draft = Draft(
        content=text,
        title=title or None,
        external_id=memory_id,
        occurred_at=metadata.get("occurred_at"),
        metadata={name: value for name, value in metadata.items() if name != "occurred_at"},
    )
    try:
        draft.checked()
    except InvalidInput as error:
        name = {"content": "text", "external_id": "_id"}.get(error.field, error.field)
        raise line.wrong(name, error.value, error.reason, error.remedy or "") from None
    return draft


@dataclass(slots=True)
class _Judged:
    """The judgments of all questions, with where each question first occurs."""

    gains: dict[str, dict[str, int]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, question: str, memory: str, gain: int) -> None:
        gains = self.gains.setdefault(question, {})
        self.where.setdefault(question, where)
        if gains.setdefault(memory, gain) != gain:
            raise InvalidInput(
                where,
                f"{question} {memory} {gain}",
                f"the same pair was given {gains[memory]} before",
                remedy="Judge every pair once, or choose one file with --split.",
            )


def _read_judgments(folder: Path, split: str | None) -> _Judged:
    paths = sorted((folder / "qrels").glob("*.tsv" if split is None else f"{split}.tsv"))
    if not paths:
        wanted = f"qrels/{split or '*'}.tsv"
        raise InvalidInput("folder", str(folder), f"it has no {wanted}", remedy=LAYOUT)
    judged = _Judged()
    for path in paths:
        for number, text in _texts(path):
            columns = text.split("\t")
            where = f"qrels/{path.name} line {number}"
            if len(columns) != 3:
                reason = f"it has {len(columns)} columns and not three"
                raise InvalidInput(where, text, reason, remedy="Put tabs between the columns.")
            gain = _gain(columns[2])
            if gain is not None:
                judged.add(where, columns[0].strip(), columns[1].strip(), gain)
            elif number > 1:  # the first line may be a heading
                raise InvalidInput(
                    where, columns[2], "the score is no whole number", remedy="Give 0, 1, 2…"
                )
    return judged


def _gain(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _read_questions(
    path: Path, judged: _Judged, groups: Mapping[Group, list[Draft]]
) -> dict[str, Question]:
    """The questions that have judgments; BEIR keeps those of other splits in the same file."""
    questions: dict[str, Question] = {}
    seen: set[str] = set()
    for line in _lines(path):
        question_id = line.id()
        if question_id in seen:
            raise line.wrong("_id", question_id, "that id was used before", "Ids are distinct.")
        seen.add(question_id)
        if question_id not in judged.gains:
            continue
        group = line.label("group")
        if group not in groups:
            raise line.wrong(
                "metadata.group", group, "no memory of the corpus is of that group", "Correct it."
            )
        questions[question_id] = Question(
            question_id,
            _question_text(line),
            group,
            line.label("category"),
            judged.gains[question_id],
        )
    return questions


def _question_text(line: _Line) -> str:
    try:
        return check_text("text", line.text("text"), chars_max=limits.QUERY_CHARS_MAX)
    except InvalidInput as error:
        raise line.wrong("text", error.value, error.reason, error.remedy or "") from None


def _answerable(
    questions: Mapping[str, Question],
    judged: _Judged,
    group_of: Mapping[str, Group],
    remarks: list[str],
) -> list[Question]:
    """The questions with a relevant memory; judgments that nothing can satisfy are remarked upon.

    They stay in the count of what is relevant, as in trec_eval: leaving them out would flatter.
    """
    unknown = [judged.where[question] for question in judged.gains if question not in questions]
    if unknown:
        remarks.append(
            f"{unknown[0]}: that question, the first of {len(unknown)}, is not in queries.jsonl."
        )
    missing: Counter[str] = Counter()
    for question in questions.values():
        for memory, gain in question.gains.items():
            if gain > 0 and (memory not in group_of or group_of[memory] != question.group):
                missing[memory] += 1
    if missing:
        remarks.append(
            f"{missing.total()} judgments name a memory that is not in the corpus (or not in the"
            f" question's group) and count as never found; one is {next(iter(missing))!r}."
        )
    answerable = [q for q in questions.values() if any(gain > 0 for gain in q.gains.values())]
    if not any(memory in group_of for q in answerable for memory in q.gains):
        raise InvalidInput(
            "qrels",
            f"{len(judged.gains)} questions",
            "no judgment connects a question of queries.jsonl with a memory of corpus.jsonl",
            remedy="Check that the three are of one set.",
        )
    return answerable


def _lines(path: Path) -> Iterator[_Line]:
    for number, text in _texts(path):
        where = f"{path.name} line {number}"
        try:
            value = json.loads(text, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                where, text, f"it is no JSON: {error}", remedy="Give one object a line."
            ) from None
        if not isinstance(value, dict):
            raise InvalidInput(where, text, "it is no object", remedy="Give one object a line.")
        yield _Line(where, value)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
                if text.strip():
                    yield number, text
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 at byte {error.start + 1}"
        where = f"{path.name} line {number}"
        raise InvalidInput(where, line, reason, remedy="Convert the file.") from None
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
        raise InvalidInput(path.name, str(path), reason, remedy=LAYOUT) from None
