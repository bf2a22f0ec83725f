"""A pause at a real HAProxy: requests wait or get a page, whatever becomes of what is around them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.gateway.pause import MOST_PAGE_BYTES, Page, Pause, PauseBook
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.unit.keeper.gateway.bench import Bench, bench, story, waiting

haproxy = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
SORRY = Page("text/html; charset=utf-8", "<h1>Back at noon: \u00fc</h1>\n".encode())


async def pause(made: Bench, page: Page | None = None) -> None:
    made.steering.pauses.begin(Pause(1.0, page))
    assert await made.steering.obey()


async def resume(made: Bench) -> None:
    made.steering.pauses.end()
    assert await made.steering.obey()


async def serves(made: Bench) -> None:
    await made.upstream.start()
    made.tell(Kind.READY, "serve")
    assert (await made.get())[0] == 200


async def until_waiting(made: Bench, count: int) -> None:
    while await waiting(made) != count:
        await asyncio.sleep(0.01)


@haproxy
@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_requests_wait_until_they_may_pass_again(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        await serves(made)
        slow = asyncio.create_task(made.get("/slow"))
        while not made.upstream.under_way:
            await asyncio.sleep(0.01)
        await pause(made)
        late = [asyncio.create_task(made.get(f"/{number}")) for number in range(10)]
        await until_waiting(made, 10)
        made.upstream.go.set()
        assert (await slow)[0] == 200
        assert made.upstream.answered == ["/", "/slow"]
        await resume(made)
        assert {status for status, _ in await asyncio.gather(*late)} == {200}


@haproxy
@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_a_page_is_answered_at_once_also_to_those_that_wait(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        await serves(made)
        await pause(made)
        early = asyncio.create_task(made.get("/early"))
        await until_waiting(made, 1)
        await pause(made, SORRY)
        for status, text in (await early, await made.get("/late")):
            assert status == 503
            head, _, body = text.partition("\r\n\r\n")
            assert body.encode() == SORRY.content
            assert "content-type: text/html; charset=utf-8" in head.lower()
            assert "retry-after: 5" in head.lower()
        assert made.upstream.answered == ["/"]
        await resume(made)
        assert (await made.get())[0] == 200


@haproxy
@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_another_page_takes_the_place_of_the_first_and_may_be_as_large_as_is_allowed(
    folder: Path, program: str
) -> None:
    async with bench(folder, program) as made:
        await pause(made, SORRY)
        await pause(made, Page("text/plain", b"x" * MOST_PAGE_BYTES))
        status, text = await made.get()
        assert status == 503
        assert text.partition("\r\n\r\n")[2] == "x" * MOST_PAGE_BYTES


@haproxy
@story
async def test_restarts_and_a_crash_of_the_gateway_leave_it_paused(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await serves(made)
        await pause(made, SORRY)
        await made.steering.before(made.steps("head", "serve"), made.recording.recorder)
        made.tell(Kind.STOPPING, "head")
        made.tell(Kind.READY, "serve")
        assert (await made.get())[0] == 503
        made.tell(Kind.RUN_ENDED, "")
        assert (await made.get())[0] == 503
        await made.kill()
        for file in made.gateway.files:
            Path(file.path).write_text(file.text)
        await made.run()
        made.tell(Kind.READY, "gateway")
        await made.until_state("page")
        assert "Back at noon" in (await made.get())[1]
        await resume(made)
        assert (await made.get())[0] == 200


@haproxy
@story
async def test_a_gateway_that_is_away_when_it_is_told_is_told_again(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await serves(made)
        await pause(made)
        aside = Path(made.socket).rename(folder / "aside")
        made.steering.pauses.end()
        assert not await made.steering.obey()
        aside.rename(made.socket)
        await made.until_state("open")


def test_a_pause_is_found_again(tmp_path: Path) -> None:
    file = tmp_path / "pause.json"
    for pause in (Pause(1.0), Pause(2.0, SORRY)):
        PauseBook(file).begin(pause)
        assert PauseBook(file).now == pause
    assert file.stat().st_mode & 0o777 == 0o600
    PauseBook(file).end()
    PauseBook(file).end()
    assert PauseBook(file).now is None
    file.write_text('{"since": 1, "page": {"content_type": "a\\nb", "content": ""}}')
    assert PauseBook(file).now is None


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"content_type": "text/html\r\nX: 1", "content": ""}, "no content type"),
        ({"content_type": "text/html", "content": "\u00fc"}, "cannot be read"),
        ({"content_type": "text/html", "content": "AAAA" * (MOST_PAGE_BYTES // 3 + 1)}, "at most"),
    ],
)
def test_what_is_no_page_is_refused(raw: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Page.from_json(raw)
