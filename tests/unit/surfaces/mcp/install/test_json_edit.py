"""JSON with comments: one member is set, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.surfaces.mcp.install.json_edit import parsed, with_member
from memoledger.surfaces.mcp.install.members import NotEditable

PATH = ("servers", "memoledger")
ENTRY = {"command": "/bin/memoledger", "args": ["mcp"]}

COMMENTED = """\
// Zed settings
{
    "theme": "One // Dark", /* not { a } bracket */
    "servers": {
        // mine
        "other": {"command": "x"}, // keep
    },
    "list": [1, 2, ],
}
"""


def test_what_is_there_stays_to_the_letter() -> None:
    edited = with_member(COMMENTED, PATH, ENTRY)
    for line in COMMENTED.splitlines():
        assert line in edited.splitlines()
    assert parsed(edited)["servers"] == {"other": {"command": "x"}, "memoledger": ENTRY}
    assert '        "memoledger": {\n            "command"' in edited
    assert with_member(edited, PATH, ENTRY) == edited


def test_an_entry_is_replaced_where_it_stands() -> None:
    edited = with_member(COMMENTED, PATH, ENTRY)
    other = with_member(edited, PATH, {"command": "y"})
    assert with_member(other, PATH, ENTRY) == edited


@pytest.mark.parametrize(
    "text", ["", "  \n", "// nothing yet\n", "{}", "{ }\n", "{\n}\n", "\ufeff{}"]
)
def test_an_empty_file_gets_its_first_member(text: str) -> None:
    edited = with_member(text, PATH, ENTRY)
    assert parsed(edited) == {"servers": {"memoledger": ENTRY}}
    assert with_member(edited, PATH, ENTRY) == edited


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "7",
        "{",
        '{"a": }',
        "{'a': 1}",
        '{"servers": 7}',
        '{"servers": {}, "servers": {}}',
        '{"a": 1} trailing',
        "[" * 100_000,
        '{"a": "unfinished}',
        "{,}",
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        with_member(text, PATH, ENTRY)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n", "\n\t", ' // a } comment, "x"\n', "/* { */"])


@st.composite
def spaced(draw: st.DrawFn, value: Any) -> str:
    """A value as JSON with comments and trailing commas."""

    def written(item: Any) -> str:
        before, after = draw(SPACE), draw(SPACE)
        if isinstance(item, dict):
            parts = [
                f"{draw(SPACE)}{json.dumps(k)}{draw(SPACE)}:{written(v)}" for k, v in item.items()
            ]
            text = (
                "{"
                + ",".join(parts)
                + ("," if parts and draw(st.booleans()) else "")
                + draw(SPACE)
                + "}"
            )
        elif isinstance(item, list):
            text = "[" + ",".join(map(written, item)) + "]"
        else:
            text = json.dumps(item)
        return before + text + after

    return written(value)


@given(
    value=st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    servers=st.none() | st.dictionaries(st.text(max_size=5), VALUES, max_size=3),
    data=st.data(),
)
def test_any_file_keeps_what_it_says(
    value: dict[str, Any], servers: Any, data: st.DataObject
) -> None:
    if servers is not None:
        value = {**value, "servers": servers}
    text = data.draw(spaced(value))
    edited = with_member(text, PATH, ENTRY)
    expected = {**value, "servers": {**(servers or {}), "memoledger": ENTRY}}
    assert parsed(edited) == expected
    assert with_member(edited, PATH, ENTRY) == edited
