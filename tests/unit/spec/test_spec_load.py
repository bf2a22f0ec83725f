"""From YAML to a spec: values, defaults, options on top, and lines and keys of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import Problem, SpecError
from daybreak.spec.load import LoadedSpec, load_spec, without_file

Load = Callable[..., LoadedSpec]
Problems = Callable[..., tuple[Problem, ...]]


def test_a_small_spec(load: Load, tmp_path: Path) -> None:
    loaded = load("""
        workers: {count: 3, memory: 1GiB}
        serve:
          applications:
            - import: app:main
        """)
    assert loaded.base == tmp_path / "shop"
    assert loaded.source == tmp_path / "shop" / "daybreak.yaml"
    assert loaded.spec.name == "shop"
    assert (loaded.spec.workers.count, loaded.spec.workers.memory) == (3, 1024**3)
    assert loaded.spec.serve.applications[0].import_path == "app:main"
    assert loaded.spec.databases.postgres is None


def test_paths_are_absolute(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("name: a")
    monkeypatch.chdir(tmp_path)
    loaded = load_spec(Path("shop/daybreak.yaml"))
    assert (loaded.base, loaded.source) == (tmp_path / "shop", tmp_path / "shop" / "daybreak.yaml")


def test_the_file_is_named_from_the_current_folder(
    problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert problems("nme: a")[0].file == "shop/daybreak.yaml"


def test_sections_without_content_count_as_left_out(load: Load) -> None:
    spec = load("""
        name: a
        workers:
        serve:
          applications:
            - import: app:main
              args:
        services:
        databases:
          postgres:
          redis: null
        """).spec
    assert spec.workers.count == 1
    assert spec.databases.postgres is not None, "`postgres:` alone starts one"
    assert spec.databases.redis is None, "an explicit null does not"


def test_keys_are_text_and_dates_stay_text(load: Load) -> None:
    spec = load("""
        name: a
        head:
          labels: {8080: "x", on: "y"}
          env: {START: 2024-01-01}
        """).spec
    assert spec.head.labels == {"8080": "x", "on": "y"}
    assert spec.head.env == {"START": "2024-01-01"}


def test_anchors_and_merged_keys(load: Load) -> None:
    spec = load("""
        name: a
        head:
          env: &shared {A: "1", B: "2"}
        workers:
          env:
            <<: *shared
            B: "3"
        """).spec
    assert spec.head.env == {"A": "1", "B": "2"}
    assert spec.workers.env == {"A": "1", "B": "3"}


def test_options_are_laid_over_the_file(load: Load) -> None:
    overrides = {"name": "x", "workers": {"count": 3}, "ports": {"offset": 100}, "databases": {"redis": None}}
    text = """
        name: a
        workers: {count: 1, cpus: 2}
        databases: {redis: {}, postgres: {}}
        """
    spec = load(text, overrides).spec
    assert (spec.name, spec.workers.count, spec.workers.cpus, spec.ports.offset) == ("x", 3, 2.0, 100)
    assert spec.databases.redis is None
    assert spec.databases.postgres is not None


def test_what_is_wrong_with_an_option_is_said_of_the_option(problems: Problems) -> None:
    overrides = {"name": "X", "workers": {"count": -1, "cups": 2}, "ports": {"offset": 99999}}
    found = problems("name: a\nworkers:\n  memroy: 1\n", overrides)
    assert [(problem.key, problem.file, problem.line) for problem in found[:4]] == [
        ("--name", "", None),
        ("--port-offset", "", None),
        ("WORKERS", "", None),
        ("workers.cups", "", None),
    ]
    assert (found[4].key, found[4].line) == ("workers.memroy", 3)


def test_options_do_not_hide_what_they_cannot_be_laid_over(problems: Problems) -> None:
    (problem,) = problems("name: a\nworkers: 0\n", {"workers": {"count": 2}})
    assert str(problem).endswith(
        "daybreak.yaml:2: workers: give a mapping of keys to values, not 0 (write workers: {count: 0})"
    )


def test_options_alone(tmp_path: Path) -> None:
    folder = tmp_path / "My Shop"
    folder.mkdir()
    loaded = without_file(folder, app="app:main", workers=3, overrides={"ports": {"offset": 10}})
    assert (loaded.base, loaded.source) == (folder, None)
    assert (loaded.spec.name, loaded.spec.workers.count, loaded.spec.ports.offset) == ("my-shop", 3, 10)
    assert loaded.spec.serve.applications[0].import_path == "app:main"


def test_no_options_at_all(tmp_path: Path) -> None:
    spec = without_file(tmp_path).spec
    assert not spec.serve.wanted
    assert spec.workers.count == 1


def test_options_that_are_wrong(tmp_path: Path) -> None:
    overrides: dict[str, Any] = {"workers": {"cpus": "many"}}
    with pytest.raises(SpecError) as caught:
        without_file(tmp_path, name="A", app="app", workers=-1, overrides=overrides)
    assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == [
        "--app",
        "--name",
        "WORKERS",
        "workers.cpus",
    ]
