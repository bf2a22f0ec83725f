"""Ends, health and logs of containers, from the engine's answers alone: no engine, no sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daybreak.backends.base import Exit
from daybreak.backends.docker import ends
from daybreak.backends.docker.events import Watch
from daybreak.backends.docker.logs import AGAIN_S, Follower, Position
from daybreak.docker import labels
from daybreak.errors import EngineError
from daybreak.testing.clock import run as run_jumping

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("code", "out_of_memory", "limit", "reason"),
    [
        (3, False, None, "exited with code 3"),
        (143, False, None, "exited with code 143 (SIGTERM)"),
        (255, False, None, "exited with code 255"),
        (137, True, 256 * MIB, "ran out of memory (limit 256 MiB)"),
        (137, True, None, "ran out of memory"),
        (4, True, 64 * MIB, "exited with code 4 after a process in it ran out of memory (limit 64 MiB)"),
    ],
)
def test_how_it_ended(code: int, out_of_memory: bool, limit: int | None, reason: str) -> None:
    assert ends.exit_of(code, out_of_memory=out_of_memory, limit_bytes=limit) == Exit(code, reason)


def test_what_an_inspection_says() -> None:
    ended: dict[str, Any] = {
        "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": True},
        "Config": {"Labels": {labels.MEMORY: str(MIB)}},
    }
    assert ends.of_inspection(ended) == Exit(137, "ran out of memory (limit 1 MiB)")
    ended["State"]["Status"] = "running"
    assert ends.of_inspection(ended) is None


def event(action: str, **attributes: str) -> dict[str, Any]:
    return {"Action": action, "Actor": {"ID": "c1", "Attributes": {labels.INSTANCE: "i1", **attributes}}}


def never() -> Any:
    raise AssertionError("the engine is not asked")


def after(*events: dict[str, Any]) -> Exit:
    """The end that is known once these events have come, on a clock that jumps."""

    async def story() -> Exit:
        watch = Watch(never, "/root")
        watched = watch.of("i1", "c1")
        for one in events:
            watch.on_event(one)
        return await watched.end

    return run_jumping(story())


def test_an_end_is_told_by_its_event() -> None:
    assert after(event("die", exitCode="3")) == Exit(3, "exited with code 3")


def test_lack_of_memory_is_told_whichever_event_comes_first() -> None:
    dead = event("die", exitCode="137", **{labels.MEMORY: str(64 * MIB)})
    told = Exit(137, "ran out of memory (limit 64 MiB)")
    assert after(event("oom"), dead) == told
    assert after(dead, event("oom", **{labels.MEMORY: str(64 * MIB)})) == told
    assert after(dead) == Exit(137, "exited with code 137 (SIGKILL)")


def test_lack_of_memory_of_a_child_is_told_too_whichever_event_comes_first() -> None:
    limit = {labels.MEMORY: str(32 * MIB)}
    failed = event("die", exitCode="4", **limit)
    told = Exit(4, "exited with code 4 after a process in it ran out of memory (limit 32 MiB)")
    assert after(event("oom"), failed) == after(failed, event("oom", **limit)) == told
    assert after(failed) == Exit(4, "exited with code 4")


def test_the_first_end_is_believed_and_events_of_others_are_not() -> None:
    other = {"Action": "die", "Actor": {"ID": "c2", "Attributes": {labels.INSTANCE: "i2", "exitCode": "9"}}}
    assert after(other, event("die", exitCode="3"), event("die", exitCode="4")) == Exit(3, "exited with code 3")


def test_health_is_the_engines_last_word() -> None:
    async def story() -> list[str | None]:
        watch = Watch(never, "/root")
        words = [watch.of("i1", "c1").health]
        for word in ("healthy", "unhealthy"):
            watch.on_event(event(f"health_status: {word}"))
            words.append(watch.of("i1").health)
        return words

    assert run_jumping(story()) == [None, "healthy", "unhealthy"]


def test_what_was_removed_has_ended() -> None:
    async def story() -> Exit:
        watch = Watch(never, "/root")
        end = watch.of("i1", "c1").end
        watch.forget("i1")
        return await end

    assert run_jumping(story()) == ends.REMOVED


class Cut:
    """A stream that gives what it has and then breaks off."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def cancel(self) -> None:
        pass

    close = cancel


