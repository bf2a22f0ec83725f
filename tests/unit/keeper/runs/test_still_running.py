"""What runs after a run that has failed."""

from __future__ import annotations

from daybreak.backends.base import Handle, State
from daybreak.keeper.runs.still_running import still_running
from daybreak.names import group_of
from daybreak.services.service import Service, Tier


def services(*names: str) -> list[Service]:
    group = {name: group_of(name, {"worker", "gpu"}) for name in names}
    return [Service(name=name, group=group[name], tier=Tier.APP, argv=("true",), cwd="/") for name in names]


def handles(*names: str, state: State = State.RUNNING) -> list[Handle]:
    return [Handle(name, "app", name, "", 1, 1, "", 0.0, state=state) for name in names]


def test_what_goes_on_and_what_does_not_are_named() -> None:
    wanted = services("postgres", "head", "worker-1", "worker-2", "worker-3", "serve")
    said = still_running(wanted, handles("postgres"))
    assert said == "still running: postgres; not running: head, serve, 3 workers"


def test_workers_of_all_groups_are_workers() -> None:
    wanted = services("head", "gpu-1", "gpu-2", "worker-1", "api-1")
    assert still_running(wanted, handles("head")) == "still running: head; not running: api-1, 3 workers"


def test_a_broken_one_does_not_run() -> None:
    said = still_running(services("head", "serve"), [*handles("head"), *handles("serve", state=State.BROKEN)])
    assert said == "still running: head; not running: serve"


def test_nothing_and_all() -> None:
    nothing = "nothing runs now: what had been started was taken down again"
    assert still_running(services("head"), []) == nothing
    assert still_running([], []) == ""
    assert still_running(services("head"), handles("head")) == "still running: head"
