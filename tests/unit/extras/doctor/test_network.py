"""Ports, proxies, names and open doors: with real sockets, real servers and real look-ups."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import procfs
from daybreak.extras.doctor.diagnoses import exposed, hostname, ipv6, loopback, ports, proxies
from daybreak.extras.doctor.finding import Severity
from daybreak.machine.listeners import Socket, sockets
from daybreak.paths import ClusterPaths
from tests.helpers import DEADLINE_S, free_port, until
from tests.unit.extras.doctor.conftest import MakeCase, family, of, row, snapshot

LOOKS_AT_THE_RELAY = 10


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    """Its port, at which nobody listens at another address either."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, free_port()))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_taken_port_is_told_with_its_owner_and_an_offset_that_works(make_case: MakeCase) -> None:
    spec = {"ports": {"dashboard": free_port(), "serve": free_port()}}
    with listening("0.0.0.0") as port:
        asked = {"ports": {**spec["ports"], "gcs": port}}
        found = of(ports.look(make_case(asked)), Severity.ERROR)
        assert f"port {port} (GCS) is in use by" in found.found
        assert f"(pid {os.getpid()})" in found.found
        offset = found.mend[0].removeprefix("daybreak up --port-offset ")
        asked["ports"]["offset"] = int(offset)
        of(ports.look(make_case(asked)), Severity.OK)
        # Where nothing but defaults asks for the port, it is not in anybody's way yet.
        of(ports.look(make_case(asked | {"ports": {**spec["ports"], "gcs": port}}, given=False)), Severity.WARNING)


def test_a_taken_port_that_does_not_move_with_the_offset(make_case: MakeCase) -> None:
    with listening() as port:
        service = {"command": ["api"], "ports": [port]}
        asked = {"ports": {"gcs": free_port(), "dashboard": free_port()}, "services": {"api": service}}
        found = of(ports.look(make_case(asked)), Severity.ERROR)
    assert f"port {port} (api)" in found.found
    assert found.mend == (f"kill {os.getpid()}", "# or write another port as services.api.ports")


def test_the_port_of_a_serve_config_file_counts(make_case: MakeCase, tmp_path: Path) -> None:
    with listening() as port:
        apps = "applications: [{import_path: app:main}]"
        (tmp_path / "serve.yaml").write_text(f"http_options: {{port: {port}}}\n{apps}\n")
        case = make_case({"serve": {"config": "serve.yaml"}, "ports": {"gcs": free_port(), "dashboard": free_port()}})
        found = of(ports.look(case), Severity.ERROR)
        assert f"port {port} (Serve)" in found.found
        assert found.mend[-1] == "# or write another port as http_options.port of serve.yaml"


def test_what_the_cluster_itself_holds_is_no_obstacle_and_another_cluster_is_named(
    make_case: MakeCase, paths: ClusterPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"ports": {"dashboard": free_port(), "serve": free_port()}}
    with listening("0.0.0.0") as port:
        asked["ports"]["gcs"] = port
        monkeypatch.chdir(paths.root)  # a process in the cluster's folder is the cluster's
        of(ports.look(make_case(asked)), Severity.OK)
        other = tmp_path / "home/other/services"
        other.mkdir(parents=True)
        monkeypatch.chdir(other)
        found = of(ports.look(make_case(asked)), Severity.ERROR)
        assert f"port {port} (GCS) is in use by cluster other (" in found.found
        assert f"pid {os.getpid()})" in found.found
        assert "daybreak down -n other" in found.mend


# Every process hands its socket to a child and ends, as HAProxy when it is reloaded; over when its input is closed.
RELAY = """
import os, select, socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while not select.select([0], [], [], 0.02)[0]:
    if os.fork():
        os._exit(0)
"""


