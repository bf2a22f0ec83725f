"""Which requests are kept to be asked again: the last safe ones, in a real HAProxy, and no secrets by themselves."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.request_line import parse
from daybreak.keeper.gateway.request_samples import KeptRequest, KeptRequests
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.spec.model import Rehearse
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.unit.helpers import Recording
from tests.unit.keeper.gateway.bench import Bench, bench, story
from tests.unit.keeper.gateway.lines import line

with_haproxy = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
HIDDEN = "s3cr3t"


def keeping(**wanted: Any) -> KeptRequests:
    kept = KeptRequests()
    kept.want(Rehearse(**wanted))
    return kept


def take(kept: KeptRequests, target: str, *headers: tuple[str, str], **told: Any) -> None:
    words = [f"{name}:{base64.b64encode(value.encode()).decode()}" for name, value in headers]
    text = line(1, server="a", request=" ".join((target, *words, ".")), **told)
    parsed = parse(text)
    assert parsed
    kept.take(text, parsed)


def targets(kept: KeptRequests) -> list[str]:
    return [one.target for one in kept.newest_first()]


def test_the_last_different_ones_are_kept_newest_first() -> None:
    kept = keeping(keep=2)
    for target in ("/a", "/b", "/a", "/c"):
        take(kept, target)
    assert targets(kept) == ["/c", "/a"]
    take(kept, "/c", ("accept", "text/plain"))
    assert kept.newest_first() == [KeptRequest("/c", (("accept", "text/plain"),)), KeptRequest("/c")]
    kept.want(Rehearse(keep=1))
    assert len(targets(kept)) == 1
    kept.want(Rehearse(enabled=False))
    take(kept, "/d")
    assert targets(kept) == []


def test_an_application_that_is_asked_all_the_time_leaves_the_others_theirs() -> None:
    kept = keeping(keep=4)
    take(kept, "/api/a", application="api")
    take(kept, "/api/b", application="api")
    for number in range(50):
        take(kept, f"/{number}")
    assert targets(kept) == ["/49", "/48", "/api/b", "/api/a"]


def test_what_was_not_answered_well_or_at_once_is_not_kept() -> None:
    kept = keeping(skip=["/metrics", "/a b/"])
    for told in (
        {"status": 500},
        {"status": 503},
        {"status": 101, "data_ms": 5},
        {"state": "CD"},
        {"took_ms": 3000, "data_ms": 2990},
        {"took_ms": 2500},
        {"application": "-"},
    ):
        take(kept, "/a", **told)
    for skipped in ("/metrics", "/metrics?a=b", "/metrics/x", "/a%20b"):
        take(kept, skipped)
    assert targets(kept) == ["/a%20b"]
    take(kept, "/held", took_ms=9000, held_ms=8990)
    take(kept, "/absent", status=404)
    take(kept, "/metricses")
    assert targets(kept) == ["/metricses", "/absent", "/held", "/a%20b"]


def test_what_cannot_be_read_is_none() -> None:
    kept = keeping()
    for request in ("/\xe4 .", "/a accept:nonsense .", "/a accept:w6Q= .", "/a ."):
        text = line(1, server="a", request=request)
        parsed = parse(text)
        assert parsed
        kept.take(text, parsed)
    assert targets(kept) == ["/a"]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/a/b", "/a/b"),
        ("/a?", "/a?..."),
        ("/a?user=me&token=s3cr3t", "/a?user=...&token=..."),
        ("/a?s3cr3t", "/a?..."),
        ("/a?b=c=d&s3cr3t", "/a?b=...&..."),
        ("/" + "x" * 500, "/" + "x" * 199),
    ],
)
def test_values_of_a_query_are_not_shown(target: str, shown: str) -> None:
    assert KeptRequest(target).shown == shown


@contextlib.asynccontextmanager
async def kept_by(folder: Path, program: str, **wanted: Any) -> AsyncIterator[tuple[Bench, Traffic]]:
    """A gateway that keeps, and the keeper's end of it."""
    async with bench(folder, program, rehearse=wanted) as made:
        background = Background(Recording().recorder)
        traffic = Traffic(background)
        traffic.want(made.cluster)
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        try:
            yield made, traffic
        finally:
            background.close()


async def counted(traffic: Traffic, count: int) -> None:
    await eventually(lambda: sum(one.requests for one in traffic.totals().values()) == count)


@with_haproxy
@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_only_what_is_safe_and_nobodys_is_kept(folder: Path, program: str) -> None:
    async with kept_by(folder, program) as (made, traffic):
        await made.get("/plain?a=b&c=%20d", "Accept: text/html, */*;q=0.8")
        await made.get("/posted", "Content-Length: 0", method="POST")
        await made.get("/deleted", method="DELETE")
        await made.get("/head", method="HEAD")
        await made.get("/body", "Content-Length: 0")
        await made.get("/mine", f"Cookie: session={HIDDEN}")
        await made.get("/ours", f"Authorization: Bearer {HIDDEN}")
        await made.get("/chat", "Upgrade: websocket")
        await made.get("/long?" + "x" * 3000)
        await made.get("/absent")
        await counted(traffic, 10)
        assert traffic.kept.newest_first() == [
            KeptRequest("/absent"),
            KeptRequest("/plain?a=b&c=%20d", (("accept", "text/html, */*;q=0.8"),)),
        ]


@with_haproxy
@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_with_a_cookie_or_an_authorization_only_where_the_spec_names_it(folder: Path, program: str) -> None:
    async with kept_by(folder, program, headers=["Cookie", "x-tenant", "cookie"]) as (made, traffic):
        await made.get("/mine", f"Cookie: session={HIDDEN}; other=1", "X-Tenant: a", "Accept: text/plain")
        await made.get("/ours", f"Authorization: Bearer {HIDDEN}")
        # Longer than a line: it is counted, and not kept.
        await made.get("/large", f"Cookie: session={'x' * 7000}")
        await counted(traffic, 3)
        expected = (("cookie", f"session={HIDDEN}; other=1"), ("x-tenant", "a"))
        assert traffic.kept.newest_first() == [KeptRequest("/mine", expected)]
        assert traffic.to_json() is not None
        assert (traffic.to_json() or {})["malformed"] == 0


@with_haproxy
@story
async def test_where_the_spec_does_not_want_it_the_gateway_tells_nothing_of_it(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        assert "txn.target" not in made.gateway.files[0].text
