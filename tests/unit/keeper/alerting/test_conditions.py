"""What counts as wrong, and when that is told: pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.alerting.alert import Alert, Status, Subject, What
from daybreak.keeper.alerting.book import AlertBook
from daybreak.keeper.alerting.conditions import Disk, measure, of_hosts, of_services
from daybreak.keeper.alerting.holding import Holding, News
from daybreak.states import Health, ServiceState
from daybreak.timeline.status import ServiceStatus

READY, CRASHED = ServiceState.READY, ServiceState.CRASHED


def row(name: str, state: ServiceState = READY, health: Health = Health.HEALTHY, tier: str = "app") -> ServiceStatus:
    return ServiceStatus(name, tier, state, health, reason="why" if state is not READY or health else "")


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([row("head"), row("serve"), row("worker-1"), row("postgres", tier="data")], {}),
        ([row("head", CRASHED)], {(What.HEAD_DOWN, "head"): "crashed: why"}),
        ([row("head", health=Health.FAILING), row("serve", health=Health.DEGRADED)], {}),
        ([row("serve", health=Health.UNHEALTHY)], {(What.SERVE_UNHEALTHY, "serve"): "why"}),
        ([row("serve", ServiceState.FAILED)], {(What.SERVE_UNHEALTHY, "serve"): "failed: why"}),
        ([row("postgres", ServiceState.BACKING_OFF)], {(What.DATABASE_DOWN, "postgres"): "backing-off: why"}),
        ([row("gateway", CRASHED, tier="edge")], {(What.SERVICE_DOWN, "gateway"): "crashed: why"}),
        ([row("migrate", ServiceState.COMPLETED)], {}),
        ([row("template", CRASHED, tier="warm")], {}),
        # What hangs on the head is not told beside it; what does not is.
        (
            [
                row("head", CRASHED),
                row("worker-1", CRASHED),
                row("redis", CRASHED),
                row("gateway", CRASHED, tier="edge"),
            ],
            {
                (What.HEAD_DOWN, "head"): "crashed: why",
                (What.DATABASE_DOWN, "redis"): "crashed: why",
                (What.SERVICE_DOWN, "gateway"): "crashed: why",
            },
        ),
    ],
)
def test_which_services_are_down(rows: list[ServiceStatus], wrong: dict[tuple[What, str], str]) -> None:
    assert {(subject.what, subject.name): why for subject, why in of_services(rows).items()} == wrong


def test_which_other_machines_are_not_well() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "state": "ready", "reason": ""},
        {"name": "b", "state": "lost", "reason": "not heard of for 9 s"},
        {"name": "c", "state": "away", "reason": "Connection refused"},
        {"name": "d", "state": "left", "reason": "or was removed"},
        {"name": "e", "state": "changing", "reason": "is brought up to date"},
        {"name": "f", "state": "degraded", "reason": ""},
        # It is tried again just now.
        {"name": "g", "state": "connecting", "reason": "logging in", "failed": True},
        {"name": "h", "state": "connecting", "reason": "logging in", "failed": False},
    ]
    assert of_hosts(rows) == {
        Subject(What.HOST_DOWN, "b"): "lost: not heard of for 9 s",
        Subject(What.HOST_DOWN, "c"): "away: Connection refused",
        Subject(What.HOST_DOWN, "f"): "degraded",
        Subject(What.HOST_DOWN, "g"): "connecting: logging in",
    }
    told = Subject(What.HOST_DOWN, "b").to_json()
    assert told == {"what": "host-down", "service": None, "folder": None, "other_machine": "b"}
    assert Subject.from_json(told) == Subject(What.HOST_DOWN, "b")


HEAD = Subject(What.HEAD_DOWN, "head")
DISK = Subject(What.DISK_NEARLY_FULL, "/x")


def judged(holding: Holding, wrong: list[Subject], told: list[Subject], now: float, purpose: bool = False) -> News:
    reasons = dict.fromkeys(wrong, "why")
    return holding.judge(reasons, told, now=now, wall=1000 + now, after_s=30, on_purpose=purpose)


def test_what_is_down_must_last_and_its_end_as_well() -> None:
    holding = Holding()
    assert judged(holding, [HEAD], [], 0) == judged(holding, [HEAD], [], 29) == News()
    assert judged(holding, [HEAD], [], 30) == News(((HEAD, "why", 1000.0),))
    assert judged(holding, [], [HEAD], 40) == judged(holding, [], [HEAD], 69) == News()
    assert judged(holding, [HEAD], [HEAD], 70) == judged(holding, [], [HEAD], 71) == News(), "it was not over"
    assert judged(holding, [], [HEAD], 101) == News(ended=(HEAD,))


def test_while_services_are_replaced_nothing_of_them_begins_or_ends() -> None:
    holding = Holding()
    judged(holding, [HEAD], [], 0)
    assert judged(holding, [HEAD], [], 31, purpose=True) == judged(holding, [HEAD], [], 32) == News()
    assert judged(holding, [], [HEAD], 1000, purpose=True) == judged(holding, [], [HEAD], 2000, purpose=True) == News()
    assert judged(holding, [DISK], [], 0, purpose=True) == News(((DISK, "why", 1000.0),)), "a disk is no service"


def test_folders_on_one_disk_are_told_once_and_missing_ones_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found = measure([tmp_path, tmp_path / "data", tmp_path / "absent"])
    assert list(found) == [str(tmp_path)]
    assert 0 <= found[str(tmp_path)].used <= 1
    assert Disk(0, 0).used == 0


def test_an_end_says_how_long_it_was_and_which_alert_it_ends() -> None:
    alert = Alert("a1", HEAD, "crashed: why", 1000.0)
    firing = alert.message("shop", Status.FIRING, now=1030.0)
    assert firing["text"].endswith(": Ray's head is down: crashed: why")
    assert (firing["ended"], firing["since"], firing["service"], firing["folder"]) == (None, 1000.0, "head", None)
    over = alert.message("shop", Status.RESOLVED, now=1125.0, over="the cluster was stopped")
    assert over["text"].endswith(": Ray's head is down: over after 2m 05s; the cluster was stopped")
    assert (over["id"], over["ended"]) == ("a1", 1125.0)


def test_the_book_is_read_as_it_was_written_and_what_is_none_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    firing = [Alert("a1", HEAD, "why", 1000.0), Alert("a2", DISK, "91%", 1001.0)]
    waiting = {"webhook": [firing[0].message("shop", Status.FIRING, now=1.0)]}
    AlertBook(path).save(firing, waiting)
    assert path.stat().st_mode & 0o777 == 0o600
    kept = AlertBook(path).load()
    assert (list(kept.firing), kept.waiting) == (firing, waiting)
    for text in ('{"firing": [{"id": 1}]}', '{"firing": 7}', '{"waiting": {"webhook": [7]}}', "x"):
        path.write_text(text)
        assert AlertBook(path).load().firing == ()
    AlertBook(tmp_path / "gone" / "alerts.json").save(firing, {})
    assert not (tmp_path / "gone").exists()
