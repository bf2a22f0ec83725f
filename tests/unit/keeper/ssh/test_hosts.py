"""Hosts of the spec, with a first machine's whole keeper; what would happen over SSH is made up."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.hosts.book import Host, HostBook
from daybreak.keeper.hosts.token import Token
from daybreak.keeper.ssh import hosts as by_ssh
from daybreak.keeper.ssh.changes import named, plan_lines
from daybreak.keeper.ssh.session import Away
from daybreak.spec.model import Spec
from daybreak.spec.ssh_hosts import SshHost
from tests.unit.keeper.hosts.two import First, Other, until
from tests.unit.keeper.world import SPEC, FakeClient

pytestmark = pytest.mark.usefixtures("killed_tasks_are_gone")
FAR: dict[str, Any] = {"ssh": "me@10.0.0.7", "name": "far", "workers": 2}
Go = Callable[[], Awaitable[Mapping[str, Any]]]


class Reached:
    """The one machine that is reached by SSH, where `away` says nothing against it."""

    def __init__(self, other: Other, first: First) -> None:
        self.other, self.first = other, first
        self.away = ""
        self.fault: Exception | None = None
        self.logins: list[str] = []
        self.orders: list[list[str]] = []
        self.comes = contextlib.AsyncExitStack()
        first.keeper.parts.by_ssh._attempt = self.attempt

    def attempt(self, host: SshHost, *rest: Any) -> Callable[[], Awaitable[None]]:
        _cluster, _environment, _supplies, go, tell = rest

        async def carry_out() -> None:
            self.logins.append(host.ssh)
            if self.fault:
                raise self.fault
            if self.away:
                raise Away(self.away)
            tell("preparing", "making an environment")
            await self.follow(await go())

        return carry_out

    async def follow(self, order: Mapping[str, Any]) -> None:
        words = list(order["argv"])
        self.orders.append(words)
        if words[0] == "join":
            assert not any(str(order["token"]) in word for word in words)
            own, name = json.loads(words[words.index("--own") + 1]), words[words.index("--name") + 1]
            place = ("127.0.0.1", self.first.ports[-1])
            await self.other.join(place, Token.parse(order["token"]), name=name, own=own)
        await self.comes.enter_async_context(self.other.following())


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> First:
    (tmp_path / "first").mkdir()
    return First(tmp_path / "first", monkeypatch)


@pytest.fixture
def reached(first: First, tmp_path: Path) -> Reached:
    return Reached(Other(tmp_path / "other"), first)


async def up(first: First, *hosts: Mapping[str, Any]) -> list[str]:
    """What the command is told."""
    values = {**SPEC, "address": "192.0.2.1", "workers": {"count": 1}, "hosts": list(hosts)}
    client = FakeClient()
    await first.begin("apply", client, spec=values, base=str(first.folder)).answer()
    return client.notes


async def rows(first: First) -> dict[str, tuple[str, str]]:
    found = (await first.status()).get("hosts", ())
    return {row["name"]: (row["state"], row["reason"]) for row in found}


async def ended(first: First) -> None:
    first.keeper.parts.followers.desired.cluster = None
    await first.hosting.close()
    first.keeper.close()


def test_a_host_joins_is_told_another_number_and_leaves_with_the_spec(first: First, reached: Reached) -> None:
    async def story() -> None:
        told = await up(first, FAR)
        assert "host far: making an environment" in told
        assert told[-1] == "host far: joined"
        member = reached.other.folder.load()
        assert member
        assert member.own == {"count": 2}
        assert not first.hosting.book.open_invitations(0.0)
        async with reached.comes:
            await until(lambda: first.rows()["far"]["state"] == "ready")
            await up(first, FAR)
            await up(first, {**FAR, "workers": 3, "labels": {"kind": "gpu"}})
            await first.hosting.look()
            await until(lambda: bool(reached.other.applied))
            assert reached.other.applied[-1].own == {"count": 3, "labels": {"kind": "gpu"}}
            assert reached.other.counted
            assert len(reached.orders) == 1  # nobody logged in for that
            told = await up(first)
            assert "host far: is in the spec no more: its nodes are drained" in told
            await until(lambda: reached.other.folder.load() is None)
        assert await rows(first) == {}
        await ended(first)

    asyncio.run(story())


def test_one_that_is_away_is_told_and_tried_again_while_the_rest_serves(
    first: First, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_ssh, "PAUSES_S", (0.01, 3600.0))

    async def story() -> None:
        reached.away = "Connection refused"
        told = await up(first, FAR, {"ssh": "b"})
        assert [line for line in told if line.startswith("warning")] == [
            "warning: host far is away: Connection refused; it is tried again",
            "warning: host b is away: Connection refused; it is tried again",
        ]
        assert await rows(first) == {"far": ("away", "Connection refused"), "b": ("away", "Connection refused")}
        # By itself, and then at the next command at once.
        await until(lambda: len(reached.logins) == 4)
        reached.away = ""
        assert "host far: joined" in await up(first, FAR)
        assert (await rows(first)).keys() == {"far"}
        await reached.comes.aclose()
        await ended(first)

    asyncio.run(story())


def test_whatever_goes_wrong_a_command_comes_to_its_end(first: First, reached: Reached) -> None:
    async def story() -> None:
        reached.fault = AssertionError("a fault of daybreak's own")
        told = await up(first, FAR)
        assert told[-1] == "warning: host far is away: AssertionError: a fault of daybreak's own; it is tried again"
        await ended(first)

    asyncio.run(story())


def test_a_member_that_was_not_heard_of_is_started_not_joined_again(
    first: First, reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        await up(first, FAR)
        await until(lambda: first.rows()["far"]["state"] == "ready")
        # Its keeper is killed, and nothing comes back by itself.
        await reached.comes.aclose()
        await until(lambda: first.rows()["far"]["state"] == "lost")
        monkeypatch.setattr(by_ssh, "LOST_S", 0.0)
        told = await up(first, FAR)
        assert [words[0] for words in reached.orders] == ["join", "up"]
        # It was told to start, and did not come within no time at all.
        assert "nothing was heard of it" in told[-1]
        await until(lambda: first.rows()["far"]["state"] == "ready")
        assert told[-1] not in await up(first, FAR)
        await reached.comes.aclose()
        await ended(first)

    asyncio.run(story())


def test_what_waits_for_a_host_can_be_interrupted_and_serves_on(first: First, reached: Reached) -> None:
    async def story() -> None:
        halted = asyncio.Event()

        async def never(order: Mapping[str, Any]) -> None:
            assert order["token"]
            halted.set()
            await asyncio.Event().wait()

        reached.follow = never  # type: ignore[method-assign]
        client = FakeClient()
        values = {**SPEC, "address": "192.0.2.1", "workers": {"count": 1}, "hosts": [FAR]}
        operation = first.begin("apply", client, spec=values, base=str(first.folder))
        await halted.wait()
        await until(lambda: not first.keeper.parts.runner.busy)
        operation.cancel()
        await operation.answer()
        assert client.notes[-1] == "hosts are not waited for any more: they are brought in all the same"
        assert (await first.states())["web-1"] == "ready"
        await ended(first)

    asyncio.run(story())


def test_one_that_was_removed_stays_away_until_somebody_asks_for_it(first: First, reached: Reached) -> None:
    async def story() -> None:
        await up(first, FAR)
        await first.ask("remove_host", host="far")
        await until(lambda: reached.other.folder.load() is None)
        await reached.comes.aclose()
        await first.keeper.parts.by_ssh.look()
        (state, reason) = (await rows(first))["far"]
        assert state == "left"
        assert "`daybreak up` lets it join again" in reason
        await first.ask("apply", workers=1, only_running=True)  # `scale`
        assert len(reached.logins) == 1
        # Also by another keeper, which only knows what is stored.
        assert HostBook(first.paths.root / "hosts/hosts.json").left == {"far"}
        assert "host far: joined" in await up(first, FAR)
        assert not first.hosting.book.left
        await reached.comes.aclose()
        await ended(first)

    asyncio.run(story())


def test_a_plan_tells_of_hosts_and_changes_nothing(first: First, reached: Reached) -> None:
    async def story() -> None:
        values = {**SPEC, "address": "192.0.2.1", "hosts": [FAR]}
        plan = await first.ask("plan", spec=values, base=str(first.folder))
        assert "host far (me@10.0.0.7) would join" in plan["notes"]
        assert not reached.logins
        assert not first.ports
        await ended(first)

    asyncio.run(story())


def test_what_a_plan_says_of_each_host() -> None:
    def host(name: str, ssh: str) -> Host:
        return Host(name, "192.0.2.2", "", 0.0, ssh)

    hosts = [{"ssh": "a"}, {"ssh": "me@b", "cpus": 4}, {"ssh": "moved", "name": "c"}, {"ssh": "d"}]
    wanted = named(Spec.model_validate({"name": "a", "hosts": hosts}))
    there = {each.name: each for each in (host("b", "me@b"), host("c", "c"), host("old", "old"), host("by-hand", ""))}
    assert [*plan_lines(wanted, there, {"b": {"count": 1}})] == [
        "host c (c) would be drained and removed",
        "host old (old) would be drained and removed",
        "host a (a) would join",
        "host b would be told: workers 1, cpus 4",
        "host c (moved) would join",
        "host d (d) would join",
    ]