def test_where_the_stream_breaks_what_ran_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stream ends without a word; between it and the next one the container has ended."""
    monkeypatch.setattr("daybreak.backends.docker.events.AGAIN_S", 0.0)
    ended = {"State": {"Status": "exited", "ExitCode": 5}, "Config": {"Labels": {}}}

    class Engine:
        opened = 0

        def events(self, *args: Any) -> Cut:
            self.opened += 1
            if self.opened == 2:
                raise EngineError("stopped")
            return Cut()

        def inspect(self, container: str) -> dict[str, Any]:
            if self.opened == 1:
                return {"State": {"Status": "running"}}
            return ended

    async def story() -> Exit:
        engine: Any = SimpleNamespace(containers=Engine())
        watch = Watch(lambda: engine, "/root")
        watched = watch.of("i1", "c1")
        watched.runs = True
        watch.begin()
        try:
            async with asyncio.timeout(60):
                return await watched.end
        finally:
            watch.close()

    assert asyncio.run(story()) == Exit(5, "exited with code 5")


def stamp(number: int) -> str:
    return f"2026-11-26T14:56:33.{number:09}Z"


def test_a_place_outlives_its_keeper_and_is_held_by_one(tmp_path: Path) -> None:
    place = Position(tmp_path / "output/i1")
    assert place.since is None
    for number in (1, 2, 2):
        place.copied(stamp(number))
    with pytest.raises(BlockingIOError):
        Position(tmp_path / "output/i1")
    place.close()
    again = Position(tmp_path / "output/i1")
    assert again.since == 1795704993
    is_new = again.after()
    assert [is_new(stamp(number)) for number in (1, 2, 2, 2, 3)] == [False, False, False, True, True]
    again.close()


def follow(tmp_path: Path, *rounds: list[tuple[int, str]], state: Callable[[int], str]) -> tuple[str, list[int | None]]:
    """The log after one follower has read these answers of the engine, and from when on it had asked for them."""
    asked: list[int | None] = []

    class Engine:
        def logs(self, container: str, since: int | None) -> Cut:
            asked.append(since)
            return Cut(*(f"{stamp(number)} {text}".encode() for number, text in rounds[len(asked) - 1]))

        def inspect(self, container: str) -> dict[str, Any]:
            return {"State": {"Status": state(len(asked))}}

    engine: Any = SimpleNamespace(containers=Engine())
    follower = Follower(lambda: engine, "c1", tmp_path / "api.log", tmp_path / "output/i1")
    follower.run()
    assert follower.drained.is_set()
    return (tmp_path / "api.log").read_text(), asked


def test_output_is_copied_once_through_breaks_and_restarts_of_the_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daybreak.backends.docker.logs.AGAIN_S", 0.0)
    first = [(1, "one\n"), (2, "two, ")]
    # The stream broke; the engine gives the same second once more.
    second = [*first, (2, "in two parts\n")]
    # The last line, without its end, came too late for the stream.
    third = [*second, (3, "the end")]
    found, asked = follow(tmp_path, first, second, third, state=lambda n: "running" if n == 1 else "exited")
    assert found == "one\ntwo, in two parts\nthe end"
    assert asked == [None, 1795704993, 1795704993]
    later, _ = follow(tmp_path, third, third, state=lambda n: "exited")
    assert later == found


def test_a_second_follower_leaves_the_output_to_the_first_until_that_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        def logs(self, container: str, since: int | None) -> Cut:
            return Cut(f"{stamp(1)} one\n".encode())

        def inspect(self, container: str) -> dict[str, Any]:
            return {"State": {"Status": "exited"}}

    monkeypatch.setattr("daybreak.backends.docker.logs.AGAIN_S", 0.0)
    held = Position(tmp_path / "output/i1")
    engine: Any = SimpleNamespace(containers=Engine())
    follower = Follower(lambda: engine, "c1", tmp_path / "api.log", tmp_path / "output/i1")
    follower.start()
    assert follower.drained.wait(60)
    assert not (tmp_path / "api.log").exists()
    held.close()
    follower.join(10)
    assert (tmp_path / "api.log").read_text() == "one\n"


def test_what_goes_wrong_while_copying_is_told_once_and_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in the last round, when the container has ended already."""

    class Engine:
        asked = 0

        def logs(self, container: str, since: int | None) -> Cut:
            self.asked += 1
            if 1 < self.asked < 5:
                raise OSError(28, "No space left on device")
            return Cut(f"{stamp(1)} one\n".encode())

        def inspect(self, container: str) -> dict[str, Any]:
            return {"State": {"Status": "exited"}}

    engine: Any = SimpleNamespace(containers=Engine())
    follower = Follower(lambda: engine, "c1", tmp_path / "api.log", tmp_path / "output/i1")
    paused: list[float] = []
    monkeypatch.setattr(follower._closed, "wait", paused.append)
    follower.run()
    assert paused == [AGAIN_S] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "copying the output of api failed: OSError: [Errno 28] No space left on device; it is tried again"
    ]
    assert (tmp_path / "api.log").read_text() == "one\n"
