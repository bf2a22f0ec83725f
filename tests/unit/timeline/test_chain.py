"""Phases and the critical chain, from histories made by hand: whole ones, broken ones and nonsense."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.timeline.chain import Link, Reached, critical_chain, phases
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.phases import Ended, Phase, PhaseKind
from tests.unit.timeline.replayed import event, history


def of(service: str, found: list[Phase]) -> list[tuple[str, float, float, Ended]]:
    return [(p.label, round(p.begin_s, 3), round(p.end_s, 3), p.ended) for p in found if p.service == service]


def times(links: list[Link]) -> list[tuple[str, float, float]]:
    return [(link.label, round(link.released_s, 3), round(link.took_s, 3)) for link in links]


def test_the_phases_of_a_startup() -> None:
    found = phases(history("startup"))
    done = Ended.DONE
    assert of("head", found) == [
        ("gate gcs", 0.03, 0.43, done),
        ("gate dashboard", 0.43, 0.73, done),
        ("gate raylet", 0.73, 1.03, done),
        ("ready", 1.03, 1.03, done),
    ]
    assert of("serve", found) == [
        ("waiting", 0.012, 1.03, done),
        ("starting", 1.03, 1.05, done),
        ("gate application", 1.05, 2.55, done),
        ("ready", 2.55, 2.55, done),
    ]
    assert of("postgres", found)[0] == ("preparing initdb", 0.02, 0.62, done)
    gcs = next(phase for phase in found if phase.name == "gcs")
    assert (gcs.attempts, gcs.poll_s) == (9, 0.08)
    assert [phase.begin_s for phase in found] == sorted(phase.begin_s for phase in found)


def test_serve_waited_for_the_raylet_and_the_gateway_for_serve() -> None:
    links = critical_chain(history("startup"))
    assert times(links) == [("gateway", 2.55, 0.05), ("serve", 1.03, 1.52), ("head.raylet", 0.03, 1.0)]
    assert [link.reached for link in links] == [Reached.READY, Reached.READY, Reached.GATE]
    assert (links[1].phase, links[1].attempts) == ("gate application", 17)
    assert links[1].phase_s == pytest.approx(1.5)


def test_the_links_follow_one_another_without_a_gap() -> None:
    for name in ("startup", "failed", "restart"):
        links = critical_chain(history(name))
        for later, earlier in pairwise(links):
            assert later.released_s == pytest.approx(earlier.released_s + earlier.took_s, abs=0.05)


def test_a_failed_run_ends_with_what_failed_first() -> None:
    links = critical_chain(history("failed"))
    assert times(links) == [("serve", 1.03, 0.7), ("head.raylet", 0.03, 1.0)]
    assert links[0].reached is Reached.FAILED
    assert links[0].phase == "gate application"
    found = phases(history("failed"))
    assert of("serve", found)[-2:] == [
        ("gate application", 1.03, 1.73, Ended.FAILED),
        ("stopping", 1.74, 1.75, Ended.DONE),
    ]
    assert of("worker-1", found)[-2] == ("gate registered", 0.45, 1.74, Ended.OPEN)
    failed = next(phase for phase in found if phase.ended is Ended.FAILED and phase.service == "serve")
    assert failed.reason == "serve ended with exit code 1"


def test_an_interrupted_run_keeps_its_open_phases() -> None:
    found = phases(history("interrupted"))
    assert of("gateway", found) == [("waiting", 0.012, 1.06, Ended.OPEN)]
    assert of("serve", found)[-1] == ("gate application", 1.05, 1.06, Ended.OPEN)
    waiting = next(phase for phase in found if phase.service == "gateway")
    assert waiting.reason == "for serve"
    assert times(critical_chain(history("interrupted"))) == [("head", 0.03, 1.0)]


def test_a_restart_in_place_begins_with_the_stop_it_waited_for() -> None:
    links = critical_chain(history("restart"))
    assert times(links) == [("serve", 2.03, 1.001), ("head.raylet", 1.53, 0.5), ("head", 0.512, 1.0)]
    assert links[-1].reached is Reached.STOPPED


def test_a_need_met_by_running_alone_has_no_gate_event() -> None:
    events = [
        event(Kind.STARTING, 0.2, "head", last_need=None, waited_s=0.0),
        event(Kind.STARTING, 0.25, "worker-1", last_need="head.started", waited_s=0.2),
        event(Kind.READY, 0.9, "head", after_s=0.7),
        event(Kind.READY, 1.25, "worker-1", after_s=1.0),
    ]
    assert times(critical_chain(events)) == [("worker-1", 0.2, 1.05), ("head.started", 0.2, 0.0)]
    assert of("worker-1", phases(events))[:2] == [
        ("waiting", 0.05, 0.25, Ended.DONE),
        ("starting", 0.25, 1.25, Ended.DONE),
    ]


def test_preparing_counts_from_the_moment_the_need_was_met() -> None:
    events = [
        Event(Kind.WAITING, 0.0, 0.0, "serve", 1, {"for": ["head"]}),
        event(Kind.STARTING, 0.0, "head"),
        event(Kind.READY, 1.0, "head"),
        event(Kind.PREPARING, 1.0, "serve", name="wheels"),
        event(Kind.STARTING, 4.0, "serve", waited_s=1.0, last_need="head"),
        event(Kind.READY, 5.0, "serve"),
    ]
    last, first = critical_chain(events)
    assert (last.released_s, last.took_s, last.phase, last.phase_s) == (1.0, 4.0, "preparing wheels", 3.0)
    assert (first.label, first.reached) == ("head", Reached.READY)


def test_a_one_shot_is_ready_when_it_has_ended() -> None:
    events = [
        event(Kind.STARTING, 0.0, "deploy"),
        event(Kind.GATE_PASSED, 0.5, "deploy", gate="submitted", attempts=2),
        event(Kind.READY, 2.5, "deploy"),
    ]
    assert of("deploy", phases(events)) == [
        ("gate submitted", 0.0, 0.5, Ended.DONE),
        ("ready", 0.5, 2.5, Ended.DONE),
    ]


def test_a_second_try_that_succeeds_makes_the_first_one_good() -> None:
    events = [
        event(Kind.STARTING, 0.0),
        event(Kind.FAILED, 0.5, reason="died"),
        event(Kind.BACKING_OFF, 0.5, delay_s=1.0, restarts=1),
        event(Kind.STARTING, 1.5),
        event(Kind.READY, 2.0),
    ]
    assert of("head", phases(events)) == [
        ("starting", 0.0, 0.5, Ended.FAILED),
        ("backing off", 0.5, 1.5, Ended.DONE),
        ("starting", 1.5, 2.0, Ended.DONE),
        ("ready", 2.0, 2.0, Ended.DONE),
    ]
    assert times(critical_chain(events)) == [("head", 1.5, 0.5)]


def test_two_generations_side_by_side_are_kept_apart() -> None:
    events = [
        event(Kind.STARTING, 0.1),
        event(Kind.STOPPING, 0.2),
        event(Kind.STARTING, 0.3),
        event(Kind.STOPPED, 0.4),
        event(Kind.READY, 0.5),
    ]
    assert of("head", phases(events)) == [
        ("starting", 0.1, 0.2, Ended.OPEN),
        ("stopping", 0.2, 0.4, Ended.DONE),
        ("starting", 0.3, 0.5, Ended.DONE),
        ("ready", 0.5, 0.5, Ended.DONE),
    ]


def test_services_that_need_each_other_end_the_chain() -> None:
    events = [
        event(Kind.STARTING, 0.0, "a", last_need="b"),
        event(Kind.STARTING, 0.0, "b", last_need="a"),
        event(Kind.READY, 0.01, "a"),
        event(Kind.READY, 0.01, "b"),
    ]
    assert len(critical_chain(events)) == 2


def test_what_ended_while_it_ran_did_not_fail_to_start() -> None:
    assert phases([event(Kind.EXITED, 3.0, exit_code=1), event(Kind.HEALTH, 4.0)]) == []
    assert critical_chain([]) == []
    assert critical_chain([event(Kind.STOPPING, 0.0), event(Kind.STOPPED, 1.0)]) == []


@pytest.mark.parametrize("name", ["startup", "failed", "interrupted", "restart"])
def test_any_event_may_be_missing(name: str) -> None:
    whole = history(name)
    for index in range(len(whole)):
        check(whole[:index] + whole[index + 1 :])
        check(whole[:index])
        check(whole[index:])


@given(
    st.lists(
        st.builds(
            Event,
            kind=st.sampled_from(Kind),
            at_s=st.floats(0, 100),
            wall=st.just(0.0),
            service=st.sampled_from(["a", "b", None]),
            data=st.dictionaries(
                st.sampled_from(["gate", "attempts", "after_s", "waited_s", "last_need", "reason", "for", "outcome"]),
                st.sampled_from([None, "a", "b.x", "x", -1, 2.5, True, ["a", 3], {}, "ok"]),
            ),
        ),
        max_size=25,
    ),
    st.randoms(use_true_random=False),
)
def test_nonsense_is_survived(events: list[Event], chance: random.Random) -> None:
    check(events)
    chance.shuffle(events)
    check(events)


def check(events: list[Event]) -> None:
    """What must hold whatever the events are."""
    for phase in phases(events):
        assert phase.end_s >= phase.begin_s >= 0
        assert phase.kind in PhaseKind
        phase.to_json()
    for link in critical_chain(events):
        assert link.took_s >= 0
        assert link.released_s >= 0
        assert 0 <= link.phase_s <= link.took_s + 1e-9
        link.to_json()
