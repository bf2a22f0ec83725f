"""Tests that run beside each other share what they must, and nothing else."""

from __future__ import annotations

import os

import pytest

from tests.conftest import scope
from tests.integration import conftest as integration


def test_a_files_tests_stay_together_and_all_of_the_engine() -> None:
    assert scope("tests/integration/test_warm.py::test_a[1]") == "tests/integration/test_warm.py"
    assert scope("tests/docker/test_prune.py::test_a") == scope("tests/contract/test_backend.py::test_b")


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_processes_beside_each_other_look_for_ports_in_ranges_of_their_own(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds the last port taken each time looks at every port that it may have."""
    ranges = []
    ports = integration.PUBLIC_PORTS
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(count))
    for number in range(count):
        looked: list[int] = []
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        monkeypatch.setattr(
            integration, "is_free", lambda port, looked=looked: looked.append(port) or len(looked) % len(ports)
        )
        with pytest.raises(AssertionError, match="no free ports"):
            integration.free_offset()
        assert len(looked) >= 8000 // count // 10 * len(ports)
        ranges.append(set(looked))
    assert all(not one & other for place, one in enumerate(ranges) for other in ranges[:place])
    assert all(1024 < port < 32768 for looked in ranges for port in looked)


def test_the_ports_of_a_sandbox_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration, "is_free", lambda port: port % 20 == 0)
    monkeypatch.setattr(integration, "PUBLIC_PORTS", (8000,))
    monkeypatch.setattr(os, "getpid", lambda: 12345)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    assert integration.free_offset() % 20 == 0
