"""The jobs API: what is asked, and what each answer means."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.jobs.follow import ended, follow
from daybreak.extras.jobs.job import Job
from daybreak.extras.jobs.package import Package
from daybreak.extras.jobs.rest import Unreachable
from tests.unit.extras.jobs.dashboard import Dashboard, answering, details, nobody


def test_a_job_is_submitted_with_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tok\n")
    dashboard = Dashboard(jobs={"a": details("a")})
    with answering(dashboard, str(tmp_path / "token")) as jobs:
        jobs.submit("b", "python x.py", runtime_env={"env_vars": {"K": "v"}}, cpus=None, gpus=1.0)
        assert jobs.known("a").state == "running"
    assert dashboard.submitted == [
        {
            "entrypoint": "python x.py",
            "submission_id": "b",
            "runtime_env": {"env_vars": {"K": "v"}},
            "entrypoint_num_gpus": 1.0,
        }
    ]
    assert dashboard.tokens == {"Bearer tok"}


def test_a_refusal_says_the_last_line_of_rays_traceback() -> None:
    with answering(Dashboard(status=500)) as jobs, pytest.raises(DaybreakError, match="500: ValueError: no such thing"):
        jobs.submit("b", "x", runtime_env={}, cpus=None, gpus=None)


def test_a_dashboard_without_the_module_is_told_from_an_unknown_job() -> None:
    with answering(Dashboard(status=404)) as jobs:
        with pytest.raises(UsageError, match="has no jobs API") as caught:
            jobs.all()
        assert "JobHead" in str(caught.value.hint)
        assert jobs.info("x") is None
        with pytest.raises(UsageError, match="there is no job x"):
            jobs.known("x")


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        nobody().all()


def test_a_package_is_sent_once() -> None:
    dashboard = Dashboard()
    with answering(dashboard) as jobs:
        package = Package("_ray_pkg_1.zip", b"zip", 1)
        assert jobs.upload(package)
        assert not jobs.upload(package)
    assert dashboard.packages == {"/api/packages/gcs/_ray_pkg_1.zip": b"zip"}


def test_stopping_twice() -> None:
    with answering(Dashboard(jobs={"a": details("a")})) as jobs:
        assert jobs.stop("a")
        assert not jobs.stop("a")
        assert ended(jobs, "a").state == "stopped"


def test_a_job_is_followed_over_several_connections_without_a_line_twice() -> None:
    text = ["one\n", "two " * 50 + "\n", "three " * 20_000 + "\n", "vier\n"]
    whole = "".join(text)
    dashboard = Dashboard(jobs={"a": details("a")}, texts=[text[:1], text[:3], text[:2], text], log=whole, over_after=4)
    with answering(dashboard) as jobs:
        assert "".join(follow(jobs, "a")) == whole


def test_what_came_after_the_connection_broke_is_asked_for() -> None:
    dashboard = Dashboard(jobs={"a": details("a")}, texts=[["one\n"], ["one\n"]], log="one\ntwo\n")
    with answering(dashboard) as jobs:
        assert "".join(follow(jobs, "a")) == "one\ntwo\n"


def test_a_job_whose_head_is_gone() -> None:
    with answering(Dashboard(texts=[["one\n"]])) as jobs, pytest.raises(DaybreakError, match="job a is gone"):
        list(follow(jobs, "a"))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [("SUCCEEDED", 0, 0), ("FAILED", 7, 7), ("FAILED", -9, 137), ("FAILED", None, 1), ("STOPPED", None, 1)],
)
def test_the_exit_code_is_as_shells_count(status: str, code: int | None, expected: int) -> None:
    assert Job.from_details(details("a", status, driver_exit_code=code)).code == expected


def test_times_are_seconds_and_drivers_are_told_apart() -> None:
    job = Job.from_details({"job_id": "01000000", "status": "RUNNING", "type": "DRIVER", "start_time": 1500})
    assert (job.id, job.started, job.ended, job.submitted, job.is_over) == ("01000000", 1.5, None, False, False)