def test_a_server_of_ours_that_is_reloaded_meanwhile_is_no_stranger(make_case: MakeCase, paths: ClusterPaths) -> None:
    relay = subprocess.Popen(
        [sys.executable, "-c", RELAY], cwd=paths.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert relay.stdin
    assert relay.stdout
    with relay.stdin, relay.stdout:
        port = int(relay.stdout.readline())
        case = make_case({"ports": {"gcs": free_port(), "dashboard": port}})
        for _ in range(LOOKS_AT_THE_RELAY):
            of(ports.look(case), Severity.OK)
    relay.wait()


def test_the_ports_of_the_page_and_of_all_databases_count(make_case: MakeCase) -> None:
    ports_of = {"gcs": free_port(), "dashboard": free_port(), "page": free_port()}
    for purpose, title in (("page", "page"), ("mysql", "MySQL"), ("neo4j", "Neo4j")):
        with listening() as port:
            asked: dict[str, Any] = {"ports": ports_of, "prometheus": False}
            if purpose == "page":
                asked["ports"] = {**ports_of, "page": port}
            else:
                asked |= {"databases": {purpose: {"port": port}}, "backend": "docker"}
            found = of(ports.look(make_case(asked)), Severity.ERROR)
            assert found.found.startswith(f"port {port} ({title}) is in use by")


def test_where_prometheus_cannot_listen_it_is_a_warning(
    make_case: MakeCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    free = {"gcs": free_port(), "dashboard": free_port(), "page": free_port()}
    with listening() as port:
        asked = {"ports": {**free, "prometheus": port}}
        found = of(ports.look(make_case(asked)), Severity.WARNING)
        assert found.found.startswith(f"prometheus: not started: port {port} is in use by")
        of(ports.look(make_case(asked, given=False)), Severity.NOTE)
        of(ports.look(make_case(asked | {"prometheus": False})), Severity.OK)


def test_a_machine_that_does_not_reach_itself(make_case: MakeCase, monkeypatch: pytest.MonkeyPatch) -> None:
    of(loopback.look(make_case()), Severity.OK)

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr("socket.socket.connect", refuse)
    first, *_ = list(loopback.look(make_case()))
    assert first.severity is Severity.ERROR
    assert first.found == "this machine does not reach itself at 127.0.0.1: Network is unreachable"
    assert first.mend[0] == loopback.UP


def test_a_proxy_that_catches_this_machine(make_case: MakeCase) -> None:
    caught = {"http_proxy": "http://user:secret@proxy.example:3128", "no_proxy": "example.org"}
    found = of(proxies.look(make_case(environment=caught)), Severity.WARNING)
    assert found.found == "http_proxy (proxy.example:3128) catches 127.0.0.1, localhost, 127.0.0.2"
    assert "secret" not in str(found)
    kept = subprocess.run(["sh", "-c", f"{found.mend[0]}; env"], env=caught, capture_output=True, text=True, check=True)
    mended = dict(line.split("=", 1) for line in kept.stdout.splitlines() if "=" in line)
    of(proxies.look(make_case(environment=mended)), Severity.OK)
    assert "example.org" in mended["no_proxy"]


@pytest.mark.parametrize("no_proxy", ["*", "localhost,127.0.0.0/8", "localhost, 127.0.0.1, 127.0.0.2"])
def test_exceptions_of_every_kind_are_understood(no_proxy: str) -> None:
    assert list(proxies.judge({"https_proxy": "proxy:1", "NO_PROXY": no_proxy}, "requests")) == []


def test_exceptions_that_leave_one_address_out() -> None:
    found = of(
        proxies.judge({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "localhost,127.0.0.1"}, "requests"), Severity.WARNING
    )
    assert found.found == "ALL_PROXY (p:1) catches 127.0.0.2"


def test_the_keepers_proxy_is_told_apart_from_the_shells(make_case: MakeCase) -> None:
    started = subprocess.Popen(["sleep", "60"], env={"http_proxy": "http://old:1"})
    try:
        # `Popen` returns a moment before the program has its environment.
        until(lambda: Path(f"/proc/{started.pid}/environ").read_bytes(), what="it runs")
        case = make_case(environment={}, snapshot=snapshot(row("head"), keeper_pid=started.pid))
        assert "your own services" in of(proxies.look(case), Severity.WARNING).why
    finally:
        started.kill()
        started.wait()


def test_a_name_that_does_not_resolve() -> None:
    # This top-level domain has no names (RFC 6761).
    found = of(hostname.judge("no-such-machine.invalid"), Severity.WARNING)
    assert "no-such-machine.invalid does not resolve" in found.found
    assert "/etc/hosts" in found.mend[0]
    of(hostname.judge("127.0.0.1"), Severity.OK)


def test_a_name_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 105.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    assert "after 5.00 s" in of(hostname.judge("127.0.0.1"), Severity.WARNING).found


@pytest.mark.parametrize(
    ("addresses", "severity"),
    [
        (["127.0.0.1"], Severity.OK),
        (["::1", "127.0.0.1"], Severity.OK),
        (["::1"], Severity.WARNING),
        ([], Severity.ERROR),
        (["10.0.0.7"], Severity.ERROR),
    ],
)
def test_what_localhost_may_mean(addresses: list[str], severity: Severity) -> None:
    of(ipv6.judge(addresses), severity)


def has_ipv6() -> bool:
    try:
        with listening("::1"):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_stranger_on_the_other_loopback_address(make_case: MakeCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipv6, "resolve", lambda: ["::1", "127.0.0.1"])
    with listening("::1") as port:
        case = make_case({"ports": {"dashboard": port, "gcs": free_port()}}, snapshot=snapshot(row("head")))
        found = of(ipv6.look(case), Severity.WARNING)
        assert f"(pid {os.getpid()}) listens on [::1]:{port}, the port of dashboard" in found.found
        assert found.mend == (f"kill {os.getpid()}",)
    assert "where the cluster does not listen" in of(ipv6.look(case), Severity.NOTE).found


def test_this_machines_localhost_is_asked_for(make_case: MakeCase) -> None:
    assert set(ipv6.resolve()) & {"127.0.0.1", "::1"}
    assert list(ipv6.look(make_case()))


DASHBOARD = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = {"open": (200, b"[]"), "token": (401, b"no token"), "metrics": (200, b"# HELP x")}[sys.argv[2]]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = http.server.HTTPServer((sys.argv[1], 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what this test's processes listen on is looked at: other tests have dashboards that answer everybody."""

    def ours() -> list[Socket]:
        pids = family(list(procfs.processes()))
        return [one for one in sockets() if one.holder.pid in pids]

    monkeypatch.setattr(exposed, "sockets", ours)


@contextmanager
def dashboard(folder: Path, address: str, kind: str) -> Iterator[tuple[int, int]]:
    """Somebody's dashboard: a server with the command line of Ray's. Yields its pid and its port."""
    program = folder / "ray/dashboard/dashboard.py"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(DASHBOARD)
    started = subprocess.Popen([sys.executable, str(program), address, kind], stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout
        yield started.pid, int(started.stdout.readline())
    finally:
        started.kill()
        started.communicate()


@pytest.mark.usefixtures("alone")
def test_a_dashboard_that_answers_everybody(
    make_case: MakeCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposed, "TIMEOUT_S", DEADLINE_S)
    with dashboard(tmp_path, "0.0.0.0", "open") as (pid, port):
        found = of(exposed.look(make_case()), Severity.ERROR)
        assert f"(pid {pid}) answers everybody on 0.0.0.0:{port}, without a token" in found.found
        assert found.mend[0] == f"kill {pid}"


@pytest.mark.parametrize(
    ("address", "kind"), [("127.0.0.1", "open"), ("0.0.0.0", "token"), ("0.0.0.0", "metrics")], ids=" ".join
)
def test_doors_that_are_closed(make_case: MakeCase, tmp_path: Path, address: str, kind: str) -> None:
    with dashboard(tmp_path, address, kind) as (pid, _):
        assert all(str(pid) not in finding.found for finding in exposed.look(make_case()))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("listen", "ray", "runs", "severity"),
    [
        ("127.0.0.1", "2.60.0", True, Severity.OK),
        ("0.0.0.0", "2.60.0", True, Severity.NOTE),
        ("localhost", "2.60.0", False, Severity.OK),
    ],
)
def test_what_the_spec_opens(make_case: MakeCase, listen: str, ray: str, runs: bool, severity: Severity) -> None:
    of(exposed.look(make_case({"listen": listen}, ray=ray, snapshot=snapshot(row("head")) if runs else None)), severity)


@pytest.mark.parametrize(("runs", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)])
def test_a_jobs_api_for_other_hosts_without_a_token(make_case: MakeCase, runs: bool, severity: Severity) -> None:
    case = make_case({"listen": "0.0.0.0"}, ray="2.20.0", snapshot=snapshot(row("head")) if runs else None)
    assert severity in {one.severity for one in exposed.look(case) if one.found.startswith("listen is 0.0.0.0")}


@pytest.mark.parametrize(
    ("ray", "runs", "severity", "sources"),
    [
        ("2.20.0", True, Severity.ERROR, ["CVE-2023-48022", "CVE-2025-62593"]),
        ("2.51.2", False, Severity.WARNING, ["CVE-2023-48022", "CVE-2025-62593"]),
        ("2.57.1", True, Severity.ERROR, ["65189"]),
    ],
)
def test_a_ray_with_known_holes(
    make_case: MakeCase, ray: str, runs: bool, severity: Severity, sources: Sequence[str]
) -> None:
    case = make_case(ray=ray, snapshot=snapshot(row("head")) if runs else None)
    found = [one for one in exposed.look(case) if one.found.startswith(f"Ray {ray}: ")]
    assert [one.severity for one in found] == [severity] * len(sources)
    assert all(source in one.why for source, one in zip(sources, found, strict=True))


def test_containers_in_a_network_of_their_own_are_reached_by_nobody(make_case: MakeCase) -> None:
    def told(network: str) -> list[str]:
        case = make_case({"backend": "docker", "docker": {"network": network}}, ray="2.57.1")
        return [one.found for one in exposed.look(case) if one.found.startswith("Ray ")]

    assert not told("bridge")
    assert told("host")


def test_which_sockets_only_this_machine_reaches() -> None:
    with listening("127.0.0.2") as local, listening("0.0.0.0") as open_to_all:
        found = {place.port: place for place in sockets()}
    assert found[local].is_local
    assert not found[open_to_all].is_local
    assert found[local].holder.pid == os.getpid()
