"""Steps and scheduled services in a plan: what waits for what, on each way of a restart."""

from __future__ import annotations

from dataclasses import replace

from daybreak.backends.base import Handle, State
from daybreak.run.considered import considered
from daybreak.run.plan import Goal, Plan, Start, plan
from daybreak.services.service import Need, Restart, Run, Schedule, Service, Tier
from daybreak.services.slots import Slot
from tests.unit.run.test_plan import names, running, service

HEAD = service("head")
STEP = service("migrate", run=Run.ONCE, restart=Restart.NEVER)
SERVE = service("serve", needs=(Need("head", bind=True), Need("migrate")), one_shot=True)
API = service("api", needs=(Need("migrate"),))
REPORT = service("report", run=Run.TIMED, schedule=Schedule("@daily"), restart=Restart.NEVER)
ALL = (HEAD, STEP, SERVE, API)
REDEPLOY = Goal(replace_services=frozenset({"serve", "api", "migrate"}), serving="serve")


def there(*wanted: Service) -> list[Handle]:
    done = {Run.ONCE: State.COMPLETED}
    return [running(one, may_end=one.may_end, state=done.get(one.run, State.RUNNING)) for one in wanted]


def start_of(steps: Plan, name: str) -> Start:
    return next(step for step in steps.start if step.service.name == name)


def test_a_step_is_run_again_for_what_starts_and_stays_where_nobody_asks() -> None:
    changed = replace(API, argv=("new",))
    wanted = (HEAD, STEP, SERVE, changed)
    assert names(plan(wanted, there(*ALL)))[1] == ["migrate", "api"]
    assert names(plan(wanted, there(*ALL), Goal(steps_stay=True)))[1] == ["api"]
    assert plan(ALL, there(*ALL)).empty


def test_a_redeployment_runs_it_at_once_and_ends_nothing_before() -> None:
    steps = plan(ALL, there(*ALL), REDEPLOY)
    assert start_of(steps, "migrate").after == frozenset()
    behind = {step.handle.service: step.behind for step in steps.stop}
    assert behind == {"migrate": "", "serve": "serve", "api": "serve"}
    assert next(step.after for step in steps.stop if step.handle.service == "migrate") == frozenset()


def test_a_new_generation_runs_it_at_once_though_it_is_no_service_that_may_run_twice() -> None:
    wanted = tuple(replace(one, slot=Slot.B) for one in ALL)
    goal = Goal(new_generation=True, alone=frozenset({"api", "migrate"}))
    steps = plan(wanted, there(*ALL), goal)
    assert (start_of(steps, "migrate").behind, start_of(steps, "migrate").after) == ("", frozenset())
    assert start_of(steps, "api").behind


def test_where_its_head_is_gone_a_step_that_was_done_stays_done() -> None:
    step = replace(STEP, needs=(Need("head", "started", bind=True),))
    handles = [replace(one, state=State.BROKEN) if one.service == "head" else one for one in there(HEAD, step)]
    assert names(plan((HEAD, step), handles, Goal(steps_stay=True)))[1] == ["head"]


def test_a_recovery_starts_no_step_and_waits_for_none() -> None:
    left = considered(ALL, there(HEAD), recovers=True)
    assert [one.name for one in left] == ["head", "serve", "api"]
    assert [need.service for one in left for need in one.needs] == ["head"]


def test_what_is_scheduled_is_started_by_no_plan_and_goes_on() -> None:
    both = (HEAD, REPORT)
    assert [one.name for one in considered(both, there(HEAD))] == ["head"]
    assert names(plan(both, there(*both))) == ([], [], ["head", "report"])
    other = (HEAD, replace(REPORT, argv=("new",)))
    assert plan(other, there(*both)).empty
    assert names(plan(both, there(*both), Goal(replace_tiers=frozenset({Tier.APP}))))[1] == ["head"]
