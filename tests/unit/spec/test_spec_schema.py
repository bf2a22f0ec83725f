"""The published JSON schema says what the loader says."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import daybreak.spec.schema
from daybreak.spec.schema import DIALECT, json_schema

FOLDER = Path(daybreak.spec.schema.__file__).parent
DOCS = Path(__file__).parents[3] / "docs"
MANY = 30
REGENERATE = "python -m daybreak.spec.schema > src/daybreak/spec/daybreak.schema.json"


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, model in {"Spec": schema, **schema["$defs"]}.items():
        for name, field in model.get("properties", {}).items():
            yield f"{title}.{name}", field


def is_valid(written: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(written))


def test_the_committed_file_is_current() -> None:
    committed = json.loads((FOLDER / "daybreak.schema.json").read_text(encoding="utf-8"))
    assert committed == json_schema(), f"the file is stale; run: {REGENERATE}"


def test_it_is_a_schema() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["title"] == "daybreak.yaml"
    assert "$id" not in json.dumps(schema)


def test_every_field_is_described() -> None:
    nameless = [name for name, field in fields(json_schema()) if not field.get("description", "").endswith((".", "!"))]
    assert nameless == []


def test_the_starter_file_is_valid() -> None:
    text = (FOLDER / "starter" / "daybreak.yaml").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


def test_what_the_docs_show_is_valid() -> None:
    known, seen = set(json_schema()["properties"]), 0
    for page in DOCS.glob("*.md"):
        for block in re.findall(r"(?:^(?:    .*)?\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
            try:
                shown = yaml.safe_load(textwrap.dedent(block))
            except yaml.YAMLError:
                continue
            theirs = "ray start" in block  # a Compose project
            if isinstance(shown, dict) and set(shown) <= known and not theirs:
                jsonschema.Draft202012Validator(json_schema()).validate(shown)
                seen += 1
    assert seen > MANY


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "name: a",
        "workers:",
        "workers: {count: 3, cpus: 500m, memory: 2GiB, object_store: 100000000}",
        "workers: {cpus: 0.5, memory: 1.5 GB}",
        "start_timeout: 1m30s",
        "health: {interval: 250ms, timeout: 2}",
        "databases: {postgres: , redis: {settings: {a: 1, b: true, c: x}}}",
        "services: {api: {command: [x], check: {tcp: 80}, needs: [head]}}",
        "services: {api: {image: a, volumes: [data:/data, ./x:/y:ro], memory: 1GiB}}",
        "{backend: docker, docker: {network: host, mount_code: true}, databases: {mysql: , neo4j: {image: neo4j:5}}}",
        "gateway: {rehearse: true}",
        "gateway: {rehearse: }",
        "gateway: {rehearse: {keep: 20, headers: [Accept, x-tenant], skip: [/metrics], size_percent: 0}}",
        "services: {report: {command: [x], schedule: '0 3 * * *'}}",
        "services: {report: {command: [x], schedule: {cron: '@daily', timezone: Europe/Berlin, timeout: 1h}}}",
        "hooks: {before_up: [x, y], after_up: {command: [x], timeout: 5m}, after_down: }",
        "hooks: {before_up: [], before_down: [[x], {command: [y]}]}",
        "serve: {applications: [{import: a:b, route: null, args: {x: [1, {y: null}]}}]}",
    ],
)
def test_accepted(text: str) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "nme: a",
        "name: Bad_Name",
        "workers: 3",
        "workers: {memroy: 2GiB}",
        "workers: {cpus: -1}",
        "workers: {cpus: many}",
        "workers: {memory: 2 potatoes}",
        "workers: {memory: 1.5}",
        "workers: {count: '3'}",
        "start_timeout: 5 minutes",
        "start_timeout: ''",
        "services: {Bad_Name: {command: [x]}}",
        "services: {api: {}}",
        "services: {api: {image: a, volumes: [data]}}",
        "backend: kubernetes",
        "docker: {network: none}",
        "services: {api: {command: x}}",
        "services: {api: {command: [x], check: {}}}",
        "services: {api: {command: [x], check: {tcp: 80, http: 'http://a'}}}",
        "serve: {applications: [{name: a}]}",
        "serve: {applications: [{import: app}]}",
        "gateway: {rehearse: 20}",
        "gateway: {rehearse: {keep: 0}}",
        "gateway: {rehearse: {headers: ['a b']}}",
        "gateway: {rehearse: {skip: [metrics]}}",
        "ports: {serve: 70000}",
        "listen:",
        "hooks: {before_up: x}",
    ],
)
def test_refused(text: str) -> None:
    assert not is_valid(yaml.safe_load(text))
