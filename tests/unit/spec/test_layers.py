"""Files laid over one another, and services of profiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from daybreak.errors import SpecError
from daybreak.spec.find import cluster_here, spec_files
from daybreak.spec.load import LoadedSpec, load_spec
from daybreak.spec.profiles import Profiles

BASE = """
    name: shop
    workers: {count: 3, cpus: 1, env: {A: "1", B: "2"}}
    databases:
      postgres: {port: 5432}
      redis:
    services:
      api:
        command: [serve, --fast]
        needs: [postgres]
      log:
        command: [log]
    """

Write = Callable[..., tuple[Path, ...]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files into the current folder, each with its text; the paths of all."""
    monkeypatch.chdir(tmp_path)

    def run(**texts: str) -> tuple[Path, ...]:
        files = [Path(f"{name}.yaml") for name in texts]
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(dedent(text))
        return tuple(files)

    return run


def test_mappings_are_merged_lists_replaced_and_null_removes(write: Write) -> None:
    over = """
        workers: {count: 1, env: {B: null, C: "3"}}
        databases:
          postgres:
          redis: null
        services:
          api: {command: [serve, --debug], needs: null}
          log: null
        warm: false
        """
    loaded = load_spec(write(base=BASE, over=over))
    spec = loaded.spec
    assert (spec.workers.count, spec.workers.cpus, spec.workers.env) == (1, 1, {"A": "1", "C": "3"})
    assert spec.databases.postgres
    assert spec.databases.postgres.port == 5432, "a key without a value changes nothing"
    assert spec.databases.redis is None
    assert list(spec.services) == ["api"]
    assert (spec.services["api"].command, spec.services["api"].needs) == (("serve", "--debug"), ())
    assert not spec.warm.enabled
    assert [file.name for file in loaded.files] == ["base.yaml", "over.yaml"]
    assert loaded.source == loaded.files[0]


def test_a_problem_is_told_at_its_file_and_line(write: Write) -> None:
    over = """
        workers: {count: -1}
        services:
          api: {needs: [mysql]}
          log: {comand: [x]}
        """
    with pytest.raises(SpecError) as caught:
        load_spec(write(base=BASE.replace("cpus: 1", "cpus: many"), over=over))
    assert [(one.file, one.line, one.key) for one in caught.value.problems] == [
        ("base.yaml", 3, "workers.cpus"),
        ("over.yaml", 2, "workers.count"),
        ("over.yaml", 4, "services.api.needs[0]"),
        ("over.yaml", 5, "services.log.comand"),
    ]


def test_the_folders_override_is_laid_over_it(write: Write, tmp_path: Path) -> None:
    write(**{"daybreak": BASE, "daybreak.override": "name: other\nworkers: {count: 7}"})
    files = spec_files(None, tmp_path)
    assert [file.name for file in files] == ["daybreak.yaml", "daybreak.override.yaml"]
    assert load_spec(files).spec.workers.count == 7
    assert cluster_here(tmp_path) == "other"
    assert cluster_here(tmp_path, "daybreak.yaml") == "shop", "what is named stands alone"


def test_paths_count_from_the_first_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ci.yaml").write_text("services: {api: {cwd: code}}")
    (tmp_path / "code").mkdir()
    (base,) = write(base=BASE)
    assert load_spec((base, tmp_path / "sub" / "ci.yaml")).base == tmp_path


PROFILES = """
    name: shop
    services:
      api: {command: [api]}
      debugger: {command: [debug], profiles: [debug], needs: [api]}
      both: {command: [both], profiles: [debug, test], needs: [debugger]}
    """


def loaded(write: Write, *names: str, text: str = PROFILES) -> LoadedSpec:
    return load_spec(write(base=text), profiles=Profiles(names, strict=True))


def test_services_of_a_profile_are_left_out_unless_it_is_asked_for(write: Write) -> None:
    assert list(loaded(write).spec.services) == ["api"]
    assert list(loaded(write, "debug").spec.services) == ["api", "debugger", "both"]
    assert list(loaded(write, "*").spec.services) == ["api", "debugger", "both"]
    assert loaded(write, "debug").profiles == ("debug",)


def test_a_need_that_is_not_started(write: Write) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(write, "test")
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (6, "services.both.needs[0]")
    assert problem.message == "debugger is started with --profile debug alone"


def test_an_unknown_profile(write: Write) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(write, "debgu")
    (problem,) = caught.value.problems
    assert str(problem) == "--profile: no service has the profile 'debgu' (did you mean 'debug'?)"


def test_what_is_left_out_is_checked_nevertheless(write: Write) -> None:
    with pytest.raises(SpecError, match="comand"):
        loaded(write, text=PROFILES.replace("command: [debug]", "comand: [debug]"))


def test_which_profiles_are_meant() -> None:
    remembered, variable = ("old",), {"DAYBREAK_PROFILES": "a, b"}
    assert Profiles.of(None, {}, remembered).names == ("old",)
    assert Profiles.of(None, variable, remembered).names == ("a", "b")
    assert Profiles.of(("x", "y"), variable, remembered).names == ("x", "y")
    assert Profiles.of(("none",), variable, remembered).names == ()
    assert Profiles.of(None, {"DAYBREAK_PROFILES": ""}, remembered).names == ()
