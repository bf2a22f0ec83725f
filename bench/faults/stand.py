"""The cluster of the bench on which faults follow one another; a new one where a fault did not heal."""

from __future__ import annotations

import json
import os
from random import Random
from typing import Any
from unittest.mock import patch

import yaml

from bench.commands import Commands, RunFailed
from bench.faults.fault import Fault
from bench.faults.judge import Row
from bench.faults.target import Target
from bench.faults.trial import HEAL_S, NotCalm, carry_out
from bench.measure import HOST, SERVE_PORT, all_nodes, route_answers
from bench.openloop.process import LoopFailed
from bench.openloop.records import SHORT
from bench.restarts.code import LOADED, OLD, app
from bench.scenarios import DEADLINE_S
from bench.systems import DAYBREAK
from daybreak.paths import HOME, RUNTIME, ClusterPaths

NAME = "chaos"
# Waiting until all is well before a fault and after it, the fault itself, and requests that are under way at the end.
FAULT_S = 2 * HEAL_S + 120.0
SPEC = {
    "name": NAME,
    "serve": {"applications": [{"import": LOADED.serve_run}]},
    "databases": {"postgres": {}, "redis": {}},
}


class Stand:
    """`up` makes the cluster, `row` strikes it."""

    def __init__(self, commands: Commands, workers: int, rate: float, seed: int) -> None:
        self._commands = commands
        self._workers = workers
        self._rate = rate
        self._chance = Random(seed)
        self.clusters = 0

    def up(self) -> None:
        """A new cluster, with everything there."""
        self.clusters += 1
        folder = self._commands.folder / f"app{self.clusters}"
        folder.mkdir()
        (folder / f"{LOADED.serve_run.partition(':')[0]}.py").write_text(app(OLD))
        (folder / "daybreak.yaml").write_text(yaml.safe_dump(SPEC | {"name": self._name}))
        self._commands.work_in(folder)
        self._commands.allow(DEADLINE_S)
        DAYBREAK.start(self._commands, self._workers, LOADED)
        nodes = all_nodes(self._workers + 1, self._commands.daybreak_home)
        with nodes as joined, route_answers(SHORT.path) as answered:
            joined.wait(self._commands)
            answered.wait(self._commands)

    def row(self, fault: Fault) -> Row:
        """What the fault costs. Raises RunFailed where a new cluster is not well either, or the load broke."""
        try:
            row = self._strike(fault)
        except NotCalm:
            self._anew()
            try:
                row = self._strike(fault)
            except NotCalm as failed:
                raise RunFailed(str(failed)) from None
        if not row.absent and row.healthy_s is None:
            self._anew()
        return row

    def _strike(self, fault: Fault) -> Row:
        self._commands.allow(FAULT_S)
        try:
            return carry_out(fault, Target(self._paths, HOST, SERVE_PORT, self._status), self._chance, self._rate)
        except LoopFailed as failed:
            raise RunFailed(str(failed)) from None

    def _anew(self) -> None:
        self._commands.run("daybreak", "down", "--volumes", "--yes")
        self.up()

    @property
    def _name(self) -> str:
        return f"{NAME}{self.clusters}"

    @property
    def _paths(self) -> ClusterPaths:
        """As the commands find them."""
        places = {HOME: str(self._commands.daybreak_home), RUNTIME: str(self._commands.runtime)}
        with patch.dict(os.environ, places):
            return ClusterPaths.of(self._name)

    def _status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._commands.run("daybreak", "status", "--json").output())
        return found
