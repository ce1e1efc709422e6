"""What is printed: safe for terminals, exact for programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.surfaces.cli.output import facts, moment, say, visible, write_json


@given(st.text())
def test_what_is_shown_cannot_steer_a_terminal(text: str) -> None:
    shown = visible(text)
    assert all(c >= " " or c in "\n\t" for c in shown)
    assert not {"\x7f", "\x9b", "\u202e"} & set(shown)


def test_letters_of_every_script_stay() -> None:
    assert visible("Zürich, 東京, שלום, 🚂\n\tend") == "Zürich, 東京, שלום, 🚂\n\tend"
    assert visible("\x1b[31mred") == "\\x1b[31mred"


@given(st.dictionaries(st.text(), st.text()), st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_json_is_one_line_in_every_encoding(value: dict[str, str], encoding: str) -> None:
    # A lone surrogate is never in a memory, and no encoding has it.
    value = {k.encode("utf-8", "ignore").decode(): "x" for k in value}
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    write_json(value, to=file)
    text = raw.getvalue().decode(encoding)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert json.loads(text) == value


def test_a_moment_is_told_in_utc() -> None:
    plus_two = timezone(timedelta(hours=2))
    assert moment(datetime(2026, 5, 8, 15, 56, 7, tzinfo=plus_two)) == "2026-05-08 13:56 UTC"
    assert moment(datetime(2026, 5, 8, tzinfo=UTC), seconds=True) == "2026-05-08 00:00:00 UTC"
    assert moment(None) == ""


def test_lines_in_a_pipe_end_with_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    say(facts({"a": "b", "is_long": True, "empty": None, "none": ()}))
    assert capsys.readouterr().out == "  a        b\n  is long  yes\n"


def test_markup_in_what_was_remembered_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    say(facts({"text": "[bold]loud[/bold] :smile:"}))
    assert "[bold]loud[/bold] :smile:" in capsys.readouterr().out
