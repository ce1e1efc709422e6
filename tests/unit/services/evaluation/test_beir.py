"""Folders in BEIR's layout: what is read, and what is said of a folder that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memoledger.model.errors import InvalidInput
from memoledger.services.evaluation.beir import read_dataset

CORPUS: list[dict[str, Any]] = [
    {
        "_id": "t1",
        "text": "I bought a kettle.",
        "metadata": {
            "group": "a",
            "speaker": "Ann",
            "occurred_at": "2023-05-08T13:56:00Z",
            "session": 1,
        },
    },
    {"_id": "t2", "text": "It is red.", "metadata": {"group": "a"}},
    {"_id": "t3", "text": "I bought a boat.", "metadata": {"group": "b"}},
]
QUERIES: list[dict[str, Any]] = [
    {"_id": "q1", "text": "Who has a kettle?", "metadata": {"group": "a", "category": "who"}},
    {"_id": "q2", "text": "Who has a boat?", "metadata": {"group": "b"}},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\tt1\t2\nq1\tt2\t0\nq2\tt3\t1\n"

Maker = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """Writes a folder; lines may be objects or text as it is."""

    def write(corpus: list[Any] = CORPUS, queries: list[Any] = QUERIES, **qrels: str) -> Path:
        for name, lines in (("corpus", corpus), ("queries", queries)):
            texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(texts) + "\n", "utf-8")
        (tmp_path / "qrels").mkdir()
        for name, text in (qrels or {"test": QRELS}).items():
            (tmp_path / f"qrels/{name}.tsv").write_text(text, "utf-8")
        return tmp_path

    return write


def test_memories_come_by_group_with_who_and_when(make: Maker) -> None:
    dataset = read_dataset(make())
    assert {group: [d.external_id for d in drafts] for group, drafts in dataset.groups.items()} == {
        "a": ["t1", "t2"],
        "b": ["t3"],
    }
    assert dataset.memories == 3
    draft = dataset.groups["a"][0].checked()
    assert draft.content == "I bought a kettle."
    assert draft.speaker == "Ann"
    assert draft.occurred_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert draft.metadata == {"group": "a", "speaker": "Ann", "session": 1}


def test_questions_come_with_group_category_and_gains(make: Maker) -> None:
    first, second = read_dataset(make()).questions
    assert (first.group, first.category, first.gains) == ("a", "who", {"t1": 2, "t2": 0})
    assert (second.group, second.category, second.gains) == ("b", None, {"t3": 1})


def test_a_plain_folder_is_one_group(make: Maker) -> None:
    corpus = [{"_id": "1", "title": "Kettles", "text": "Red.", "metadata": {}}]
    queries = [{"_id": 1, "text": "kettle"}, {"_id": 2, "text": "of another split"}]
    dataset = read_dataset(make(corpus, queries, test="1\t1\t1\n"))
    [draft] = dataset.groups[None]
    assert (draft.content, draft.title) == ("Red.", "Kettles")
    assert [question.id for question in dataset.questions] == ["1"]
    assert dataset.remarks == []


def test_a_title_alone_is_the_text_and_silence_is_left_out(make: Maker) -> None:
    corpus = [
        {"_id": "1", "title": "Kettles", "text": " "},
        {"_id": "2", "title": "", "text": ""},
    ]
    dataset = read_dataset(make(corpus, [{"_id": "1", "text": "kettle"}], test="1\t1\t1\n"))
    [draft] = dataset.groups[None]
    assert (draft.content, draft.title) == ("Kettles", None)
    assert dataset.remarks == ["corpus.jsonl: 1 lines without a text or title are left out."]


def test_all_splits_count_unless_one_is_chosen(make: Maker) -> None:
    folder = make(train="q1\tt1\t1\n", test="q2\tt3\t1\n")
    assert [question.id for question in read_dataset(folder).questions] == ["q1", "q2"]
    assert [question.id for question in read_dataset(folder, split="test").questions] == ["q2"]


def test_what_cannot_be_found_is_remarked_and_still_counts(make: Maker) -> None:
    dataset = read_dataset(make(test="q1\tt1\t1\nq1\tt3\t1\nq1\tgone\t1\nq9\tt1\t1\n"))
    [question] = dataset.questions
    assert question.gains == {"t1": 1, "t3": 1, "gone": 1}
    assert [remark.split(":")[0].split(" name ")[0] for remark in dataset.remarks] == [
        "qrels/test.tsv line 4",
        "2 judgments",
    ]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"corpus": [CORPUS[0], "{"]}, "corpus.jsonl line 2: it is no JSON"),
        ({"corpus": ["[1]"]}, "corpus.jsonl line 1: it is no object"),
        ({"corpus": ['{"_id": "1", "_id": "2", "text": "x"}']}, "a key occurs twice"),
        ({"corpus": [{"text": "x"}]}, "corpus.jsonl line 1, _id: a line needs an id"),
        ({"corpus": [CORPUS[0], CORPUS[0]]}, "corpus.jsonl line 2, _id: that id was used before"),
        ({"corpus": [{"_id": "1", "text": 5}]}, "corpus.jsonl line 1, text: it is no text"),
        ({"corpus": [{"_id": "1", "text": "a\0"}]}, "corpus.jsonl line 1, text: it contains a NUL"),
        ({"corpus": [{"_id": "1", "text": "x", "metadata": 1}]}, "metadata: it is no object"),
        (
            {"corpus": [{"_id": "1", "text": "x", "metadata": {"occurred_at": "2023-05-08"}}]},
            "corpus.jsonl line 1, occurred_at: it has no time zone",
        ),
        (
            {"corpus": [{"_id": "1", "text": "x", "metadata": {"group": []}}]},
            "corpus.jsonl line 1, metadata.group: it is no name",
        ),
        ({"corpus": []}, "corpus.jsonl: it holds no memory"),
        ({"queries": [QUERIES[0], QUERIES[0]]}, "queries.jsonl line 2, _id: that id was used"),
        (
            {"queries": [{"_id": "q1", "text": "", "metadata": {"group": "a"}}]},
            "queries.jsonl line 1, text: it is empty",
        ),
        (
            {"queries": [{"_id": "q1", "text": "x", "metadata": {"group": "c"}}]},
            "queries.jsonl line 1, metadata.group: no memory of the corpus is of that group",
        ),
        ({"test": "q1\tt1\n"}, "qrels/test.tsv line 1: it has 2 columns and not three"),
        ({"test": "a\tb\tc\nq1\tt1\thigh\n"}, "qrels/test.tsv line 2: the score is no whole"),
        ({"test": "q1\tt1\t1\nq1\tt1\t0\n"}, "line 2: the same pair was given 1 before"),
        ({"test": "q1\tt1\t0\n"}, "no judgment connects a question"),
        ({"test": "q1\tgone\t1\n"}, "no judgment connects a question"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    make: Maker, broken: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_dataset(make(**broken))
    assert said in caught.value.message


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(make: Maker, missing: str) -> None:
    folder = make()
    (folder / missing).unlink()
    with pytest.raises(InvalidInput) as caught:
        read_dataset(folder)
    assert missing.split("/", maxsplit=1)[0] in str(caught.value)
    assert "BEIR's layout" in (caught.value.remedy or "")


def test_a_missing_folder_and_split_are_named(make: Maker, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match=r"it has no qrels/dev\.tsv"):
        read_dataset(make(), split="dev")


def test_text_that_is_no_utf_8_is_named_with_its_line(make: Maker) -> None:
    folder = make()
    with (folder / "corpus.jsonl").open("ab") as file:
        file.write(b'{"_id": "t4", "text": "caf\xe9"}\n')
    with pytest.raises(InvalidInput, match=r"corpus\.jsonl line 4: it is not UTF-8 at byte 27"):
        read_dataset(folder)
