"""What agents are told of the tools: schemas that every host reads, and words for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from memoledger.model.errors import InvalidInput
from memoledger.model.memory import DRAFT_FIELDS
from memoledger.surfaces.mcp.arguments import Recall, Remember, Update
from memoledger.surfaces.mcp.prompts import PROMPTS
from memoledger.surfaces.mcp.tools import TOOLS

ALL = [tool.definition for tool in TOOLS.values()]


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from parts(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from parts(inner)


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_schemas_are_plain(tool: Any) -> None:
    for schema in (tool.inputSchema, tool.outputSchema):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        for part in parts(schema):
            assert not {"$ref", "$defs", "anyOf", "oneOf"} & part.keys()
    assert tool.inputSchema["additionalProperties"] is False
    assert "null" not in json.dumps(tool.inputSchema)


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_tool_and_argument_says_what_it_is_for(tool: Any) -> None:
    assert "Call it" in tool.description
    assert tool.title
    for name, argument in tool.inputSchema["properties"].items():
        assert argument.get("description"), name


def test_hosts_are_told_which_tools_change_something() -> None:
    told = {
        tool.name: (tool.annotations.readOnlyHint, tool.annotations.destructiveHint) for tool in ALL
    }
    assert {name for name, (reads, _) in told.items() if not reads} == {
        "remember",
        "learn",
        "update",
        "forget",
    }
    assert [name for name, (_, destroys) in told.items() if destroys] == ["forget"]
    assert {name for name, tool in TOOLS.items() if tool.scope == "write"} == {
        "remember",
        "learn",
        "update",
        "forget",
    }


def test_every_field_of_a_memory_can_be_given() -> None:
    # Vectors are nothing that a model would write down.
    fields = DRAFT_FIELDS - {"embedding"}
    assert fields <= Remember.model_fields.keys()
    assert fields - {"external_id"} <= Update.model_fields.keys()


def test_names_are_read_in_both_cases() -> None:
    asked = Recall.read({"query": "x", "minImportance": 0.5, "as_of": "2026-01-01T00:00:00Z"})
    assert (asked.min_importance, asked.as_of) == (0.5, "2026-01-01T00:00:00Z")


def test_an_unknown_argument_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as caught:
        Recall.read({"query": "x", "top_k": 3})
    assert caught.value.field == "top_k"
    assert "limit" in (caught.value.remedy or "")


def test_prompts_say_what_they_take() -> None:
    for prompt in PROMPTS.values():
        assert prompt.definition.description
        assert all(argument.description for argument in prompt.definition.arguments or [])
