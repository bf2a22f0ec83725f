"""A dashboard or jobs API that other hosts can reach without a token: whoever reaches it runs code here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

from daybreak.backends.process import procfs
from daybreak.errors import DaybreakError
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.health import http
from daybreak.hosts import is_loopback
from daybreak.machine.listeners import Socket, sockets
from daybreak.services.ray.holes import holes
from daybreak.services.ray.serve_config import serving

DASHBOARD = ("ray/dashboard/dashboard.py", "ray-dashboard")
TIMEOUT_S = 0.8
WHY = "the jobs API runs any command for whoever asks (CVE-2023-48022)"


def look(case: Case) -> Iterator[Finding]:
    """What the spec asks for, then what really answers on this machine, whoever started it."""
    open_to_all = [found for found in sockets() if not found.is_local]
    findings = [*_of_spec(case), *_of_ray(case), *_of_serve(case, open_to_all)]
    findings += [one for found in open_to_all if _is_dashboard(found) for one in _of_socket(found, case)]
    yield from findings or [ok("neither a dashboard nor Serve is reachable from other hosts")]


def _of_spec(case: Case) -> Iterator[Finding]:
    try:
        tokens = case.ray.has_token_auth and case.spec.ray.auth
    except DaybreakError:
        return  # without Ray nothing can be reached
    local = is_loopback(case.spec.listen)
    if case.ray.knows_tokens and not case.spec.ray.auth:
        again = case.command("restart" if case.running else "up")
        yield (error if case.running else warning)(
            "ray.auth is false: whoever reaches the dashboard or a gRPC port runs code as you",
            f"{WHY}; a web page in a browser on this machine can do so as well (CVE-2025-62593)",
            f"# remove `auth: false` from the spec, let clients send the token (daybreak env), then {again}",
        )
    newer = f'{case.ray.python} -m pip install "ray[default,serve]>=2.52"'
    close = f"# `listen: 127.0.0.1` in the spec, then {case.command('restart' if case.running else 'up')}"
    if not local and case.spec.dashboard and not tokens:
        say = error if case.running else warning
        yield say(f"listen is {case.spec.listen}, and Ray {case.ray.version} knows no token", WHY, close, newer)
    elif not local and case.spec.dashboard:
        yield note(
            f"listen is {case.spec.listen}: other hosts reach the dashboard, which asks for the token",
            "the token goes over the network as it is; a proxy with TLS in front of Serve's port is safer",
            close,
        )


def _of_ray(case: Case) -> Iterator[Finding]:
    """What this version of Ray leaves open. Containers in a network of their own are reached by nobody else."""
    try:
        found = holes(case.ray)
    except DaybreakError:
        return
    if case.spec.in_containers and case.spec.docker.network == "bridge":
        return
    say = error if case.running else warning
    for hole in found:
        yield say(
            f"Ray {case.ray.version}: {hole.harm}",
            f"{hole.source}; Ray has no option for the address of its gRPC ports",
            f'{case.ray.python} -m pip install "ray[default,serve]>={hole.fixed_in}"',
            "# until then let a firewall close what is not on the loopback interface",
        )


def _of_serve(case: Case, open_to_all: Sequence[Socket]) -> Iterator[Finding]:
    """Doors of Serve that are wider than `listen`: Ray has no option for the address of its gRPC proxy."""
    if not (is_loopback(case.spec.listen) and case.spec.serve.wanted) or case.spec.in_containers:
        return
    try:
        door = serving(case.spec, case.serving)
    except DaybreakError:
        return
    purposes = {door.port: "HTTP", door.grpc_port: "gRPC"}
    ours = case.owns
    found = {one.port: one for one in open_to_all if one.port in purposes and ours(one.holder)}
    for port, one in found.items():
        yield warning(
            f"Serve's {purposes[port]} port {port} listens on {one.address}, although listen is {case.spec.listen}",
            "whoever reaches it calls the applications, without a token",
            f"sudo iptables -I INPUT ! -i lo -p tcp --dport {port} -j DROP",
        )
    if door.grpc_port and not case.running:
        yield note(
            f"Serve's gRPC port {door.grpc_port} will listen on all interfaces, whatever listen says",
            "Ray has no option for its address; behind HAProxy it is the replicas' ports that are open",
            f"sudo iptables -I INPUT ! -i lo -p tcp --dport {door.grpc_port} -j DROP",
        )


def _is_dashboard(found: Socket) -> bool:
    """Of any Ray on this machine."""
    line = procfs.command_line(found.holder.pid) if found.holder.pid else ""
    return any(part in line for part in DASHBOARD)


def _of_socket(found: Socket, case: Case) -> Iterator[Finding]:
    """Ask it as a stranger would; only one that lists its jobs without a token is open."""
    if not asyncio.run(_lists_jobs(found)):
        return
    ours = case.owns(found.holder)
    yield error(
        f"the dashboard of {found.holder} answers everybody on {found.address}:{found.port}, without a token",
        WHY,
        case.command("down") if ours else f"kill {found.holder.pid}",
        "# start it again with `listen: 127.0.0.1`" if ours else "# start it again with --dashboard-host=127.0.0.1",
    )


async def _lists_jobs(found: Socket) -> bool:
    """Does it list the jobs for somebody without a token? Its exporter of metrics answers everything with metrics."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(found.address, found.address)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await http.get(f"http://{host}:{found.port}/api/jobs/")
        return answer.status == http.OK and isinstance(json.loads(answer.text), list)
    except (OSError, TimeoutError, ValueError):
        return False
