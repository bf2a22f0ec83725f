"""The logs of a host, asked for on the first machine: over both ends, by the program that reads them there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.hosts import asked_logs, log_program
from daybreak.keeper.hosts.wire import NotReached
from daybreak.paths import ClusterPaths
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.selection import Selection
from daybreak.show.logs.stamps import Level
from tests.unit.keeper.hosts.two import First, Other, until
from tests.unit.keeper.world import FakeClient

pytestmark = pytest.mark.usefixtures("killed_tasks_are_gone")
ERROR = "2026-11-25 10:08:47,559 ERROR boom"


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> First:
    return First(tmp_path / "first", monkeypatch)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Other:
    """With a cluster's folders as the program there finds them."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "run"))
    logs = ClusterPaths.of("shop").logs
    logs.mkdir(parents=True)
    (logs / "worker-1.log").write_text(f"2026-11-25 10:08:46,000 INFO hello\n{ERROR}\n  at line 1\n")
    return Other(tmp_path / "other")


def wish(*services: str, follow: bool = False, **selection: Any) -> Mapping[str, Any]:
    return {
        "services": services,
        "selection": Selection(**selection).to_json(),
        "everything": False,
        "follow": follow,
    }


async def ended(first: First) -> None:
    first.keeper.parts.followers.desired.cluster = None
    await first.hosting.close()
    first.keeper.close()


async def joined(first: First, other: Other) -> None:
    await first.begin_serving()
    await other.join(*await first.invited(), name="far")


def test_what_a_host_has_logged_and_what_it_writes(first: First, other: Other) -> None:
    async def story() -> None:
        await joined(first, other)
        async with other.following():
            await until(lambda: first.rows()["far"]["state"] == "ready")
            company = first.hosting.company
            async with company.logs.asked("far", wish(level=Level.ERROR)) as line:
                entry = Entry.from_json((await line.receive())["entry"])
                assert (entry.source.service, entry.lines) == ("worker-1", [ERROR, "  at line 1"])
                assert (await line.receive()) == {"now": True, "known": ["worker-1"], "cut_short": 0}
                with pytest.raises(NotReached, match="closed"):
                    await line.receive()
            async with company.logs.asked("far", wish("worker-1", follow=True, lines=0)) as line:
                while "now" not in await line.receive():
                    pass
                with (ClusterPaths.of("shop").logs / "worker-1.log").open("a") as log:
                    log.write("2026-11-25 10:09:00,000 INFO later\n")
                while "entry" not in (said := await line.receive()):
                    pass
                assert Entry.from_json(said["entry"]).text.endswith("later")
            # Whoever reads no more leaves nothing behind there.
            await until(lambda: "logs for the first machine" not in {task.get_name() for task in asyncio.all_tasks()})
        await ended(first)

    asyncio.run(story())


def test_a_command_hears_all_of_it(first: First, other: Other) -> None:
    async def story() -> None:
        await joined(first, other)
        async with other.following():
            await until(lambda: first.rows()["far"]["state"] == "ready")
            client = FakeClient()
            assert await first.begin("host_logs", client, host="far", logs=wish()).answer() == {}
            said = [message["said"] for message in client.sent]
            assert [("entry" in one, "now" in one) for one in said if one] == [
                (True, False),
                (True, False),
                (False, True),
            ]
        await ended(first)

    asyncio.run(story())


def test_who_is_not_there_is_told(first: First, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_logs, "COMES_S", 0.1)

    async def story() -> None:
        await joined(first, other)
        company = first.hosting.company
        with pytest.raises(UsageError, match="there is no host nobody"):
            async with company.logs.asked("nobody", wish()):
                pass
        with pytest.raises(NotReached, match="nothing is heard of host far"):
            async with company.logs.asked("far", wish()):
                pass
        async with other.following() as link:
            await until(lambda: first.rows()["far"]["state"] == "ready")
            monkeypatch.setattr(link._told_logs, "begin", lambda *_: None)  # an older daybreak
            with pytest.raises(NotReached, match="its daybreak may be another one"):
                async with company.logs.asked("far", wish()):
                    pass
        await ended(first)

    asyncio.run(story())


def test_a_long_entry_is_cut_so_that_it_fits(capsys: pytest.CaptureFixture[str], other: Other) -> None:
    log = ClusterPaths.of("shop").logs / "worker-1.log"
    log.write_text(f"{ERROR}\n" + f"  {'😀' * 1000}\n" * 400)
    log_program.main("shop", wish())
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) < 256 * 1024 for line in lines)
    entry = Entry.from_json(json.loads(lines[0])["entry"])
    assert entry.lines[0] == ERROR
    assert entry.lines[-1] == "…"
