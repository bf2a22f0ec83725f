"""What is to replace something that works is tried first; nothing is touched where it cannot run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from daybreak.backends.base import CommandResult, Handle, State
from daybreak.errors import VettingFailed
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.generations.vetting import at_stake, vet
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.run.plan import Goal, Plan, plan
from daybreak.services.build import Cluster
from daybreak.services.service import ConfigFile, Need, Service, Tier
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec

HEAD = Service("head", Tier.APP, ("ray",), "/")
WARM = Service("warm", Tier.WARM, ("python",), "/")
RESTART = Goal(replace_tiers=frozenset({Tier.APP}))


def deployment(folder: Path) -> Service:
    return Service(
        "serve",
        Tier.APP,
        ("launcher", "deploy.py", "request"),
        str(folder),
        needs=(Need("head", bind=True),),
        files=(ConfigFile("request", '{"applications": []}'),),
        one_shot=True,
        env={"OWN": "yes"},
    )


def running(service: Service, state: State = State.RUNNING) -> Handle:
    bound = {name: f"{name}#1" for name in service.bound_to()}
    return Handle(
        service.name, str(service.tier), f"{service.name}#1", service.fingerprint(), 1, 1, "b", 1.0, bound=bound
    ).in_state(state)


class Tried:
    """A place that writes a report instead of running anything."""

    def __init__(self, report: dict[str, Any] | None, result: CommandResult | None = None) -> None:
        self._report = report
        self._result = result or CommandResult(0, "")
        self.argv: list[str] = []
        self.env: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        self.argv, self.env = list(argv), dict(service.env)
        self.asked = json.loads(Path(argv[2]).read_text())
        if self._report is not None:
            Path(argv[3]).write_text(json.dumps(self._report))
        return self._result


def target(folder: Path) -> Target:
    spec = Spec.model_validate({"name": "shop", "workers": {"count": 1}, "head": {"cpus": 2}})
    place = str(folder)
    ray = RayInstall("2.60.0", "/real/python", "/real/ray")
    site = Site(place, place, place, place, place, place, ray, "127.0.0.2")
    return Target(
        WantedState(spec=spec, base=place), Cluster(spec, site, ()), {"SHELLS": "new", "DAYBREAK_SERVICE": "x"}
    )


def restart(folder: Path, *more: Handle, template: Service = WARM) -> Plan:
    serve = deployment(folder)
    observed = [running(HEAD), running(serve, State.COMPLETED), running(WARM), *more]
    return plan([template, HEAD, serve], observed, RESTART)


def tried(steps: Plan, folder: Path, place: Tried) -> None:
    asyncio.run(vet(steps, target(folder), cast(Backends, place)))


def refused(steps: Plan, folder: Path, place: Tried) -> VettingFailed:
    with pytest.raises(VettingFailed) as failed:
        tried(steps, folder, place)
    return failed.value


FINE: dict[str, Any] = {"problems": [], "unknown": [], "asks": []}


def test_only_what_would_replace_something_that_works_is_tried(tmp_path: Path) -> None:
    serve = deployment(tmp_path)
    changed = replace(serve, argv=("other",))
    there = [running(HEAD), running(serve, State.COMPLETED)]
    assert at_stake(plan([HEAD, serve], there, RESTART)) is not None
    assert at_stake(plan([HEAD, changed], there)) is not None
    assert at_stake(plan([HEAD, serve], [running(HEAD)], RESTART)) is not None  # its jobs
    for wanted, observed in (
        ([HEAD, serve], []),
        ([HEAD, serve], there),
        ([HEAD, serve], [running(HEAD)]),
        ([HEAD, serve], [running(HEAD), running(serve, State.BROKEN)]),
        ([HEAD, serve], [running(HEAD, State.BROKEN), running(serve, State.COMPLETED)]),
        ([HEAD], there),
    ):
        assert at_stake(plan(wanted, observed)) is None


def test_it_is_a_fork_with_the_environment_of_the_start_and_knows_the_nodes(tmp_path: Path) -> None:
    place = Tried(FINE)
    tried(restart(tmp_path), tmp_path, place)
    assert place.argv[0] == "launcher"
    assert place.argv[1].endswith("programs/deploy/vet.py")
    assert (place.env["OWN"], place.env["SHELLS"], "DAYBREAK_SERVICE" in place.env) == ("yes", "new", False)
    assert [(node["name"], node["CPU"]) for node in place.asked["nodes"]] == [("head", 2), ("worker-1", 1)]


def test_a_template_that_is_to_be_replaced_knows_other_packages(tmp_path: Path) -> None:
    place = Tried(FINE)
    tried(restart(tmp_path, template=replace(WARM, argv=("python", "other"))), tmp_path, place)
    assert place.argv[0] == "/real/python"


def test_a_problem_refuses_with_the_users_lines_and_what_still_runs(tmp_path: Path) -> None:
    problems = [
        {"reason": "app:main cannot be imported: NameError (app.py:1)", "lines": ["app.py:1, in <module>"]},
        {"reason": "not enough", "lines": [], "hint": "write head: {cpus: 3}"},
    ]
    error = refused(restart(tmp_path), tmp_path, Tried({**FINE, "problems": problems}))
    assert error.message == "app:main cannot be imported: NameError (app.py:1)"
    assert error.details() == ["app.py:1, in <module>", "not enough"]
    assert error.aftermath == "nothing was changed: what ran before still serves"
    error = refused(restart(tmp_path), tmp_path, Tried({**FINE, "problems": problems[1:]}))
    assert error.hint == "write head: {cpus: 3}"


def test_an_import_that_hangs_or_ends_the_process_is_a_problem(tmp_path: Path) -> None:
    error = refused(restart(tmp_path), tmp_path, Tried(None, CommandResult(124, "no answer within 120 s")))
    assert error.message == "the applications are not imported within 120 s"
    error = refused(restart(tmp_path), tmp_path, Tried(None, CommandResult(-11, "Fatal Python error")))
    assert "exit code -11" in error.message
    assert error.details() == ["Fatal Python error"]


def test_where_nothing_can_be_tried_nothing_is_refused(tmp_path: Path) -> None:
    tried(restart(tmp_path), tmp_path, Tried(None, CommandResult(127, "python: No such file")))
    tried(restart(tmp_path), tmp_path, Tried({**FINE, "unknown": ["application a: it needs Ray"]}))


def test_a_report_of_an_earlier_look_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "vet-report.json").write_text(json.dumps(FINE))
    refused(restart(tmp_path), tmp_path, Tried(None, CommandResult(1, "")))
