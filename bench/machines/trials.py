"""What is timed with several machines: joining, a start with all of them, a restart and the loss of one under load."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import yaml

from bench.commands import BIN, Commands, RunFailed
from bench.machines import login, network
from bench.machines import many as many_hosts
from bench.machines.network import FIRST, Far
from bench.measure import HOST, SERVE_PORT, Watch, all_nodes, first_response, route_answers
from bench.openloop.process import OpenLoop
from bench.openloop.records import LONG, SHORT, STREAM, Settings
from bench.quiet import require_one_stock_cluster
from bench.restarts.code import LOADED, NEW, OLD, app
from bench.scenarios import Measured
from bench.systems import System, stock_stop

NAME = "bench-hosts"
RATE, KINDS = 100.0, (SHORT, LONG, STREAM)
WARM_S, BEFORE_S, AFTER_S = 5.0, 5.0, 15.0
# Each node has one replica of the application that is asked.
ON_EACH_NODE = "num_replicas={nodes}, max_replicas_per_node=1"
GCS_PORT = 6379
MANY_HOSTS = (250, 500, 1000)
MANY_S = 600.0
REST_S, LOOKED_AT_S = 5.0, 20.0


def stop(commands: Commands) -> None:
    """Everywhere, then the network itself."""
    try:
        commands.run("daybreak", "down", "-n", NAME)
        for folder in commands.folder.glob("m[0-9]*"):
            far = Far(commands.folder, int(folder.name[1:]))
            if (folder / "state" / NAME).is_dir():
                commands.run(*far.words("daybreak", "down", "-n", NAME))
    finally:
        network.remove()


def stop_stock(commands: Commands) -> None:
    try:
        stock_stop(commands)
    finally:
        network.remove()


def _nothing(*_: Any) -> None:
    """Each trial starts what it needs itself."""


MANY = System(_nothing, _nothing, stop, keeper=True)
STOCK_MANY = System(_nothing, _nothing, stop_stock, require_one_stock_cluster)


# --- joining ----------------------------------------------------------------------------------------------------------


def join(commands: Commands, machines: int) -> Measured:
    """`daybreak join` on one machine after the other, until its node is alive; then one further worker on the last."""
    fars = network.make(commands.folder, machines)
    _write(commands, {"workers": {"count": 0}})
    with all_nodes(1, commands.daybreak_home) as head:
        commands.run("daybreak", "up")
        head.wait(commands)
    took = []
    for number, far in enumerate(fars, start=1):
        invited = json.loads(commands.run("daybreak", "invite", "--json", "-n", NAME).output())
        words = far.words("daybreak", "join", str(invited["place"]), "--token", str(invited["token"]))
        took.append(_until_alive(commands, number + 1, words))
    more = fars[-1].words("daybreak", "scale", "2", "-n", NAME)
    further_s = _until_alive(commands, machines + 2, more)
    return Measured({"join_s": round(median(took), 3), "further_s": round(further_s, 3)}, _points(took))


def stock_join(commands: Commands, machines: int) -> Measured:
    """The same with `ray start --address`."""
    fars = network.make(commands.folder, machines)
    commands.run("ray", "start", "--head", f"--node-ip-address={FIRST}")
    with all_nodes(1, commands.daybreak_home) as head:
        head.wait(commands)
    took = []
    for number, far in enumerate(fars, start=1):
        start = far.words("ray", "start", f"--address={FIRST}:{GCS_PORT}", f"--node-ip-address={far.address}")
        took.append(_until_alive(commands, number + 1, start))
    again = fars[-1].words("ray", "start", f"--address={FIRST}:{GCS_PORT}", f"--node-ip-address={fars[-1].address}")
    further_s = _until_alive(commands, machines + 2, again)
    return Measured({"join_s": round(median(took), 3), "further_s": round(further_s, 3)}, _points(took))


def _until_alive(commands: Commands, nodes: int, words: Sequence[str]) -> float:
    began_s = time.monotonic()
    with all_nodes(nodes, commands.daybreak_home) as alive:
        commands.run(*words)
        return alive.wait(commands) - began_s


def _points(took: Sequence[float]) -> list[list[float]]:
    return [[number, round(seconds, 3)] for number, seconds in enumerate(took, start=1)]


def many(commands: Commands, _machines: int) -> Measured:
    """What the keeper of the first machine takes with up to a thousand hosts, which are made up.

    The points are (hosts, bytes of the keeper's memory).
    """
    network.make(commands.folder, 0)
    _write(commands, {"workers": {"count": 0}})
    with all_nodes(1, commands.daybreak_home) as head:
        commands.run("daybreak", "up")
        head.wait(commands)
    commands.allow(MANY_S)
    said = json.loads(commands.run("daybreak", "status", "--json", "-n", NAME).output())
    keeper = psutil.Process(int(said["keeper_pid"]))
    points: list[list[float]] = []
    for count in MANY_HOSTS:
        before = int(points[-1][0]) if points else 0
        _let_join(commands, count - before, str(said["ray"]), commands.folder / f"many-{count}")
        time.sleep(REST_S)
        points.append([count, float(keeper.memory_full_info().pss)])
    busy_s = _used_s(keeper)
    time.sleep(LOOKED_AT_S)
    busy_ms = (_used_s(keeper) - busy_s) / LOOKED_AT_S * 1000
    plan = commands.run("daybreak", "plan", "-n", NAME)
    assert plan.returned_s is not None
    values = {"keeper_bytes": points[-1][1], "busy_ms": round(busy_ms, 1), "plan_s": plan.returned_s - plan.began_s}
    return Measured({name: round(value, 3) for name, value in values.items()}, points)


def _let_join(commands: Commands, count: int, ray: str, folder: Path) -> None:
    """Raises RunFailed where they do not join before the deadline."""
    invite = ("daybreak", "invite", "--json", "--uses", str(count), "-n", NAME)
    invited = json.loads(commands.run(*invite).output())
    words = (str(invited["place"]), str(invited["token"]), str(count), ray, str(folder))
    program = commands.start(sys.executable, many_hosts.__file__, *words)
    while many_hosts.READY not in program.output():
        commands.check()
        time.sleep(0.1)


def _used_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


# --- starting ---------------------------------------------------------------------------------------------------------


def up_here(commands: Commands, machines: int) -> Measured:
    """`daybreak up` with as many workers on this machine alone."""
    network.make(commands.folder, 0)
    _write(commands, {"workers": {"count": machines}})
    return _up(commands, machines, ())


def up_by_ssh(commands: Commands, machines: int) -> Measured:
    """`daybreak up` that logs in at each machine, where what it needs is prepared."""
    fars = network.make(commands.folder, machines)
    before = login.let_in(commands, fars)
    _write(commands, {"workers": {"count": 0}, "hosts": by_ssh(fars)})
    return _up(commands, machines, before)


def by_ssh(fars: Sequence[Far]) -> list[Mapping[str, Any]]:
    """As the spec has them; what has this Ray and this daybreak already is used as it is."""
    return [{"ssh": f"root@{far.address}", "name": f"m{far.number}", "python": sys.executable} for far in fars]


def _up(commands: Commands, machines: int, before: Sequence[str]) -> Measured:
    commands.allow(commands.left_s)
    began_s = time.monotonic()
    program = str(BIN / "daybreak") if before else "daybreak"
    with first_response() as answered, all_nodes(machines + 1, commands.daybreak_home) as alive:
        commands.run(*before, program, "up")
        values = {"first_200_s": answered.wait(commands) - began_s, "all_nodes_s": alive.wait(commands) - began_s}
    found = {name: round(value, 3) for name, value in values.items()}
    return Measured(found, commands=commands.times(began_s))


def _write(commands: Commands, values: Mapping[str, Any], code: str | None = None) -> Path:
    """The spec in the folder in which commands run, with the trivial application or this one."""
    folder = commands.folder / "app"
    folder.mkdir(exist_ok=True)
    application = LOADED.serve_run if code else "app:main"
    serve = {"applications": [{"import": application}]}
    spec = {"name": NAME, "address": FIRST, "head": {"cpus": 1}, "serve": serve, **values}
    (folder / "daybreak.yaml").write_text(yaml.safe_dump(spec))
    if code:
        (folder / "loaded.py").write_text(code)
    else:
        (folder / "app.py").write_text((Path(__file__).parents[1] / "app" / "app.py").read_text())
    commands.work_in(folder)
    return folder


# --- under load -------------------------------------------------------------------------------------------------------


def restart(commands: Commands, machines: int) -> Measured:
    """`daybreak restart` with new code, replicas on every machine."""
    _serve(commands, machines)
    with OpenLoop(Settings(HOST, SERVE_PORT, RATE, KINDS)) as load:
        time.sleep(WARM_S + BEFORE_S)
        (commands.folder / "app" / "loaded.py").write_text(_on_each(machines, NEW))
        began_s = time.monotonic()
        commands.run("daybreak", "restart", "-n", NAME)
        returned_s = time.monotonic()
        time.sleep(AFTER_S)
    during = load.report().since(began_s)
    if during.first_answer_s(NEW) is None:
        raise RunFailed(f"the new code does not answer\n{during}")
    return Measured(
        {
            "requests_count": len(during.requests),
            "failed_count": during.failed,
            "command_s": round(returned_s - began_s, 3),
            "slowest_s": round(during.slowest_s or 0.0, 3),
        },
        details={"failures": [asdict(request) for request in during.failures[:20]]},
    )


def lost(commands: Commands, machines: int) -> Measured:
    """A machine's cable goes out while its replica serves; short requests, which may be sent twice."""
    fars = _serve(commands, machines)
    with OpenLoop(Settings(HOST, SERVE_PORT, RATE, (SHORT,))) as load:
        time.sleep(WARM_S + BEFORE_S)
        began_s = time.monotonic()
        fars[-1].plug(into=False)
        time.sleep(2 * AFTER_S)
        fars[-1].plug(into=True)
    during = load.report().since(began_s)
    slow = [request for request in during.requests if during.delay_s(request) > 1.0 or request in during.failures]
    moved_s = max((request.due_s for request in slow), default=began_s) - began_s
    return Measured(
        {
            "requests_count": len(during.requests),
            "failed_count": during.failed,
            "slowest_s": round(during.slowest_s or 0.0, 3),
            "moved_s": round(moved_s, 3),
        },
        details={"failures": [asdict(request) for request in during.failures[:20]]},
    )


def _serve(commands: Commands, machines: int) -> list[Far]:
    """A head and a worker on each machine, a replica on every node."""
    fars = network.make(commands.folder, machines)
    before = login.let_in(commands, fars)
    _write(commands, {"workers": {"count": 0}, "hosts": by_ssh(fars)}, _on_each(machines, OLD))
    answered: Watch = route_answers(SHORT.path)
    with all_nodes(machines + 1, commands.daybreak_home) as alive, answered:
        commands.run(*before, str(BIN / "daybreak"), "up")
        alive.wait(commands)
        answered.wait(commands)
    return fars


def _on_each(machines: int, version: str) -> str:
    text, replicas = app(version), "num_replicas=2"
    assert replicas in text
    return text.replace(replicas, ON_EACH_NODE.format(nodes=machines + 1))
