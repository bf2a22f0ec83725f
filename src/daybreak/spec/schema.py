"""The spec's JSON schema, for editors: `python -m daybreak.spec.schema > src/daybreak/spec/daybreak.schema.json`.

The file of that name is what `daybreak init` puts beside a new spec.
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from daybreak.spec.databases import NAMES
from daybreak.spec.model import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "daybreak.yaml"

VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_]"}
# What may be written as one text: which key's value that is.
SHORT = {"EnvFile": "path", "SecretUse": "name"}
SCALARS = ("string", "integer", "number", "boolean")
CONSTRAINTS = frozenset(["pattern", "enum", "const", "minLength"])

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
    models["ServiceCheck"]["oneOf"] = [{"required": [way]} for way in ("tcp", "http", "command", "grpc")]
    models["UserService"]["anyOf"] = [{"required": [key]} for key in ("command", "image")]
    # A list of names, or a section for each; one path, or a list of them.
    _or(models["Postgres"], "databases", {"type": "array", "items": {"type": "string", "pattern": NAMES}})
    for server in ("Postgres", "MySql"):
        _or(models[server], "init", {"type": "string", "minLength": 1})
    for name, value in (("databases", "FurtherDatabase"), ("roles", "Role")):
        section = models["Postgres"]["properties"][name]
        (section["anyOf"][0] if "anyOf" in section else section)["additionalProperties"] = {
            "anyOf": [{"$ref": f"#/$defs/{value}"}, {"type": "null"}]
        }
    _or(models["UserService"], "schedule", {"type": "string", "minLength": 1})
    _commands(models["Hooks"])
    switches = [(made, name) for name in ("warm", "gateway", "page", "prometheus", "grafana")]
    for owner, switch in (*switches, (models["Gateway"], "rehearse"), (models["RayExpectation"], "tls")):
        section = owner["properties"][switch]
        owner["properties"][switch] = {
            "anyOf": [{"type": "boolean"}, VARIABLE, *section.pop("anyOf")],  # the model, or nothing
            **section,
        }
    return {"$schema": DIALECT, **made, "title": TITLE, "$defs": models}


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _commands(hooks: Schema) -> None:
    """For each moment a command by its words, a section, or a list of such."""
    words: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    one = [words, {"$ref": "#/$defs/Hook"}]
    for moment, field in hooks["properties"].items():
        several = {"type": "array", "items": {"anyOf": deepcopy(one)}}
        told = {"description": field["description"]}
        hooks["properties"][moment] = {"anyOf": [*deepcopy(one), several, {"type": "null"}], **told}


def _or(model: Schema, name: str, other: Schema) -> None:
    """A field that may be written in another way, too."""
    field = model["properties"][name]
    described = {key: field.pop(key) for key in ("description", "default") if key in field}
    model["properties"][name] = {"anyOf": [dict(field), other], **described}


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
        _allow_short(field, models)
        _allow_variables(field)
        if name not in required:
            _allow_empty(field)


def _name_keys(field: Schema) -> None:
    """Refuse keys outside a pattern: `patternProperties` alone lets every other key pass."""
    patterns = field.pop("patternProperties", None)
    if patterns:
        ((pattern, values),) = patterns.items()
        field["propertyNames"] = {"pattern": pattern}
        field["additionalProperties"] = values


def _allow_short(field: Schema, models: dict[str, Schema]) -> None:
    """Lists whose items may be written as their first key's value alone; of a list of files one alone will do, too."""
    item = str(field.get("items", {}).get("$ref", "")).rpartition("/")[2]
    if item not in SHORT:
        return
    short = {key: value for key, value in models[item]["properties"][SHORT[item]].items() if key != "description"}
    field["items"] = {"anyOf": [deepcopy(short), field["items"]]}
    if item == "EnvFile":
        several = {key: field.pop(key) for key in ("type", "items")}
        field["anyOf"] = [*deepcopy(several["items"]["anyOf"]), several, {"type": "null"}]


def _allow_variables(field: Schema) -> None:
    """Any value may be a variable, `${NAME}`, also where its text alone would not do."""
    for key in ("items", "additionalProperties"):
        if isinstance(field.get(key), dict):
            _allow_variables(field[key])
    for each in field.get("anyOf", ()):
        if each.get("type") in ("array", "object") or "anyOf" in each:
            _allow_variables(each)
    types = field.get("anyOf", [field])
    plain = [one for one in types if one.get("type") in SCALARS or "enum" in one or "const" in one]
    # Any text will do already.
    if not plain or any(one.get("type") == "string" and not one.keys() & CONSTRAINTS for one in plain):
        return
    if "anyOf" not in field:
        moved = {key: field.pop(key) for key in list(field) if key not in ("description", "default")}
        field["anyOf"] = [moved]
    field["anyOf"].append(VARIABLE)


def _allow_empty(field: Schema) -> None:
    """A section whose content is all commented out reads as null."""
    if "$ref" in field:
        field["anyOf"] = [{"$ref": field.pop("$ref")}, {"type": "null"}]
    elif field.get("type") in ("object", "array"):
        field["type"] = [field["type"], "null"]


if __name__ == "__main__":
    sys.stdout.write(render())
