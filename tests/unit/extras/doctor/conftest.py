"""A cluster's folders of its own for each test, and cases made for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.records import Records
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, Severity
from daybreak.paths import ClusterPaths
from daybreak.services.site import RayInstall
from daybreak.spec.model import Spec
from daybreak.timeline.status import Snapshot
from tests.helpers import free_port, until

MakeCase = Callable[..., Case]
NAME = "it"


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterPaths]:
    """The folders of the cluster `it`; sockets lie in a short path."""
    runtime = Path(tempfile.mkdtemp(prefix="dbd", dir="/tmp"))
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(runtime))
    made = ClusterPaths.of(NAME)
    made.ensure()
    yield made
    shutil.rmtree(runtime)


@pytest.fixture
def make_case(paths: ClusterPaths, tmp_path: Path) -> MakeCase:
    """A case with a spec from these keys; `ray` is an installed version, the other keywords are the case's own."""

    def make(spec: dict[str, Any] | None = None, *, ray: str = "2.60.0", **rest: Any) -> Case:
        made = Case(paths, Spec.model_validate({"name": NAME, **own_page(spec or {})}), tmp_path, **rest)
        made.__dict__["ray"] = RayInstall(ray, "/opt/python", "/opt/ray", vendored=("/opt/ray/thirdparty_files",))
        return made

    return make


def own_page(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec, with a port for its page that no other cluster of this machine has, unless it says which."""
    return {**spec, "ports": {"page": free_port(), **spec.get("ports", {})}}


def row(name: str, state: str = "ready", **rest: Any) -> dict[str, Any]:
    """One service as the keeper shows it."""
    return {"name": name, "state": state, "health": "healthy", "reason": "", "restarts": 0, **rest}


def snapshot(*rows: dict[str, Any], **rest: Any) -> Snapshot:
    """The keeper's answer."""
    said = {"name": NAME, "keeper_pid": os.getpid(), "run": None, "ray": "2.60.0", "services": list(rows), **rest}
    return Snapshot.from_json(said)


def record(paths: ClusterPaths, service: str, pid: int, **rest: Any) -> Handle:
    """Record a running process as an instance of a service."""
    found = procfs.read(pid)
    assert found
    values: dict[str, Any] = {
        "instance": f"{service}-instance",
        "fingerprint": "f",
        "pid": pid,
        "started_ticks": found.started_ticks,
        "boot_id": procfs.boot_id(),
        "started_wall": 0.0,
    }
    handle = Handle(service=service, tier="app", **values | rest)
    Records(paths.records).save(handle)
    return handle


@contextmanager
def process(*argv: str, **rest: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits until the test is over, whatever its command line claims to be."""
    shell: dict[str, Any] = {"executable": "/bin/sh", "stdin": subprocess.PIPE, "start_new_session": True}
    started = subprocess.Popen([argv[0], "-c", "read line", *argv[1:]], **(shell | rest))
    try:
        # It is there before the kernel has set up what it shows of itself.
        until(lambda: procfs.command_line(started.pid), what="it runs")
        yield started
    finally:
        started.kill()
        started.communicate()


def family(rows: Sequence[procfs.Process]) -> set[int]:
    """This process and those below it: others on this machine are not this test's."""
    found = {os.getpid()}
    while more := {row.pid for row in rows if row.parent in found} - found:
        found |= more
    return found


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of the test's own; for root alone."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


def of(findings: Iterable[Finding], severity: Severity) -> Finding:
    """The first finding of the worst severity, which must be this one; what is wrong must say why and what mends it."""
    made = list(findings)
    for finding in made:
        assert finding.found
        if finding.severity > Severity.OK:
            assert finding.why, finding
        if finding.severity > Severity.NOTE:
            assert finding.mend, finding
    worst = max(made, key=lambda finding: finding.severity)
    assert worst.severity is severity, made
    return worst
