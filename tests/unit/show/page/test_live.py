"""Events reach open pages; a page that does not read loses events, and holds nobody up."""

from __future__ import annotations

import asyncio

from daybreak.show.page.live import MOST_READERS, MOST_WAITING, Hub
from daybreak.testing.clock import run
from daybreak.timeline.event import Event, Kind


def event(number: int) -> Event:
    return Event(Kind.NOTE, float(number), 0.0)


def test_every_reader_gets_every_event_in_order() -> None:
    async def story() -> list[list[float]]:
        hub = Hub()
        with hub.reading() as one, hub.reading() as two:
            for number in range(3):
                hub.publish(event(number))
            return [[event.at_s for event in await reader.get(1.0)] for reader in (one, two)]

    assert run(story()) == [[0.0, 1.0, 2.0]] * 2


def test_who_does_not_read_loses_events_and_knows_it() -> None:
    async def story() -> tuple[bool, int, float]:
        hub = Hub()
        with hub.reading() as reader:
            for number in range(MOST_WAITING * 3 + 1):
                hub.publish(event(number))
            size = reader.waiting.qsize()
            return reader.behind, size, (await reader.get(1.0))[-1].at_s

    behind, size, last = run(story())
    assert behind
    assert size <= MOST_WAITING
    assert last == MOST_WAITING * 3


def test_silence_ends_after_its_time() -> None:
    async def story() -> float:
        hub = Hub()
        with hub.reading() as reader:
            assert await reader.get(15.0) == []
        return asyncio.get_running_loop().time()

    assert run(story()) == 15.0


def test_closing_ends_readers_now_and_later() -> None:
    async def story() -> None:
        hub = Hub()
        with hub.reading() as reader:
            hub.close()
            assert reader.closed
            assert await reader.get(1.0) == []
        with hub.reading() as late:
            assert late.closed

    run(story())


def test_there_is_an_end_to_readers() -> None:
    async def story() -> None:
        hub = Hub()
        contexts = [hub.reading() for _ in range(MOST_READERS)]
        for context in contexts:
            context.__enter__()
        assert hub.full
        contexts[0].__exit__(None, None, None)
        assert not hub.full

    run(story())
