"""Joining, following and leaving, between two ends."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from daybreak import __version__
from daybreak.errors import DaybreakError, PreflightError, UsageError
from daybreak.keeper.hosts import link as link_module
from daybreak.keeper.hosts.book import Host
from daybreak.keeper.hosts.fit import Versions
from daybreak.keeper.hosts.guests import Guest
from daybreak.keeper.hosts.membership import worker_spec
from daybreak.keeper.hosts.token import Token
from daybreak.keeper.hosts.wire import Line, NotReached, NotTheOne, connected
from daybreak.keeper.versions.code import Code
from daybreak.keeper.versions.version import KeptFile
from daybreak.spec.load import without_file
from tests.unit.keeper.hosts.two import PYTHON, RAY, First, Other, until

pytestmark = pytest.mark.usefixtures("killed_tasks_are_gone")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> First:
    (tmp_path / "first").mkdir()
    return First(tmp_path / "first", monkeypatch)


@pytest.fixture
def other(tmp_path: Path) -> Other:
    return Other(tmp_path / "other")


async def ended(first: First) -> None:
    first.keeper.parts.followers.desired.cluster = None
    await first.hosting.close()
    first.keeper.close()


def test_a_machine_joins_follows_and_leaves(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        await other.join(*await first.invited(), name="big-one")
        member = other.folder.load()
        assert member
        assert member.name == "big-one"
        assert (member.offer.token or "").startswith("the-token")
        spec = without_file(other.folder.code, below=worker_spec(member, other.folder)).spec
        assert spec.workers.count == 2
        assert spec.workers.env == {"APP": "1"}
        assert spec.join
        assert spec.join.address == member.offer.gcs
        assert spec.ray.version == f"=={RAY}"
        async with other.following() as link:
            await until(lambda: first.rows()["big-one"]["state"] == "ready")
            assert [node["name"] for node in first.rows()["big-one"]["nodes"]] == ["worker-1"]
            # Both have told the time, which is the same here.
            await until(lambda: first.rows()["big-one"]["latency_s"] is not None)
            row = first.rows()["big-one"]
            assert abs(row["clock_ahead_s"]) <= row["latency_s"]
            assert row["mtu"] == row["mtu_from_here"] > 1000
            assert row["daybreak"] == __version__
            assert not other.applied  # it has what it should have
            await link.leave()
            await until(lambda: not first.rows())
            with link.ended():
                # Its nodes are stopped now, which takes a while: the keeper that looks is not told to stop them again.
                await link.look()
                assert not link.busy
            assert other.stops == 0
        with pytest.raises(NotReached, match="closed"):
            async with connected(member.place, other.folder.own) as line:
                line.send({"op": "offer"})
                assert (await line.receive()) == {"removed": True}
                await line.receive()
        await ended(first)

    asyncio.run(story())


def test_what_changes_reaches_hosts_and_one_that_was_away_is_brought_up_to_date(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        await other.join(*await first.invited())
        await first.begin_serving(workers={"count": 1, "env": {"APP": "2"}})
        async with other.following() as link:
            await first.hosting.look()
            await until(lambda: bool(other.applied))
            assert other.applied[-1].offer.spec["workers"]["env"] == {"APP": "2"}
            content = b"print('new')\n"
            kept = KeptFile(hashlib.sha256(content).hexdigest(), len(content))
            await first.hosting.company.bring(Code({"pages/app.py": kept}, lambda *_: content))
            assert (other.folder.code / "pages/app.py").read_bytes() == content
            await first.ask("down")
            await first.hosting.look()
            await until(lambda: other.stops == 1)
            assert other.folder.load()  # it waits for the first machine's next start
            await until(lambda: bool(link._report()["stopped"]))
        await ended(first)

    asyncio.run(story())


def test_a_host_whose_nodes_were_stopped_is_not_ready() -> None:
    guest = Guest(Host("far", "192.0.2.2", "", 0.0), 0.0, line=cast(Line, SimpleNamespace(mtu=1500)))
    guest.hear({"nodes": [], "serial": "one", "stopped": True}, 1.0)
    assert guest.row({"serial": "one"}, 1.0)["state"] == "changing"
    guest.hear({"nodes": [], "serial": "one"}, 1.0)
    assert guest.row({"serial": "one"}, 1.0)["state"] == "ready"
    # The spec says something else of its workers.
    assert guest.row({"serial": "one", "own": {"count": 2}}, 1.0)["state"] == "changing"


def test_a_host_that_was_removed_while_it_was_away_ends_its_nodes_when_it_comes(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        await other.join(*await first.invited(), name="big-one")
        (other.paths.secrets / "ray-token").write_text("the-token-of-ray")  # where nodes are told it is
        assert first.rows()["big-one"]["state"] == "lost"
        assert await first.ask("remove_host", host="big-one") == {"removed": "big-one", "told": False}
        await other_invited(first)
        async with other.following():
            await until(lambda: other.stops == 1 and other.folder.load() is None)
        assert not (other.paths.secrets / "ray-token").exists()
        await ended(first)

    async def other_invited(first: First) -> None:
        """So that the port stays open."""
        await first.invited()

    asyncio.run(story())


def test_a_token_counts_once_and_is_not_used_up_by_what_is_refused(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        place, token = await first.invited()
        with pytest.raises(PreflightError, match="Python") as refused:
            await other.join(place, token, versions=Versions(None, "3.12"))
        assert refused.value.hint
        assert f"ray[default,serve]=={RAY}" in refused.value.hint
        assert any(f"Python {PYTHON}" in line for line in refused.value.details())
        with pytest.raises(NotTheOne, match="nothing was sent"):
            await other.join(place, Token(token.secret, "a" * 26))
        with pytest.raises(UsageError, match="not known here"):
            await other.join(place, Token("a" * 32, token.fingerprint))
        assert other.folder.load() is None
        await asyncio.gather(
            other.join(place, token, name="one"), other.join(place, token, name="two"), return_exceptions=True
        )
        assert len(first.rows()) == 1
        with pytest.raises(UsageError, match="was used already"):
            await other.join(place, token)
        await ended(first)

    asyncio.run(story())


def test_invitations_that_are_made_at_once_open_the_port_once(first: First, other: Other, tmp_path: Path) -> None:
    async def story() -> None:
        await first.begin_serving()
        made = await asyncio.gather(*(first.invited() for _ in range(3)))
        assert len(first.ports) == 1
        assert len({token.fingerprint for _, token in made}) == 1
        await other.join(*made[0], name="one")
        await Other(tmp_path / "third").join(*made[2], name="three")
        assert list(first.rows()) == ["one", "three"]
        await ended(first)

    asyncio.run(story())


def test_nothing_listens_before_an_invitation_and_after_all_are_revoked(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        await first.hosting.look()
        assert not first.ports
        place, token = await first.invited()
        assert await first.ask("invite", revoke=True) == {"revoked": 1}
        with pytest.raises(NotReached):
            await other.join(place, token)
        book = first.paths.root / "hosts" / "hosts.json"
        assert token.secret not in book.read_text()
        for path in (book, *book.parent.glob("*.key")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await ended(first)

    asyncio.run(story())


def test_who_has_no_certificate_can_do_nothing_but_join(first: First) -> None:
    async def story() -> None:
        await first.begin_serving()
        place, token = await first.invited()
        from daybreak.keeper.hosts.wire import Place

        async with connected(Place(*place, token.fingerprint)) as line:
            line.send({"op": "offer"})
            with pytest.raises(UsageError, match="only hosts"):
                await line.receive()
        await ended(first)

    asyncio.run(story())


def test_a_join_waits_for_what_is_under_way(first: First, other: Other) -> None:
    async def story() -> None:
        await first.begin_serving()
        place, token = await first.invited()
        first.backends.halts_at = "pulling images"
        restart = first.begin("apply", restart=True)
        await first.backends.reached.wait()
        joining = asyncio.create_task(other.join(place, token, name="big-one"))
        await until(lambda: bool(first.keeper.parts.runner._waiting))
        assert not first.rows()
        first.backends.halts_at = ""
        restart.cancel()
        await joining
        assert list(first.rows()) == ["big-one"]
        await ended(first)

    asyncio.run(story())


def test_an_invitation_needs_an_address_and_a_cluster(first: First) -> None:
    async def story() -> None:
        with pytest.raises(DaybreakError, match="not running"):
            await first.ask("invite")
        await first.begin_serving(address=None)
        with pytest.raises(UsageError, match="does not say at which address"):
            await first.ask("invite")
        assert not (first.paths.root / "hosts").exists()
        await ended(first)

    asyncio.run(story())


def test_what_changes_on_a_host_is_told_at_once(first: First, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "REPORT_S", 3600.0)

    async def story() -> None:
        await first.begin_serving()
        await other.join(*await first.invited(), name="far")
        other.nodes = [{"name": "worker-1", "state": "starting", "pid": 1}]
        async with other.following():
            await until(lambda: first.rows()["far"]["reason"] == "not ready: worker-1")
            other.nodes = [{"name": "worker-1", "state": "ready", "pid": 1}]
            await until(lambda: first.rows()["far"]["state"] == "ready")
        await ended(first)

    asyncio.run(story())
