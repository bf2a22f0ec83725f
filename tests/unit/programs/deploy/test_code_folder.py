"""Where a job's processes look for code, whoever deploys later."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from daybreak.programs.deploy import code_folder


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("app", "code/none", "code/3"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "code" / "a").symlink_to("none")
    monkeypatch.chdir(tmp_path / "app")
    return {"base": str(tmp_path / "app"), "code_link": str(tmp_path / "code" / "a")}


def lead(job: dict[str, Any], name: str) -> None:
    link = Path(job["code_link"])
    link.unlink()
    link.symlink_to(name)


def test_the_deployment_works_where_the_link_leads(job: dict[str, Any]) -> None:
    code_folder.work_in(job)
    assert os.getcwd() == job["base"]
    lead(job, "3")
    code_folder.work_in(job)
    assert os.getcwd() == os.path.join(os.path.dirname(job["code_link"]), "3")


def test_without_a_link_it_works_where_it_is(job: dict[str, Any]) -> None:
    code_folder.work_in({"base": job["base"]})
    assert os.getcwd() == job["base"]


def test_replicas_look_where_the_link_leads_before_the_folder(job: dict[str, Any]) -> None:
    pytest.importorskip("ray")
    assert code_folder.can_be_looked_for(job)
    given = {"namespace": "x", "runtime_env": {"py_modules": ["part", "s3://other"]}}
    with code_folder.looked_for(job, given) as options:
        # Ray adds the folder in which the driver works, and each is put in front of those before it.
        assert os.path.basename(os.getcwd()) == "none"
        assert options["job_config"]._py_driver_sys_path == [job["base"], job["code_link"]]
        assert options["runtime_env"]["py_modules"] == [os.path.join(job["base"], "part"), "s3://other"]
    assert os.getcwd() == job["base"]
    assert given["runtime_env"] == {"py_modules": ["part", "s3://other"]}


def test_a_job_without_a_memory_for_folders_is_as_it_always_was(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_folder, "_job_config", lambda _: None)
    assert not code_folder.can_be_looked_for(job)
    with code_folder.looked_for(job, {"namespace": "x"}) as options:
        assert options == {"namespace": "x"}
        assert os.getcwd() == job["base"]
