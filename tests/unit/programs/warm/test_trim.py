"""What an agent of Ray's looks for."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from daybreak.programs.warm import skip_modules


def test_an_agent_finds_the_modules_that_speak_of_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "part_agent.py").write_text("class Part(dashboard_utils.DashboardAgentModule): ...\n")
    (folder / "part_head.py").write_text("class Part(SubprocessModule): ...\n")
    monkeypatch.setattr(pkgutil, "walk_packages", pkgutil.walk_packages)
    skip_modules.prepare({"kind": "script", "what": "/somewhere/ray/dashboard/agent.py"})

    def names(prefix: str) -> list[str]:
        return [found.name.removeprefix(prefix) for found in pkgutil.walk_packages([str(folder)], prefix)]

    assert names(skip_modules.MODULES) == ["part_agent"]
    assert names("others.") == ["part_agent", "part_head"]


def test_the_dashboard_finds_the_modules_that_it_is_to_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.py").write_text("class JobHead(SubprocessModule): ...\n")
    (tmp_path / "train.py").write_text("class TrainHead(SubprocessModule): ...\n")
    monkeypatch.setattr(pkgutil, "walk_packages", pkgutil.walk_packages)
    argv = ["dashboard.py", "--port=1", "--modules-to-load=NodeHead,JobHead"]
    skip_modules.prepare({"kind": "script", "what": "/somewhere/ray/dashboard/dashboard.py", "argv": argv})
    assert [each.name for each in pkgutil.walk_packages([str(tmp_path)], skip_modules.MODULES)] == [
        skip_modules.MODULES + "jobs"
    ]


def test_packages_and_what_cannot_be_read_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "compiled.so").touch()
    (tmp_path / "compiled.abi3.so").touch()
    monkeypatch.setattr(pkgutil, "walk_packages", pkgutil.walk_packages)
    skip_modules.prepare({"kind": "script", "what": "/somewhere/ray/dashboard/agent.py"})
    found = {each.name for each in pkgutil.walk_packages([str(tmp_path)], skip_modules.MODULES, onerror=lambda _: None)}
    assert found == {skip_modules.MODULES + "package", skip_modules.MODULES + "compiled"}


def test_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = pkgutil.walk_packages
    monkeypatch.setattr(pkgutil, "walk_packages", walk)
    skip_modules.prepare({"kind": "script", "what": "/somewhere/ray/dashboard/dashboard.py", "argv": ["dashboard.py"]})
    skip_modules.prepare({"kind": "script", "what": "/somewhere/else.py", "argv": ["else.py"]})
    assert pkgutil.walk_packages is walk
