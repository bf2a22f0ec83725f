"""What is wrong is told once when it begins and once when it is over, by a whole keeper on a fake backend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.fake import Script
from daybreak.keeper.alerting import alerting, outbox, telling
from daybreak.keeper.alerting.conditions import CRASHES_WITHIN_S, LOST_FOR_S, Disk
from daybreak.keeper.alerting.destinations import Destination, Sent
from daybreak.testing.clock import run
from daybreak.timeline.event import Kind
from tests.unit.keeper.world import World

pytestmark = pytest.mark.usefixtures("threads_take_no_time", "killed_tasks_are_gone")
# Of the spec, and longer than any step of a recovery here.
AFTER_S = 30.0
DOWN = Script(refuses=True)
BROKEN = Sent("HTTP 500")


@dataclass
class Somebody:
    """Is told; `answers` with the next of these, then takes everything."""

    told: str = "somebody"
    answers: list[Sent] = field(default_factory=list)
    got: list[Mapping[str, Any]] = field(default_factory=list)
    tries: int = 0

    async def send(self, message: Mapping[str, Any]) -> Sent:
        self.tries += 1
        await asyncio.sleep(0.1)
        sent = self.answers.pop(0) if self.answers else Sent()
        if not sent.reason:
            self.got.append(message)
        return sent

    @property
    def heard(self) -> list[tuple[str, str, str | None]]:
        return [(message["status"], message["what"], message["service"] or message["folder"]) for message in self.got]


def tells(world: World, **somebody: Destination) -> None:
    """From now on its keeper looks, and tells these."""
    found = world.keeper.parts.followers.alerting
    found.telling.destinations = lambda: somebody
    found.begin()


async def up(tmp_path: Path, somebody: Somebody, **scripts: Script) -> World:
    world = World(tmp_path, **scripts)
    tells(world, webhook=somebody)
    await world.up(spec={"workers": 2}).answer()
    return world


async def killed(world: World, somebody: Somebody) -> None:
    """Another keeper comes."""
    world.keeper.close()
    world.backends.killed = True
    world.again()
    tells(world, webhook=somebody)
    await world.keeper.adopt()


async def left(world: World) -> None:
    """Its keeper has nothing to do any more."""
    async with asyncio.timeout(10 * telling.LINGER_S):
        await world.keeper.idle_exit.done.wait()


def notes(world: World) -> list[str]:
    found: list[str] = []
    world.keeper.parts.record._listeners.append(
        lambda event: found.append(event.data["text"]) if event.kind is Kind.NOTE else None
    )
    return found


def test_a_service_that_stays_down_is_told_once_and_so_is_its_return(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        world.fake.scripts["web-1"] = DOWN
        await world.crash("web-1")
        await asyncio.sleep(AFTER_S - 2)
        assert somebody.heard == [("firing", "crash-loop", "web-1")], "four ends within seconds are told at once"
        await asyncio.sleep(10 * AFTER_S)
        assert ("firing", "service-down", "web-1") in somebody.heard
        status = (await world.status())["alerts"]
        assert {one["what"] for one in status["firing"]} >= {"service-down"}
        world.fake.scripts["web-1"] = Script()
        await asyncio.sleep(CRASHES_WITHIN_S + 20 * AFTER_S)
        assert somebody.heard.count(("firing", "service-down", "web-1")) == 1
        assert somebody.heard.count(("resolved", "service-down", "web-1")) == 1
        assert (await world.status())["alerts"]["firing"] == []
        first = next(message for message in somebody.got if message["what"] == "service-down")
        assert first["cluster"] == "shop"
        assert first["text"].startswith("[FIRING] shop on ")
        assert "web-1 is down: " in first["text"]

    run(story())


def test_what_comes_back_by_itself_and_what_is_changed_on_purpose_is_nobodys_business(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody, db=Script(stops_after_s=2 * AFTER_S))
        await world.crash("web-1")
        await asyncio.sleep(AFTER_S)
        await world.ask("replace", service="db")
        await world.ask("apply", restart=True, keep_workers=True)
        await asyncio.sleep(2 * AFTER_S)
        assert somebody.got == []
        await world.ask("down")
        await asyncio.sleep(2 * AFTER_S)
        assert somebody.got == []

    run(story())


def test_the_next_keeper_tells_it_no_second_time_but_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        world.fake.scripts["web-1"] = DOWN
        await world.crash("web-1")
        await asyncio.sleep(4 * CRASHES_WITHIN_S)
        heard = [("firing", "crash-loop", "web-1"), ("firing", "service-down", "web-1")]
        assert sorted(somebody.heard) == heard
        await killed(world, somebody)
        await asyncio.sleep(4 * AFTER_S)
        assert sorted(somebody.heard) == heard
        world.fake.scripts["web-1"] = Script()
        await asyncio.sleep(2 * CRASHES_WITHIN_S)
        assert sorted(somebody.heard) == [
            *heard,
            ("resolved", "crash-loop", "web-1"),
            ("resolved", "service-down", "web-1"),
        ]
        ids = {message["id"] for message in somebody.got}
        assert len(ids) == 2, "both messages of an alert have one id"

    run(story())


def test_down_is_the_end_of_all_and_the_keeper_stays_until_that_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        world.fake.scripts["web-1"] = DOWN
        await world.crash("web-1")
        await asyncio.sleep(2 * AFTER_S)
        assert "service-down" in {what for _, what, _ in somebody.heard}
        somebody.answers = [BROKEN]
        await world.ask("down")
        assert not await world.keeper.idle_exit.idle()
        await asyncio.sleep(telling.LINGER_S)
        assert all(("resolved", *rest) in somebody.heard for status, *rest in somebody.heard if status == "firing")
        assert somebody.got[-1]["text"].endswith("the cluster was stopped")
        await left(world)

    run(story())


def test_nobody_waits_for_ever_and_what_has_not_arrived_is_for_the_next_keeper(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody(answers=[BROKEN] * 1000)
        world = await up(tmp_path, somebody)
        world.fake.scripts["web-1"] = DOWN
        await world.crash("web-1")
        await asyncio.sleep(2 * AFTER_S)
        await world.ask("down")
        await left(world)
        kept = json.loads(world.paths.alerts.read_text())
        assert kept["firing"] == []
        waiting = [(message["status"], message["what"]) for message in kept["waiting"]["webhook"]]
        assert waiting[-1][0] == "resolved"
        assert ("firing", "service-down") in waiting
        world.keeper.close()
        somebody.answers = []
        world.fake.scripts["web-1"] = Script()
        world.again()
        tells(world, webhook=somebody)
        await world.up().answer()
        await asyncio.sleep(AFTER_S)
        assert [(status, what) for status, what, _ in somebody.heard] == waiting

    run(story())


def test_a_webhook_that_does_not_answer_is_told_of_once_and_delays_nobody_else(tmp_path: Path) -> None:
    async def story() -> None:
        broken, well = Somebody("the webhook at x", [BROKEN] * 6), Somebody("the command")
        world = World(tmp_path)
        tells(world, webhook=broken, command=well)
        await world.up().answer()
        told = notes(world)
        world.fake.scripts["web-1"] = DOWN
        await world.crash("web-1")
        await asyncio.sleep(AFTER_S + 5)
        assert well.heard[-1][1] == "service-down"
        trouble = {one["to"]: one["trouble"] for one in (await world.status())["alerts"]["destinations"]}
        assert trouble == {"the webhook at x": "alerts do not reach the webhook at x: HTTP 500", "the command": ""}
        await asyncio.sleep(sum(outbox.PAUSES_S))
        assert broken.heard == well.heard
        assert [text for text in told if "reach the webhook" in text] == [
            "alerts do not reach the webhook at x: HTTP 500",
            "alerts reach the webhook at x again",
        ]

    run(story())


@pytest.mark.parametrize("refused", [True, False])
def test_what_nobody_takes_is_given_up_at_once_or_after_an_hour_and_that_is_told(tmp_path: Path, refused: bool) -> None:
    async def story() -> None:
        answers = [Sent("HTTP 404", again=False)] if refused else [BROKEN] * 1000
        somebody = Somebody(answers=answers)
        world = await up(tmp_path, somebody)
        told = notes(world)
        world.keeper.parts.record.emit(Kind.RUN_ENDED, outcome="ok", receipt={"requests": 9, "failed": 1})
        await asyncio.sleep(60 if refused else outbox.GIVE_UP_S + 120)
        assert any(text.startswith("an alert has not reached the webhook (HTTP ") for text in told)
        somebody.answers = []
        await asyncio.sleep(LOST_FOR_S + 120)
        assert [status for status, *_ in somebody.heard] == ["resolved"]

    run(story())


def test_only_so_many_messages_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)

    async def story() -> None:
        somebody = Somebody(answers=[BROKEN] * 3)
        world = await up(tmp_path, somebody)
        telling = world.keeper.parts.followers.alerting.telling
        for number in range(6):
            telling.tell({"text": str(number), "status": "", "what": "", "service": None, "folder": None})
        assert len(telling.waiting["webhook"]) == 3
        await asyncio.sleep(60)
        assert [message["text"] for message in somebody.got] == ["3", "4", "5"]

    run(story())


def test_requests_that_a_restart_has_lost_are_told_until_one_loses_none(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        emit = world.keeper.parts.record.emit
        emit(Kind.RUN_ENDED, outcome="ok", receipt={"requests": 1200, "failed": 3})
        await asyncio.sleep(3)
        assert somebody.heard == [("firing", "lost-requests", None)]
        assert somebody.got[0]["reason"] == "3 of 1,200 requests failed while the cluster was changed"
        await killed(world, somebody)
        await asyncio.sleep(3)
        world.keeper.parts.record.emit(Kind.RUN_ENDED, outcome="ok", receipt={"requests": 1200, "failed": 0})
        await asyncio.sleep(3)
        assert [status for status, *_ in somebody.heard] == ["firing", "resolved"]
        world.keeper.parts.record.emit(Kind.RUN_ENDED, outcome="ok", receipt={"requests": 1, "failed": 1})
        await asyncio.sleep(LOST_FOR_S + 3)
        assert [status for status, *_ in somebody.heard] == ["firing", "resolved"] * 2

    run(story())


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 50

    def measured(folders: list[Path]) -> dict[str, Disk]:
        return {str(folders[0]): Disk(free, 100)}

    monkeypatch.setattr(alerting, "measure", measured)

    async def story() -> None:
        nonlocal free
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        root = str(world.paths.root)
        for free in (50, 9, 11, 8):  # noqa: B007 - the disk sees it
            await asyncio.sleep(2 * alerting.DISK_EVERY_S)
        assert somebody.heard == [("firing", "disk-nearly-full", root)]
        assert somebody.got[0]["reason"] == "91% are used, 9 B of 100 B are left"
        await killed(world, somebody)
        await asyncio.sleep(alerting.DISK_EVERY_S / 2)
        assert len(somebody.got) == 1, "a new keeper has not measured yet"
        free = 20
        await asyncio.sleep(2 * alerting.DISK_EVERY_S)
        assert somebody.heard[1:] == [("resolved", "disk-nearly-full", root)]

    run(story())


def test_a_secret_in_a_reason_does_not_leave_the_machine(tmp_path: Path) -> None:
    async def story() -> None:
        somebody = Somebody()
        world = await up(tmp_path, somebody)
        (world.paths.secrets / "ray-token").write_text("0123456789abcdef")
        emit = world.keeper.parts.record.emit
        emit(Kind.UNKNOWN, "web-1", reason="<!channel> token\n0123456789abcdef \x1b[31m" + "x" * 1000)
        await asyncio.sleep(AFTER_S + 5)
        (message,) = somebody.got
        assert "0123456789abcdef" not in json.dumps(message)
        assert "&lt;!channel&gt; token ********" in message["text"]
        assert len(message["text"]) < 700
        assert message["text"].isprintable()

    run(story())


def test_the_operation_lists_what_fires_and_tries_everybody(tmp_path: Path) -> None:
    async def story() -> None:
        somebody, broken = Somebody(), Somebody("the command x", [BROKEN])
        world = World(tmp_path)
        with pytest.raises(Exception, match="not running"):
            await world.ask("alerts")
        await world.up().answer()
        with pytest.raises(Exception, match="nobody to tell"):
            await world.ask("alerts", test=True)
        tells(world, webhook=somebody, command=broken)
        assert await world.ask("alerts") == {
            "firing": [],
            "destinations": [{"to": name, "waiting": 0, "trouble": ""} for name in ("somebody", "the command x")],
        }
        tried = (await world.ask("alerts", test=True))["tried"]
        assert [(one["to"], one["arrived"], one["reason"]) for one in tried] == [
            ("somebody", True, ""),
            ("the command x", False, "HTTP 500"),
        ]
        assert somebody.got[0]["status"] == "test"
        assert broken.tries == 1, "a test is not tried again"

    run(story())
