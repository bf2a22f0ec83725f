"""The cluster of the bench on which faults follow one another; a new one where a fault did not heal, and where another
folder is to be small."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import yaml

from bench.commands import Commands, RunFailed
from bench.faults.blow import USUAL, Blow, Kind
from bench.faults.judge import Row
from bench.faults.small import Small
from bench.faults.target import Target
from bench.faults.trial import HEAL_S, LOOK_EVERY_S, NotCalm, Patience, carry_out
from bench.faults.trial import USUAL as PATIENCE
from bench.measure import HOST, SERVE_PORT
from bench.openloop.process import LoopFailed
from bench.restarts.code import LOADED, OLD, app
from bench.scenarios import DEADLINE_S
from bench.systems import DAYBREAK
from daybreak.paths import HOME, RUNTIME, ClusterPaths

NAME = "chaos"
# Waiting until all is well before a fault and after it, the fault itself, and requests that are under way at the end.
FAULT_S = 2 * HEAL_S + 120.0
SERVE: dict[str, Any] = {"applications": [{"import": LOADED.serve_run}]}
SPEC: dict[str, Any] = {
    "databases": {"postgres": {}, "redis": {}},
}


class Stand:
    """`row` makes a cluster where there is none that fits, and strikes it; `close` leaves nothing of it."""

    def __init__(
        self, commands: Commands, workers: int, rate: float, seed: int, offset: int = 0, patience: Patience = PATIENCE
    ) -> None:
        self._commands = commands
        self._workers = workers
        self._rate = rate
        self._offset = offset
        self._patience = patience
        self._chance = Random(seed)
        self._small = Small()
        self._kind: Kind | None = None
        self.clusters = 0

    def up(self, kind: Kind = USUAL) -> None:
        """A new cluster of that kind, with everything there."""
        self.clusters += 1
        self._small.mount({name: self._folders[name] for name in kind.small})
        self._kind = kind
        folder = self._commands.folder / f"app{self.clusters}"
        folder.mkdir()
        (folder / f"{LOADED.serve_run.partition(':')[0]}.py").write_text(app(OLD))
        (folder / "daybreak.yaml").write_text(yaml.safe_dump(self._spec(kind)))
        self._commands.work_in(folder)
        self._commands.allow(DEADLINE_S)
        DAYBREAK.start(self._commands, self._workers, LOADED)

    def row(self, fault: Blow) -> Row:
        """What the fault costs. Raises RunFailed where a new cluster is not well either, or the load broke."""
        if fault.kind.small and (reason := self._small.why_not()):
            return Row(fault.name, fault.title, absent=True, reason=reason)
        if self._kind != fault.kind:
            self._anew(fault.kind)
        try:
            row = self._strike(fault)
        except NotCalm:
            self._anew(fault.kind)
            try:
                row = self._strike(fault)
            except NotCalm as failed:
                raise RunFailed(str(failed)) from None
        if not row.absent and row.healthy_s is None:
            self.close()
        return row

    def close(self) -> None:
        """The cluster is down, and what was mounted for it is not any more."""
        if self._kind:
            self._commands.allow(DEADLINE_S)
            # Of a file system of its own the folder stays: it goes with that.
            words = () if self._small.names else ("--volumes", "--yes")
            try:
                self._commands.run("daybreak", "down", *words)
            finally:
                self._kind = None
                self._small.unmount()

    def _strike(self, fault: Blow) -> Row:
        self._commands.allow(FAULT_S)
        target = Target(self._paths, HOST, SERVE_PORT + self._offset, self._status)
        driver = self._commands.start("daybreak", "run", "--", "python", "-c", fault.driver) if fault.driver else None
        try:
            if driver:
                self._until_there(fault, target)
            return carry_out(fault, target, self._chance, self._rate, self._patience)
        except LoopFailed as failed:
            raise RunFailed(str(failed)) from None
        finally:
            if driver:
                self._commands.interrupt_rest()

    def _until_there(self, fault: Blow, target: Target) -> None:
        while not fault.aim(target, Random(0)):
            self._commands.check()
            time.sleep(LOOK_EVERY_S)

    def _anew(self, kind: Kind) -> None:
        self.close()
        self.up(kind)

    def _spec(self, kind: Kind) -> dict[str, Any]:
        serve = SERVE if kind.haproxy else SERVE | {"haproxy": False}
        state = {} if kind.state == "none" else {"ray": {"state": kind.state}}
        return SPEC | {"name": self._name, "ports": {"offset": self._offset}, "serve": serve} | state

    @property
    def _folders(self) -> dict[str, Path]:
        """What may be small, by its word in `Blow.small`."""
        paths = self._paths
        return {"state": self._commands.daybreak_home, "runtime": self._commands.runtime, "data": paths.data}

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
