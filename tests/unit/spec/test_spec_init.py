"""The starter files: written, never over somebody's own, and valid."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from daybreak.errors import UsageError
from daybreak.spec import cluster_name, load_spec
from daybreak.spec.init import SCHEMA_FILE, write_starter
from daybreak.spec.model import Spec


def test_written_and_valid(tmp_path: Path) -> None:
    folder = tmp_path / "Corner Shop"
    written = write_starter(folder)
    assert written == [folder / "daybreak.yaml", folder / "app.py", folder / SCHEMA_FILE, folder / "requirements.txt"]
    spec = load_spec(written[0]).spec
    assert spec.name == "corner-shop"
    assert (spec.workers.count, spec.workers.cpus) == (3, 1.0)
    assert spec.serve.applications[0].import_path == "app:main"
    assert spec.serve.health == "/health"
    assert spec.databases.postgres is not None
    assert spec.databases.redis is not None


def test_editors_find_the_schema(tmp_path: Path) -> None:
    spec, _, schema, _ = write_starter(tmp_path)
    first = spec.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={schema.relative_to(tmp_path)}"


@pytest.mark.parametrize("name", ["shop", "2024", "1e3", "no", "null", "0x1f"])
def test_any_name(tmp_path: Path, name: str) -> None:
    spec = write_starter(tmp_path, name=name)[0]
    assert load_spec(spec).spec.name == cluster_name(tmp_path, spec) == name


@pytest.mark.parametrize("there", [["daybreak.yaml"], ["daybreak.yml"], ["app.py"], ["daybreak.yaml", "app.py"]])
def test_nothing_is_overwritten(tmp_path: Path, there: list[str]) -> None:
    for name in there:
        (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_starter(tmp_path)
    assert caught.value.message.startswith(f"{', '.join(there)} already exist")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(there)
    assert {(tmp_path / name).read_text() for name in there} == {"mine"}


def test_requirements_of_somebodys_own_stay(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("mine")
    assert tmp_path / "requirements.txt" not in write_starter(tmp_path, force=True)
    assert (tmp_path / "requirements.txt").read_text() == "mine"


def test_force_overwrites(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("mine")
    write_starter(tmp_path, force=True)
    assert "main = App.bind()" in (tmp_path / "app.py").read_text()


def test_an_old_schema_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).parent.mkdir()
    (tmp_path / SCHEMA_FILE).write_text("{}")
    assert write_starter(tmp_path)[2].read_text() != "{}"


def test_a_bad_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'Bad_Name' is no name for a cluster"):
        write_starter(tmp_path / "new", name="Bad_Name")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        write_starter(tmp_path / "file")


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    text = write_starter(tmp_path)[0].read_text()
    # A comment that begins with a key; prose begins with more than one word.
    text = re.sub(r"^( *)# ( *[A-Za-z_]+:( .*)?)$", r"\1\2", text, flags=re.MULTILINE)
    # The one alternative among the possibilities.
    text = text.replace("  config: serve.yaml", "")
    spec = Spec.model_validate(yaml.safe_load(text))
    assert set(Spec.model_fields) == spec.model_fields_set
    assert spec.workers.resources == {"camera": 1}
    assert spec.services["api"].check is not None


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The starter application, imported with a stand-in for Ray whose decorators change nothing."""
    pytest.importorskip("fastapi")

    def deployment(**_: Any) -> Callable[[type], type]:
        def decorate(decorated: type) -> type:
            decorated.bind = classmethod(lambda cls: cls)  # type: ignore[attr-defined]
            return decorated

        return decorate

    ray = types.ModuleType("ray")
    ray.serve = types.SimpleNamespace(deployment=deployment, ingress=lambda api: lambda decorated: decorated)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    spec = importlib.util.spec_from_file_location("starter_app", write_starter(tmp_path)[1])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAUSE_S", 0)
    return module


class FakeConnection:
    """A connection that answers COUNT, and breaks once where `breaks` was given."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.closed = False
        self.ran: list[str] = []

    async def execute(self, statement: str, values: tuple[Any, ...] = ()) -> FakeConnection:
        if self.breaks and "lock" not in statement and "create" not in statement:
            self.closed = True
            raise psycopg.OperationalError("terminated")
        self.ran.append(statement)
        return self

    description = ("count",)

    async def fetchone(self) -> tuple[int]:
        return (7,)

    async def close(self) -> None:
        self.closed = True

    def transaction(self) -> FakeConnection:
        return self

    async def __aenter__(self) -> FakeConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


Answer = FakeConnection | Exception


def connect_to(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> list[Answer]:
    """Let the coming connections be `answers`, one after another; returns those that are left."""
    left = list(answers)

    async def connect(*_: Any, **__: Any) -> FakeConnection:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere")
    return left


def test_the_application_opens_one_connection(app: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = FakeConnection()
    connect_to(monkeypatch, connection)

    async def visit_twice() -> list[dict[str, Any]]:
        application = app.main()
        return list(await asyncio.gather(application.visit(), application.visits()))

    answers = asyncio.run(visit_twice())
    assert [answer["visits"] for answer in answers] == [7, 7]
    assert [statement.split()[0] for statement in connection.ran[:2]] == ["select", "create"]


def test_the_application_connects_again(app: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = psycopg.OperationalError("refused")
    left = connect_to(monkeypatch, FakeConnection(breaks=True), refused, FakeConnection())
    assert asyncio.run(app.main().visits()) == {"visits": 7}
    assert left == []


def test_the_application_gives_up_in_the_end(app: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, psycopg.OperationalError("refused"))
    monkeypatch.setattr(app, "PATIENCE_S", -1)
    with pytest.raises(app.HTTPException) as caught:
        asyncio.run(app.main().visits())
    assert getattr(caught.value, "status_code", None) == 503


def test_the_application_without_a_database(app: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    application = app.main()
    assert asyncio.run(application.health()) == {"status": "ok"}
    assert "hello" in asyncio.run(application.home())
    with pytest.raises(app.HTTPException):
        asyncio.run(application.visits())


def test_the_applications_text(tmp_path: Path) -> None:
    text = write_starter(tmp_path)[1].read_text()
    assert text.startswith('"""')
    assert "mypy" not in text
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert all(function.returns for function in functions)
