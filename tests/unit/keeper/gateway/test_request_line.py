"""How a request is read from its line, and what it counts as."""

from __future__ import annotations

import pytest

from daybreak.keeper.gateway.request_line import Ending, RequestLine, ending, fields, parse, request_of
from daybreak.services.edge.repeating import instead_of
from daybreak.services.slots import Slot
from tests.unit.keeper.gateway.lines import line


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        (200, "--", Ending.ANSWERED),
        (404, "--", Ending.ANSWERED),
        (302, "LR", Ending.ANSWERED),
        (400, "PR", Ending.ANSWERED),  # what no client should send
        (101, "--", Ending.ANSWERED),
        (500, "--", Ending.ERROR),
        (501, "--", Ending.ERROR),
        (502, "--", Ending.FAILED),
        (503, "--", Ending.FAILED),
        (504, "--", Ending.FAILED),
        (503, "SC", Ending.FAILED),  # nobody took the connection
        (503, "LR", Ending.FAILED),  # held for too long
        (502, "SH", Ending.FAILED),
        (504, "sH", Ending.FAILED),
        (500, "IH", Ending.FAILED),
        (200, "SD", Ending.FAILED),  # the server broke off
        (200, "sD", Ending.FAILED),
        (101, "KD", Ending.FAILED),
        (200, "SL", Ending.FAILED),
        (-1, "SH", Ending.FAILED),
        (-1, "CR", Ending.LEFT),
        (200, "CD", Ending.LEFT),
        (408, "cR", Ending.LEFT),
    ],
)
def test_how_a_request_ended(status: int, state: str, expected: Ending) -> None:
    assert ending(status, state.encode()) is expected


def test_a_line_has_what_counts() -> None:
    for server in ("", "b"):
        found = parse(line(1_700_000_000_123, took_ms=38, held_ms=12, path="/a\tb", server=server))
        assert found == RequestLine(1_700_000_000_123, "shop", Ending.ANSWERED, 38, 12, server)


def test_a_line_tells_who_had_been_asked_before() -> None:
    told = line(1_700_000_000_123, took_ms=38, server=instead_of(Slot.B))
    assert parse(told) == RequestLine(1_700_000_000_123, "shop", Ending.ANSWERED, 38, 0, "a", failed="b")


def test_of_a_stream_the_time_counts_until_it_began() -> None:
    for status, took_ms, data_ms, expected in ((200, 5020, 5000, 20), (101, 900, 880, 20), (200, 900, 880, 900)):
        found = parse(line(1, status=status, took_ms=took_ms, data_ms=data_ms))
        assert found is not None
        assert found.latency_ms == expected
        assert found.streams is (status == 101 or data_ms > 1000)


def test_a_line_may_end_with_what_would_be_sent_again() -> None:
    plain = line(1, path="/a\t::1", server="a")
    whole = line(1, path="/a\t::1", server="a", request="/a?b=c accept:dGV4dC8q .")
    assert (parse(whole), fields(whole)) == (parse(plain), fields(plain))
    assert (request_of(plain), request_of(whole)) == (b"", b"/a?b=c accept:dGV4dC8q")
    # What is not to be kept, or was cut off: it is counted all the same.
    for request in ("- accept:- .", "/a?b=c accept:dGV4", "/a?b"):
        told = line(1, path="/a\t::1", server="a", request=request)
        assert parse(told) == parse(plain)
        assert request_of(told) == b""


def test_what_is_not_known_is_nothing() -> None:
    found = parse(line(1, application="", status=-1, state="CR", took_ms=-1, data_ms=-1, held_ms="-"))
    assert found == RequestLine(1, "-", Ending.LEFT, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"2" + line(1)[1:],
        b"\t".join(line(1).split(b"\t")[:-1]),
        line(1).replace(b"200", b"two hundred"),
        line(1).replace(b"\t10\t", b"\t\t"),
        b"\xff\xfe" * 100,
        b"1\t" + b"9" * 6000 + line(1)[3:],
    ],
)
def test_what_is_no_line_is_none(text: bytes) -> None:
    assert parse(text) is None


def test_the_name_of_an_application_has_an_end() -> None:
    found = parse(line(1, application="x" * 1000))
    assert found is not None
    assert len(found.application) == 64
