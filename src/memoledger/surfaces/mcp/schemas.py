"""Arguments and answers as JSON Schema, in the plain form that every host of models reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from memoledger.model.errors import InvalidInput

_MISSING: Final = "missing"
_UNKNOWN: Final = "extra_forbidden"


class _PlainSchema(GenerateJsonSchema):
    """Without `null`: what may be left out is left out. Several hosts refuse unions of types."""

    def nullable_schema(self, schema: Mapping[str, Any]) -> JsonSchemaValue:
        """A value that may be None, as if it could not."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Mapping[str, Any]) -> JsonSchemaValue:
        """A default of None is the absence of a value, and is not mentioned."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(cast("Any", schema))

    def get_title_from_name(self, name: str) -> str:
        """No titles: they would repeat the names."""
        return ""


class Arguments(BaseModel):
    """What a tool or prompt is called with. Names are taken in snake_case and in camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """The arguments, checked as far as their types go; services check the rest.

        Raises:
            InvalidInput: naming the first that is wrong, with its value and the remedy.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise cls._refused(error) from None

    @classmethod
    def _refused(cls, error: ValidationError) -> InvalidInput:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "arguments"
        if first["type"] == _MISSING:
            return InvalidInput(field, None, "it is missing", remedy="Give it.")
        known = f"Known: {', '.join(cls.model_fields)}."
        if first["type"] == _UNKNOWN:
            return InvalidInput(field, first["input"], "there is no such argument", remedy=known)
        reason = first["msg"][:1].lower() + first["msg"][1:].rstrip(".")
        return InvalidInput(
            field, first["input"], reason, remedy="Give what the tool's input schema describes."
        )


class Answer(BaseModel):
    """What a tool returns: as data, and as a text to read."""

    model_config = ConfigDict(frozen=True)

    def data(self) -> dict[str, Any]:
        """The answer as JSON-ready data; what has no value is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def text(self) -> str:
        """The same for a model to read, with every id and version it might need."""
        raise NotImplementedError


def schema_of(model: type[BaseModel], mode: JsonSchemaMode = "validation") -> dict[str, Any]:
    """A model as JSON Schema, without references, titles and nulls."""
    schema = model.model_json_schema(by_alias=False, mode=mode, schema_generator=_PlainSchema)
    plain = _inlined(schema, schema.pop("$defs", {}))
    assert isinstance(plain, dict)
    plain.pop("description", None)
    return plain


def _inlined(value: object, definitions: Mapping[str, Any]) -> object:
    """The value with what it refers to in place, and without titles of its own."""
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        found = definitions[value["$ref"].rpartition("/")[2]]
        rest = {name: item for name, item in value.items() if name != "$ref"}
        return _inlined({**found, **rest}, definitions)
    titled = isinstance(value.get("title"), str) and ("type" in value or "anyOf" in value)
    return {
        name: _inlined(item, definitions)
        for name, item in value.items()
        if not (titled and name == "title")
    }
