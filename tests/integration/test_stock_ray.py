"""The doctor beside a Ray cluster that somebody else started, and left half-way."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.helpers import has_gone, until
from tests.integration.conftest import Sandbox
from tests.integration.stock import Stock, stock_head
from tests.integration.test_doctor import looked_whatever

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    """Its dashboard listens everywhere and asks nobody for a token, as many guides have it."""
    with stock_head("--dashboard-host=0.0.0.0") as made:
        yield made


def findings(sandbox: Sandbox, diagnosis: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = looked_whatever(sandbox)[diagnosis]["findings"]
    return found


def about(found: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Those that speak of this: other clusters of this machine are not this test's."""
    return [one for one in found if text in one["found"]]


def test_an_open_dashboard_is_an_error_and_a_living_cluster_no_orphan(stock: Stock, sandbox: Sandbox) -> None:
    def told() -> list[dict[str, Any]]:
        return about(findings(sandbox, "exposed"), f":{stock.ports['dashboard-port']},")

    found = until(told, what="the open dashboard is told")[0]
    assert found["severity"] == "error"
    assert "answers everybody on 0.0.0.0" in found["found"]
    assert "CVE-2023-48022" in found["why"]
    owner = int(found["mend"][0].removeprefix("kill "))
    assert owner in {process.pid for process in stock.processes()}
    assert about(findings(sandbox, "orphans"), f"({stock.pid('raylet')})") == []


def test_its_ports_are_told_with_their_owner(stock: Stock, sandbox: Sandbox) -> None:
    sandbox.write(f"workers: {{count: 0}}\nports: {{offset: 0, gcs: {stock.ports['port']}}}\n")
    text = (sandbox.folder / "daybreak.yaml").read_text().replace(f"ports: {{offset: {sandbox.offset}}}\n", "")
    (sandbox.folder / "daybreak.yaml").write_text(text)
    error = about(findings(sandbox, "ports"), f"port {stock.ports['port']} (GCS) is in use by gcs_server")
    assert f"(pid {stock.pid('gcs_server')})" in error[0]["found"]


def test_what_is_left_after_its_gcs_are_orphans_and_the_command_ends_them(stock: Stock, sandbox: Sandbox) -> None:
    left = [process for process in stock.processes() if process.pid != stock.pid("gcs_server")]
    raylet = stock.pid("raylet")
    os.kill(stock.pid("gcs_server"), signal.SIGKILL)

    def told() -> list[dict[str, Any]]:
        mine = [one for one in findings(sandbox, "orphans") if str(raylet) in " ".join(one["mend"]).split()]
        return about(mine, "of somebody else's without GCS or raylet")

    found = until(told, what="the raylet is told as an orphan")[0]
    assert found["severity"] == "warning"
    kill, force, *pids = found["mend"][-1].split()
    assert (kill, force) == ("kill", "-9")
    mine = [process for process in left if str(process.pid) in pids]
    assert raylet in {process.pid for process in mine}
    for process in mine:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    until(lambda: all(has_gone(process) for process in mine), what="what was named has ended")
    assert about(findings(sandbox, "orphans"), f"({raylet})") == []
