"""The other machines of a cluster as a table."""

from __future__ import annotations

from daybreak.show.hosts import host_lines


def test_hosts_that_joined_and_one_that_has_not() -> None:
    nodes = [{"name": "worker-1", "state": "ready"}, {"name": "worker-2", "state": "starting"}]
    joined = {"name": "far", "address": "10.0.0.7", "state": "changing", "nodes": nodes, "heard_ago_s": 1.2}
    joined |= {"latency_s": 0.00042, "clock_ahead_s": -0.001}
    away = {"name": "b", "address": "me@b", "state": "away", "reason": "Connection refused", "heard_ago_s": None}
    assert host_lines([joined, away]) == [
        "HOST  ADDRESS   STATE     NODES      HEARD    LATENCY  CLOCK",
        "far   10.0.0.7  changing  1/2 ready  1 s ago  0.4 ms   +0.00 s",
        "b     me@b      away      0/0 ready  -        -        -        Connection refused",
    ]
    assert host_lines([]) == []
