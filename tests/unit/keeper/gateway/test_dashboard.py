"""Requests to Ray's dashboard wait for the head, and for nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daybreak.keeper.gateway.runtime_socket import InFlight, in_flight
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.unit.keeper.gateway.bench import Bench, Upstream, bench, story, waiting

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_they_wait_until_the_head_answers_in_its_slot(folder: Path, program: str) -> None:
    async with bench(folder, program) as made, _dashboard(made) as dashboard:
        asked = asyncio.create_task(made.get("/api/version", port="dashboard"))
        await dashboard.stop()
        made.tell(Kind.READY, "gateway")
        await asyncio.sleep(0)
        assert not asked.done()
        assert await waiting(made) == 0
        await dashboard.start()
        made.tell(Kind.READY, "head")
        assert (await asked)[0] == 200
        assert "/api/version" in dashboard.answered
        assert await made.state() == "hold"


@story
async def test_they_wait_when_a_run_is_about_to_end_the_head_although_it_answers(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made, _dashboard(made) as dashboard:
        made.tell(Kind.READY, "head")
        assert (await made.get("/before", port="dashboard"))[0] == 200
        await made.steering.before(made.steps("head"), made.recording.recorder)
        asked = asyncio.create_task(made.get("/meanwhile", port="dashboard"))
        made.tell(Kind.STOPPING, "head")
        await made.state()
        assert "/meanwhile" not in dashboard.answered
        made.tell(Kind.READY, "head")
        made.tell(Kind.RUN_ENDED, "")
        assert (await asked)[0] == 200


@story
async def test_what_the_dashboard_answers_holds_up_no_restart(folder: Path) -> None:
    async with (
        bench(folder, PROGRAMS[0]) as made,
        _dashboard(made) as dashboard,
    ):
        made.tell(Kind.READY, "head")
        asked = asyncio.create_task(made.get("/slow", port="dashboard"))
        await eventually(lambda: dashboard.under_way)
        assert await in_flight(made.socket) == InFlight()
        dashboard.go.set()
        assert (await asked)[0] == 200


@story
async def test_who_has_waited_for_long_is_told_that_it_is_the_dashboard(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0], hold=0.2) as made:
        status, text = await made.get(port="dashboard")
        assert status == 503
        assert "Ray's dashboard did not answer within 0.2 s" in text


@contextlib.asynccontextmanager
async def _dashboard(of: Bench) -> AsyncIterator[Upstream]:
    made = Upstream(of.cluster.site.ports["head.own_dashboard"])
    await made.start()
    try:
        yield made
    finally:
        await made.end()
