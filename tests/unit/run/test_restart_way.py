"""The way of a restart is a choice by facts, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybreak.errors import UsageError
from daybreak.run.restart_way import Choice, Facts, Room, SecondGeneration, Way, choose, gently

ALIKE = Facts(ray="2.60.0")
FREE = Room(surge=100, memory_bytes=300 * 2**20)
FULL = Room(0, "the nodes have no room for one more replica: App asks for 1 GPU; free: 0 GPU")
ALONE = SecondGeneration(("another app tier takes about 9 GiB",))
AGAINST = [
    (Facts(serves=False), "no Serve applications"),
    (Facts(replaced={"head": "its configuration changed"}), "head: its configuration changed"),
    (Facts(replaced={"worker-2": "not running"}), "worker-2: not running"),
    (Facts(head_is_well=False), "the head is not well"),
    (Facts(surges=False, ray="2.20.0"), "Ray 2.20.0 cannot start new replicas before it stops old ones"),
    (Facts(baked=True), "image"),
    (Facts(proxy_options=True), "takes them only when it starts"),
    (Facts(makes_way=("shop",)), "takes the route of shop"),
]


def test_the_applications_alone_are_replaced_where_they_can_be() -> None:
    choice = choose(None, ALIKE, FREE, ALONE)
    assert (choice.way, choice.surge, choice.memory_bytes) == (Way.REDEPLOY, 100, 300 * 2**20)
    assert choose(Way.REDEPLOY, ALIKE, FREE, ALONE).way is Way.REDEPLOY


@pytest.mark.parametrize(("facts", "why"), AGAINST)
def test_what_is_in_the_way_is_the_reason_or_the_refusal(facts: Facts, why: str) -> None:
    choice = choose(None, facts, Room(), ALONE)
    assert choice.way is Way.IN_PLACE
    assert why in choice.why
    with pytest.raises(UsageError, match="nothing was changed") as refused:
        choose(Way.REDEPLOY, facts, Room(), ALONE)
    assert why in refused.value.message
    assert choose(Way.IN_PLACE, facts, Room(), ALONE).why == "asked for"


def test_a_lack_of_room_counts_last() -> None:
    assert choose(None, ALIKE, FULL, ALONE).why.startswith(FULL.why)
    assert FULL.why not in choose(None, replace(ALIKE, surges=False), FULL, ALONE).why
    with pytest.raises(UsageError, match="1 GPU"):
        choose(Way.REDEPLOY, ALIKE, FULL, ALONE)


def test_another_environment_speaks_against_it_until_somebody_asks_for_it() -> None:
    facts = Facts(environment=("LEVEL", "MODEL"))
    assert choose(None, facts, FREE, ALONE).why.startswith(
        "the environment differs, and the nodes keep theirs: LEVEL, MODEL; "
    )
    assert choose(Way.REDEPLOY, facts, FREE, ALONE).way is Way.REDEPLOY


def test_a_change_replaces_applications_gently_or_as_before() -> None:
    choice = gently(ALIKE, FREE)
    assert choice is not None
    assert (choice.way, choice.surge) == (Way.REDEPLOY, 100)
    assert gently(ALIKE, FULL) is None
    assert gently(Facts(proxy_options=True), FREE) is None


def test_why_anything_is_done_comes_first() -> None:
    assert choose(None, ALIKE, FREE, ALONE, "app.py has changed").why.startswith("app.py has changed; ")
    blocked = Facts(proxy_options=True)
    assert choose(None, blocked, FREE, ALONE, "app.py has changed").why.startswith("app.py has changed; ")


def test_of_many_reasons_the_line_has_the_first_and_json_all() -> None:
    nodes = dict.fromkeys(("head", *(f"worker-{n}" for n in range(9))), "its configuration changed: workers.cpus")
    choice = choose(None, Facts(replaced=nodes), Room(), ALONE)
    assert "worker-8" in choice.to_json()["why"]
    assert "head: its configuration changed: workers.cpus" in choice.told
    assert "more: `daybreak plan --restart --json`" in choice.told
    assert len(choice.told) < 350
    assert choice.told.count("(") == choice.told.count(")")


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (Choice(Way.IN_PLACE, "asked for"), "in-place: the whole app tier stops, then starts again (asked for)"),
        (Choice(Way.IN_PLACE, usual_s=3.66, runs=1), "3.7 s the last time"),
        (Choice(Way.REDEPLOY, "so", 100, 2**31, 3.14, 4), "(so); about 3.1 s (median of 4); about 2,048 MiB more"),
    ],
)
def test_it_is_told_in_one_line(choice: Choice, told: str) -> None:
    assert told in choice.told
    assert "\n" not in choice.told


def test_a_second_app_tier_starts_beside_where_the_applications_alone_cannot_be_replaced() -> None:
    room = SecondGeneration(memory_bytes=700 * 2**20)
    choice = choose(None, Facts(replaced={"head": "its configuration changed"}), Room(), room, "app.py has changed")
    assert (choice.way, choice.memory_bytes) == (Way.REPLACE, 700 * 2**20)
    assert choice.why.startswith("app.py has changed; Ray's nodes do not stay as they are (head: ")
    assert choose(None, Facts(environment=("MODEL",)), FREE, room).way is Way.REPLACE
    assert choose(None, ALIKE, FREE, room).way is Way.REDEPLOY
    assert choose(Way.REPLACE, ALIKE, FREE, room).why == "asked for"


def test_where_two_do_not_fit_it_is_in_place_and_the_reason_is_told() -> None:
    choice = choose(None, Facts(replaced={"head": "its configuration changed"}), Room(), ALONE)
    assert choice.way is Way.IN_PLACE
    assert choice.why.endswith("no second app tier beside it: another app tier takes about 9 GiB")
    with pytest.raises(UsageError, match="cannot replace, nothing was changed: another app tier takes"):
        choose(Way.REPLACE, ALIKE, FREE, ALONE)
