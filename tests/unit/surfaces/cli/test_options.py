"""Options say what the model says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

import pytest
import typer

from memoledger.model.errors import InvalidInput
from memoledger.model.memory import CHANGEABLE, DRAFT_FIELDS, Privacy
from memoledger.model.recall import FAMILIES, Filter, Mode, Query, Ranking
from memoledger.surfaces.cli import options, stores
from memoledger.surfaces.cli.main import app

ROOT: Any = typer.main.get_command(app)

NAMES = {
    "family": "families",
    "tag": "tags",
    "subject_ref": "subject_refs",
    "type_": "type",
    "types": "type",
}


def parameters(command: str) -> set[str]:
    return {NAMES.get(param.name, param.name) for param in ROOT.commands[command].params}


def subcommands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from subcommands(command, (*path, name))


def test_choices_are_those_of_the_model() -> None:
    assert get_args(options.ModeName) == get_args(Mode)
    assert get_args(options.PrivacyName) == get_args(Privacy)
    assert get_args(options.FamilyName) == FAMILIES
    assert get_args(stores.AccessName) == ("read", "write")


def test_remember_has_every_field_of_a_draft() -> None:
    assert parameters("remember") >= DRAFT_FIELDS


def test_update_has_every_field_that_can_change() -> None:
    assert parameters("update") >= CHANGEABLE - {"embedding"}


def test_recall_has_everything_that_can_be_asked() -> None:
    asked = {field.name for field in fields(Query)} - {"text", "filter", "ranking"}
    asked |= {field.name for field in fields(Ranking)}
    filters = {NAMES.get(field.name, field.name) for field in fields(Filter)}
    assert parameters("recall") >= asked | filters


@pytest.mark.parametrize("path", [path for path, _ in subcommands(ROOT)], ids=" ".join)
def test_every_command_and_option_says_what_it_is(path: tuple[str, ...]) -> None:
    command = dict(subcommands(ROOT))[path]
    assert command.help
    assert [param.name for param in command.params if not param.help] == []


def does_something(command: Any) -> bool:
    """A command, or a group that is one too; not one that only holds others."""
    return not hasattr(command, "commands") or command.invoke_without_command


@pytest.mark.parametrize(
    "path",
    [path for path, command in subcommands(ROOT) if does_something(command)],
    ids=" ".join,
)
def test_every_command_takes_json(path: tuple[str, ...]) -> None:
    command = dict(subcommands(ROOT))[path]
    assert "--json" in {name for param in command.params for name in param.opts}


def test_metadata_and_embedding_are_parsed() -> None:
    found = options.given_fields(metadata='{"a": 1}', embedding="[1, 2.5]", title=None)
    assert found == {"metadata": {"a": 1}, "embedding": [1, 2.5]}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"metadata": "[1]"}, "it is no JSON object"),
        ({"metadata": "{"}, "it is no JSON: Expecting property name enclosed in double quotes"),
        ({"embedding": "{}"}, "it is no JSON list"),
        ({"embedding": "[NaN]"}, "JSON has no such number"),
    ],
)
def test_what_is_no_json_is_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        options.given_fields(**given)
    assert caught.value.reason.startswith(reason)
