"""A spec that the keeper reads for a command: the same comes of it as where the command does, or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.errors import SpecError
from daybreak.keeper.control.error_json import error_from_json, error_to_json
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.spec_reading import Reading
from daybreak.keeper.control.spec_sources import Given
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec.find import Files
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.keeper.world import World

GOOD = """
name: shop
workers:
  count: ${COUNT:-2}
services: {web: {command: [a], profiles: [debug]}}
serve: {applications: [{import: 'app:main'}]}
"""
BAD = "name: shop\nworkers: {count: many}\nserve: {config: serve.yaml}\ncolour: red\n"
SERVE_CONFIG = "applications:\n- nam: x\n"

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a spec; the cluster has a state folder."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    ClusterPaths.of("shop").root.mkdir(parents=True)
    made = tmp_path / "shop"
    (made / "below").mkdir(parents=True)
    (made / "daybreak.yaml").write_text(GOOD)
    (made / "below" / "other.yaml").write_text(GOOD)
    monkeypatch.chdir(made)
    return made


def given(
    file: Files = None,
    name: str | None = None,
    app: str | None = None,
    workers: int | None = None,
    port_offset: int | None = None,
    backend: str | None = None,
    profiles: Sequence[str] | None = None,
) -> Given:
    return Given.of(file, None, name, app, workers, port_offset, backend, profiles)


def reading(wanted: Given) -> Reading:
    found = Reading.of(wanted)
    assert found
    return found


def ask(asked: Reading, folder: Path) -> dict[str, Any]:
    """A keeper's answer, which works in another folder; what travels does so as JSON."""

    async def story() -> dict[str, Any]:
        found: dict[str, Any] = await World(folder.parent).ask("read", reading=json.loads(json.dumps(asked.to_json())))
        return dict(found.get("read", found))

    before, environment = os.getcwd(), dict(os.environ)
    os.chdir("/")
    os.environ.pop("COUNT", None)
    try:
        return run(story())
    except SpecError as error:
        raise error_from_json(json.loads(json.dumps(error_to_json(error)))) from None
    finally:
        os.chdir(before)
        os.environ.update(environment)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"file": "below/other.yaml"},
        {"file": ("daybreak.yaml", "below/other.yaml")},
        {"profiles": ["debug"]},
        {"name": "shop", "workers": 7, "port_offset": 100, "app": "other:main"},
        {"backend": "docker"},
    ],
)
def test_it_is_what_the_command_would_read(
    folder: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNT", "5")
    assert ask(reading(given(**options)), folder) == api.load(**options).to_json()


def test_options_are_laid_over_what_was_started_last(folder: Path) -> None:
    stored = Spec.model_validate({"name": "shop", "head": {"cpus": 3}})
    WantedState(spec=stored, base=str(folder), backend="docker").save(ClusterPaths.of("shop").wanted)
    (folder / "daybreak.yaml").unlink()
    found = ask(reading(given(app="app:main")), folder)
    assert found == api.load(app="app:main").to_json()
    assert found["spec"]["head"]["cpus"] == 3
    assert found["spec"]["backend"] == "docker"


@pytest.mark.parametrize("file", [None, "below/other.yaml"])
def test_every_problem_is_told_with_names_as_the_command_knows_them(folder: Path, file: str | None) -> None:
    place = folder / (file or "daybreak.yaml")
    place.write_text(BAD)
    (place.parent / "serve.yaml").write_text(SERVE_CONFIG)
    with pytest.raises(SpecError) as here:
        api.load(file)
    with pytest.raises(SpecError) as there:
        ask(reading(given(file=file)), folder)
    assert there.value.problems == here.value.problems
    assert [str(there.value), there.value.hint] == [str(here.value), here.value.hint]
    assert there.value.exit_code == 2
    assert {problem.file for problem in here.value.problems} == {file or "daybreak.yaml"}
    assert len(here.value.problems) == 3


def test_a_file_that_is_named_from_elsewhere_is_for_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "below")
    assert Reading.of(given(file="../daybreak.yaml", name="shop")) is None
    path = str(folder / "daybreak.yaml")
    assert ask(reading(given(file=path)), folder) == api.load(path).to_json()


def test_where_it_would_not_come_to_the_same_it_is_for_the_command(folder: Path, tmp_path: Path) -> None:
    asked = reading(given())
    assert ask(asked, folder)
    assert ask(replace(asked, reader="0.0.1 12"), folder) == {}
    for number, seen in enumerate(asked.seen):
        assert seen
        others = [*asked.seen[:number], [0, *seen[1:]], *asked.seen[number + 1 :]]
        assert ask(replace(asked, seen=others), folder) == {}
    (folder / "daybreak.yaml").write_text(GOOD + "\n")
    assert ask(asked, folder) == {}
    (folder / "daybreak.yaml").unlink()
    assert ask(asked, folder) == {}


def test_what_another_version_asks_is_not_understood() -> None:
    for raw in ({}, {"given": {"place": "/"}, "more": 1}, {"given": {"place": "/", "colour": "red"}}):
        assert Request.from_json({"op": "read", "reading": raw}).reading is None
