"""What the keeper asks of the template, and what the template tells of itself."""

import json
import os
import traceback
from typing import Any, Callable, Dict, List

from ..common.whole_file import write_json
from . import connections, forks, imported, registry, turns


class Orders:
    """Every order is answered with the state; `forget` ends the connection then."""

    def __init__(
        self,
        settings: Dict[str, Any],
        have: imported.Imported,
        made: forks.Forks,
        waiting: turns.Turns,
        say: Callable[[str], None],
        forget: Callable[[connections.Launcher], None],
    ) -> None:
        self._settings = settings
        self._have = have
        self._forks = made
        self._turns = waiting
        self._say = say
        self._forget = forget
        self._imports: List[connections.Launcher] = []
        self.stage = "submitted"
        # Do workers begin with the priority that they will have?
        self.low = False
        # Is there time to make spares?
        self.spares = False
        self._file = f"{settings['folder']}/{registry.STATE}"
        self._told = True

    def take(self, asker: connections.Launcher) -> None:
        """Do what is ordered; imports are left for `import_modules`."""
        order = asker.request
        assert order is not None
        try:
            if order["order"] == "import":
                self._imports.append(asker)
                return
            if order["order"] == "hold":
                self._turns.held_back.hold(order["seconds"])
            elif order["order"] == "release":
                self._turns.held_back.end(order.get("but_last", False))
                self._turns.release()
            elif order["order"] == "low":
                self.low = bool(order["on"])
            elif order["order"] == "spares":
                self.spares = True
            self._obeyed(asker)
        except Exception as error:
            self._failed(asker, error)

    def import_modules(self) -> None:
        """Outside of the template's turn, since imports take turns of their own: an outer one would go on with what
        they have handled already, and wait for it."""
        while self._imports:
            asker = self._imports.pop(0)
            assert asker.request is not None
            try:
                self._have.load(asker.request["modules"])
                self.spares = self.spares or bool(self._forks.spares.pids)
                self.tell_state()
                self._obeyed(asker)
            except Exception as error:
                self._failed(asker, error)

    def _obeyed(self, asker: connections.Launcher) -> None:
        asker.answer(b"J", text=json.dumps({**self._state(), "loaded": self._have.names}))
        self._forget(asker)

    def _failed(self, asker: connections.Launcher, error: Exception) -> None:
        self._say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        asker.answer(b"R", text=f"{type(error).__name__}: {error}")
        self._forget(asker)

    def _state(self) -> Dict[str, Any]:
        have = self._have
        return {
            "pid": os.getpid(),
            "warm": self._turns.warm,
            "modules": len(have.names),
            "threads": len(os.listdir("/proc/self/task")),
            "forks": self._forks.made,
            "running": len(self._forks.running),
            "spares": self._forks.spares.pids,
            "held_back": self._turns.held_back.count,
            "listening": self._turns.listening,
            "failed": have.failed,
            "stage": self.stage,
            "reason": "",
            "error": [],
            "instance": self._settings["instance"],
            "environment": self._settings.get("environment", ""),
            "variables": have.variables.marks(),
            "prefixes": have.variables.prefixes(),
        }

    def tell_state(self) -> None:
        """In the file that the keeper's check looks for."""
        try:
            # The keeper may be of another account than a container's template.
            write_json(self._file, self._state(), mode=0o666)
            self._told = True
        except OSError as error:
            if self._told:
                self._say(f"cannot tell its state: {error}")
            self._told = False

    def tell_again(self) -> None:
        """Where that has failed, or the file has been deleted."""
        if not self._told or not os.path.exists(self._file):
            self.tell_state()
