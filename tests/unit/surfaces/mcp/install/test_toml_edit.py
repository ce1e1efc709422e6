"""TOML: one table is set, and nothing else changes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoledger.surfaces.mcp.install.members import NotEditable
from memoledger.surfaces.mcp.install.toml_edit import with_table

PATH = ("mcp_servers", "memoledger")
ENTRY = {"command": "/bin/memoledger", "args": ["mcp", "--user", 'a "b" \\ c'], "env": {"A": "1"}}

THERE = """\
model = "x" # mine

[mcp_servers.other]
command = "y"

# about the next one
[projects."/home/me"]
trust_level = "trusted"
"""


def test_what_is_there_stays_to_the_letter() -> None:
    edited = with_table(THERE, PATH, ENTRY)
    assert edited.startswith(THERE)
    assert tomllib.loads(edited)["mcp_servers"] == {"other": {"command": "y"}, "memoledger": ENTRY}
    assert with_table(edited, PATH, ENTRY) == edited


def test_an_entry_is_replaced_with_the_tables_inside_it() -> None:
    before = THERE.replace(
        "# about",
        '[mcp_servers."memoledger"]\ncommand = "old"\n'
        '[mcp_servers.memoledger.env]\nB = "2"\n\n# about',
    )
    edited = with_table(before, PATH, ENTRY)
    assert "old" not in edited
    assert "# about the next one\n[projects" in edited
    found = tomllib.loads(edited)
    assert found["mcp_servers"]["memoledger"] == ENTRY
    assert found["projects"] == {"/home/me": {"trust_level": "trusted"}}


def test_an_empty_file_gets_its_first_table() -> None:
    assert tomllib.loads(with_table("", PATH, ENTRY)) == {"mcp_servers": {"memoledger": ENTRY}}


@pytest.mark.parametrize(
    "text",
    [
        "= nothing",
        "mcp_servers = 7",
        'mcp_servers = { memoledger = { command = "x" } }',
        '[mcp_servers]\nmemoledger = { command = "x" }\n',
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        with_table(text, PATH, ENTRY)


@given(words=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_any_text_is_written_as_it_is(words: list[str]) -> None:
    entry = {"command": "x", "args": words}
    assert tomllib.loads(with_table(THERE, PATH, entry))["mcp_servers"]["memoledger"] == entry
