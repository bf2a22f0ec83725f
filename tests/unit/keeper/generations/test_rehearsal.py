"""The last requests are asked of both generations: who passes, what is told of who does not, and what is not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daybreak.errors import DaybreakError
from daybreak.keeper.gateway.request_samples import KeptRequest, KeptRequests
from daybreak.keeper.generations import rehearsal
from daybreak.keeper.generations.rehearsal import Rehearsal
from daybreak.services.build import Cluster
from daybreak.spec.model import Spec
from tests.helpers import serving
from tests.unit.helpers import Recording, service
from tests.unit.services.test_serving import site

PLAIN = ("200 OK", "text/plain; charset=utf-8", b"x" * 1000)
Answer = tuple[str, str, bytes]


@dataclass
class Version:
    """Answers as it is told by path, one after another, and the last one ever after; what is missing as `PLAIN`."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    slow: str = ""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        path = head.split()[1].partition("?")[0]
        if path == self.slow:
            await asyncio.sleep(0.3)
        told = self.answers.get(path, [PLAIN])
        status, kind, body = told.pop(0) if len(told) > 1 else told[0]
        if status:
            lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(lines.encode() + body)
            await writer.drain()
        writer.close()


@dataclass
class Kept(KeptRequests):
    """These."""

    requests: Sequence[KeptRequest]

    def newest_first(self) -> list[KeptRequest]:
        return list(self.requests)


@dataclass
class Stage:
    """What is rehearsed, and what came of it."""

    rehearsal: Rehearsal
    notes: list[str]
    recording: Recording
    run: Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def staged(folder: Path, old: Version, new: Version, *requests: KeptRequest) -> AsyncIterator[Stage]:
    cluster = Cluster(Spec(name="shop"), site(None, base=str(folder), logs=str(folder)), (service("serve"),))
    notes: list[str] = []
    made, recording = Rehearsal(Kept(requests), cluster, notes.append), Recording()
    async with serving(old) as before, serving(new) as after:
        urls = (f"http://127.0.0.1:{before}", f"http://127.0.0.1:{after}")
        yield Stage(made, notes, recording, lambda: made(*urls, recording.recorder))


def rehearsed(folder: Path, old: Version, new: Version, *targets: str) -> Stage:
    async def story() -> Stage:
        async with staged(folder, old, new, *map(KeptRequest, targets)) as stage:
            await stage.run()
            return stage

    return asyncio.run(story())


def refused(folder: Path, old: Version, new: Version, *targets: str) -> str:
    with pytest.raises(DaybreakError) as error:
        rehearsed(folder, old, new, *targets)
    return error.value.message


def test_one_that_answers_alike_passes_and_that_is_told(tmp_path: Path) -> None:
    old, new = Version(), Version({"/a": [("200 OK", "TEXT/plain", b"y" * 1100)]})
    stage = rehearsed(tmp_path, old, new, "/a?b=c", "/b")
    expected = "rehearsed: 2 of the last requests are answered alike"
    assert stage.notes == [expected]
    assert [event.data["text"] for event in stage.recording.events] == [expected]
    assert stage.rehearsal.rehearsed == 2
    assert new.asked[0].startswith("GET /a?b=c HTTP/1.1\r\n")


def test_headers_are_sent_again(tmp_path: Path) -> None:
    async def story() -> None:
        old, new = Version(), Version()
        request = KeptRequest("/a", (("accept", "text/html"), ("cookie", "a=b"), ("user-agent", "robot")))
        async with staged(tmp_path, old, new, request) as stage:
            await stage.run()
        for asked in (old.asked, new.asked):
            assert {"accept: text/html", "cookie: a=b", "user-agent: robot"} < set(asked[0].lower().splitlines())
            assert asked[0].lower().count("user-agent") == 1

    asyncio.run(story())


def test_what_is_answered_otherwise_is_told_with_what_was_expected_and_without_secrets(tmp_path: Path) -> None:
    new = Version({"/a": [("404 Not Found", "text/plain", b"no")], "/b": [("200 OK", "text/html", b"x" * 1000)]})
    told = refused(tmp_path, Version(), new, "/a?token=s3cr3t&s3cr3t", "/b", "/c")
    assert told == (
        "the new version answers 2 of 3 rehearsed requests otherwise: GET /a?token=...&...: status 404 instead of 200; "
        "GET /b: text/html instead of text/plain"
    )


def test_one_that_does_not_answer_is_told_without_secrets(tmp_path: Path) -> None:
    told = refused(tmp_path, Version(), Version({"/a": [("", "", b"")]}), "/a?token=s3cr3t")
    assert "GET /a?token=...: no answer (" in told
    assert told.endswith("instead of 200")
    assert "s3cr3t" not in told


def test_after_some_differences_the_rest_is_not_asked(tmp_path: Path) -> None:
    new = Version({path: [("500 Internal Server Error", "", b"")] for path in ("/a", "/b", "/c", "/d")})
    told = refused(tmp_path, Version(), new, "/a", "/b", "/c", "/d")
    assert told.startswith("the new version answers 3 of 3 rehearsed requests otherwise: GET /a: status 500")
    assert not [asked for asked in new.asked if asked.startswith("GET /d")]


def test_one_that_is_slower_is_refused_with_both_times(tmp_path: Path) -> None:
    told = refused(tmp_path, Version(), Version(slow="/a"), "/a", "/b")
    assert re.search(r"otherwise: GET /a: took \d{3,} ms at best, \d+ ms by the old version$", told)


def test_what_happens_once_is_no_difference(tmp_path: Path) -> None:
    new = Version({"/a": [("500 Internal Server Error", "", b""), PLAIN], "/b": [("", "", b""), PLAIN]})
    assert rehearsed(tmp_path, Version(), new, "/a", "/b").rehearsal.rehearsed == 2


def test_what_the_old_version_does_not_answer_well_now_is_left_out(tmp_path: Path) -> None:
    fails = [("500 Internal Server Error", "", b"")]
    old, new = Version({"/a": fails, "/b": [("", "", b"")]}), Version({"/a": fails})
    stage = rehearsed(tmp_path, old, new, "/a", "/b", "/c")
    told = "rehearsed: 1 of the last requests are answered alike"
    assert stage.notes == [f"{told}; 2 left out, which the old version does not answer well now"]
    assert stage.rehearsal.rehearsed == 1


def test_where_none_was_kept_nothing_is_compared_and_that_is_told(tmp_path: Path) -> None:
    stage = rehearsed(tmp_path, Version(), Version())
    assert stage.notes == ["nothing to rehearse: the gateway has kept no request yet"]
    assert stage.rehearsal.rehearsed == 0


def test_it_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "MOST_S", 0.2)
    stage = rehearsed(tmp_path, Version(slow="/a"), Version(slow="/a"), "/a", "/b", "/c")
    assert stage.notes == ["rehearsed: 1 of the last requests are answered alike; 2 not asked: 0.2 s were over"]
