"""A restart and a change end with what the gateway counted meanwhile; a start does not, nor a cluster without one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from daybreak.errors import Interrupted
from daybreak.keeper.daemon import Keeper
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from daybreak.timeline.event import Kind, Outcome, RunKind
from daybreak.timeline.reader import Reader
from daybreak.timeline.receipt import Receipt
from tests.unit.helpers import service
from tests.unit.keeper.gateway.lines import line
from tests.unit.keeper.world import FakeBackends, World, built

pytestmark = pytest.mark.usefixtures("threads_take_no_time")

EXPECTED = Receipt(requests=2, failed=1, slowest_ms=10)


def built_with_gateway(spec: Spec, site: Site) -> tuple[Service, ...]:
    return (*built(spec, site), service("gateway", Tier.EDGE, "up"))


class Served(World):
    """Two requests come whenever a web service is asked whether it is up: one of them is answered."""

    def again(self) -> None:
        self.backends = _Asking(self)
        self.backends.engine.survey = self._survey  # type: ignore[method-assign]
        self.keeper = Keeper(self.paths, backends=self.backends, build=built_with_gateway)

    def serve(self) -> None:
        now_ms = round(time.time() * 1000)
        self.keeper.parts.followers.traffic.take([line(now_ms), line(now_ms, status=503, state="SC")])

    def stop_serving(self) -> None:
        self.keeper.close()


class _Asking(FakeBackends):
    def __init__(self, world: Served) -> None:
        super().__init__(world.paths, world.fake)
        self.world = world

    async def step(self, name: str) -> None:
        if name == "up of web-1":
            self.world.serve()
        await super().step(name)


def test_a_restart_and_a_change_have_a_receipt_and_nothing_else_has(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        assert "receipt" not in await world.up().answer()
        restart = await world.ask("apply", restart=True, keep_workers=True)
        assert Receipt.from_json(restart["receipt"]) == EXPECTED
        change = await world.up(spec={"env": "other"}).answer()
        assert Receipt.from_json(change["receipt"]) == EXPECTED
        shown = (await world.status())["traffic"]
        assert [(one["name"], one["total"]["requests"]) for one in shown["applications"]] == [("shop", 6)]
        await world.ask("down")
        assert (await world.status())["traffic"] is None
        world.stop_serving()

    run(story())
    with Reader(tmp_path / "state" / "timeline.db") as history:
        stop, change, restart, start = history.runs()
        assert (stop.receipt, start.receipt) == (None, None)
        assert (change.receipt, restart.receipt) == (EXPECTED, EXPECTED)
        ended = [event for event in history.events(restart.id) if event.kind is Kind.RUN_ENDED]
        assert [event.data["receipt"] for event in ended] == [EXPECTED.to_json()]


def test_where_the_gateway_itself_is_replaced_the_receipt_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        await world.crash("gateway")
        done = await world.ask("apply", restart=True, keep_workers=True)
        assert not Receipt.from_json(done["receipt"]).complete
        world.stop_serving()

    run(story())


def test_what_was_cancelled_has_a_receipt_as_well(tmp_path: Path) -> None:
    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        world.backends.halts_at = "up of web-1"
        operation = world.begin("apply", restart=True, keep_workers=True)
        await world.backends.reached.wait()
        world.serve()
        operation.cancel()
        with pytest.raises(Interrupted):
            await operation.answer()
        world.stop_serving()

    run(story())
    with Reader(tmp_path / "state" / "timeline.db") as history:
        found = [one for one in history.runs() if one.kind is RunKind.RESTART]
        assert [(one.outcome, one.receipt) for one in found] == [
            (Outcome.INTERRUPTED, Receipt(requests=4, failed=2, slowest_ms=10))
        ]


def test_without_a_gateway_there_is_none(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        assert "receipt" not in await world.ask("apply", restart=True, keep_workers=True)
        assert (await world.status())["traffic"] is None
        world.keeper.close()

    run(story())
