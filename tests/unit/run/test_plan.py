"""The plan is the difference between what is wanted and what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.run.plan import DRAINED, SWITCHED, Goal, Plan, plan
from daybreak.services.service import Need, Service, StopPolicy, Tier
from daybreak.services.slots import Slot

RESTART = Goal(replace_tiers=frozenset({Tier.APP}))


def service(name: str, tier: Tier = Tier.APP, **rest: Any) -> Service:
    return Service(name=name, tier=tier, argv=("run", name), cwd="/", **rest)


DATABASE = service("postgres", Tier.DATA)
HEAD = service("head")
WORKER = service("worker-1", needs=(Need("head", "gcs", bind=True),))
API = service("api", needs=(Need("postgres"), Need("head")))
ALL = (DATABASE, HEAD, WORKER, API)


def running(wanted: Service, instance: str | None = None, **rest: Any) -> Handle:
    values: dict[str, Any] = {
        "service": wanted.name,
        "tier": str(wanted.tier),
        "instance": instance or f"{wanted.name}#1",
        "fingerprint": wanted.fingerprint(),
        "pid": 1,
        "started_ticks": 1,
        "boot_id": "b",
        "started_wall": 1.0,
        "bound": {name: f"{name}#1" for name in wanted.bound_to()},
    }
    return Handle(**(values | rest))


def everything() -> list[Handle]:
    return [running(one) for one in ALL]


def names(steps: Plan) -> tuple[list[str], list[str], list[str]]:
    return (
        [step.handle.service for step in steps.stop],
        [step.service.name for step in steps.start],
        [handle.service for handle in steps.keep],
    )


def test_nothing_running_starts_everything() -> None:
    assert names(plan(ALL, [])) == ([], ["postgres", "head", "worker-1", "api"], [])


def test_all_running_as_wanted_leaves_everything() -> None:
    steps = plan(ALL, everything())
    assert steps.empty
    assert len(steps.keep) == len(ALL)


def test_restart_replaces_the_app_tier_and_keeps_the_databases() -> None:
    stopped, started, kept = names(plan(ALL, everything(), RESTART))
    assert kept == ["postgres"]
    assert sorted(stopped) == sorted(started) == ["api", "head", "worker-1"]


def test_nothing_wanted_stops_everything_with_databases_last() -> None:
    steps = plan((), everything())
    assert names(steps)[1] == []
    after = {step.handle.service: step.after for step in steps.stop}
    assert after["postgres"] == {"head", "worker-1", "api"}
    assert not after["api"]


def test_a_changed_configuration_replaces_only_that_service() -> None:
    changed = service("api", env={"LEVEL": "debug"}, needs=API.needs)
    assert names(plan((DATABASE, HEAD, WORKER, changed), everything()))[:2] == (["api"], ["api"])


def test_what_shares_fate_follows_a_replaced_service() -> None:
    changed = service("head", env={"X": "1"})
    stopped, started, kept = names(plan((DATABASE, changed, WORKER, API), everything()))
    assert sorted(stopped) == sorted(started) == ["head", "worker-1"]
    assert sorted(kept) == ["api", "postgres"]


def test_a_worker_of_an_older_head_is_replaced() -> None:
    handles = [running(HEAD, "head#2"), running(WORKER)]
    steps = plan((HEAD, WORKER), handles)
    assert names(steps) == (["worker-1"], ["worker-1"], ["head"])


def test_a_dead_head_takes_its_workers_along() -> None:
    handles = [running(HEAD, state=State.BROKEN), running(WORKER)]
    stopped, started, _ = names(plan((HEAD, WORKER), handles))
    assert sorted(stopped) == sorted(started) == ["head", "worker-1"]


def test_scaling_down_stops_only_the_surplus() -> None:
    second = service("worker-2", needs=WORKER.needs)
    handles = [*everything(), running(second)]
    assert names(plan(ALL, handles))[:2] == (["worker-2"], [])


def test_the_older_of_two_instances_is_a_stray() -> None:
    handles = [running(HEAD, "head#1", started_wall=1.0), running(HEAD, "head#2", started_wall=2.0)]
    steps = plan((HEAD,), handles)
    assert [(step.handle.instance, step.why) for step in steps.stop] == [
        ("head#1", "a second instance of the same service")
    ]
    assert [handle.instance for handle in steps.keep] == ["head#2"]


def test_the_older_of_two_instances_is_the_stray_also_where_the_clock_was_set_back() -> None:
    older = running(HEAD, "head#1", started_ticks=1, started_wall=2.0)
    steps = plan((HEAD,), [older, running(HEAD, "head#2", started_ticks=2, started_wall=1.0)])
    assert [step.handle.instance for step in steps.stop] == ["head#1"]


def test_a_service_ends_after_those_that_need_it_but_together_with_those_that_share_its_fate() -> None:
    steps = plan(ALL, everything(), RESTART)
    after = {step.handle.service: step.after for step in steps.stop}
    assert after["head"] == {"api"}
    assert after["worker-1"] == frozenset()


def test_starts_wait_for_the_end_of_their_own_tier_only() -> None:
    steps = plan((*ALL, service("redis", Tier.DATA)), everything(), RESTART)
    after = {step.service.name: step.after for step in steps.start}
    assert after["head"] == {"head", "worker-1", "api"}
    assert after["redis"] == frozenset()


def test_the_plan_as_json_says_why() -> None:
    shown = plan(ALL, everything(), RESTART).to_json()
    assert {step["why"] for step in shown["stop"]} == {"restart"}
    assert {"service": "worker-1", "tier": "app", "why": "restart", "needs": ["head.gcs"]} in shown["start"]


def test_the_template_ends_last_whatever_is_known_of_the_others() -> None:
    warm = service("warm", Tier.WARM)
    handles = [*everything(), running(warm)]
    for wanted in ((), (*ALL, warm)):
        steps = plan(wanted, handles, Goal(frozenset(Tier)))
        after = {step.handle.service: step.after for step in steps.stop}
        assert after["warm"] == {one.name for one in ALL}
        assert "warm" not in after["postgres"]


def test_a_restart_leaves_the_template() -> None:
    warm = service("warm", Tier.WARM)
    assert "warm" in names(plan((*ALL, warm), [*everything(), running(warm)], RESTART))[2]


def test_what_a_crash_leaves_behind_is_not_waited_for() -> None:
    stop = StopPolicy(grace_s=10.0, left_behind_grace_s=0.5)
    handles = [running(one, stop=stop) for one in (HEAD, WORKER)]
    broken = [handles[0].in_state(State.BROKEN), handles[1]]
    for observed, grace_s in ((handles, 10.0), (broken, 0.5), (handles[1:], 0.5)):
        steps = plan((HEAD, WORKER), observed, RESTART)
        assert {step.handle.stop.grace_s for step in steps.stop} == {grace_s}
    database = running(DATABASE, state=State.BROKEN)
    assert plan((DATABASE,), [database]).stop[0].handle.stop == database.stop


SERVE = service("serve", needs=(Need("head", "started", bind=True),))
WEB = service("web", needs=(Need("serve"),))
REDEPLOY = Goal(replace_services=frozenset({"serve", "web"}), serving="serve")


def test_what_serves_on_is_replaced_before_anything_ends() -> None:
    wanted = (*ALL, SERVE, WEB)
    steps = plan(wanted, [running(one) for one in wanted], REDEPLOY)
    assert {step.handle.service: step.behind for step in steps.stop} == {"serve": "serve", "web": "serve"}
    assert {step.service.name: step.after for step in steps.start} == {"serve": frozenset(), "web": {"web"}}
    assert {handle.service for handle in steps.keep} == {"postgres", "head", "worker-1", "api"}


def test_what_nobody_wants_any_more_ends_without_waiting() -> None:
    steps = plan((*ALL, SERVE), [running(one) for one in (*ALL, SERVE, WEB)], REDEPLOY)
    assert {step.handle.service: step.behind for step in steps.stop} == {"serve": "serve", "web": ""}


def test_what_ends_with_its_head_cannot_serve_on() -> None:
    wanted = (replace(HEAD, env={"LEVEL": "2"}), SERVE, WEB)
    steps = plan(wanted, [running(one) for one in (HEAD, SERVE, WEB)], REDEPLOY)
    assert {step.behind for step in steps.stop} == {""}


def test_the_gateway_and_the_head_hand_the_ports_on_that_people_know() -> None:
    gateway, other_head = service("gateway", Tier.EDGE), replace(HEAD, env={"PORT": "another"})
    began = plan((gateway, other_head, WORKER), [running(HEAD), running(WORKER)])
    assert {step.service.name: step.after for step in began.start} == {
        "gateway": {"head"},
        "head": {"head", "worker-1"},
        "worker-1": {"head", "worker-1"},
    }
    ended = plan((other_head, WORKER), [running(one) for one in (gateway, HEAD, WORKER)])
    assert {step.service.name: step.after for step in ended.start} == {
        "head": {"gateway", "head", "worker-1"},
        "worker-1": {"head", "worker-1"},
    }


def test_a_service_waits_for_its_own_instance_whatever_tier_that_is_said_to_be_of() -> None:
    """All that is known of a process whose record was never written is what its environment says."""
    gateway = service("gateway", Tier.EDGE)
    left = replace(running(gateway), tier=str(Tier.APP), fingerprint="", state=State.BROKEN)
    (start,) = plan((gateway,), [left]).start
    assert start.after == {"gateway"}


def test_a_generation_starts_beside_the_one_that_runs_and_what_must_not_run_twice_is_replaced_in_between() -> None:
    wanted = [one if one.tier is Tier.DATA else replace(one, slot=Slot.B) for one in ALL]
    steps = plan(wanted, everything(), Goal(new_generation=True, alone=frozenset({"api"})))
    assert names(steps) == (["head", "worker-1", "api"], ["head", "worker-1", "api"], ["postgres"])
    assert {step.handle.service: step.behind for step in steps.stop} == {
        "head": DRAINED,
        "worker-1": DRAINED,
        "api": SWITCHED,
    }
    starts = {step.service.name: step for step in steps.start}
    assert (starts["head"].after, starts["head"].behind) == (frozenset(), "")
    assert (starts["api"].after, starts["api"].behind) == (frozenset({"api"}), SWITCHED)
    assert steps.new_generation


def test_what_is_left_of_another_generation_ends_and_is_never_taken_for_this_one() -> None:
    left = running(replace(HEAD, slot=Slot.B), "head#2", generation=2, slot=Slot.B)
    steps = plan(ALL, [*everything(), left])
    assert [(step.handle.instance, step.why) for step in steps.stop] == [("head#2", "left of another generation")]
    assert names(steps)[1:] == ([], ["postgres", "head", "worker-1", "api"])
