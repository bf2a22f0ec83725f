from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import PreflightError, SpecError
from daybreak.machine.ray import find_ray
from daybreak.programs.common import ray_probe
from daybreak.spec.model import RayExpectation


def interpreter(folder: Path, answer: dict[str, Any] | str, *, command: bool = True) -> Path:
    """Something that answers as an interpreter would, with a `ray` command beside it."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "ray") if command else ("python",):
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (folder / name).chmod(0o755)
    return folder / "python"


def said(version: str | None = "2.60.0", scripts: str = "/nowhere", **missing: list[str]) -> dict[str, Any]:
    return {"version": version, "scripts": scripts, "missing": missing}


def test_ray_is_found_beside_an_interpreter(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "venv/bin", said())
    for given in (str(python), "venv/bin/python", "venv"):
        found = find_ray(RayExpectation(python=given), tmp_path)
        assert (found.version, found.python, found.command) == ("2.60.0", str(python), str(python.parent / "ray"))


def test_the_link_by_which_a_virtual_environment_is_known_stays(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "real", said())
    (tmp_path / "venv/bin").mkdir(parents=True)
    link = tmp_path / "venv/bin/python"
    link.symlink_to(python)
    (tmp_path / "venv/bin/ray").symlink_to(python.parent / "ray")
    assert find_ray(RayExpectation(python="venv"), tmp_path).python == str(link)


def test_the_command_may_be_in_the_scripts_folder(tmp_path: Path) -> None:
    scripts = interpreter(tmp_path / "scripts", "").parent
    python = interpreter(tmp_path / "bin", said(scripts=str(scripts)), command=False)
    assert find_ray(RayExpectation(python=str(python)), tmp_path).command == str(scripts / "ray")


def test_a_missing_command_is_told(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin", said(), command=False)
    with pytest.raises(PreflightError) as caught:
        find_ray(RayExpectation(python=str(python)), tmp_path)
    assert "its `ray` command is not" in caught.value.details()[0]


def test_no_ray_is_told_with_what_to_install(tmp_path: Path) -> None:
    python = interpreter(tmp_path, said(None))
    with pytest.raises(PreflightError) as caught:
        find_ray(RayExpectation(python=str(python)), tmp_path)
    assert caught.value.hint == f'{python} -m pip install "ray[default,serve]"'


def test_every_missing_part_is_told(tmp_path: Path) -> None:
    python = interpreter(tmp_path, said(serve=["fastapi"], default=["aiohttp_cors", "opencensus"]))
    with pytest.raises(PreflightError) as caught:
        find_ray(RayExpectation(python=str(python)), tmp_path)
    assert caught.value.details() == [
        "Ray 2.60.0 is installed without its serve part (no fastapi)",
        "Ray 2.60.0 is installed without its default part (no aiohttp_cors, opencensus)",
    ]


def test_another_version_than_expected_is_told(tmp_path: Path) -> None:
    python = interpreter(tmp_path, said("2.60.0"))
    for good in (">=2.20,<3", "==2.60.0", None):
        assert find_ray(RayExpectation(python=str(python), version=good), tmp_path).version == "2.60.0"
    with pytest.raises(SpecError) as caught:
        find_ray(RayExpectation(python=str(python), version="<2.50"), tmp_path)
    assert "ray.version: <2.50 is expected, but Ray 2.60.0 is installed" in caught.value.details()[0]


def test_a_development_version_is_a_version(tmp_path: Path) -> None:
    python = interpreter(tmp_path, said("3.0.0.dev0"))
    assert find_ray(RayExpectation(python=str(python), version=">=2.20"), tmp_path).version == "3.0.0.dev0"


@pytest.mark.parametrize(
    ("answer", "words"),
    [("hello", "does not work as a Python"), ("[]", "does not work"), ('{"x": 1}', "does not work")],
)
def test_what_is_no_interpreter_is_told(tmp_path: Path, answer: str, words: str) -> None:
    python = interpreter(tmp_path, answer)
    with pytest.raises(SpecError) as caught:
        find_ray(RayExpectation(python=str(python)), tmp_path)
    assert "does not work as a Python interpreter" in caught.value.details()[0]


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for given in ("nowhere/python", "plain", "."):
        with pytest.raises(SpecError) as caught:
            find_ray(RayExpectation(python=given), tmp_path)
        assert "ray.python: there is no interpreter" in caught.value.details()[0]


def test_daybreak_s_own_interpreter_is_asked_without_importing_ray(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = interpreter(tmp_path, "")
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(ray_probe, "probe", lambda: said("2.59.1"))
    assert find_ray(RayExpectation(), tmp_path).version == "2.59.1"


def install(folder: Path, requires: list[str], modules: list[str]) -> None:
    info = folder / "ray-2.60.0.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", "Name: ray", "Version: 2.60.0", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    for module in modules:
        (folder / module).parent.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text("raise RuntimeError('imported')")


def test_the_probe_asks_only_for_what_this_ray_names(tmp_path: Path) -> None:
    requires = ['aiohttp>=3; extra == "default"', 'aiohttp-cors; extra == "default"', 'fastapi[all]; extra == "serve"']
    install(tmp_path, requires, ["ray", "aiohttp"])
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import runpy; runpy.run_path({ray_probe.__file__!r}, "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program + "run_name='__main__')"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["version"] == "2.60.0"
    assert answer["missing"] == {"default": ["aiohttp_cors"], "serve": ["fastapi"]}


@pytest.mark.parametrize("named", [True, False])
def test_the_probe_tells_whether_a_job_can_name_folders_for_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    install(tmp_path, [], ["ray/job_config"])
    if named:
        (tmp_path / "ray/job_config.py").write_text("def __init__(self, _py_driver_sys_path=None): ...\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert ray_probe.probe()["code_folders"] is named
