"""`daybreak traffic` is told every second, and what runs meanwhile; without a gateway it is told why."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import KeeperError
from daybreak.testing.clock import run
from tests.unit.keeper.gateway.test_receipts import Served
from tests.unit.keeper.world import FakeClient, World


def test_every_second_is_told_until_the_client_goes(tmp_path: Path) -> None:
    class Leaving(FakeClient):
        """Goes after three seconds."""

        asked = 0

        async def until_gone(self) -> None:
            self.asked += 1
            if self.asked <= 3:
                raise TimeoutError

    async def story() -> None:
        world = Served(tmp_path)
        await world.up().answer()
        world.serve()
        client = Leaving()
        assert await world.begin("traffic", client).answer() == {}
        told = [message["second"] for message in client.sent if "second" in message]
        assert len(told) == 3
        assert [one["at"] for one in told] == [told[0]["at"] + number for number in range(3)]
        assert told[0]["run"] is None
        assert "shop" in told[0]["applications"]
        world.stop_serving()

    run(story())


def test_without_a_gateway_it_is_told_why(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path)
        await world.up().answer()
        with pytest.raises(KeeperError, match="has no gateway"):
            await world.ask("traffic")
        world.keeper.close()

    run(story())
