"""The spec's JSON schema, for editors: `python -m daybreak.spec.schema > src/daybreak/spec/daybreak.schema.json`.

The file of that name is what `daybreak init` puts beside a new spec.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from daybreak.spec.model import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "daybreak.yaml"

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """pydantic's generator without a title for each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def json_schema() -> Schema:
    """The JSON schema (draft 2020-12) of a spec as it is written, with the same freedoms as the loader.

    Sections may be empty, and the name may be left out.
    """
    mode: JsonSchemaMode = "validation"
    made = Spec.model_json_schema(by_alias=True, mode=mode, schema_generator=_Generator)
    models: dict[str, Schema] = made.pop("$defs")
    for model in (made, *models.values()):
        _polish(model, models)
    # The folder's name stands in for it.
    made["required"] = [key for key in made.get("required", []) if key != "name"]
    if not made["required"]:
        del made["required"]
    models["ServiceCheck"]["oneOf"] = [{"required": [way]} for way in ("tcp", "http", "command")]
    models["UserService"]["anyOf"] = [{"required": [key]} for key in ("command", "image")]
    for switch in ("warm", "gateway", "page", "prometheus", "grafana"):
        section = made["properties"][switch]
        made["properties"][switch] = {
            "anyOf": [{"type": "boolean"}, *section.pop("anyOf")],  # the model, or nothing
            **section,
        }
    return {"$schema": DIALECT, **made, "title": TITLE, "$defs": models}


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _polish(model: Schema, models: dict[str, Schema]) -> None:
    """Bring one model's schema in line with what the loader accepts, and say what each field is."""
    required = model.get("required", [])
    properties: dict[str, Schema] = model.get("properties", {})
    for name, field in properties.items():
        if "$ref" in field:
            # pydantic leaves out a description that equals the model's own.
            field.setdefault("description", models[field["$ref"].rpartition("/")[2]]["description"])
        if isinstance(field.get("default"), dict) or field.get("default", ...) is None:
            del field["default"]
        _name_keys(field)
        if name not in required:
            _allow_empty(field)


def _name_keys(field: Schema) -> None:
    """Refuse keys outside a pattern: `patternProperties` alone lets every other key pass."""
    patterns = field.pop("patternProperties", None)
    if patterns:
        ((pattern, values),) = patterns.items()
        field["propertyNames"] = {"pattern": pattern}
        field["additionalProperties"] = values


def _allow_empty(field: Schema) -> None:
    """A section whose content is all commented out reads as null."""
    if "$ref" in field:
        field["anyOf"] = [{"$ref": field.pop("$ref")}, {"type": "null"}]
    elif field.get("type") in ("object", "array"):
        field["type"] = [field["type"], "null"]


if __name__ == "__main__":
    sys.stdout.write(render())
