"""What is struck, and how each is found. A victim is a group of processes that are struck at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.faults.target import Found, Look

Group = tuple[int, ...]
# A PostgreSQL backend that serves a client.
BACKEND = re.compile(r"^postgres: \S+ \S+ (\[local\]|[\d.:a-f]+\(\d+\))")


@dataclass(frozen=True)
class Victim:
    """`find` returns every group that it could be. `returns`: there is one again when all is well. `door`: clients are
    connected to it, and nobody can hide its end from them. `haproxy` is false where there is one only without Serve's
    HAProxy, `driver` a program without which there is none."""

    name: str
    title: str
    find: Callable[[Look], list[Group]]
    returns: bool = True
    door: bool = False
    haproxy: bool = True
    driver: str = ""


def each(found: Iterable[Found]) -> list[Group]:
    return [(one.pid,) for one in found]


def _replicas(look: Look) -> list[Group]:
    serving = look.status.get("serving") or {}
    return [
        (replica["pid"],)
        for application in serving.get("applications") or ()
        for deployment in application["deployments"]
        for replica in deployment["replicas"]
        if replica["pid"] and replica["state"] == "RUNNING"
    ]


def _whole_head(look: Look) -> list[Group]:
    pids = tuple(one.pid for one in look.processes if one.service == "head")
    return [pids] if pids else []


def _keeper(look: Look) -> list[Group]:
    pid = look.status.get("keeper_pid")
    return [(pid,)] if pid else []


def _launchers(*words: str) -> Callable[[Look], list[Group]]:
    """Those in front of a process with one of the words on its command line."""

    def find(look: Look) -> list[Group]:
        return each(one for one in look.processes if one.launches and any(word in one.title for word in words))

    return find


def _postmaster(look: Look) -> list[Group]:
    servers = {one.pid for one in look.of("postgres", "postgres")}
    return each(one for one in look.of("postgres", "postgres") if one.parent not in servers)


def _server(service: str) -> Callable[[Look], list[Group]]:
    return lambda look: each(one for one in look.of(service) if one.comm.endswith("-server"))


AGENTS = ("ray::DashboardAgent", "dashboard/agent.py")
# Idle workers belong to a driver, and end a second after their last work.
DRIVER = """
import time, ray

ray.init(log_to_driver=False)
task = ray.remote(num_cpus=0.1)(lambda: 0)
while True:
    ray.get(task.remote())
    time.sleep(0.3)
"""
RUNTIME_AGENTS = ("ray::RuntimeEnvAgent", "runtime_env/agent/main.py")

VICTIMS = (
    Victim("replica", "a replica", _replicas),
    Victim("idle", "an idle worker process", lambda look: each(look.titled("ray::IDLE")), returns=False, driver=DRIVER),
    Victim("worker-raylet", "a worker node's raylet", lambda look: each(look.of("worker", "raylet"))),
    Victim("gcs", "the GCS", lambda look: each(look.of("head", "gcs_server"))),
    Victim("head-raylet", "the head's raylet", lambda look: each(look.of("head", "raylet"))),
    Victim("head", "the whole head", _whole_head),
    Victim("controller", "Serve's controller", lambda look: each(look.titled("ray::ServeController"))),
    Victim("proxy", "Serve's proxy", lambda look: each(look.titled("ray::ProxyActor")), haproxy=False),
    Victim("manager", "the actor that manages Serve's HAProxy", lambda look: each(look.titled("ray::HAProxyManager"))),
    Victim(
        "haproxy", "Serve's HAProxy", lambda look: each([*look.of("head", "haproxy"), *look.of("worker", "haproxy")])
    ),
    Victim("gateway", "the gateway", lambda look: each(look.of("gateway", "haproxy")), door=True),
    Victim("dashboard", "the dashboard", lambda look: each(look.titled("dashboard/dashboard.py"))),
    Victim("agent", "a worker node's dashboard agent", lambda look: each(look.titled(*AGENTS, service="worker"))),
    Victim(
        "runtime-agent",
        "a worker node's other agent",
        lambda look: each(look.titled(*RUNTIME_AGENTS, service="worker")),
    ),
    Victim("head-agent", "the head's dashboard agent", lambda look: each(look.titled(*AGENTS, service="head"))),
    Victim("log-monitor", "a log monitor", lambda look: each(look.titled("log_monitor.py"))),
    Victim("keeper", "the keeper", _keeper),
    Victim("template", "the warm template", lambda look: each(look.titled("warm/template.py"))),
    Victim("launcher", "the launcher of a worker process", _launchers("default_worker.py"), returns=False),
    Victim("agent-launcher", "the launcher of an agent", _launchers("dashboard/agent.py", "runtime_env/agent")),
    Victim("redis", "Redis", _server("redis")),
    Victim("postmaster", "PostgreSQL's postmaster", _postmaster),
    Victim(
        "backend",
        "one PostgreSQL backend",
        lambda look: each(one for one in look.of("postgres") if BACKEND.match(one.title)),
    ),
)
