"""What the doctor says of other machines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from daybreak import __version__
from daybreak.extras.doctor.diagnoses import hosts
from daybreak.extras.doctor.finding import Severity
from tests.helpers import free_port
from tests.unit.extras.doctor.conftest import MakeCase, of, row, snapshot


@contextlib.contextmanager
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def host(state: str = "ready", reason: str = "", **rest: Any) -> dict[str, Any]:
    near = {"latency_s": 0.0004, "clock_ahead_s": 0.01, "mtu": 1500, "mtu_from_here": 1500, "daybreak": __version__}
    return {"name": "far", "address": "10.0.0.7", "state": state, "reason": reason, "nodes": [], **near, **rest}


def test_a_cluster_of_one_machine_has_none(make_case: MakeCase) -> None:
    assert "no other machine" in of(hosts.look(make_case()), Severity.OK).found
    assert "no other machine" in of(hosts.look(make_case(snapshot=snapshot(row("head")))), Severity.OK).found


def test_one_that_is_well_is_told_in_one_line(make_case: MakeCase) -> None:
    with listening() as place:
        nodes = [{"name": "worker-1", "state": "ready", "reached_at": [place]}]
        case = make_case(snapshot=snapshot(row("head"), hosts=[host(nodes=nodes)]))
        assert of(hosts.look(case), Severity.OK).found.startswith("1 of 1 other machine ready")


@pytest.mark.parametrize(
    ("found", "severity", "words"),
    [
        (host("lost", "not heard of for 12 s"), Severity.ERROR, "far is lost: not heard of for 12 s"),
        (host("away", "Connection refused"), Severity.WARNING, "far is away: Connection refused"),
        (host("degraded", "not ready: worker-1"), Severity.WARNING, "far: not ready: worker-1"),
        (host(daybreak="0.0.1"), Severity.WARNING, f"has daybreak 0.0.1, this command is {__version__}"),
        (host(clock_ahead_s=-90.0), Severity.WARNING, "the clock of host far is 90.0 s behind"),
        (host(clock_ahead_s=2.5), Severity.WARNING, "the clock of host far is 2.50 s ahead"),
        (host(latency_s=0.2), Severity.NOTE, "back takes 200 ms"),
        (host(mtu=9000), Severity.NOTE, "may have 1500 bytes, those from it 9000"),
    ],
)
def test_what_is_wrong_with_one(make_case: MakeCase, found: dict[str, Any], severity: Severity, words: str) -> None:
    case = make_case(snapshot=snapshot(row("head"), hosts=[found]))
    assert words in of(hosts.look(case), severity).found


def test_a_node_that_cannot_be_reached_is_an_error(make_case: MakeCase) -> None:
    place = f"127.0.0.1:{free_port()}"
    nodes = [{"name": "worker-1", "state": "ready", "reached_at": [place]}]
    found = of(hosts.look(make_case(snapshot=snapshot(row("head"), hosts=[host(nodes=nodes)]))), Severity.ERROR)
    assert found.found == f"{place} of node far/worker-1 is not reached from here: Connection refused"
    # Of one that only starts nothing is expected.
    nodes[0]["state"] = "starting"
    assert of(hosts.look(make_case(snapshot=snapshot(row("head"), hosts=[host(nodes=nodes)]))), Severity.OK)
